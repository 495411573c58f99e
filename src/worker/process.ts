/**
 * `process` as the application expects it. A worker is a thread: some of what belongs to a process cannot be changed
 * from it, or would be changed for all workers. Each such call gets a substitute, or an error that says what to do.
 */
import cluster from 'node:cluster'
import { syncBuiltinESMExports } from 'node:module'
import { resolve } from 'node:path'
import { HornetError } from '../errors.js'
import type { AppSpec, WorkerMessage } from '../protocol.js'

type Tell = (message: WorkerMessage) => void

// What the process has taken from its environment by the time a thread of it runs. Node hears of a new TZ on the main
// thread only; the threads of libuv are started once.
const takenAtStart = ['TZ', 'UV_THREADPOOL_SIZE'] as const
const valuesAtStart = takenAtStart.map((name) => process.env[name])

/** Call before anything of the application is loaded. */
export function installProcess(app: AppSpec, tell: Tell): void {
  process.argv = [process.execPath, app.path, ...(app.args ?? [])]
  substituteFolderAndMask()
  substituteIdentities()
  refuse('abort', 'it would end every worker; process.exit ends this one alone')
  forwardTitle(tell)
  refuseForks()
}

/** Call when the application is loaded: says what it set in vain (dotenv does, for many). */
export function reportVariables(tell: Tell): void {
  for (const [index, name] of takenAtStart.entries()) {
    const value = process.env[name]
    if (value === valuesAtStart[index] || value === undefined) continue
    const advice = `start hornet with ${name}=${value} in its environment`
    tell({
      type: 'log',
      level: 'warn',
      message: `process.env.${name}, set by the application, has no effect: ${advice}`,
    })
  }
}

/** Both may be "changed" to what they are: applications often make sure of them. */
function substituteFolderAndMask(): void {
  process.chdir = (folder) => {
    if (resolve(folder) === process.cwd()) return
    const advice = `start hornet with --chdir ${folder}, or use absolute paths`
    throw unsupported(`process.chdir('${folder}')`, `the working directory belongs to all workers: ${advice}`)
  }
  const readMask = process.umask
  process.umask = (mask?: string | number) => {
    const current = readMask()
    if (mask === undefined) return current
    const wanted = typeof mask === 'string' ? Number.parseInt(mask, 8) : mask
    if (wanted === current) return current
    const shown = Number.isInteger(wanted) ? `0${wanted.toString(8)}` : String(mask)
    const advice = `start hornet with --umask ${shown}, or give each file its mode`
    throw unsupported(`process.umask(${shown})`, `the mask belongs to all workers: ${advice}`)
  }
}

/** The user and groups of a process. Asking for the present one is how programs make sure of it: nothing to do then. */
function substituteIdentities(): void {
  const advice = 'it is the user of all workers: start hornet as that user (systemd User=, setpriv, docker --user)'
  const present: [name: string, current: (() => number) | undefined][] = [
    ['setuid', process.getuid],
    ['seteuid', process.geteuid],
    ['setgid', process.getgid],
    ['setegid', process.getegid],
  ]
  for (const [name, current] of present) {
    replace(name, (id: unknown) => {
      if (id !== current?.call(process)) throw unsupported(`process.${name}(${String(id)})`, advice)
    })
  }
  refuse('setgroups', advice)
  refuse('initgroups', advice)
}

/** What `ps` shows. All workers run the same application, so that the last one to say it says nothing new. */
function forwardTitle(tell: Tell): void {
  let title = process.title
  Object.defineProperty(process, 'title', {
    get: () => title,
    set(value: unknown) {
      const next = String(value)
      if (next === title) return
      title = next
      tell({ type: 'title', title })
    },
    enumerable: true,
    configurable: true,
  })
}

/** In a thread `cluster.isPrimary` is true, and fork() would start this very program again. */
function refuseForks(): void {
  cluster.fork = () => {
    throw unsupported(
      'cluster.fork()',
      'hornet is the cluster: each of its workers (--workers) loads this module and serves. ' +
        "Leave forking out when require('node:worker_threads').workerData?.hornet is true",
    )
  }
  syncBuiltinESMExports()
}

function refuse(name: 'abort' | 'setgroups' | 'initgroups', advice: string): void {
  replace(name, () => {
    throw unsupported(`process.${name}()`, advice)
  })
}

/** Node has some of these on certain systems only, and then the application finds none here either. */
function replace(name: string, substitute: (...args: never[]) => unknown): void {
  if (name in process) Object.defineProperty(process, name, { value: substitute, writable: true, configurable: true })
}

function unsupported(call: string, advice: string): HornetError {
  return new HornetError('ERR_HORNET_UNSUPPORTED', `${call}: ${advice}`)
}
