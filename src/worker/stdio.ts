/**
 * `process.stdout` and `process.stderr` of a worker. Node's own hand what is written to the main thread, which writes it
 * later: it is lost when the worker is terminated, out of order with what writes to the descriptors itself (pino), and
 * nothing comes out while the main thread is busy. These write to the descriptor before the call returns.
 *
 * `fs.write()` and `fs.writeSync()` on these two descriptors go the same way: loggers use them (sonic-boom, that is pino),
 * and flush what they hold back only at the end of a main thread.
 *
 * A reader that does not read holds up the workers that write, as it does a process of its own; nobody else, and none
 * longer than the worker lives. One that went away loses what is written, and the log says so once.
 */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { Writable } from 'node:stream'
import tty from 'node:tty'
import { getSystemErrorName } from 'node:util'
import type { Addon } from '../seam/addon.js'

type Output = Pick<Addon, 'writeOutput' | 'terminalSize'>

// Between two waits the thread can be terminated.
const waitMs = 50

/** @param warn Told once per stream when what is written to it is lost. */
export function installStdio(output: Output, warn: (message: string) => void): void {
  replaceStream('stdout', 1)
  replaceStream('stderr', 2)
  replaceFileCalls(output)

  function replaceStream(name: 'stdout' | 'stderr', fd: 1 | 2): void {
    const original = process[name]
    const stream = tty.isatty(fd) ? new TerminalOutput(fd, output, warn) : new WorkerOutput(fd, output, warn)
    // From Node 22 on the main thread asks by this method for more of what was written to the original.
    for (let proto: object | null = original; proto !== null; proto = Object.getPrototypeOf(proto)) {
      const wantsMore = Object.getOwnPropertySymbols(proto).find(({ description }) => description === wantsMoreName)
      if (wantsMore === undefined) continue
      const ask = (original as unknown as Record<symbol, () => void>)[wantsMore]
      Object.defineProperty(stream, wantsMore, { value: () => ask.call(original) })
      break
    }
    Object.defineProperty(process, name, { value: stream, configurable: true, enumerable: true })
    // It keeps the one it was first used with, which may be before us (a module of --node-arg).
    ;(console as unknown as Record<string, Writable>)[`_${name}`] = stream
  }
}

type WriteSync = (fd: number, data: unknown, ...args: unknown[]) => number
type Write = (fd: number, data: unknown, ...args: unknown[]) => void

function replaceFileCalls(output: Output): void {
  // Overloads say more about the arguments than matters here.
  const calls = fs as unknown as { writeSync: WriteSync; write: Write }
  const { writeSync, write } = calls
  calls.writeSync = (fd, data, ...args) => {
    const bytes = fd === 1 || fd === 2 ? bytesOf(data, args) : undefined
    if (bytes === undefined) return writeSync(fd, data, ...args)
    const errno = writeWhole(output, fd as 1 | 2, bytes) // one of the two, or there were no bytes
    // Node says it in its own words.
    return errno === 0 ? bytes.length : writeSync(fd, data, ...args)
  }
  calls.write = (fd, data, ...args) => {
    const done = args.at(-1)
    const bytes = (fd === 1 || fd === 2) && typeof done === 'function' ? bytesOf(data, args) : undefined
    if (bytes === undefined || typeof done !== 'function') return write(fd, data, ...args)
    const errno = writeWhole(output, fd as 1 | 2, bytes) // as above
    if (errno !== 0) return write(fd, data, ...args)
    // Not in the next tick: there may be none, and the caller has more to write.
    done(null, bytes.length, data)
  }
  syncBuiltinESMExports()
}

