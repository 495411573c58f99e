/**
 * `res`: Node's own ServerResponse, as Node's constructor makes it (by itself or by its mould, mould.ts). Two roads lead
 * to the wire:
 *
 * - lean: `end(body)` with nothing written before. Head and body (if the status and method allow one) become one record;
 *   the I/O thread adds Date, Connection and the length. This is where a server spends its life.
 * - raw: everything else. Node's own code frames the bytes and writes them to the stand-in socket (connection.ts), which
 *   passes them on. Trailers, interim responses, chunks, corking, backpressure: all Node's.
 *
 * The few methods that choose between them sit on Node's ServerResponse.prototype (`installOutgoing`), since frameworks
 * put their own prototypes in between and keep only the end of the chain; for others' objects they call Node's.
 */
import { Buffer } from 'node:buffer'
import { channel } from 'node:diagnostics_channel'
import type { IncomingMessage } from 'node:http'
import { PerformanceObserver } from 'node:perf_hooks'
import {
  REQUEST_FLAG_HTTP10,
  RESPOND_FLAG_CHUNKED,
  RESPOND_FLAG_CLOSE,
  RESPOND_FLAG_CONNECTION,
  RESPOND_FLAG_DATE,
  RESPOND_FLAG_LENGTH,
} from '../seam/records.js'
import { type Exchange, exchangeOf, kExchange } from './exchange.js'
import {
  FieldRole,
  fieldInfo,
  type HeaderEntries,
  isPlainFieldValue,
  isPlainText,
  isPlainValue,
  newHeaderTable,
} from './headers.js'
import { type Head, type HeaderObject, recallList, recallObject, recallTable, rememberHead } from './heads.js'
import { isBodyWanted } from './incoming.js'
import {
  kBytesWritten,
  kCorked,
  kOutHeaders,
  kRejectNonStandardBodyWrites,
  kSocket,
  kStatistics,
  kWritableFinished,
  statusCodes,
} from './internals.js'
import { areEmittersUsual, type Mould, mouldOf } from './mould.js'
import { OutgoingMessage, ServerResponse } from './node-http.js'

/** Which road a response takes. */
enum Road {
  /** Not decided: nothing was written. */
  Open = 0,
  /** The head is made and kept in `_header`, without what the I/O thread adds. */
  Lean = 1,
  /** Node's own. */
  Raw = 2,
}

const kRoad = Symbol('hornet.road')
/** What `end()` was called with, while it asks for a head. */
const kEndChunk = Symbol('hornet.endChunk')
/** RespondFlag bits of a lean head. */
const kLeanFlags = Symbol('hornet.leanFlags')
/** Content-Length the application gave with a lean head; -1: none. */
const kLeanLength = Symbol('hornet.leanLength')
/** The bytes of a lean head, where it was known before. */
const kHeadBytes = Symbol('hornet.headBytes')
/** All header values set so far are plain ASCII. */
const kIsPlain = Symbol('hornet.isPlain')
const kSocketValue = Symbol('hornet.socket')
const none = Symbol('none')
const nothing: unknown[] = []

/** A one-shot body up to this size goes lean; larger ones stream with backpressure. Bytes, or UTF-16 units. */
const LEAN_BODY_MAX = 256 * 1024
/** Characters of a head that travels in the ring; a record of more than half the ring may never find room there. */
const LEAN_HEAD_MAX = 64 * 1024

/** Fields and methods of Node's class that its types leave out, and ours. */
export interface OutgoingFields {
  [kExchange]: Exchange | undefined
  [kRoad]: Road
  [kEndChunk]: unknown
  [kLeanFlags]: number
  [kLeanLength]: number
  [kHeadBytes]: Uint8Array | null
  [kIsPlain]: boolean
  [kSocketValue]: unknown
  [kOutHeaders]: HeaderEntries | null
  [kBytesWritten]: number
  [kCorked]: number
  [kRejectNonStandardBodyWrites]: boolean
  _header: string | null
  _headerSent: boolean
  _contentLength: number | null
  _hasBody: boolean
  _trailer: string
  _last: boolean
  _closed: boolean
  _removedConnection: boolean
  _removedContLen: boolean
  _removedTE: boolean
  _eventsCount: number
  _keepAliveTimeout: number
  _expect_continue: boolean
  _sent100: boolean
  maxRequestsOnConnectionReached: boolean
  outputData: unknown[]
  destroyed: boolean
  finished: boolean
  socket: unknown
  _implicitHeader(): void
  _storeHeader(firstLine: string, headers: unknown): void
}

