/**
 * The native core inside an application: one I/O thread and one lane for all `hornet/http` servers of this thread.
 * Made when the first of them listens. It keeps the event loop running as Node's sockets do: while a server listens
 * that was not unref'd, and while a connection is open.
 */
import { channel } from 'node:diagnostics_channel'
import type { Server } from 'node:http'
import {
  IO_CONTROL_STRIDE,
  LANE_RINGS_OFFSET,
  type ListenerOptions,
  loadAddon,
  type NativeLimits,
  type NativeServer,
  type WorkerPort,
} from '../seam/addon.js'
import { Lane } from '../seam/lane.js'
import { DROP_MODE_NOW, KIND_ADMIT, KIND_DROP, TUNNEL_REASON_OFFER } from '../seam/records.js'
import type { Exchange } from './exchange.js'
import { type Handover, ServerCore } from './server-core.js'
import type { Target } from './target.js'

/** A server whose connections the native core accepts. */
export interface Hosted {
  readonly target: Target & { readonly server: Server }
  /** A connection was accepted: whose parser shall serve it? `dropped`: nobody's, it is being closed. */
  handleOffer(core: ServerCore, exchange: Exchange): 'native' | 'node' | 'dropped'
  /** A request, or what was refused as one, that Node's own parser shall see. */
  handleUnparsed(core: ServerCore, handover: Handover): void
  /** A connection that was offered is closed. */
  handleClosed(): void
  /** Whether it keeps the process running by itself. */
  readonly isReferenced: boolean
}

interface OpenConnection {
  readonly exchange: Exchange
  readonly hosted: Hosted
  /** Parsed by the native core so far; otherwise Node's code knows of it. */
  isNative: boolean
  /** A tunnel whose peer has finished sending: as a socket that reads no more, it does not keep the process running. */
  hasEnded: boolean
}

const requestRingBytes = 256 * 1024
const responseRingBytes = 1024 * 1024
const workerId = 1

const socketChannel = channel('net.server.socket')

/**
 * What holds for the I/O thread as a whole. Node sets no limit on connections and requests in flight; these are the
 * core's own bounds, far above what one thread of JavaScript can serve.
 */
const limits: NativeLimits = {
  requestLineBytesMax: 256 * 1024,
  fieldsMax: 512,
  fieldBytesMax: 256 * 1024,
  headBytesMax: 256 * 1024,
  bodyBytesMax: 0,
  bodyBufferBytes: 0,
  connectionsMax: 1_000_000,
  clientConnectionsMax: 0,
  clientRequestsPerSecond: 0,
  clientRequestsBurst: 0,
  requestQueueMax: 1_000_000,
  queueTimeoutMs: 0x7fff_ffff,
  headerTimeoutMs: 60_000,
  bodyTimeoutMs: 300_000,
  keepAliveMs: 5000,
  writeTimeoutMs: 0,
}
const inFlightMax = 0x7fff_ffff

class Standalone {
  readonly #native: NativeServer
  readonly #port: WorkerPort
  readonly #core: ServerCore
  /** By listener. */
  readonly #hosted: (Hosted | null)[] = []
  /** By slot of the native connection. */
  readonly #connections = new Map<number, OpenConnection>()
  /** Of those, the ones with `hasEnded`. */
  #ended = 0
  readonly #listening = new Set<number>()
  #isReferenced = true