/** What fs.write() would write; undefined when its arguments are for Node to judge. */
function bytesOf(data: unknown, args: unknown[]): Buffer | undefined {
  if (typeof data === 'string') {
    const [, encoding = 'utf8'] = args.filter((arg) => typeof arg !== 'function')
    return typeof encoding === 'string' && Buffer.isEncoding(encoding) ? Buffer.from(data, encoding) : undefined
  }
  if (!ArrayBuffer.isView(data)) return undefined
  const whole = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  const [first, second] = args
  const given = typeof first === 'object' && first !== null ? (first as { offset?: unknown; length?: unknown }) : null
  const offset = (given === null ? first : given.offset) ?? 0
  if (typeof offset === 'function') return whole
  const length = (given === null ? second : given.length) ?? whole.length - Number(offset)
  const end = Number(offset) + Number(typeof length === 'function' ? whole.length - Number(offset) : length)
  const isInside = Number.isInteger(offset) && Number(offset) >= 0 && end >= Number(offset) && end <= whole.length
  return isInside ? whole.subarray(Number(offset), end) : undefined
}

/** Returns 0, or the negative errno of a stream that cannot be written to. */
function writeWhole(output: Output, fd: 1 | 2, bytes: Uint8Array): number {
  for (let offset = 0; offset < bytes.length; ) {
    const written = output.writeOutput(fd, bytes, offset, waitMs)
    if (written < 0) return written
    offset += written
  }
  return 0
}

const wantsMoreName = 'kStdioWantsMoreDataCallback'

class WorkerOutput extends Writable {
  readonly fd: 1 | 2
  readonly _isStdio = true
  readonly #output: Output
  readonly #warn: (message: string) => void
  #isLost = false

  constructor(fd: 1 | 2, output: Output, warn: (message: string) => void) {
    super({ decodeStrings: true })
    this.fd = fd
    this.#output = output
    this.#warn = warn
    // An own one: it spares the stream's bookkeeping, and shows pino that it must not write to the descriptor by itself.
    Object.defineProperty(this, 'write', { value: this.#write, writable: true, configurable: true })
  }

  #write(chunk: unknown, encoding?: unknown, done?: unknown): boolean {
    const isPlain = typeof chunk === 'string' && encoding === undefined && !this.destroyed && this.writableCorked === 0
    // Safe: the arguments are those of Writable's own.
    if (!isPlain) return super.write(chunk, encoding as BufferEncoding, done as () => void)
    this.#writeNow(Buffer.from(chunk))
    return true
  }

  override _write(bytes: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#writeNow(bytes)
    done()
  }

  /** Like Node's, it cannot be closed: the next line would have nowhere to go. */
  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    done(error)
    // As Node does for its own; the types leave it out.
    ;(this as unknown as { _undestroy(): void })._undestroy()
  }

  override end(...args: unknown[]): this {
    // What Node says to those who end these streams (ERR_STDOUT_CLOSE) ended programs; a last chunk is written.
    const [chunk] = args
    if (typeof chunk === 'string' || chunk instanceof Uint8Array) this.write(chunk)
    const done = args.find((arg) => typeof arg === 'function') as (() => void) | undefined
    if (done !== undefined) process.nextTick(done)
    return this
  }

  #writeNow(bytes: Uint8Array): void {
    const errno = writeWhole(this.#output, this.fd, bytes)
    if (errno === 0 || this.#isLost) return
    this.#isLost = true
    this.#warn(
      `what it writes to ${this.fd === 1 ? 'standard output' : 'standard error'} is lost: ${getSystemErrorName(errno)}`,
    )
  }
}

/** With what the tty streams of a process have besides: programs ask for colours and widths. */
class TerminalOutput extends WorkerOutput {
  readonly isTTY = true
  readonly #terminal: Output

  constructor(fd: 1 | 2, output: Output, warn: (message: string) => void) {
    super(fd, output, warn)
    this.#terminal = output
  }

  get columns(): number {
    return this.#terminal.terminalSize(this.fd)?.[0] ?? 80
  }

  get rows(): number {
    return this.#terminal.terminalSize(this.fd)?.[1] ?? 24
  }
}

// Node's methods work on any stream that has columns, rows and write().
for (const name of [
  'getColorDepth',
  'hasColors',
  'getWindowSize',
  'clearLine',
  'clearScreenDown',
  'cursorTo',
  'moveCursor',
] as const) {
  Object.defineProperty(TerminalOutput.prototype, name, { value: tty.WriteStream.prototype[name] })
}