type Message = ServerResponse & OutgoingFields

export class Outgoing extends ServerResponse {
  constructor(exchange: Exchange, req: IncomingMessage) {
    super(req as never)
    fill(this as unknown as Message, exchange)
  }
}

// As if it were Node's class itself.
Object.defineProperty(Outgoing.prototype, 'constructor', { value: ServerResponse, writable: true, configurable: true })

/** What Outgoing's constructor does, on an object of another prototype. */
export function initialiseOutgoing(res: ServerResponse, exchange: Exchange, req: IncomingMessage): void {
  // Node's class is a function that works without `new` where this is used (births.ts).
  ;(ServerResponse as unknown as (this: ServerResponse, req: IncomingMessage) => void).call(res, req)
  fill(res as Message, exchange)
}

function fill(res: Message, exchange: Exchange): void {
  res[kExchange] = exchange
  res[kRoad] = Road.Open
  res[kEndChunk] = none
  res[kLeanFlags] = 0
  res[kLeanLength] = -1
  res[kHeadBytes] = null
  res[kIsPlain] = true
}

/** A publication in Node's constructor (Node 22 and later). */
const createdChannel = channel('http.server.response.created')
/** Someone has begun to observe 'http' entries, which Node's constructor looks at. */
let isObserved = false

/** Makes responses without Node's constructor, if that is possible; after `installOutgoing`. */
export function responseMould(): Mould<Exchange, IncomingMessage, ServerResponse> | null {
  const req = { method: 'GET', httpVersionMajor: 1, httpVersionMinor: 1 }
  const specimen = new ServerResponse(req as never)
  // Node's trace events begin in its constructor.
  if (Object.hasOwn(specimen, '_traceEventId')) return null
  ;(specimen as { req: unknown }).req = undefined
  return mouldOf({
    specimen,
    added: [kExchange, kRoad, kEndChunk, kLeanFlags, kLeanLength, kHeadBytes, kIsPlain],
    fill: (res, exchange, req) => {
      ;(res as { req: unknown }).req = req
      fill(res as Message, exchange)
    },
    isUsual: ({ flags }, { method }) =>
      (flags & REQUEST_FLAG_HTTP10) === 0 &&
      method !== 'HEAD' &&
      !isObserved &&
      !createdChannel.hasSubscribers &&
      areEmittersUsual(),
  })
}

// Node's types keep these methods' overloads apart and hide others; all that is done with them is to call them.
type Method = (this: unknown, ...args: unknown[]) => unknown
const node = {} as {
  end: Method
  write: Method
  setHeader: Method
  appendHeader: Method
  flushHeaders: Method
  cork: Method
  uncork: Method
  detachSocket: Method
  setTimeout: Method
  _storeHeader: Method
  writeHead: Method
  _writeRaw: Method
  _send: Method
  destroy: Method
  socket: PropertyDescriptor | undefined
}

/** Takes Node's road: puts back the whole head if a lean one was made, and gives the response its socket. */
export function takeRawRoad(res: Message, exchange: Exchange): void {
  // What is over needs no socket; to give it one would take it from the next response.
  if (res[kRoad] === Road.Raw || exchange.isOver) return
  const lean = res[kRoad] === Road.Lean ? res._header : null
  res[kRoad] = Road.Raw
  if (lean !== null) {
    const [firstLine, ...lines] = lean.split('\r\n')
    lines.pop()
    res._header = null
    res.chunkedEncoding = false
    const fields = lines.map((line) => {
      const colon = line.indexOf(': ')
      return [line.slice(0, colon), line.slice(colon + 2)]
    })
    node._storeHeader.call(res, `${firstLine}\r\n`, fields)
  }
  exchange.core.assignSocket(res, exchange)
}

/** Its turn to write has come. */
function holdsSocket(res: Message, exchange: Exchange): boolean {
  return exchange.connection?._httpMessage === res
}

/**
 * The socket that it shows, and that Node 20 would cork, is the one that another response writes to, or the next will:
 * those would wait for an end of this one's. Node's own has none then, and counts what it does to the socket it gets.
 */
