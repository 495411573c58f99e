/**
 * Between the lanes and the application: makes `req` and `res` of records, calls the listener, and ends what ends.
 * Event order follows Node's http server: what it does on a socket's events, this does on records.
 */
import { AsyncResource, executionAsyncId } from 'node:async_hooks'
import { Buffer } from 'node:buffer'
import { channel } from 'node:diagnostics_channel'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { TlsFacts } from '../protocol.js'
import type { NativeTlsSession, WorkerPort } from '../seam/addon.js'
import { Inbox, type InboxHandler } from '../seam/inbox.js'
import type { Lane } from '../seam/lane.js'
import { Outbox } from '../seam/outbox.js'
import {
  ABORT_REASON_FAULT,
  ABORT_REASON_GONE,
  ABORT_REASON_RESET,
  ABORT_REASON_TIMEOUT,
  CHUNK_FLAG_LAST,
  DROP_MODE_NOW,
  KIND_DROP,
  KIND_STARTED,
  REQUEST_BODY_BLOCK_HIGH,
  REQUEST_BODY_BLOCK_LOW,
  REQUEST_BODY_LENGTH,
  REQUEST_BYTES,
  REQUEST_BYTES_READ_HIGH,
  REQUEST_BYTES_READ_LOW,
  REQUEST_CONNECTION,
  REQUEST_CONNECTION_GENERATION,
  REQUEST_EXCHANGE,
  REQUEST_FAULT,
  REQUEST_FLAG_BODY_BLOCK,
  REQUEST_FLAG_BODY_INLINE,
  REQUEST_FLAG_BODY_STREAMED,
  REQUEST_FLAG_EXPECT_CONTINUE,
  REQUEST_FLAG_FORWARDED,
  REQUEST_FLAG_KEEP_ALIVE,
  REQUEST_FLAG_TEXT_BLOCK,
  REQUEST_FLAG_TUNNEL,
  REQUEST_FLAGS,
  REQUEST_GENERATION,
  REQUEST_HEADER_COUNT,
  REQUEST_LISTENER,
  REQUEST_METHOD,
  REQUEST_REASON,
  REQUEST_SEQUENCE,
  REQUEST_TARGET_LENGTH,
  REQUEST_TEXT_BLOCK_HIGH,
  REQUEST_TEXT_BLOCK_LOW,
  REQUEST_TEXT_LENGTH,
} from '../seam/records.js'
import { Births } from './births.js'
import type { Connection } from './connection.js'
import { Exchange, exchangeOf } from './exchange.js'
import {
  endBody,
  endEmpty,
  Incoming,
  type IncomingFields,
  initialiseIncoming,
  installIncoming,
  isBodyWanted,
  pushBody,
  readStreamed,
  requestMould,
} from './incoming.js'
import { kWritableFinished } from './internals.js'
import { initialiseOutgoing, installOutgoing, Outgoing, type OutgoingFields, responseMould } from './outgoing.js'
import { serveByNode, type Target } from './target.js'
import { makeConnection } from './tls-connection.js'

/** A connection, or the request at its head, that was handed over unparsed. */
export interface Handover {
  readonly exchange: Exchange
  /** A TunnelReason. */
  readonly reason: number
  /** The status of what was refused, with TUNNEL_REASON_FAULT; else 0. */
  readonly fault: number
}

export interface ServerCoreOptions {
  /** Whom the requests of listener `index` are for; null: nobody any more. */
  targetOf: (index: number) => Target | null
  /** What to do with what was handed over. By default Node's own parser serves it for the target's server. */
  onHandover?: (core: ServerCore, handover: Handover) => void
  /** The peer of a tunnel has finished sending. */
  onTunnelEnded?: (exchange: Exchange) => void
  /** A connection that was offered is closed. */
  onConnectionClosed?: (index: number, generation: number) => void
  /** The listeners speak TLS. */
  tls?: TlsFacts
}

/** What a connection gets that has an answer and a body nobody reads, where Keep-Alive sets no limit. Milliseconds. */
const unreadMsMax = 5000

/** As long as the prototypes are what they were born with, every so many requests are looked at: it takes 35 ns each. */
const observedEvery = 16

