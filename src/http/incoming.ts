/**
 * `req`: Node's own IncomingMessage, as Node's constructor makes it (by itself or by its mould, mould.ts), with what is
 * expensive made on first use. The lazy parts are accessors on Node's prototype (`installIncoming`), since frameworks put
 * their own prototypes in between and keep only the end of the chain; each answers for our objects and leaves others as
 * they were.
 */
import type { Buffer } from 'node:buffer'
import { CHUNK_FLAG_TRAILERS, KIND_CONSUME, methodNames, REQUEST_FLAG_HTTP10 } from '../seam/records.js'
import { type Exchange, exchangeOf, kExchange } from './exchange.js'
import { kHeadersCount } from './internals.js'
import { areEmittersUsual, type Mould, mouldOf } from './mould.js'
import { IncomingMessage } from './node-http.js'
import type { OutgoingFields } from './outgoing.js'

const kRawHeaders = Symbol('hornet.rawHeaders')
const kSocketValue = Symbol('hornet.socket')
const kClientValue = Symbol('hornet.client')

/** Fields of Node's class that its types leave out, and ours. */
export interface IncomingFields {
  [kExchange]: Exchange | undefined
  [kRawHeaders]: string[] | null
  [kSocketValue]: unknown
  [kClientValue]: unknown
  [kHeadersCount]: number
  rawTrailers: string[]
  complete: boolean
  joinDuplicateHeaders: boolean | null
  upgrade: boolean
  _consumed: boolean
  _dumped: boolean
  _eventsCount: number
  _addHeaderLines(lines: string[], count: number): void
  _read: (size: number) => void
}

export class Incoming extends IncomingMessage {
  constructor(exchange: Exchange, method: number) {
    // No socket yet: the accessor makes it when someone asks.
    super(null as never)
    fill(this, exchange, method)
  }
}

// As if it were Node's class itself.
Object.defineProperty(Incoming.prototype, 'constructor', { value: IncomingMessage, writable: true, configurable: true })

/** What Incoming's constructor does, on an object of another prototype. */
export function initialiseIncoming(req: IncomingMessage, exchange: Exchange, method: number): void {
  // Node's class is a function that works without `new` where this is used (births.ts).
  ;(IncomingMessage as unknown as (this: IncomingMessage, socket: null) => void).call(req, null)
  fill(req, exchange, method)
}

function fill(req: IncomingMessage, exchange: Exchange, method: number): void {
  const fields = req as unknown as IncomingFields
  fields[kExchange] = exchange
  // Node's constructor has set them to null, which means something: `stream.socket = null` keeps a connection that is
  // still to carry the answer from being destroyed with the request.
  fields[kSocketValue] = fields[kClientValue] = undefined
  // What Node's parser says of a request that nobody takes for one.
  fields.upgrade = false
  req.method = methodNames[method]
  req.url = exchange.text.slice(0, exchange.targetLength)
  req.httpVersionMajor = 1
  if ((exchange.flags & REQUEST_FLAG_HTTP10) !== 0) {
    req.httpVersionMinor = 0
    req.httpVersion = '1.0'
  } else {
    req.httpVersionMinor = 1
    req.httpVersion = '1.1'
  }
  fields[kHeadersCount] = exchange.headerCount * 2
  fields._read = readEmpty
}

/** Makes requests without Node's constructor, if that is possible; after `installIncoming`. */
export function requestMould(): Mould<Exchange, number, IncomingMessage> | null {
  return mouldOf({
    specimen: new IncomingMessage(null as never),
    added: [kExchange, '_read'],
    fill,
    isUsual: areEmittersUsual,
  })
}

/**
 * Reads of a request without a body. Its end is pushed when someone reads: most never are, and the end alone, with the
 * tick it schedules, would cost as much as the rest of the object.
 */
function readEmpty(this: IncomingMessage): void {
  ;(this as unknown as IncomingFields)._consumed = true
  const exchange = exchangeOf(this)
  if (exchange === undefined || exchange.hasPushedEnd || !this.complete) return
  pushEnd(exchange, this)
  // Node's parser has pushed the end before anybody reads, and then any read, one of a stream that was paused meanwhile
  // too, brings the 'end'. To a stream that flows it comes anyway.
  if (this.readableFlowing !== true) this.read(0)
}

function pushEnd(exchange: Exchange, req: IncomingMessage): void {
  exchange.hasPushedEnd = true
  req.push(null)
}

