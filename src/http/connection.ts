/**
 * The stand-in for a connection's socket in a worker: `req.socket` and `res.socket`, the same object for the life of
 * the connection. Made when someone asks. The real socket belongs to the I/O thread. Two lives:
 *
 * - between requests that the I/O thread parsed: bytes written here go to the response whose turn it is, and none are
 *   read here;
 * - as a tunnel (an upgraded connection, CONNECT, or one that Node's own parser serves): bytes both ways, as they are.
 *
 * It extends Node's own Socket, without a handle: timers, states and the like are Node's.
 */
import { Buffer } from 'node:buffer'
import type { Server, ServerResponse } from 'node:http'
import { Socket, type SocketConstructorOpts } from 'node:net'
import type { ExchangeId, Lane } from '../seam/lane.js'
import type { Outbox } from '../seam/outbox.js'
import {
  ABORT_REASON_RESET,
  CHUNK_FLAG_CLOSE,
  CHUNK_FLAG_HEAD,
  CHUNK_FLAG_LAST,
  DROP_MODE_NOW,
  DROP_MODE_RESET,
  KIND_CONSUME,
  KIND_DROP,
  KIND_STARTED,
  KIND_WATCH,
  REQUEST_FLAG_ENCRYPTED,
} from '../seam/records.js'
import type { Exchange } from './exchange.js'
import { kNeedDrain } from './internals.js'
import { ParserFacade } from './parser-facade.js'

/** Bytes a response may have on their way through the I/O thread; beyond it `write()` waits for credit. */
const WINDOW_BYTES = 256 * 1024
/** Bytes of one record: small enough that many fit the ring at once. */
const PIECE_BYTES = 64 * 1024

type Callback = (error?: Error | null) => void
type Chunk = Buffer | string

/** A method of Node's Socket that its types leave out. */
interface SocketFields {
  _unrefTimer(): void
}

export class Connection extends Socket {
  /** Bytes of the current response, head included, interim responses not. */
  responseBytes = 0
  /** Where Node keeps the response that owns the socket. */
  _httpMessage: ServerResponse | null = null
  /** Where Node keeps what it was paused with. */
  _paused = false
  /** Where Node keeps the server of the connection. */
  server: Server | null
  encrypted: boolean | undefined
  /** The exchange that bytes written here belong to. */
  exchange: Exchange
  /** Requests whose bodies broke off, and which break off with the connection. */
  readonly broken: Exchange[] = []
  /** Responses of later requests that wait for their turn to write. */
  waiting: ServerResponse[] = []
  /** A response was its last: nothing more is written here. */
  isClosing = false
  /** Another stand-in for the same connection, for a request that began here behind later ones. */
  next: Connection | null = null
  /** Bytes sent to the I/O thread and not yet credited. */
  outstanding = 0
  #peername: object = noAddress
  #sockname: object = noAddress
  #isTunnel = false
  #written = 0
  #read: number
  /** Bytes of a tunnel that were pushed and not taken yet. */
  #unread = 0
  /** Tunnel: the peer has ended its side. */
  #hasEnded = false
  #blocked: (() => void) | null = null
  #finishing: Callback | null = null
  /** The native side has closed it. */
  #isGone = false
  #parser: unknown
  #dropMode = DROP_MODE_NOW
  readonly #outbox: Outbox
  readonly #lane: Lane
  /** What names the connection itself. */
  readonly #id: ExchangeId

