/**
 * All checks, by area. An area's checks run side by side: each has servers and clients of its own.
 */
import { checks as body } from './checks/body.js'
import { checks as close } from './checks/close.js'
import { checks as connection } from './checks/connection.js'
import { checks as expect } from './checks/expect.js'
import { checks as faults } from './checks/faults.js'
import { checks as headers } from './checks/headers.js'
import { checks as incoming } from './checks/incoming.js'
import { checks as listen } from './checks/listen.js'
import { checks as module } from './checks/module.js'
import { checks as options } from './checks/options.js'
import { checks as output } from './checks/output.js'
import { checks as socket } from './checks/socket.js'
import { checks as tracing } from './checks/tracing.js'
import { checks as upgrade } from './checks/upgrade.js'
import type { Check } from './stage.js'

/** Two cores: more would measure the scheduler. */
export const concurrency = 8

export const areas: readonly [area: string, checks: readonly Check[]][] = [
  ['module', module],
  ['listen', listen],
  ['close', close],
  ['options', options],
  ['incoming', incoming],
  ['body', body],
  ['headers', headers],
  ['output', output],
  ['connection', connection],
  ['socket', socket],
  ['upgrade', upgrade],
  ['expect', expect],
  ['faults', faults],
  ['tracing', tracing],
]
