/**
 * The file that tells others the process id, and keeps two servers from using one name for themselves.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { HornetError } from '../errors.js'
import type { Logger } from '../log/logger.js'

/** The pid file of a process, if it is to have one. */
export class PidFile {
  readonly #path: string | undefined
  #remove: (() => void) | undefined

  constructor(path: string | undefined) {
    this.#path = path
  }

  /** @throws As `acquirePidFile`. */
  acquire(): void {
    if (this.#path !== undefined) this.#remove = acquirePidFile(this.#path)
  }

  /** As `takePidFile`; a failure is no reason not to serve. */
  tryTake(logger: Pick<Logger, 'error'>): void {
    try {
      if (this.#path !== undefined) this.#remove = takePidFile(this.#path)
    } catch (error) {
      if (!(error instanceof HornetError)) throw error
      logger.error(error.message)
    }
  }

  remove(): void {
    this.#remove?.()
  }
}

/**
 * Writes the file in place of a predecessor that hands it over. It names one of the two at every moment.
 *
 * @returns As `acquirePidFile`.
 * @throws HornetError `ERR_HORNET_CONFIG` when it cannot be written.
 */
export function takePidFile(path: string): () => void {
  const draft = `${path}.${process.pid}`
  try {
    writeFileSync(draft, `${process.pid}\n`)
    renameSync(draft, path)
  } catch (error) {
    rmSync(draft, { force: true })
    const { message } = error as Error // fs throws nothing else
    throw new HornetError('ERR_HORNET_CONFIG', `cannot write the pid file '${path}': ${message}`, { cause: error })
  }
  return remover(path)
}

/**
 * Writes the file.
 *
 * @returns Removes it again, unless someone else has written it since.
 * @throws HornetError `ERR_HORNET_CONFIG` when it names a live process, or cannot be written.
 */
export function acquirePidFile(path: string): () => void {
  const line = `${process.pid}\n`
  const owner = readPid(path)
  if (owner !== undefined && owner !== process.pid && isAlive(owner)) {
    throw new HornetError('ERR_HORNET_CONFIG', `the pid file '${path}' names a running process: ${owner}`)
  }
  try {
    // What was there is stale. Two servers starting in the same instant would both come here; 'wx' lets one through.
    rmSync(path, { force: true })
    writeFileSync(path, line, { flag: 'wx' })
  } catch (error) {
    const { message } = error as Error // fs throws nothing else
    throw new HornetError('ERR_HORNET_CONFIG', `cannot write the pid file '${path}': ${message}`, { cause: error })
  }
  return remover(path)
}

function remover(path: string): () => void {
  return () => {
    if (readPid(path) !== process.pid) return
    try {
      rmSync(path, { force: true })
    } catch {
      // Who became another user (--user) may not remove it. It is stale then, and taken for that.
    }
  }
}

function readPid(path: string): number | undefined {
  let text: string
  try {
    text = readFileSync(path, 'latin1')
  } catch {
    return undefined // No such file, or none of ours to read: writing it will tell.
  }
  return /^\d{1,10}\s*$/.test(text) ? Number.parseInt(text, 10) : undefined
}

function isAlive(pid: number): boolean {
  if (pid === 0) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it lives, as another user's.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
