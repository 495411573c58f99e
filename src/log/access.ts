/**
 * The access log's file. Lines are made and written by the native core; this opens where they go.
 */
import { closeSync, openSync } from 'node:fs'
import { HornetError } from '../errors.js'

const stdoutFd = 1

/**
 * Opens `destination` (a file, appended to; `-` is standard output), hands the descriptor to `use`, and closes it: the
 * core keeps one of its own.
 *
 * @throws HornetError `ERR_HORNET_CONFIG` when the file cannot be opened.
 */
export function withAccessLog<T>(destination: string, use: (fd: number) => T): T {
  if (destination === '-') return use(stdoutFd)
  let fd: number
  try {
    fd = openSync(destination, 'a')
  } catch (error) {
    const { message } = error as Error // fs throws nothing else
    throw new HornetError('ERR_HORNET_CONFIG', `cannot open the access log '${destination}': ${message}`, {
      cause: error,
    })
  }
  try {
    return use(fd)
  } finally {
    closeSync(fd)
  }
}