const startChannel = channel('http.server.request.start')
const finishChannel = channel('http.server.response.finish')

type Message = ServerResponse & OutgoingFields

/** A field of Node's Server that its types leave out. */
type ServerFields = Server & { joinDuplicateHeaders?: boolean }

// Deprecated in the docs only, and the one way to run ticks and microtasks between two requests of a batch: the event
// loop would run them after the whole batch. About 35 ns when there are none.
const runTicks = (process as unknown as { _tickCallback: () => void })._tickCallback

/** Readies Node's message classes for what a ServerCore makes; once per thread, before the application is loaded. */
export function installMessages(): void {
  installIncoming()
  installOutgoing()
}

export class ServerCore implements InboxHandler {
  readonly inbox: Inbox
  /** Stand-ins with a timeout of the application's. */
  readonly timed = new Set<Connection>()
  readonly #options: ServerCoreOptions
  readonly #lanes: readonly Lane[]
  readonly #outboxes: Outbox[] = []
  /** By I/O thread, then by exchange slot: what runs now. */
  readonly #exchanges: (Exchange | null)[][]
  /** By I/O thread, then by connection slot: of the requests that run, the one that came last. */
  readonly #latest: (Exchange | null)[][]
  /** By I/O thread, then by connection slot: stand-ins that someone asked for. */
  readonly #connections: Map<number, Connection>[]
  readonly #requests: Births<Exchange, number, IncomingMessage>
  readonly #responses: Births<Exchange, IncomingMessage, ServerResponse>
  /** Requests until one is looked at for the prototypes it leaves the application with. */
  #unobserved = 1
  #port: WorkerPort | null = null
  /** Of those whose responses ended on the lean road and owe their events, the first and the last (`nextFinished`). */
  #finished: Exchange | null = null
  #lastFinished: Exchange | null = null
  #finishScheduled = false
  #isDispatching = false
  #running = 0
  #onIdle: (() => void) | null = null

  constructor(lanes: readonly Lane[], options: ServerCoreOptions) {
    installMessages()
    this.#requests = new Births(Incoming, initialiseIncoming, requestMould())
    this.#responses = new Births(Outgoing, initialiseOutgoing, responseMould())
    this.#options = options
    this.#lanes = lanes
    this.#exchanges = lanes.map(() => [])
    this.#latest = lanes.map(() => [])
    this.#connections = lanes.map(() => new Map())
    this.inbox = new Inbox(lanes, this)
  }

