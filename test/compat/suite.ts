/**
 * All checks, by area. An area's checks run side by side: each has servers and clients of its own.
 */
import { checks as close } from './checks/close.js'
import { checks as listen } from './checks/listen.js'
import { checks as module } from './checks/module.js'
import { checks as options } from './checks/options.js'
import type { Check } from './stage.js'

/** Two cores: more would measure the scheduler. */
export const concurrency = 8

export const areas: readonly [area: string, checks: readonly Check[]][] = [
  ['module', module],
  ['listen', listen],
  ['close', close],
  ['options', options],
]
