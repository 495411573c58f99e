/**
 * What the worker knows of one request and its response. Hung on `req` and `res` by one symbol each, because frameworks
 * replace their prototypes: nothing of ours may live there alone.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Lane, StartedExchange } from '../seam/lane.js'
import type { Outbox } from '../seam/outbox.js'
import { REQUEST_FLAG_TUNNEL } from '../seam/records.js'
import type { Connection } from './connection.js'
import type { ServerCore } from './server-core.js'
import type { Target } from './target.js'

export const kExchange = Symbol('hornet.exchange')

export class Exchange implements StartedExchange {
  readonly core: ServerCore
  readonly target: Target
  readonly lane: Lane
  readonly outbox: Outbox
  readonly index: number
  readonly generation: number
  /** The native connection: slot and generation. */
  readonly connectionIndex: number
  readonly connectionGeneration: number
  /** Flags of the request record. */
  readonly flags: number
  /** Target NUL (name NUL value NUL)* addresses; see native/ring/records.h. */
  readonly text: string
  readonly targetLength: number
  readonly headerCount: number
  readonly claimedAt: number
  /** Bytes received on the connection when this was parsed. */
  readonly bytesRead: number
  /** Nth request of its connection, in 32 bits. */
  readonly sequence: number
  req: IncomingMessage | null = null
  res: ServerResponse | null = null
  /** The stand-in for the connection's socket, once someone asked for it. */
  connection: Connection | null = null
  /** Requests of the same connection that run in this worker and are not answered: the one before, and the one after. */
  before: Exchange | null = null
  after: Exchange | null = null
  /** Answered while one before it was not. */
  wasEarly = false
  /** Bytes of a streamed body the application has not taken yet. */
  unread = 0
  /** The whole request has arrived and was pushed. */
  bodyEnded = true
  /** The end of a request without a body was pushed: someone reads. */
  hasPushedEnd = false
  /** The I/O thread has no more interest in it: answered, or the peer is gone. */
  isOver = false
  /** 'finish' was emitted: the response has no socket any more. */
  isFinished = false
  /** The next of those whose responses ended and owe their events. */
  nextFinished: Exchange | null = null
  /** The connection was closed before the response was complete. */
  isAborted = false
  /** The response has ended, and the I/O thread was not told: it still is to bring the rest of the body. */
  isAnswered = false
  /** Then: ends the wait for a rest that nobody reads. */
  patience: NodeJS.Timeout | null = null

  constructor(
    core: ServerCore,
    target: Target,
    lane: Lane,
    outbox: Outbox,
    index: number,
    generation: number,
    connectionIndex: number,
    connectionGeneration: number,
    flags: number,
    text: string,
    targetLength: number,
    headerCount: number,
    bytesRead: number,
    sequence: number,
  ) {
    this.core = core
    this.target = target
    this.lane = lane
    this.outbox = outbox
    this.claimedAt = outbox.clockUs
    this.index = index
    this.generation = generation
    this.connectionIndex = connectionIndex
    this.connectionGeneration = connectionGeneration
    this.flags = flags
    this.text = text
    this.targetLength = targetLength
    this.headerCount = headerCount
    this.bytesRead = bytesRead
    this.sequence = sequence
  }

  /** Whether the client sent it behind `other`, of the same connection. */
  isBehind(other: Exchange): boolean {
    return ((this.sequence - other.sequence) | 0) > 0
  }

  /** Not a request: the connection's bytes as they are, both ways. */
  get isTunnel(): boolean {
    return (this.flags & REQUEST_FLAG_TUNNEL) !== 0
  }
}

/** The exchange behind a `req` or `res`, if it is one of ours. */
export function exchangeOf(message: object): Exchange | undefined {
  // The symbol is ours: what hangs on it is an Exchange.
  return (message as { [kExchange]?: Exchange })[kExchange]
}
