/**
 * The log of the server: what happened to it, in lines of text or JSON, on standard error or in a file.
 *
 * Every record is written before the call returns: the last words of a process that ends are the ones that matter.
 */
import { closeSync, fchownSync, openSync, writeSync } from 'node:fs'
import { type ConsolaReporter, createConsola } from 'consola/core'
import { HornetError } from '../errors.js'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'
export type LogFormat = 'text' | 'json'

/** What may change while the server runs. */
export interface LogSettings {
  /** Records less important than this are dropped. */
  level: LogLevel
  format: LogFormat
  /** A file, appended to; `-` for standard error. */
  destination: string
}

export interface LoggerOptions extends LogSettings {
  /** Writes to standard error. Default: to descriptor 2. */
  writeStandardError?: (text: string) => void
}

export interface Logger {
  /** Records by level since the start, those that were dropped as too unimportant included. */
  readonly counts: Readonly<Record<LogLevel, number>>
  debug(message: string): void
  info(message: string): void
  warn(message: string): void
  error(message: string): void
  /**
   * Opens the file again after a log rotation has moved it away; nothing to do for standard error.
   *
   * Throws HornetError `ERR_HORNET_CONFIG` when it cannot; records go on into the old file then.
   */
  reopen(): void
  /**
   * From the next record on.
   *
   * Throws HornetError `ERR_HORNET_CONFIG` when the file cannot be opened; nothing has changed then.
   */
  configure(settings: LogSettings): void
  /** Makes a file another user's, who will open it again. */
  chown(uid: number, gid: number): void
  close(): void
}

const stderrFd = 2
// How long one record may wait for a reader that does not read: a log must not be the end of the service.
const writeWaitMsMax = 1000
const writeRetryMs = 5

/** @throws HornetError `ERR_HORNET_CONFIG` when the file cannot be opened. */
export function createLogger({ writeStandardError, ...options }: LoggerOptions): Logger {
  let { format, destination } = options
  let isFile = destination !== '-'
  let fd = isFile ? openLog(destination) : stderrFd
  const reporter: ConsolaReporter = {
    log({ date, type, args }) {
      // Only the four methods below call consola, each with one string.
      const record = { time: date.toISOString(), pid: process.pid, level: type, message: String(args[0]) }
      const line = format === 'json' ? `${JSON.stringify(record)}\n` : textLine(record)
      if (isFile || writeStandardError === undefined) writeWhole(fd, line)
      else writeStandardError(line)
    },
  }
  // Consola would hold back repeated records for a second, and lose them if the process ends within it.
  const consola = createConsola({ level: levelNumbers[options.level], reporters: [reporter], throttle: 0 })
  const counts: Record<LogLevel, number> = { debug: 0, info: 0, warn: 0, error: 0 }
  const write = (level: LogLevel, message: string) => {
    counts[level] += 1
    consola[level].raw(message)
  }
  return {
    counts,
    debug: (message) => write('debug', message),
    info: (message) => write('info', message),
    warn: (message) => write('warn', message),
    error: (message) => write('error', message),
    configure(next) {
      if (next.destination !== destination) {
        const opened = next.destination === '-' ? stderrFd : openLog(next.destination)
        if (isFile) closeSync(fd)
        fd = opened
      }
      format = next.format
      destination = next.destination
      isFile = destination !== '-'
      consola.level = levelNumbers[next.level]
    },
    chown(uid, gid) {
      if (isFile) fchownSync(fd, uid, gid)
    },
    reopen() {
      if (!isFile) return
      const reopened = openLog(destination)
      closeSync(fd)
      fd = reopened
    },
    close() {
      if (isFile) closeSync(fd)
    },
  }
}

// Consola's numbers for these types.
const levelNumbers: Record<LogLevel, number> = { error: 0, warn: 1, info: 3, debug: 4 }

interface LogRecord {
  time: string
  pid: number
  level: string
  message: string
}

/** One record as text. A message cannot forge another record: its further lines are indented, its controls shown. */
export function textLine({ time, pid, level, message }: LogRecord): string {
  const shown = message
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for; tab and line feed stay.
    .replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, (control) => `\\x${control.charCodeAt(0).toString(16).padStart(2, '0')}`)
    .replaceAll('\n', '\n    ')
  return `[${time}] [${pid}] [${level}] ${shown}\n`
}

/** @throws HornetError `ERR_HORNET_CONFIG` when there can be no log of this name. */
export function checkDestination(destination: string): void {
  if (destination !== '-') closeSync(openLog(destination))
}

function openLog(path: string): number {
  try {
    return openSync(path, 'a')
  } catch (error) {
    const { message } = error as Error // fs throws nothing else
    throw new HornetError('ERR_HORNET_CONFIG', `cannot open the log file '${path}': ${message}`, { cause: error })
  }
}

/** Writes all of it before it returns; what a reader does not take within a second is lost. */
export function writeWhole(fd: number, line: string): void {
  const bytes = Buffer.from(line)
  let written = 0
  let waitedMs = 0
  while (written < bytes.length) {
    try {
      written += writeSync(fd, bytes, written)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException // fs throws nothing else
      // A pipe left in non-blocking mode by whoever shares it, full. Any other failure (a reader that went away, a full
      // disk) has no better place to be reported than the log itself.
      if (code !== 'EAGAIN' || waitedMs >= writeWaitMsMax) return
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, writeRetryMs)
      waitedMs += writeRetryMs
    }
  }
}
