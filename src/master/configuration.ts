/**
 * Everything that is read at the start and again by a reload, and what a reload may change of it.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Hooks } from '../config/hooks.js'
import type { Origins } from '../config/load.js'
import { type SettingKey, type Settings, settingEntries } from '../config/settings.js'
import type { AppSpec } from '../protocol.js'
import { fixedLimits, type PoolLimits } from './pool.js'
import type { TlsFiles } from './tls.js'

export interface Configuration {
  settings: Settings
  origins: Origins
  app: AppSpec
  hooks: Hooks
  /** The config file, when there is one. */
  configPath: string | undefined
  /** With --certfile, once the files were read. */
  tls?: TlsFiles
}

export interface Reconfiguration {
  configuration: Configuration
  /** Flags of what was changed but stays as it is until the process is another one. */
  unchangeable: string[]
}

/** `next` as far as it can take effect in a server that runs with `current`. */
export function reconfigure(current: Configuration, next: Configuration): Reconfiguration {
  const kept: Partial<Record<SettingKey, unknown>> = {}
  const unchangeable: string[] = []
  const switchesTls = (current.settings.certfile === undefined) !== (next.settings.certfile === undefined)
  for (const [key, setting] of settingEntries) {
    const isFixed = setting.needsRestart || (switchesTls && setting.group === 'TLS')
    if (!isFixed || isDeepStrictEqual(current.settings[key], next.settings[key])) continue
    kept[key] = current.settings[key]
    unchangeable.push(setting.flag)
  }
  return { configuration: { ...next, settings: { ...next.settings, ...kept } as Settings }, unchangeable }
}

/** Workers to begin with. */
export function firstWorkers({ workers, minWorkers, maxWorkers }: Settings): number {
  return maxWorkers === 0 ? workers : Math.min(Math.max(workers, minWorkers), maxWorkers)
}

export function poolLimits({ bootTimeoutMs, gracefulTimeoutMs, workerLifetimeMs }: Settings): PoolLimits {
  return { ...fixedLimits, bootTimeoutMs, gracefulTimeoutMs, workerLifetimeMs }
}
