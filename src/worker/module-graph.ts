/**
 * Which files the application consists of, for `--reload`: every module that is loaded, now and later, is told to the
 * master. Packages it only uses (node_modules) are not.
 */

import * as nodeModule from 'node:module'
import { createRequire, register } from 'node:module'
import { fileURLToPath } from 'node:url'
import { MessageChannel } from 'node:worker_threads'

type Tell = (paths: string[]) => void

/** Not yet in the types of Node 20: runs in this thread, for import and require alike. */
type RegisterHooks = (hooks: { load: (url: string, context: unknown, next: Load) => unknown }) => unknown
type Load = (url: string, context: unknown) => unknown

/** Call before the application is loaded. */
export function tellModules(tell: Tell): void {
  const note = (url: string) => {
    const path = applicationPath(url)
    if (path !== undefined) tell([path])
  }
  const { registerHooks } = nodeModule as { registerHooks?: RegisterHooks }
  if (registerHooks) {
    registerHooks({
      load(url, context, next) {
        note(url)
        return next(url, context)
      },
    })
    return
  }
  const { port1, port2 } = new MessageChannel()
  port1.on('message', note)
  port1.unref()
  register('../worker/module-graph-hooks.js', import.meta.url, { data: { port: port2 }, transferList: [port2] })
}

/** What was loaded by require(), which the hooks of older Nodes do not see. Call when the application is loaded. */
export function tellRequired(tell: Tell): void {
  const { cache } = createRequire(import.meta.url)
  tell(Object.keys(cache).filter(isApplication))
}

function applicationPath(url: string): string | undefined {
  if (!url.startsWith('file:')) return undefined
  const path = fileURLToPath(url)
  return isApplication(path) ? path : undefined
}

/** Hornet itself is a package, also where it is not installed as one. */
const ownFolder = fileURLToPath(new URL('..', import.meta.url))

function isApplication(path: string): boolean {
  return !/[\\/]node_modules[\\/]/.test(path) && !path.startsWith(ownFolder)
}