function keepsOwnCork(res: Message, exchange: Exchange): boolean {
  return kSocket === undefined && !holdsSocket(res, exchange)
}

/**
 * What it counted while it waited for its turn goes to the socket, but not to one that was closed by then. Whoever uncorks
 * until nothing is corked (`while (res.writableCorked > 0) res.uncork()`) would go on for ever.
 */
function isLeftCorked(res: Message, exchange: Exchange): boolean {
  return kSocket === undefined && (res[kCorked] as number) > 0 && exchange.connection?.writableCorked === 0
}

function isLeanable(res: Message): boolean {
  return (
    // Node's own code reports to the observers of perf_hooks.
    (res as unknown as Record<symbol, unknown>)[kStatistics] === undefined &&
    !res.maxRequestsOnConnectionReached &&
    !res._removedConnection &&
    // Without a body there is nothing whose length or framing could be missed.
    (!res._hasBody || (!res._removedContLen && !res._removedTE)) &&
    !res.strictContentLength &&
    res.statusCode >= 200 &&
    // Then a body that is thrown away is an error.
    (res._hasBody || !res[kRejectNonStandardBodyWrites])
  )
}

/**
 * Node's, in few steps for what is usual: a status of a final response with its own reason, and fields either set before
 * or given here.
 */
function writeHead(this: Message, statusCode: number, reason?: unknown, obj?: unknown): Message {
  const headers = this[kOutHeaders]
  const given = typeof reason === 'string' ? obj : (obj ?? reason)
  const usual = statusCodes[statusCode]
  const isUsual =
    this[kExchange] !== undefined &&
    this[kRoad] === Road.Open &&
    !this._header &&
    typeof statusCode === 'number' &&
    statusCode >= 200 &&
    usual !== undefined &&
    (typeof reason === 'string' ? reason === usual : !this.statusMessage || this.statusMessage === usual) &&
    // Those set before and those given here are Node's to put together.
    (headers === null || !given) &&
    // Someone wants to see it.
    this._storeHeader === storeHeader
  if (!isUsual) return node.writeHead.call(this, statusCode, reason, obj) as Message
  this.statusMessage = usual
  this.statusCode = statusCode
  if (statusCode === 204 || statusCode === 304) this._hasBody = false
  if (this._expect_continue && !this._sent100) this.shouldKeepAlive = false
  if (!isLeanable(this) || !storeLean(this, null, headers ?? given)) {
    storeByNode(this, `HTTP/1.1 ${statusCode} ${usual}\r\n`, headers ?? given)
  }
  return this
}

/** Makes a lean head where it can; Node's otherwise. Called by Node's writeHead with what it has validated. */
function storeHeader(this: Message, firstLine: string, headers: unknown): void {
  if (
    this[kExchange] === undefined ||
    this[kRoad] !== Road.Open ||
    !isLeanable(this) ||
    !storeLean(this, firstLine, headers)
  ) {
    storeByNode(this, firstLine, headers)
  }
}

function storeByNode(res: Message, firstLine: string, headers: unknown): void {
  if (res[kEndChunk] !== none && res[kRoad] === Road.Open) res._contentLength = byteLength(res[kEndChunk])
  node._storeHeader.call(res, firstLine, headers)
}

