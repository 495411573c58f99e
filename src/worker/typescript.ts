/**
 * TypeScript applications. Node strips types by itself from 22.18 on; for older ones, and for syntax that needs more
 * than stripping, the operator adds tsx (`--node-arg=--import=tsx`).
 */
import { createRequire } from 'node:module'
import { dirname, extname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import * as workerThreads from 'node:worker_threads'

export function isTypeScript(path: string): boolean {
  return /^\.[cm]?tsx?$/.test(extname(path))
}

/**
 * Makes `--import=tsx` mean in a worker what it says. Before Node 22.14 a thread cannot tell whether it is one of Node's
 * own loader threads, so there tsx leaves every thread but the main one alone (its issue 354); its API does not.
 */
export async function registerTsx(appPath: string): Promise<void> {
  if (!isTypeScript(appPath) || 'isInternalThread' in workerThreads || workerThreads.isMainThread) return
  const nodeArgs = [...process.execArgv, ...(process.env.NODE_OPTIONS ?? '').split(/\s+/)]
  if (!nodeArgs.some((arg) => /^(?:--import=|--loader=|--require=)?tsx(?:\/(?:esm|cjs))?$/.test(arg))) return
  const require = createRequire(appPath)
  const manifestPath = require.resolve('tsx/package.json')
  const manifest = require(manifestPath)
  for (const name of ['./esm/api', './cjs/api']) {
    // By hand, because only an import from within the application's folder would find it under this condition.
    const modulePath = join(dirname(manifestPath), manifest.exports[name].import.default)
    const { register } = await import(pathToFileURL(modulePath).href)
    register()
  }
}

/** What to do about a TypeScript file this Node would not load; empty when that is not what happened. */
export function typeScriptAdvice(path: string, cause: unknown): string {
  if (!isTypeScript(path) || !(cause instanceof Error) || !('code' in cause)) return ''
  if (cause.code !== 'ERR_UNKNOWN_FILE_EXTENSION' && cause.code !== 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX') return ''
  const { node } = process.versions
  return `Node ${node} does not run this TypeScript by itself: install tsx and add --node-arg=--import=tsx`
}