  attach(port: WorkerPort, ioControl: Int32Array): void {
    this.#port = port
    for (const lane of this.#lanes) this.#outboxes.push(new Outbox(lane, ioControl, port))
    this.inbox.attach(port)
    // Leaves the lanes marked as asleep, so that the first request wakes this thread.
    this.pump()
  }

  /** What native code calls. */
  pump(): void {
    this.inbox.pump()
    for (const outbox of this.#outboxes) outbox.flushOverflow()
  }

  /** Requests whose response is not complete. */
  get running(): number {
    return this.#running
  }

  /** Calls back once nothing runs; at once when nothing does. */
  whenIdle(callback: () => void): void {
    if (this.#running === 0) callback()
    else this.#onIdle = callback
  }

  handleRequest(lane: Lane, at: number): void {
    const { words } = lane
    const flags = words[at + REQUEST_FLAGS]
    const textLength = words[at + REQUEST_TEXT_LENGTH]
    const start = at * 4 + REQUEST_BYTES
    const target = this.#options.targetOf(words[at + REQUEST_LISTENER])
    let bodyStart = start + textLength
    let text: string
    if ((flags & REQUEST_FLAG_TEXT_BLOCK) === 0) {
      text = lane.bytes.latin1Slice(start, bodyStart)
    } else {
      text = this.#takeBlock(
        words[at + REQUEST_TEXT_BLOCK_LOW],
        words[at + REQUEST_TEXT_BLOCK_HIGH],
        textLength,
      ).toString('latin1')
      bodyStart = start
    }
    if (target === null) return
    const exchange = new Exchange(
      this,
      target,
      lane,
      this.#outboxes[lane.ioThread],
      words[at + REQUEST_EXCHANGE],
      words[at + REQUEST_GENERATION],
      words[at + REQUEST_CONNECTION],
      words[at + REQUEST_CONNECTION_GENERATION],
      flags,
      text,
      words[at + REQUEST_TARGET_LENGTH],
      words[at + REQUEST_HEADER_COUNT],
      words[at + REQUEST_BYTES_READ_HIGH] * 0x1_0000_0000 + words[at + REQUEST_BYTES_READ_LOW],
      words[at + REQUEST_SEQUENCE],
    )
    if ((flags & REQUEST_FLAG_TUNNEL) !== 0) {
      this.#handOver(exchange, words[at + REQUEST_REASON], words[at + REQUEST_FAULT])
      return
    }
    let body: Buffer | null = null
    if ((flags & REQUEST_FLAG_BODY_INLINE) !== 0) {
      body = Buffer.from(lane.bytes.subarray(bodyStart, bodyStart + words[at + REQUEST_BODY_LENGTH]))
    } else if ((flags & REQUEST_FLAG_BODY_BLOCK) !== 0) {
      body = this.#takeBlock(
        words[at + REQUEST_BODY_BLOCK_LOW],
        words[at + REQUEST_BODY_BLOCK_HIGH],
        words[at + REQUEST_BODY_LENGTH],
      )
    }
    this.#begin(exchange, words[at + REQUEST_METHOD], body)
  }

  #takeBlock(low: number, high: number, length: number): Buffer {
    if (this.#port === null) throw new Error('not attached')
    return this.#port.takeBlock(low, high, length)
  }

  #handOver(exchange: Exchange, reason: number, fault: number): void {
    this.#guard(() => {
      if (this.#options.onHandover !== undefined) this.#options.onHandover(this, { exchange, reason, fault })
      else if (exchange.target.server !== null) serveByNode(exchange.target.server, this.openTunnel(exchange))
      // Nobody asked for it.
      else this.connectionOf(exchange).destroy()
    })
  }

  /** Takes what was handed over: its bytes come and go through the stand-in from now on. */
  openTunnel(exchange: Exchange): Connection {
    this.#exchanges[exchange.lane.ioThread][exchange.index] = exchange
    this.#running++
    const connection = this.connectionOf(exchange)
    connection.becomeTunnel(exchange)
    return connection
  }

  /** What the application throws here is the process's to handle, and the pump's other records are not lost by it. */
  #guard(action: () => void): void {
    try {
      action()
    } catch (error) {
      this.#port?.reportUncaught(error)
    }
  }

  #begin(exchange: Exchange, method: number, body: Buffer | null): void {
    const { target } = exchange
    const req = this.#requests.make(exchange, method)
    const res = this.#responses.make(exchange, req)
    const fields = res as unknown as OutgoingFields
    fields._keepAliveTimeout = target.keepAliveMs
    res.shouldKeepAlive = (exchange.flags & REQUEST_FLAG_KEEP_ALIVE) !== 0
    // Where Node's server hands it on.
    if (target.server !== null) {
      const { joinDuplicateHeaders } = target.server as ServerFields
      ;(req as unknown as IncomingFields).joinDuplicateHeaders = joinDuplicateHeaders ?? null
    }
    exchange.req = req
    exchange.res = res
    this.#exchanges[exchange.lane.ioThread][exchange.index] = exchange
    this.#line(exchange)
    this.#running++
    const isStreamed = (exchange.flags & REQUEST_FLAG_BODY_STREAMED) !== 0
    if (isStreamed) {
      exchange.bodyEnded = false
      // As in Node, a head that is made before the client was told to go on says that the connection ends.
      if ((exchange.flags & REQUEST_FLAG_EXPECT_CONTINUE) !== 0) fields._expect_continue = true
      ;(req as unknown as IncomingFields)._read = readStreamed
      exchange.outbox.signal(KIND_STARTED, exchange, 0)
    }
    this.#isDispatching = true
    try {
      if (startChannel.hasSubscribers) {
        startChannel.publish({ request: req, response: res, socket: req.socket, server: target.server })
      }
      // A context of its own, as each request has on Node: what one enters, the next does not see.
      const resource = new AsyncResource('HTTPINCOMINGMESSAGE', executionAsyncId())
      const result = resource.runInAsyncScope(target.listener, target.server, req, res)
      if (target.onError !== null && isThenable(result)) {
        result.then(undefined, (error: unknown) => this.#fail(exchange, error))
      }
    } catch (error) {
      if (target.onError === null) this.#port?.reportUncaught(error)
      else this.#fail(exchange, error)
    }
    this.#isDispatching = false
    if (--this.#unobserved === 0) {
      const isRequestAsBorn = this.#requests.observe(req)
      this.#unobserved = this.#responses.observe(res) && isRequestAsBorn ? observedEvery : 1
    }
    if (!isStreamed) {
      // The rest of the message follows its head, as it does from Node's parser.
      if (body === null) {
        endEmpty(req)
      } else {
        if (!req.destroyed) req.push(body)
        // As between two callbacks of Node's parser: what listener and body have brought about goes before the end.
        this.settle()
        endBody(exchange)
      }
    }
  }

  settle(): void {
    this.#runTicks()
    while (this.#finished !== null) {
      if (this.#flushFinished()) this.#runTicks()
    }
  }

  #runTicks(): void {
    for (;;) {
      try {
        runTicks()
        return
      } catch (error) {
        // The ticks behind the one that threw still wait.
        this.#port?.reportUncaught(error)
      }
    }
  }

  /** The application failed before or while it answered: 500 if nothing was sent, else the connection is cut. */
  #fail(exchange: Exchange, error: unknown): void {
    const { req, res } = exchange
    if (req === null || res === null) return
    // The client left, and the application stumbled over just that: its fault is the peer's.
    if (req.destroyed && isAbort(error)) return
    if (!exchange.isOver && !res.writableEnded) {
      if (res.headersSent) {
        this.connectionOf(exchange).destroy()
      } else {
        for (const name of res.getHeaderNames()) res.removeHeader(name)
        res.statusCode = 500
        res.statusMessage = ''
        // A status without a body may have been tried before.
        ;(res as unknown as OutgoingFields)._hasBody = req.method !== 'HEAD'
        res.setHeader('Content-Type', 'text/plain; charset=utf-8')
        res.end('Internal Server Error\n')
      }
    }
    exchange.target.onError?.(error, req)
  }

  handleBodyChunk(lane: Lane, index: number, generation: number, flags: number, data: Buffer | null): void {
    const exchange = this.#find(lane, index, generation)
    if (exchange === null) return
    this.#guard(() => {
      if (exchange.isTunnel) {
        if (data !== null) exchange.connection?.receive(data)
        if ((flags & CHUNK_FLAG_LAST) !== 0) {
          exchange.connection?.receive(null)
          this.#options.onTunnelEnded?.(exchange)
        }
      } else {
        exchange.connection?.noteBody(data)
        pushBody(exchange, flags, data)
      }
    })
    if (exchange.isTunnel || (flags & CHUNK_FLAG_LAST) === 0) return
    if (data !== null) this.settle()
    this.#guard(() => endBody(exchange))
  }

  /** As Node closes a connection whose peer ends its side: what is not answered by now is cut off. */
  handleEnded(lane: Lane, index: number, generation: number): void {
    const exchange = this.#find(lane, index, generation)
    if (exchange === null) return
    this.#forget(exchange)
    const { outbox, connectionIndex, connectionGeneration } = exchange
    outbox.signal(KIND_DROP, { lane, index: connectionIndex, generation: connectionGeneration }, DROP_MODE_NOW)
    this.#guard(() => this.#abort(lane, exchange, ABORT_REASON_GONE))
  }

  handleAbort(lane: Lane, index: number, generation: number, reason: number): void {
    const exchange = this.#find(lane, index, generation)
    if (exchange === null) return
    const { before, after } = exchange
    this.#forget(exchange)
    if (exchange.isTunnel) {
      exchange.isOver = true
      this.#connections[lane.ioThread].delete(exchange.connectionIndex)
      exchange.connection?.handleGone(reason)
      return
    }
    const { connection } = exchange
    // Destroyed by the application, which is about to hear of it (handleDestroyed).
    if (connection?.destroyed && connection.exchange === exchange) return
    if (reason === ABORT_REASON_FAULT && this.#options.onHandover !== undefined) {
      // The connection follows, for Node's parser to complain on. As there, the request breaks off with its socket.
      const faulty = this.connectionOf(exchange)
      if (!faulty.destroyed) {
        exchange.isOver = true
        faulty.broken.push(exchange)
        return
      }
    }
    // The connection goes on, or has others to answer first.
    const isSevered = reason === ABORT_REASON_TIMEOUT || (reason === ABORT_REASON_FAULT && before !== null)
    if (isSevered) this.#sever(exchange, before, after)
    this.#guard(() => this.#abort(lane, exchange, reason))
    if (isSevered && after !== null) this.passTurn(after)
  }

  /** The application destroyed the stand-in: its request breaks off now, as with a socket, and not when we are told. */
  handleDestroyed(connection: Connection): void {
    const { exchange, broken } = connection
    for (const each of broken.splice(0)) this.#guard(() => this.#abort(each.lane, each, ABORT_REASON_FAULT))
    if (exchange.isTunnel || exchange.isOver || exchange.req === null) return
    this.#forget(exchange)
    this.#guard(() => this.#abort(exchange.lane, exchange, ABORT_REASON_GONE))
  }

  #abort(lane: Lane, exchange: Exchange, reason: number): void {
    const { req, res, target } = exchange
    let connection = exchange.connection ?? this.#connections[lane.ioThread].get(exchange.connectionIndex)
    // Someone wants to hear of it, and hears of it through the stand-in.
    if (reason === ABORT_REASON_RESET && (target.server?.listenerCount('clientError') ?? 0) > 0) {
      connection ??= this.connectionOf(exchange)
    }
    exchange.isOver = exchange.isAborted = true
    // Whoever's turn it is: what is not complete by now goes with the connection, and Node's own code destroys the socket
    // of a request that breaks off. The I/O thread may still be writing a last answer, and is not to hear of that.
    // The slot may have another connection by now.
    if (connection?.exchange.connectionGeneration === exchange.connectionGeneration) connection.handleGone(reason)
    if (req !== null && !req.destroyed) req.destroy(abortError())
    this.#emitClose(res as Message)
  }

  /**
   * The request has lost its connection, which goes on to carry those before it and those after it. What they share with
   * it stays with those before; those after get another stand-in. To what the application does with the one it may have
   * seen (Node destroys it together with the request) nobody listens.
   */
  #sever(exchange: Exchange, before: Exchange | null, after: Exchange | null): void {
    const connections = this.#connections[exchange.lane.ioThread]
    const shown = connections.get(exchange.connectionIndex)
    const isIts = shown !== undefined && (shown === exchange.connection || shown.exchange === exchange)
    exchange.isOver = exchange.isAborted = true
    if (!isIts || before !== null) {
      if (shown !== undefined) {
        shown.waiting = shown.waiting.filter((res) => res !== exchange.res)
        if (shown.exchange === exchange && before !== null) shown.exchange = before
      }
      exchange.connection = makeConnection(exchange)
    } else {
      connections.delete(exchange.connectionIndex)
      exchange.connection = shown
      const waiting = shown.waiting.splice(0)
      for (let other = after; other !== null; other = other.after) {
        if (other.connection === shown) other.connection = null
      }
      for (const res of waiting) this.connectionOf(exchangeOf(res) as Exchange).waiting.push(res)
    }
    exchange.connection.handleGone(ABORT_REASON_GONE)
  }

  /**
   * Puts a request into the line of those of its connection that run here, in their order. Mostly it is the last; but one
   * that was taken back from another worker comes behind later ones.
   */
  #line(exchange: Exchange): void {
    const latest = this.#latest[exchange.lane.ioThread]
    let before = latest[exchange.connectionIndex] ?? null
    if (before?.connectionGeneration !== exchange.connectionGeneration) before = null
    let after: Exchange | null = null
    while (before?.isBehind(exchange)) {
      after = before
      before = before.before
    }
    exchange.before = before
    exchange.after = after
    if (before !== null) before.after = exchange
    if (after !== null) after.before = exchange
    else latest[exchange.connectionIndex] = exchange
  }

  /** Takes it out of that line: its response is complete, or will never be. */
  #leaveLine(exchange: Exchange): void {
    const { before, after } = exchange
    if (before !== null) {
      before.after = after
      exchange.wasEarly = true
      exchange.before = null
    }
    if (after !== null) {
      after.before = before
      exchange.after = null
    }
    const latest = this.#latest[exchange.lane.ioThread]
    if (latest[exchange.connectionIndex] === exchange) latest[exchange.connectionIndex] = before
  }

  /** The response of `exchange` gets the stand-in, if its turn has come and it waits for that. */
  passTurn(exchange: Exchange): void {
    const { connection, before, res } = exchange
    if (before !== null || connection === null || res === null || connection._httpMessage !== null) return
    const at = connection.waiting.indexOf(res)
    if (at === -1) return
    connection.waiting.splice(at, 1)
    connection.exchange = exchange
    this.#guard(() => res.assignSocket(connection as never))
  }

  handleCredit(lane: Lane, index: number, generation: number, bytes: number): void {
    this.#find(lane, index, generation)?.connection?.credit(bytes)
  }

  handleConnectionClosed(lane: Lane, index: number, generation: number): void {
    const connections = this.#connections[lane.ioThread]
    const connection = connections.get(index)
    if (connection !== undefined && connection.exchange.connectionGeneration === generation) {
      connections.delete(index)
      for (let each: Connection | null = connection; each !== null; each = each.next) {
        each.handleGone(ABORT_REASON_GONE)
      }
    }
    this.#options.onConnectionClosed?.(index, generation)
  }

  /** Undefined: no connection has TLS of ours; otherwise all have. */
  get tls(): TlsFacts | undefined {
    return this.#options.tls
  }

  /** Null once the connection is closed. */
  tlsSessionOf({ lane, connectionIndex, connectionGeneration }: Exchange): NativeTlsSession | null {
    return this.#port?.tlsSession(lane.ioThread, connectionIndex, connectionGeneration) ?? null
  }

  /** The stand-in for the exchange's connection: one object as long as the connection lives. */
  connectionOf(exchange: Exchange): Connection {
    const connection = exchange.connection ?? this.#findConnection(exchange)
    if ((exchange.flags & REQUEST_FLAG_FORWARDED) !== 0) connection.showAddresses(exchange)
    return connection
  }

  #findConnection(exchange: Exchange): Connection {
    const connections = this.#connections[exchange.lane.ioThread]
    let connection = connections.get(exchange.connectionIndex)
    if (connection === undefined || connection.exchange.connectionGeneration !== exchange.connectionGeneration) {
      connection = makeConnection(exchange)
      if (exchange.isAborted) connection.handleGone(ABORT_REASON_GONE)
      else connections.set(exchange.connectionIndex, connection)
    } else if (connection._httpMessage === null) {
      connection.exchange = exchange
    }
    exchange.connection = connection
    return connection
  }

  /** Gives a response the stand-in to write to, when its turn has come. */
  assignSocket(res: Message, exchange: Exchange): void {
    let connection = this.connectionOf(exchange)
    res.prependListener('finish', () => this.#finishRaw(res, exchange))
    // Begun here behind a later one (#line), which has the stand-in and may keep it until this one is answered, or has
    // ended it.
    const holder = connection._httpMessage === null ? undefined : exchangeOf(connection._httpMessage)
    if (connection.isClosing || holder?.isBehind(exchange)) {
      const another = makeConnection(exchange)
      another.next = connection.next
      connection.next = another
      exchange.connection = connection = another
    }
    // Whoever is the first to write: what is not the first of its connection gets neither credit nor to the client.
    if (connection._httpMessage !== null || exchange.before !== null) {
      connection.waiting.push(res)
      return
    }
    connection.exchange = exchange
    // On Node it has had its socket before the application saw it, and nobody hears of that.
    const listeners = res.listenerCount('socket') > 0 ? res.rawListeners('socket') : []
    if (listeners.length > 0) res.removeAllListeners('socket')
    res.assignSocket(connection as never)
    for (const listener of listeners) res.on('socket', listener as () => void)
  }

  /** The lean road's end: events are owed, but not inside the application's call of end(). */
  finishLater(res: Message, exchange: Exchange): void {
    const { after, before } = exchange
    this.#forget(exchange)
    if (after !== null && before === null && after.connection !== null) {
      process.nextTick(passTurn, this, after)
    }
    if (res._eventsCount > 0) {
      // Behind the ticks that the application asked for before it ended the response, and before those after it.
      process.nextTick(finishHeard, this, res, exchange)
      return
    }
    if (this.#lastFinished === null) this.#finished = exchange
    else this.#lastFinished.nextFinished = exchange
    this.#lastFinished = exchange
    if (this.#isDispatching || this.#finishScheduled) return
    this.#finishScheduled = true
    process.nextTick(() => {
      this.#finishScheduled = false
      this.#flushFinished()
    })
  }

  /** As #flushFinished, for one that is listened to. */
  finish(res: Message, exchange: Exchange): void {
    const isDumped = this.#noteFinish(res, exchange)
    if (res._eventsCount === 0 && !isDumped) {
      this.#emitClose(res)
      return
    }
    // Asked for first: what listeners of 'finish' ask for comes behind the 'close', as Node has it.
    process.nextTick(() => this.#emitClose(res))
    if (res._eventsCount > 0) this.#guard(() => res.emit('finish'))
  }

  /** 'finish', and 'close' behind the ticks that are due then, as Node has it. @returns Whether ticks are due. */
  #flushFinished(): boolean {
    const first = this.#finished
    this.#finished = this.#lastFinished = null
    let isHeard = false
    for (let each = first; each !== null; each = each.nextFinished) {
      const res = each.res as Message
      const isDumped = this.#noteFinish(res, each)
      if (res._eventsCount === 0 && !isDumped) continue
      if (!isHeard) process.nextTick(() => this.#closeFinished(first))
      isHeard = true
      if (res._eventsCount > 0) this.#guard(() => res.emit('finish'))
    }
    if (!isHeard) this.#closeFinished(first)
    return isHeard
  }

  #closeFinished(first: Exchange | null): void {
    let each = first
    while (each !== null) {
      this.#emitClose(each.res as Message)
      const { nextFinished } = each
      // Whoever keeps a request is not to keep those after it.
      each.nextFinished = null
      each = nextFinished
    }
  }

  /** What Node's own listener of 'finish' does. @returns Whether a body that nobody read was dumped. */
  #noteFinish(res: Message, exchange: Exchange): boolean {
    // Where Node's own 'finish' notes it.
    if (kWritableFinished !== undefined) (res as unknown as Record<symbol, boolean>)[kWritableFinished] = true
    if (finishChannel.hasSubscribers) this.#publishFinish(res)
    // Those before it are still to be written; then the I/O thread closes the connection, and tells us.
    if (res._last && !exchange.wasEarly) exchange.connection?.closeAfterResponse()
    exchange.isFinished = true
    if (this.timed.size > 0) this.#endTimeout(exchange)
    const req = res.req as IncomingMessage & IncomingFields & { _dump(): void }
    // Someone may wait for its end; a body nobody reads must not stay.
    const isDumped = !req._consumed && req._eventsCount > 0 && exchange.bodyEnded
    if (isDumped) this.#guard(() => req._dump())
    return isDumped
  }

  #emitClose(res: Message): void {
    if (res._closed) return
    res.destroyed = true
    res._closed = true
    if (res._eventsCount > 0) this.#guard(() => res.emit('close'))
  }

  /** Node's road's end: everything was written to the stand-in. */
  #finishRaw(res: Message, exchange: Exchange): void {
    if (exchange.isOver) return
    const connection = this.connectionOf(exchange)
    const req = res.req as IncomingMessage & IncomingFields & { _dump(): void }
    const isLast = res._last || !hasWholeBody(res, connection)
    const { after } = exchange
    if (!isLast && isBodyWanted(exchange, req)) {
      // The I/O thread throws the rest of a body away once the response has ended; this one is still read, or else
      // dumped, as Node does, so that whoever listens hears of its end.
      exchange.isAnswered = true
      this.#leaveLine(exchange)
      if (!req._consumed) req._dump()
      // As long as it is read: a reader that stopped would keep the connection, and a worker that is to end, for ever.
      exchange.patience = setTimeout(
        () => this.#endAnswered(exchange, true),
        exchange.target.keepAliveMs || unreadMsMax,
      ).unref()
    } else {
      exchange.isOver = true
      this.#forget(exchange)
      connection.finishResponse(exchange, isLast)
    }
    if (finishChannel.hasSubscribers) this.#publishFinish(res)
    if (exchange.bodyEnded && !req._consumed) req._dump()
    if (connection._httpMessage === res) res.detachSocket(connection as never)
    exchange.isFinished = true
    if (this.timed.size > 0) this.#endTimeout(exchange)
    if (isLast) connection.closeAfterResponse()
    process.nextTick(() => this.#emitClose(res))
    if (after !== null) this.passTurn(after)
  }

  /**
   * A timeout that the application has set on the socket, for a request or a response, is that of those under way: behind
   * the last of them Node sets another, that of idle connections, and none for the next request. The idle are the I/O
   * thread's to close.
   */
  #endTimeout(exchange: Exchange): void {
    const { lane, connectionIndex, connectionGeneration } = exchange
    const latest = this.#latest[lane.ioThread][connectionIndex]
    if (exchange.target.keepAliveMs === 0 || latest?.connectionGeneration === connectionGeneration) return
    const connection = this.#connections[lane.ioThread].get(connectionIndex)
    if (connection?.exchange.connectionGeneration === connectionGeneration) connection.setTimeout(0)
  }

  /** The whole request has come; its response may have ended before. */
  handleBodyEnd(exchange: Exchange): void {
    this.#endAnswered(exchange, false)
  }

  #endAnswered(exchange: Exchange, close: boolean): void {
    if (!exchange.isAnswered || exchange.isOver) return
    if (exchange.patience !== null) clearTimeout(exchange.patience)
    exchange.isOver = true
    this.#forget(exchange)
    this.connectionOf(exchange).finishResponse(exchange, close)
  }

  #publishFinish(res: Message): void {
    const exchange = exchangeOf(res)
    const { req } = res
    finishChannel.publish({ request: req, response: res, socket: req.socket, server: exchange?.target.server ?? null })
  }

  #find(lane: Lane, index: number, generation: number): Exchange | null {
    const exchange = this.#exchanges[lane.ioThread][index]
    return exchange !== undefined && exchange !== null && exchange.generation === generation ? exchange : null
  }

  #forget(exchange: Exchange): void {
    const table = this.#exchanges[exchange.lane.ioThread]
    if (table[exchange.index] !== exchange) return
    table[exchange.index] = null
    this.#leaveLine(exchange)
    this.#running--
    if (this.#running === 0 && this.#onIdle !== null) {
      const onIdle = this.#onIdle
      this.#onIdle = null
      onIdle()
    }
  }
}

function passTurn(core: ServerCore, exchange: Exchange): void {
  core.passTurn(exchange)
}

function finishHeard(core: ServerCore, res: Message, exchange: Exchange): void {
  core.finish(res, exchange)
}

/**
 * False when other bytes were written than Content-Length said: the peer would take what comes next on the connection for
 * a part of this response, or wait for what never comes.
 */
function hasWholeBody(res: Message, connection: Connection): boolean {
  if (!res._hasBody || res.chunkedEncoding || res._contentLength === null || res._header === null) return true
  const headBytes = connection.responseBytes - res._contentLength
  // Node writes a head in the encoding of the text behind it, most often in latin1.
  return headBytes === res._header.length || headBytes === Buffer.byteLength(res._header)
}

/** What Node destroys a request with when its client leaves. */
function abortError(): Error {
  return Object.assign(new Error('aborted'), { code: 'ECONNRESET' })
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.message === 'aborted' && (error as NodeJS.ErrnoException).code === 'ECONNRESET'
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as PromiseLike<unknown>).then === 'function'
}