/** `firstLine`: null for that of the status and its usual reason. */
function storeLean(res: Message, firstLine: string | null, headers: unknown): boolean {
  const status = res.statusCode
  const reason = res.statusMessage
  const areOwn = headers === res[kOutHeaders]
  // What was set one by one was checked then. A status line of one's own is longer, or shorter.
  const isUsual =
    (firstLine === null ||
      (typeof reason === 'string' && firstLine.length === reason.length + 'HTTP/1.1 200 \r\n'.length)) &&
    (!areOwn || res[kIsPlain])
  let head: Head | null = null
  if (areOwn) {
    if (isUsual) head = recallTable(status, reason, headers as HeaderEntries)
  } else if (Array.isArray(headers)) {
    if (headers.length % 2 !== 0 || Array.isArray(headers[0])) return false
    if (isUsual) head = recallList(status, reason, headers)
  } else if (isUsual) {
    head = headers ? recallObject(status, reason, headers as HeaderObject) : recallList(status, reason, nothing)
  }
  let text: string
  let flags = res.sendDate ? RESPOND_FLAG_DATE | RESPOND_FLAG_CONNECTION : RESPOND_FLAG_CONNECTION
  let length = -1
  let isPlain = true
  if (head !== null) {
    text = head.text
    length = head.length
    if (head.hasDate) flags &= ~RESPOND_FLAG_DATE
  } else {
    text = firstLine ?? `HTTP/1.1 ${status} ${reason}\r\n`
    const names: string[] = []
    const values: unknown[] = []
    // Reasons of one's own are rare.
    isPlain = reason === statusCodes[status] || isPlainValue(reason)
    let hasDate = false
    let canComeAgain = true
    if (areOwn) {
      isPlain &&= res[kIsPlain]
      for (const lower in headers as HeaderEntries) {
        const [name, value] = (headers as HeaderEntries)[lower]
        names.push(name)
        values.push(value)
        const role = roleOf(lower)
        if (role !== FieldRole.Plain) {
          if (role === FieldRole.Special || Array.isArray(value)) return false
          if (role === FieldRole.Date) hasDate = true
          else length = readLength(value)
        }
        if (Array.isArray(value)) {
          if (lower === 'cookie') return false
          canComeAgain = false
          for (const each of value) text += `${name}: ${each}\r\n`
        } else {
          canComeAgain &&= typeof value === 'string' || typeof value === 'number'
          text += `${name}: ${value}\r\n`
        }
      }
    } else {
      if (Array.isArray(headers)) {
        for (let i = 0; i < headers.length; i += 2) {
          names.push(headers[i])
          values.push(headers[i + 1])
        }
      } else if (headers) {
        for (const name of Object.keys(headers)) {
          names.push(name)
          values.push((headers as HeaderObject)[name])
        }
      }
      for (let i = 0; i < names.length; i++) {
        const name = names[i]
        const value = values[i]
        const info = fieldInfo(name)
        if (info === undefined || info.role === FieldRole.Special) return false
        if (typeof value === 'string' ? !isPlainValue(value) : typeof value !== 'number') return false
        if (info.role === FieldRole.ContentLength) length = readLength(value)
        else if (info.role === FieldRole.Date) hasDate = true
        text += `${name}: ${value}\r\n`
      }
    }
    if (text.length > LEAN_HEAD_MAX) return false
    if (hasDate) flags &= ~RESPOND_FLAG_DATE
    if (isPlain && isUsual && canComeAgain) rememberHead(status, reason, names, values, text, length, hasDate)
  }
  const hasBody = res._hasBody
  if (!isPlain) {
    isPlain = isPlainText(text)
    // Node writes such a head in the encoding of the text behind it, if it is text; the lean road writes latin1.
    const body = res[kEndChunk]
    if (!isPlain && (!hasBody || body === none || (typeof body === 'string' && body !== ''))) return false
  }
  // Which a client of HTTP/1.0 does not know.
  const canChunk = res.useChunkedEncodingByDefault
  let isLast = !res.shouldKeepAlive
  if (length === -1) {
    if (!canChunk) {
      // Without a length only the connection's end can end a body.
      isLast = true
    } else if (hasBody) {
      // As in Node: a head made by end() knows its length, one made before does not.
      flags |= res[kEndChunk] !== none ? RESPOND_FLAG_LENGTH : RESPOND_FLAG_CHUNKED
      if (res[kEndChunk] === none) res.chunkedEncoding = true
    }
  } else if (!Number.isSafeInteger(length) || length < 0) {
    return false
  } else if (hasBody) {
    res._contentLength = length
  } else if (res.req.method !== 'HEAD') {
    // A status without a body announces one: not here to be judged.
    return false
  } else {
    // That of the body which is left out.
    length = -1
  }
  if (isLast) res._last = true
  res._header = text
  res[kRoad] = Road.Lean
  res[kLeanFlags] = flags
  res[kLeanLength] = length
  res[kHeadBytes] = head === null ? null : head.bytes
  res[kIsPlain] = isPlain
  return true
}

/** A Content-Length as the application gave it; NaN when it is none, however much it may look like a number. */
function readLength(value: unknown): number {
  if (typeof value !== 'string') return typeof value === 'number' && value >= 0 ? value : Number.NaN
  if (value.length === 0) return Number.NaN
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i)
    if (code < 48 || code > 57) return Number.NaN
  }
  return Number(value)
}