/** The whole message was its head. */
export function endEmpty(req: IncomingMessage): void {
  req.complete = true
  // Someone reads already: no further read() may come that would ask for the end.
  const fields = req as unknown as IncomingFields
  const exchange = exchangeOf(req)
  if (fields._consumed && !req.destroyed && exchange !== undefined && !exchange.hasPushedEnd) pushEnd(exchange, req)
}

/** Reads of a request whose body is streamed: what the application took makes room for more. */
export function readStreamed(this: IncomingMessage): void {
  const exchange = exchangeOf(this)
  if (exchange === undefined) return
  // Where Node notes that the application wants the body.
  const fields = this as unknown as IncomingFields
  if (!fields._consumed) fields._consumed = true
  askForMore(exchange)
}

/** Said even with nothing taken: a client may be waiting for 100 (Continue). */
function askForMore(exchange: Exchange): void {
  if (exchange.isOver || exchange.bodyEnded) return
  // The stream is empty, or nearly: all that was pushed so far was taken.
  const taken = exchange.unread
  exchange.unread = 0
  const { connection } = exchange
  const fields = exchange.res as unknown as OutgoingFields | null
  if (fields?._expect_continue) fields._sent100 = true
  if (connection?.isPaused() && !connection._paused) connection.resume()
  exchange.outbox.signal(KIND_CONSUME, exchange, taken)
}

/** A piece of a streamed body came, or its trailers. */
export function pushBody(exchange: Exchange, flags: number, data: Buffer | null): void {
  const { req } = exchange
  if (req === null) return
  if ((flags & CHUNK_FLAG_TRAILERS) !== 0 && data !== null) {
    // name NUL value NUL ...: the last string is empty.
    const strings = data.toString('latin1').split('\0')
    strings.pop()
    // Trailers that were looked at before the end are filled in, too.
    req.complete = true
    ;(req as unknown as IncomingFields)._addHeaderLines(strings, strings.length)
  } else if (data !== null && data.length > 0) {
    exchange.unread += data.length
    exchange.patience?.refresh()
    if (!req.destroyed) {
      if (req.push(data) || (exchange.res?.writableEnded && !exchange.isAnswered)) askForMore(exchange)
      // Whoever watches the socket sees it stop, as Node's parser stops it.
      else exchange.connection?.pause()
    }
  }
}

/** The application reads a body that has not come yet, or listens for what becomes of it. */
export function isBodyWanted(exchange: Exchange, req: IncomingMessage): boolean {
  if (exchange.bodyEnded || req.destroyed) return false
  const { _consumed, _eventsCount } = req as unknown as IncomingFields
  return _consumed || _eventsCount > 0
}

/** The whole message has arrived. */
export function endBody(exchange: Exchange): void {
  const { req } = exchange
  exchange.bodyEnded = true
  if (req === null) return
  req.complete = true
  if (!req.destroyed) req.push(null)
  exchange.core.handleBodyEnd(exchange)
}

function rawHeadersOf(exchange: Exchange): string[] {
  if (exchange.headerCount === 0) return []
  const { text, targetLength } = exchange
  // The fields lie between the target and the addresses.
  return text.slice(targetLength + 1, text.lastIndexOf('\0')).split('\0')
}

/** The connection's stand-in until something else is assigned. */
function socketAccessor(kValue: typeof kSocketValue | typeof kClientValue): PropertyDescriptor {
  return {
    configurable: true,
    enumerable: false,
    get(this: IncomingFields) {
      const exchange = this[kExchange]
      if (exchange === undefined || this[kValue] !== undefined) return this[kValue]
      return exchange.core.connectionOf(exchange)
    },
    set(this: IncomingFields, value: unknown) {
      this[kValue] = value
    },
  }
}

/** Puts the accessors on Node's prototype; once per thread. */
export function installIncoming(): void {
  const { prototype } = IncomingMessage
  if (Object.getOwnPropertyDescriptor(prototype, 'rawHeaders') !== undefined) return
  Object.defineProperties(prototype, {
    rawHeaders: {
      configurable: true,
      enumerable: false,
      get(this: IncomingFields) {
        const exchange = this[kExchange]
        if (exchange === undefined || this[kRawHeaders]?.length !== 0) return this[kRawHeaders]
        const made = rawHeadersOf(exchange)
        this[kRawHeaders] = made
        return made
      },
      set(this: IncomingFields, value: string[]) {
        this[kRawHeaders] = value
      },
    },
    socket: socketAccessor(kSocketValue),
    client: socketAccessor(kClientValue),
  })
}
