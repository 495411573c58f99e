/**
 * The stand-in for a connection's socket in a worker: `req.socket` and `res.socket`, the same object for the life of
 * the connection. Made when someone asks. Bytes written to it go to the response whose turn it is; the real socket
 * belongs to the I/O thread.
 */
import { Buffer } from 'node:buffer'
import type { ServerResponse } from 'node:http'
import { Duplex } from 'node:stream'
import {
  CHUNK_FLAG_CLOSE,
  CHUNK_FLAG_HEAD,
  CHUNK_FLAG_LAST,
  KIND_DESTROY,
  KIND_WATCH,
  REQUEST_FLAG_ENCRYPTED,
} from '../seam/records.js'
import type { Exchange } from './exchange.js'
import { kNeedDrain } from './internals.js'

/** Bytes a response may have on their way through the I/O thread; beyond it `write()` waits for credit. */
const WINDOW_BYTES = 256 * 1024
/** Bytes of one record: small enough that many fit the ring at once. */
const PIECE_BYTES = 64 * 1024

type Callback = (error?: Error | null) => void

export class Connection extends Duplex {
  remoteAddress: string | undefined
  remotePort: number | undefined
  remoteFamily: string | undefined
  localAddress: string | undefined
  localPort: number | undefined
  localFamily: string | undefined
  readonly encrypted: boolean | undefined
  readonly connecting = false
  readonly pending = false
  bytesWritten = 0
  /** Bytes of the current response, head included, interim responses not. */
  responseBytes = 0
  timeout = 0
  /** Where Node keeps the response that owns the socket. */
  _httpMessage: ServerResponse | null = null
  /** Where Node keeps what it was paused with. */
  _paused = false
  /** The exchange that bytes written here belong to. */
  exchange: Exchange
  /** Responses of later requests that wait for their turn to write. */
  readonly waiting: ServerResponse[] = []
  /** Bytes sent to the I/O thread and not yet credited. */
  outstanding = 0
  #blocked: (() => void) | null = null
  #timer: NodeJS.Timeout | null = null
  /** The native side has closed it. */
  #isGone = false

  constructor(exchange: Exchange) {
    super({ allowHalfOpen: true, autoDestroy: true, emitClose: true, decodeStrings: true })
    this.exchange = exchange
    const { text } = exchange
    const [remoteAddress, remotePort, localAddress, localPort] = text.slice(text.lastIndexOf('\0') + 1).split(' ')
    if (localPort !== undefined) {
      this.remoteAddress = remoteAddress
      this.remotePort = Number(remotePort)
      this.remoteFamily = familyOf(remoteAddress)
      this.localAddress = localAddress
      this.localPort = Number(localPort)
      this.localFamily = familyOf(localAddress)
    }
    if ((exchange.flags & REQUEST_FLAG_ENCRYPTED) !== 0) this.encrypted = true
    exchange.outbox.signal(KIND_WATCH, exchange, 0)
    this.on('drain', passDrain)
  }

  get readyState(): string {
    if (this.readable && this.writable) return 'open'
    if (this.readable) return 'readOnly'
    return this.writable ? 'writeOnly' : 'closed'
  }

  get bufferSize(): number {
    return this.writableLength
  }

  address(): { address?: string; family?: string; port?: number } {
    if (this.localAddress === undefined) return {}
    return { address: this.localAddress, family: this.localFamily, port: this.localPort }
  }

  /** Nagle's algorithm is always off (the I/O thread writes whole responses). */
  setNoDelay(): this {
    return this
  }

  /** TCP keep-alive probes are the I/O thread's business. */
  setKeepAlive(): this {
    return this
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  /** Emits 'timeout' after `ms` milliseconds without activity; 0 turns it off. */
  setTimeout(ms: number, callback?: () => void): this {
    this.timeout = ms
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    if (ms === 0) {
      if (callback !== undefined) this.removeListener('timeout', callback)
      return this
    }
    if (callback !== undefined) this.once('timeout', callback)
    this.#timer = setTimeout(() => this.emit('timeout'), ms).unref()
    return this
  }

  destroySoon(): void {
    if (this.writable) this.end()
    if (this.writableFinished) this.destroy()
    else this.once('finish', this.destroy)
  }

  resetAndDestroy(): this {
    return this.destroy()
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: Callback): void {
    this.#send(chunk, 0, callback)
  }

  override _writev(chunks: { chunk: Buffer; encoding: BufferEncoding }[], callback: Callback): void {
    this.#send(chunks.length === 1 ? chunks[0].chunk : Buffer.concat(chunks.map(({ chunk }) => chunk)), 0, callback)
  }

  override _final(callback: Callback): void {
    callback()
    // The application is done with the connection as such, not only with a response: `socket.end()`.
    if (!this.#isGone && this._httpMessage === null) this.destroy()
  }

  override _destroy(error: Error | null, callback: Callback): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    const blocked = this.#blocked
    this.#blocked = null
    blocked?.()
    if (!this.#isGone) {
      this.#isGone = true
      this.exchange.outbox.signal(KIND_DESTROY, this.exchange, 0)
    }
    callback(error)
  }

  /** The I/O thread took `bytes` off its hands. */
  credit(bytes: number): void {
    this.outstanding = Math.max(0, this.outstanding - bytes)
    this.#timer?.refresh()
    const blocked = this.#blocked
    if (blocked === null || this.outstanding >= WINDOW_BYTES / 2) return
    this.#blocked = null
    blocked()
  }

  /** The connection is closed natively. */
  handleGone(): void {
    this.#isGone = true
    this.destroy()
  }

  /** Tells the I/O thread that the response is complete, after all that was written before. */
  finishResponse(exchange: Exchange, close: boolean): void {
    this.outstanding = 0
    this.responseBytes = 0
    exchange.outbox.raw(exchange, close ? CHUNK_FLAG_LAST | CHUNK_FLAG_CLOSE : CHUNK_FLAG_LAST, 0, null)
  }

  #send(data: Buffer, start: number, callback: Callback): void {
    const { exchange } = this
    let at = start
    this.#timer?.refresh()
    while (at < data.length) {
      if (this.destroyed) {
        callback()
        return
      }
      if (this.outstanding >= WINDOW_BYTES) {
        this.#blocked = () => this.#send(data, at, callback)
        return
      }
      const end = Math.min(at + PIECE_BYTES, data.length)
      const message = this._httpMessage
      // Interim responses (1xx) go before the head; everything else starts with it.
      const isFinal = message === null || (message as unknown as { _headerSent: boolean })._headerSent
      exchange.outbox.raw(
        exchange,
        isFinal ? CHUNK_FLAG_HEAD : 0,
        isFinal && message !== null ? message.statusCode : 0,
        data.subarray(at, end),
      )
      this.outstanding += end - at
      this.bytesWritten += end - at
      if (isFinal) this.responseBytes += end - at
      at = end
    }
    callback()
  }
}

/** The response that writes here owes its own 'drain'. As in Node, where the server listens to its sockets for it. */
function passDrain(this: Connection): void {
  const message = this._httpMessage as (ServerResponse & { [kNeedDrain]: boolean }) | null
  if (message === null || message.writableEnded || !message[kNeedDrain]) return
  message[kNeedDrain] = false
  message.emit('drain')
}

function familyOf(address: string): string {
  return address.includes(':') ? 'IPv6' : 'IPv4'
}