  constructor(exchange: Exchange) {
    const { highWaterMark } = (exchange.target.server ?? {}) as { highWaterMark?: number }
    super({ allowHalfOpen: true, highWaterMark } as SocketConstructorOpts)
    this.exchange = exchange
    this.server = exchange.target.server
    this.#outbox = exchange.outbox
    this.#lane = exchange.lane
    this.#read = exchange.bytesRead
    this.#id = { lane: exchange.lane, index: exchange.connectionIndex, generation: exchange.connectionGeneration }
    this.showAddresses(exchange)
    // A tunnel hears of its end anyway.
    if (!exchange.isTunnel) exchange.outbox.signal(KIND_WATCH, this.#id, 0)
    // Those that Node's server has on its sockets. That of 'data' makes the stream flow.
    this.on('drain', passDrain)
    this.on('timeout', handleTimeout)
    this.on('error', handleError)
    if (!exchange.isTunnel) this.on('data', ignore)
  }

  static {
    // Accessors in Socket too, but properties in its types: a class may not override one by the other.
    // biome-ignore lint/complexity/noThisInStatic: the bundler renames a class that names itself, and people see the name.
    Object.defineProperties(this.prototype, {
      // True of every socket without a handle.
      pending: { configurable: true, value: false },
      bufferSize: {
        configurable: true,
        get(this: Connection) {
          return this.writableLength
        },
      },
      bytesRead: {
        configurable: true,
        get(this: Connection) {
          return Math.max(this.#read, this.exchange.bytesRead)
        },
      },
      bytesWritten: {
        configurable: true,
        get(this: Connection) {
          return this.#written + this.writableLength
        },
      },
    })
  }

  /** What Socket's own accessors ask, where it would ask its handle. */
  _getpeername(): object {
    return this.#peername
  }

  _getsockname(): object {
    return this.#sockname
  }

  /** Of the exchange that asks: requests of one connection from a proxy may be those of several clients. */
  showAddresses({ text, flags }: Exchange): void {
    const [remoteAddress, remotePort, localAddress, localPort] = text.slice(text.lastIndexOf('\0') + 1).split(' ')
    // A unix socket has no addresses but those that a proxy names.
    this.#peername =
      remotePort === undefined
        ? noAddress
        : { address: remoteAddress, family: familyOf(remoteAddress), port: Number(remotePort) }
    this.#sockname =
      localPort === undefined
        ? noAddress
        : { address: localAddress, family: familyOf(localAddress), port: Number(localPort) }
    this.encrypted = (flags & REQUEST_FLAG_ENCRYPTED) !== 0 ? true : undefined
  }

  /** As Node's server has it for its sockets: what is parsed must be bytes. */
  override setEncoding(): never {
    const error = new Error('Changing the socket encoding is not allowed per RFC7230 Section 3.')
    throw Object.assign(error, { code: 'ERR_HTTP_SOCKET_ENCODING' })
  }

  /** A socket without a handle would wait for 'connect' first. */
  override ref(): this {
    return this
  }

  override unref(): this {
    return this
  }

  override setTimeout(ms: number, callback?: () => void): this {
    super.setTimeout(ms, callback)
    const { timed } = this.exchange.core
    if (this.timeout) timed.add(this)
    else timed.delete(this)
    return this
  }

  override destroy(error?: Error): this {
    // Where Socket's own does it, the timeout of a destroyed socket can be set no more.
    if (!this.destroyed && this.timeout) this.setTimeout(0)
    return super.destroy(error)
  }

  override destroySoon(): void {
    if (this.writable) this.end()
    if (this.writableFinished) this.destroy()
    else this.once('finish', this.destroy)
  }

  override resetAndDestroy(): this {
    this.#dropMode = DROP_MODE_RESET
    return this.destroy()
  }

  /** From now on the connection's bytes come and go here as they are. Node's own listeners for requests are off. */
  becomeTunnel(exchange: Exchange): void {
    this.#isTunnel = true
    this.#read = exchange.bytesRead
    this.exchange = exchange
    exchange.connection = this
    this.removeListener('drain', passDrain)
    this.removeListener('timeout', handleTimeout)
    this.removeListener('error', handleError)
    this.removeListener('data', ignore)
    // Until someone reads it, as Node leaves a socket that it upgrades.
    ;(this as { readableFlowing: boolean | null }).readableFlowing = null
    exchange.outbox.signal(KIND_STARTED, exchange, 0)
  }

  /** Bytes of a tunnel; null: the peer has ended its side. */
  receive(data: Buffer | null): void {
    if (this.destroyed) return
    ;(this as unknown as SocketFields)._unrefTimer()
    if (data === null) {
      this.#hasEnded = true
      this.push(null)
      // Whoever reads nothing must still hear of the end, as from a socket.
      if (this.readableLength === 0) this.read(0)
      return
    }
    this.#read += data.length
    this.#unread += data.length
    if (this.push(data)) this.#consume()
  }

  #consume(): void {
    if (this.#unread === 0 || this.#isGone) return
    const bytes = this.#unread
    this.#unread = 0
    this.#outbox.signal(KIND_CONSUME, this.exchange, bytes)
  }

  override _read(): void {
    if (this.#isTunnel) this.#consume()
  }

  override _write(chunk: Chunk, encoding: BufferEncoding, callback: Callback): void {
    this.#send(toBuffer(chunk, encoding), 0, callback)
  }

  override _writev(chunks: { chunk: Chunk; encoding: BufferEncoding }[], callback: Callback): void {
    const buffers = chunks.map(({ chunk, encoding }) => toBuffer(chunk, encoding))
    this.#send(buffers.length === 1 ? buffers[0] : Buffer.concat(buffers), 0, callback)
  }

  override _final(callback: Callback): void {
    if (this.#isGone) {
      callback()
      return
    }
    if (this.#isTunnel) {
      this.#outbox.raw(this.exchange, CHUNK_FLAG_LAST, 0, null)
      // Finished when the kernel has all of it: what follows may be destroy().
      if (this.outstanding === 0) callback()
      else this.#finishing = callback
      return
    }
    callback()
    if (this.isClosing) return
    // The application is done with the connection as such, not only with a response: `socket.end()`.
    if (this._httpMessage === null) {
      this.destroy()
    } else {
      // What it has written of the response goes out, and nothing can follow that.
      this.isClosing = true
      this.#outbox.raw(this.exchange, CHUNK_FLAG_LAST | CHUNK_FLAG_CLOSE, 0, null)
    }
  }

  /** The response that is complete now is the last: the I/O thread closes the connection behind it. */
  closeAfterResponse(): void {
    this.isClosing = true
    this.end()
  }

  /** Bytes of the peer arrived: those of a body, without its framing. */
  noteBody(data: Buffer | null): void {
    ;(this as unknown as SocketFields)._unrefTimer()
    // Someone besides us listens.
    if (data !== null && this.listenerCount('data') > 1) this.emit('data', data)
  }

  /** Where Node keeps its parser; null once the connection is closed. */
  get parser(): unknown {
    if (this.#parser === undefined) this.#parser = this.#isGone ? null : new ParserFacade(this)
    if (this.#parser instanceof ParserFacade) this.#parser.serve(this.exchange)
    return this.#parser
  }

  set parser(value: unknown) {
    this.#parser = value
  }

  /** Answers in place of the response whose turn it is, and closes. */
  refuse(text: string): void {
    this.#outbox.raw(
      this.exchange,
      CHUNK_FLAG_HEAD | CHUNK_FLAG_LAST | CHUNK_FLAG_CLOSE,
      400,
      Buffer.from(text, 'latin1'),
    )
  }

  /** An interim response (1xx) of a request whose response does not have the socket yet. */
  sendInterim(exchange: Exchange, text: string, encoding: BufferEncoding): void {
    if (!this.#isGone) this.#outbox.raw(exchange, 0, 0, Buffer.from(text, encoding))
  }

  override _destroy(error: Error | null, callback: Callback): void {
    const blocked = this.#blocked
    this.#blocked = null
    blocked?.()
    const finishing = this.#finishing
    this.#finishing = null
    finishing?.()
    if (!this.#isGone) {
      this.#isGone = true
      this.#outbox.signal(KIND_DROP, this.#id, this.#dropMode)
    }
    // As Socket's own would, but with the 'close' argument that it has only with a handle.
    callback(error)
    // When a handle would have been closed: behind all ticks of this turn.
    setImmediate(() => {
      // First among the listeners of 'close' on Node.
      this.exchange.core.handleDestroyed(this)
      if (this.#parser instanceof ParserFacade) {
        this.#parser.release()
        this.#parser = null
      }
      this.emit('close', error !== null && error !== undefined)
    })
  }

  /** The I/O thread took `bytes` off its hands. */
  credit(bytes: number): void {
    this.outstanding = Math.max(0, this.outstanding - bytes)
    ;(this as unknown as SocketFields)._unrefTimer()
    if (this.outstanding === 0 && this.#finishing !== null) {
      const finishing = this.#finishing
      this.#finishing = null
      finishing()
    }
    const blocked = this.#blocked
    if (blocked === null || this.outstanding >= WINDOW_BYTES / 2) return
    this.#blocked = null
    blocked()
  }

  /** The connection is closed natively; `reason` is an AbortReason. */
  handleGone(reason: number): void {
    if (this.#isGone) return
    this.#isGone = true
    if (reason === ABORT_REASON_RESET) {
      this.destroy(resetError())
    } else if (!this.#isTunnel) {
      this.destroy()
    } else if (this.#hasEnded && !this.readableEnded && this.writableEnded) {
      // Both sides have ended in good order: what was not read yet still may be, and then the stream ends itself.
      const finishing = this.#finishing
      this.#finishing = null
      finishing?.()
    } else {
      this.destroy()
    }
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
    ;(this as unknown as SocketFields)._unrefTimer()
    while (at < data.length) {
      if (this.destroyed || this.#isGone) {
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
      const isFinal = this.#isTunnel || message === null || (message as unknown as { _headerSent: boolean })._headerSent
      exchange.outbox.raw(
        exchange,
        isFinal ? CHUNK_FLAG_HEAD : 0,
        isFinal && !this.#isTunnel && message !== null ? message.statusCode : 0,
        data.subarray(at, end),
      )
      this.outstanding += end - at
      this.#written += end - at
      if (isFinal) this.responseBytes += end - at
      at = end
    }
    callback()
  }
}

const noAddress = Object.freeze({})

/** The response that writes here owes its own 'drain'. As in Node, where the server listens to its sockets for it. */
function passDrain(this: Connection): void {
  const message = this._httpMessage as (ServerResponse & { [kNeedDrain]: boolean }) | null
  if (message === null || message.writableEnded || !message[kNeedDrain]) return
  message[kNeedDrain] = false
  message.emit('drain')
}

/** As Node's server treats a socket without activity: whoever listens decides; nobody, and it is closed. */
function handleTimeout(this: Connection): void {
  const { req, res, isOver } = this.exchange
  const isHeardByRequest = req !== null && !isOver && !req.complete && req.emit('timeout', this)
  const response = this._httpMessage ?? (isOver ? null : res)
  const isHeardByResponse = response?.emit('timeout', this) ?? false
  const isHeardByServer = this.server?.emit('timeout', this) ?? false
  if (!isHeardByRequest && !isHeardByResponse && !isHeardByServer) this.destroy()
}

/** Sockets leave strings as they are. */
function toBuffer(chunk: Chunk, encoding: BufferEncoding): Buffer {
  return typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk
}

/** As Node's server treats the error of a socket. */
function handleError(this: Connection, error: Error): void {
  this.removeListener('error', handleError)
  this.on('error', ignore)
  if (this.server?.emit('clientError', error, this)) return
  const message = this._httpMessage as { _headerSent?: boolean } | null
  if (!this.destroyed && !this.exchange.isOver && !message?._headerSent) this.refuse(badRequest)
  this.destroy(error)
}

function ignore(): void {}

const badRequest = 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'

function familyOf(address: string): string {
  return address.includes(':') ? 'IPv6' : 'IPv4'
}

function resetError(): Error {
  return Object.assign(new Error('read ECONNRESET'), { errno: -104, code: 'ECONNRESET', syscall: 'read' })
}