  constructor() {
    const ioControl = new SharedArrayBuffer(IO_CONTROL_STRIDE)
    const addon = loadAddon()
    this.#native = addon.createServer({
      ioThreads: 1,
      ioControl: new Uint8Array(ioControl),
      limits,
      isBackground: true,
      onEvent: (event) => {
        if (event.type === 'log') process.emitWarning(event.message, 'HornetWarning')
      },
    })
    const memory = new SharedArrayBuffer(LANE_RINGS_OFFSET + requestRingBytes + responseRingBytes)
    this.#native.addWorker(workerId, [new Uint8Array(memory)], requestRingBytes, inFlightMax)
    this.#core = new ServerCore([new Lane(memory, 0, requestRingBytes)], {
      targetOf: (index) => this.#hosted[index]?.target ?? null,
      onHandover: (core, handover) => this.#handleHandover(core, handover),
      onTunnelEnded: (exchange) => {
        const known = this.#connections.get(exchange.connectionIndex)
        if (known === undefined) return
        known.hasEnded = true
        this.#ended++
        this.updateReference()
      },
      onConnectionClosed: (index, generation) => this.#handleClosed(index, generation),
    })
    this.#port = addon.attachWorker(this.#native.handle, workerId, () => this.#core.pump())
    this.#core.attach(this.#port, new Int32Array(ioControl))
    this.#native.start()
    this.#native.readyWorker(workerId)
    this.updateReference()
  }

  /** Accepts on a bound socket that stays its owner's. Returns the listener's index; throws what the core throws. */
  listen(hosted: Hosted, fd: number, backlog: number, options: ListenerOptions): number {
    const { index } = this.#native.listen({ kind: 'fd', fd, backlog, isLent: true }, options)
    this.#hosted[index] = hosted
    this.#listening.add(index)
    this.updateReference()
    return index
  }

  configure(index: number, options: ListenerOptions): void {
    this.#native.configureListener(index, options)
  }

  close(index: number): void {
    this.#native.closeListener(index)
    this.#listening.delete(index)
    this.updateReference()
  }

  /** Closes the server's connections that only the native core knows of; `mode` is a DropMode. */
  drop(hosted: Hosted, mode: number): void {
    for (const { exchange, hosted: owner, isNative } of this.#connections.values()) {
      if (owner === hosted && isNative) signalDrop(exchange, mode)
    }
  }

  updateReference(): void {
    let isWanted = this.#connections.size > this.#ended
    for (const index of this.#listening) isWanted ||= this.#hosted[index]?.isReferenced ?? false
    if (isWanted === this.#isReferenced) return
    this.#isReferenced = isWanted
    if (isWanted) this.#port.ref()
    else this.#port.unref()
  }

  #handleHandover(core: ServerCore, handover: Handover): void {
    const { exchange, reason } = handover
    if (reason !== TUNNEL_REASON_OFFER) {
      const known = this.#connections.get(exchange.connectionIndex)
      if (known === undefined) return
      known.isNative = false
      known.hosted.handleUnparsed(core, handover)
      return
    }
    const hosted = this.#hostedOf(exchange)
    const opened: OpenConnection = { exchange, hosted, isNative: true, hasEnded: false }
    this.#connections.set(exchange.connectionIndex, opened)
    this.updateReference()
    if (socketChannel.hasSubscribers) socketChannel.publish({ socket: core.connectionOf(exchange) })
    const answer = hosted.handleOffer(core, exchange)
    opened.isNative = answer === 'native'
    if (answer === 'native') exchange.outbox.signal(KIND_ADMIT, exchange, 0)
    if (answer !== 'dropped') return
    this.#connections.delete(exchange.connectionIndex)
    signalDrop(exchange, DROP_MODE_NOW)
    this.updateReference()
  }

  #hostedOf(exchange: Exchange): Hosted {
    // Targets are made by hosted servers only, each its own.
    return this.#hosted.find((hosted) => hosted?.target === exchange.target) as Hosted
  }

  #handleClosed(index: number, generation: number): void {
    const known = this.#connections.get(index)
    if (known === undefined || known.exchange.connectionGeneration !== generation) return
    this.#connections.delete(index)
    if (known.hasEnded) this.#ended--
    known.hosted.handleClosed()
    this.updateReference()
  }
}

/** Closes the native connection as such; `mode` is a DropMode. */
export function signalDrop(exchange: Exchange, mode: number): void {
  const { lane, outbox, connectionIndex: index, connectionGeneration: generation } = exchange
  outbox.signal(KIND_DROP, { lane, index, generation }, mode)
}

let standalone: Standalone | undefined

/**
 * The core of this thread; made at the first call.
 *
 * @throws HornetError `ERR_HORNET_ADDON`.
 */
export function standaloneCore(): Standalone {
  standalone ??= new Standalone()
  return standalone
}

export type { Standalone }