/** The role of a lower-case name; only the few lengths that matter are compared. */
function roleOf(lower: string): FieldRole {
  switch (lower.length) {
    case 4:
      return lower === 'date' ? FieldRole.Date : FieldRole.Plain
    case 14:
      return lower === 'content-length' ? FieldRole.ContentLength : FieldRole.Plain
    case 6:
    case 7:
    case 10:
    case 17:
      return fieldInfo(lower)?.role ?? FieldRole.Special
    default:
      return FieldRole.Plain
  }
}

function byteLength(chunk: unknown): number {
  if (typeof chunk === 'string') return Buffer.byteLength(chunk)
  return chunk ? (chunk as Uint8Array).byteLength : 0
}

function end(this: Message, first?: unknown, second?: unknown, third?: unknown): unknown {
  const exchange = this[kExchange]
  if (exchange === undefined) return node.end.call(this, first, second, third)
  let chunk = first
  let encoding = second
  let callback = third
  if (typeof chunk === 'function') {
    callback = chunk
    chunk = encoding = undefined
  } else if (typeof encoding === 'function') {
    callback = encoding
    encoding = undefined
  }
  if (this.finished && this[kRoad] === Road.Lean && !exchange.isFinished && !chunk && kWritableFinished !== undefined) {
    // Node 24 and later keep it for an end that Node's own code brings about, which this one's is not.
    if (typeof callback === 'function') queueEndCallback(this, callback as EndCallback)
    return this
  }
  if (
    this[kRoad] === Road.Raw ||
    this.finished ||
    this.destroyed ||
    exchange.isOver ||
    this._trailer !== '' ||
    isBodyWanted(exchange, this.req) ||
    !isLeanBody(chunk) ||
    // The application has ended or destroyed the socket, or someone wants to see what goes to it.
    (exchange.connection !== null && (!exchange.connection.writable || Object.hasOwn(exchange.connection, 'write'))) ||
    (encoding && encoding !== 'utf8' && encoding !== 'utf-8')
  ) {
    takeRawRoad(this, exchange)
    return node.end.call(this, first, second, third)
  }
  if (!this._header) {
    this[kEndChunk] = chunk
    try {
      this._implicitHeader()
    } finally {
      this[kEndChunk] = none
    }
  }
  // Whatever made the head may have written as well: it decides.
  if (this[kRoad] !== Road.Lean || this.finished) {
    takeRawRoad(this, exchange)
    return node.end.call(this, first, second, third)
  }
  const sent = exchange.outbox.respond(
    exchange,
    this._last ? this[kLeanFlags] | RESPOND_FLAG_CLOSE : this[kLeanFlags],
    this.statusCode,
    this._header as string,
    this[kIsPlain],
    (this._hasBody && (chunk as string | Uint8Array)) || '',
    this[kLeanLength],
    this[kHeadBytes],
  )
  if (sent < 0) {
    // Another length than the application announced: Node has its rules for that.
    takeRawRoad(this, exchange)
    return node.end.call(this, first, second, third)
  }
  if (typeof callback === 'function') {
    if (kWritableFinished === undefined) this.once('finish', callback as EndCallback)
    else queueEndCallback(this, callback as EndCallback)
  }
  this._contentLength = sent
  this._headerSent = true
  this.finished = true
  exchange.isOver = true
  if (this._eventsCount > 0) this.emit('prefinish')
  exchange.core.finishLater(this, exchange)
  return this
}

type EndCallback = (error?: null) => void

/** A listener of 'finish' that stands for callbacks of end(). */
interface QueuedCallbacks {
  (): void
  [kEndCallbacks]?: EndCallback[]
}
const kEndCallbacks = Symbol('hornet.endCallbacks')

/** What end() was given, on Node 24 and later: it is called, with null, before anyone hears of 'finish'. */
function queueEndCallback(res: Message, callback: EndCallback): void {
  for (const listener of res.listeners('finish')) {
    const queued = (listener as QueuedCallbacks)[kEndCallbacks]
    if (queued === undefined) continue
    queued.push(callback)
    return
  }
  const callbacks = [callback]
  const callAll: QueuedCallbacks = () => {
    for (const each of callbacks) each(null)
  }
  callAll[kEndCallbacks] = callbacks
  res.prependOnceListener('finish', callAll)
}

