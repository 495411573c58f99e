/**
 * The standard streams as the master has them: standard error for the log, and what the application writes to either.
 */
import { StringDecoder } from 'node:string_decoder'
import { builtins } from '../builtins.js'
import { HornetError } from '../errors.js'
import { writeWhole } from '../log/logger.js'
import type { Addon } from '../seam/addon.js'

// How long one record may wait for a reader that does not read: a log must not be the end of the service.
const recordWaitMsMax = 1000
const nothing = new Uint8Array(0)

/** Writes to a standard stream, whole and between the records of workers; gives up when nobody reads. */
export function writeStandard(addon: Pick<Addon, 'writeOutput'>, fd: 1 | 2, record: string | Uint8Array): void {
  const bytes = typeof record === 'string' ? Buffer.from(record) : record
  const deadlineMs = performance.now() + recordWaitMsMax
  for (let offset = 0; offset < bytes.length; ) {
    const leftMs = Math.ceil(deadlineMs - performance.now())
    if (leftMs <= 0) {
      // Ends the record, so that others may go on.
      addon.writeOutput(fd, nothing, 0, 0)
      return
    }
    const written = addon.writeOutput(fd, bytes, offset, leftMs)
    // A reader that went away, a full disk: there is no better place to say so.
    if (written < 0) return
    offset += written
  }
}

/**
 * --capture-output: what the application writes becomes records of the log. The descriptors themselves are pipes then,
 * so that native code and programs started by the application are heard too. Nothing is lost and nothing piles up: a
 * pipe that is full holds up the one that writes to it.
 */
export interface Capture {
  /** Writes to what standard error was before. */
  writeStandardError(text: string): void
  /** Passes lines on, from now on. */
  read(onLine: (stream: 'stdout' | 'stderr', line: string) => void): void
  /** Puts the descriptors back; resolves when what came through the pipes has been passed on. */
  stop(): Promise<void>
}

/** A longer line is passed on in pieces of this length. */
export const lineLengthMax = 8192 // UTF-16 units
// A program that the application left behind may keep a pipe open.
const endWaitMsMax = 1000

/** @throws HornetError `ERR_HORNET_CONFIG` when the system has no descriptors left. */
export function captureOutput(addon: Pick<Addon, 'captureOutput' | 'releaseOutput'>): Capture {
  let fds: ReturnType<Addon['captureOutput']>
  try {
    fds = addon.captureOutput()
  } catch (error) {
    const { message } = error as Error // the core throws nothing else
    throw new HornetError('ERR_HORNET_CONFIG', `--capture-output: ${message}`, { cause: error })
  }
  const ends: Promise<void>[] = []
  let standardErrorFd = fds.savedStderr
  return {
    writeStandardError: (text) => writeWhole(standardErrorFd, text),
    read(onLine) {
      const { Socket } = builtins.net()
      for (const name of ['stdout', 'stderr'] as const) {
        const lines = new LineSplitter((line) => onLine(name, line))
        const socket = new Socket({ fd: fds[name], readable: true, writable: false })
        socket.on('data', (bytes) => lines.push(bytes))
        const end = new Promise<void>((settle) => {
          socket.on('close', () => {
            lines.end()
            settle()
          })
        })
        ends.push(end)
        // Neither is it what keeps the server running.
        socket.unref()
      }
    },
    async stop() {
      addon.releaseOutput()
      standardErrorFd = 2
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<void>((settle) => {
        timer = setTimeout(settle, endWaitMsMax)
      })
      await Promise.race([Promise.all(ends), late])
      clearTimeout(timer)
    },
  }
}

/** Cuts a stream of bytes into lines, without their ends. */
export class LineSplitter {
  readonly #onLine: (line: string) => void
  readonly #decoder = new StringDecoder('utf8')
  #rest = ''

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine
  }

  push(bytes: Buffer): void {
    const lines = (this.#rest + this.#decoder.write(bytes)).split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) this.#pass(line)
    while (this.#rest.length >= lineLengthMax) {
      this.#onLine(this.#rest.slice(0, lineLengthMax))
      this.#rest = this.#rest.slice(lineLengthMax)
    }
  }

  /** What has no line end is a line too. */
  end(): void {
    this.push(Buffer.from(''))
    const rest = this.#rest + this.#decoder.end()
    this.#rest = ''
    if (rest !== '') this.#onLine(rest)
  }

  #pass(line: string): void {
    const whole = line.endsWith('\r') ? line.slice(0, -1) : line
    for (let start = 0; start === 0 || start < whole.length; start += lineLengthMax) {
      this.#onLine(whole.slice(start, start + lineLengthMax))
    }
  }
}
