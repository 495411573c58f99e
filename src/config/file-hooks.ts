/**
 * The hooks of a config file. Apart from load.ts, because a worker needs nothing else of it.
 */
import { inspect } from 'node:util'
import { HornetError } from '../errors.js'
import { type ConfigFile, readConfigFile } from './config-file.js'
import { type Hooks, hookNames } from './hooks.js'

// A config file is a module of the operator: it may wait for something, but the server cannot wait for it without end.
export const configTimeoutMs = 30_000

/** @throws HornetError `ERR_HORNET_CONFIG` when one is no function. */
export function fileHooks(file: ConfigFile | undefined): Hooks {
  const hooks: Record<string, unknown> = {}
  for (const name of hookNames) {
    const hook = file?.content[name]
    if (hook === undefined) continue
    if (typeof hook !== 'function') {
      throw new HornetError('ERR_HORNET_CONFIG', `${file?.path}: ${name}: ${inspect(hook)} is not a function`)
    }
    hooks[name] = hook
  }
  return hooks as Hooks // functions of those names, by the loop above
}

/**
 * The hooks of a config file, for a worker.
 *
 * @throws HornetError `ERR_HORNET_CONFIG` when the file cannot be read.
 */
export async function readHooks(path: string): Promise<Hooks> {
  return fileHooks(await readConfigFile(path, configTimeoutMs))
}