function isLeanBody(chunk: unknown): boolean {
  if (typeof chunk === 'string') return chunk.length <= LEAN_BODY_MAX
  if (chunk === undefined || chunk === null) return true
  return chunk instanceof Uint8Array && chunk.byteLength <= LEAN_BODY_MAX
}

function setHeader(this: Message, name: string, value: unknown): unknown {
  if (this[kExchange] === undefined || this._header) return node.setHeader.call(this, name, value)
  const info = fieldInfo(name)
  if (info === undefined || (typeof value === 'string' ? !isPlainFieldValue(info, value) : typeof value !== 'number')) {
    this[kIsPlain] = false
    return node.setHeader.call(this, name, value)
  }
  let headers = this[kOutHeaders]
  if (headers === null)
    this[kOutHeaders] = headers = newHeaderTable()
    // Narrowed above; the symbol-keyed field loses it.
  ;(headers as HeaderEntries)[info.lower] = [name, value]
  return this
}

function noteObservers(): void {
  const { prototype } = PerformanceObserver
  const { observe } = prototype
  prototype.observe = function (options) {
    // Whatever was given; the original judges it.
    const { type, entryTypes } = Object(options) as { type?: unknown; entryTypes?: unknown }
    isObserved ||= type === 'http' || (Array.isArray(entryTypes) && entryTypes.includes('http'))
    observe.call(this, options)
  }
}

const replaced = [
  'end',
  'write',
  'setHeader',
  'appendHeader',
  'flushHeaders',
  'cork',
  'uncork',
  'detachSocket',
  'setTimeout',
  'writeHead',
  '_storeHeader',
  '_writeRaw',
  '_send',
  'destroy',
] as const
/** Of those, the ones that do not always call what they replace. */
const bypassing = ['end', 'setHeader', 'writeHead', '_storeHeader'] as const
const nodesOwn = ServerResponse.prototype as unknown as Record<string, unknown>
const original = new Map(bypassing.map((name) => [name, nodesOwn[name]]))

let isInstalled = false

/**
 * Puts the choosing methods on Node's prototype; once per thread. Best before any of the application is loaded, so that
 * what it puts there itself (tracing agents do) lies in front of ours and is called.
 */
export function installOutgoing(): void {
  if (isInstalled) return
  isInstalled = true
  const prototype = nodesOwn
  for (const name of replaced) node[name] = prototype[name] as Method
  noteObservers()
  node.socket = Object.getOwnPropertyDescriptor(OutgoingMessage.prototype, 'socket')
  const raw = (method: Method): Method =>
    function (this: unknown, ...args) {
      const exchange = exchangeOf(this as object)
      if (exchange !== undefined) takeRawRoad(this as Message, exchange)
      return method.apply(this, args)
    }
  const methods: Record<string, unknown> = {
    end,
    setHeader,
    writeHead,
    _storeHeader: storeHeader,
    write: raw(node.write),
    flushHeaders: raw(node.flushHeaders),
    // Which it must have.
    detachSocket: raw(node.detachSocket),
    _writeRaw(this: Message, ...args: unknown[]) {
      const exchange = exchangeOf(this)
      if (exchange === undefined) return node._writeRaw.apply(this, args)
      // What Node says when the socket was destroyed; without one, as here, it would keep what nobody will read.
      if (exchange.isAborted) return false
      takeRawRoad(this, exchange)
      // The head is not on its way: this is an interim response (1xx). One whose turn has not come goes to the I/O thread
      // at once, which keeps it; here it would wait together with the head, and Node may put it behind that.
      // Nor does it wait in a corked socket, which would bring both in one piece.
      const isInterim = !this._headerSent && !exchange.isOver && !exchange.connection?.destroyed
      if (!isInterim || (holdsSocket(this, exchange) && exchange.connection?.writableCorked === 0)) {
        return node._writeRaw.apply(this, args)
      }
      const [data, encoding, callback] = args
      exchange.connection?.sendInterim(exchange, data as string, encoding as BufferEncoding)
      if (typeof callback === 'function') process.nextTick(callback as EndCallback, null)
      return true
    },
    _send: raw(node._send),
    cork(this: Message) {
      const exchange = this[kExchange]
      if (exchange !== undefined) {
        takeRawRoad(this, exchange)
        if (keepsOwnCork(this, exchange)) {
          this[kCorked] = (this[kCorked] as number) + 1
          return
        }
      }
      node.cork.call(this)
    },
    uncork(this: Message) {
      const exchange = this[kExchange]
      if (exchange === undefined || !(keepsOwnCork(this, exchange) || isLeftCorked(this, exchange))) {
        node.uncork.call(this)
      } else {
        this[kCorked] = Math.max(0, (this[kCorked] as number) - 1)
      }
    },
    appendHeader(this: Message, ...args: unknown[]) {
      if (this[kExchange] !== undefined) this[kIsPlain] = false
      return node.appendHeader.apply(this, args)
    },
    setTimeout(this: Message, ...args: unknown[]) {
      const exchange = this[kExchange]
      if (exchange === undefined || exchange.isFinished) return node.setTimeout.apply(this, args)
      // Node sets it on the socket it has, or waits for one: ours is always there.
      const [ms, callback] = args
      if (callback) this.on('timeout', callback as () => void)
      exchange.core.connectionOf(exchange).setTimeout(ms as number)
      return this
    },
    destroy(this: Message, ...args: unknown[]) {
      const exchange = this[kExchange]
      const wasDestroyed = this.destroyed
      // Without a socket Node 24 and later take it for over at once.
      if (exchange !== undefined && !wasDestroyed) takeRawRoad(this, exchange)
      const result = node.destroy.apply(this, args)
      // One that waits behind another has none yet, and takes the connection with it all the same.
      if (exchange !== undefined && !wasDestroyed && !exchange.isOver) {
        exchange.core.connectionOf(exchange).destroy(args[0] as Error | undefined)
      }
      return result
    },
  }
  // Too late: ours would hide the application's. Then all goes Node's way, and through them.
  if (bypassing.some((name) => prototype[name] !== original.get(name))) {
    methods.end = raw(node.end)
    delete methods.setHeader
    delete methods.writeHead
    delete methods._storeHeader
  }
  for (const [name, value] of Object.entries(methods)) {
    Object.defineProperty(prototype, name, { value, writable: true, configurable: true, enumerable: true })
  }
  // Deprecated, and gone from Node 24 on: what is set so was looked at by nobody.
  for (const name of ['_headers', '_headerNames']) {
    const accessor = Object.getOwnPropertyDescriptor(OutgoingMessage.prototype, name)
    if (accessor?.set === undefined) continue
    const { set } = accessor
    Object.defineProperty(prototype, name, {
      ...accessor,
      set(this: Message, value: unknown) {
        if (this[kExchange] !== undefined) this[kIsPlain] = false
        set.call(this, value)
      },
    })
  }
  const writableCorked = Object.getOwnPropertyDescriptor(OutgoingMessage.prototype, 'writableCorked')
  Object.defineProperty(prototype, 'writableCorked', {
    configurable: true,
    enumerable: false,
    get(this: Message) {
      const exchange = this[kExchange]
      if (exchange !== undefined && keepsOwnCork(this, exchange)) return this[kCorked]
      return writableCorked?.get?.call(this)
    },
  })
  // Node 22 and later look for it in a field of their own.
  Object.defineProperty(prototype, 'connection', {
    configurable: true,
    enumerable: false,
    get(this: OutgoingFields) {
      return this.socket
    },
    set(this: OutgoingFields, value: unknown) {
      this.socket = value
    },
  })
  Object.defineProperty(prototype, 'socket', {
    configurable: true,
    enumerable: false,
    get(this: OutgoingFields) {
      const assigned =
        kSocket === undefined ? this[kSocketValue] : (this as unknown as Record<symbol, unknown>)[kSocket]
      const exchange = this[kExchange]
      if (assigned || exchange === undefined || exchange.isFinished) return assigned
      return exchange.core.connectionOf(exchange)
    },
    set(this: OutgoingFields, value: unknown) {
      if (kSocket === undefined) this[kSocketValue] = value
      else if (node.socket?.set !== undefined) node.socket.set.call(this, value)
      else (this as unknown as Record<symbol, unknown>)[kSocket] = value
    },
  })
}
