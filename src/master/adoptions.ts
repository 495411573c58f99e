/**
 * The addresses that servers in the workers listen on. The first worker that asks for an address has it bound, by Node's
 * own means and with Node's errors; the native core accepts there, and gives the requests to the workers that asked.
 */
import { closeSync } from 'node:fs'
import { constants } from 'node:os'
import type { Settings } from '../config/settings.js'
import type { ListenAnswer, ListenRequest } from '../protocol.js'
import type { BoundAddress, ListenerOptions, NativeServer } from '../seam/addon.js'
import { createHandle, type Handle } from './server-handle.js'

const addressInUse = -constants.errno.EADDRINUSE

interface Adopted {
  readonly address: BoundAddress
  readonly handle: Handle
  /** What `server.address()` tells; none for a unix socket. */
  readonly name: object | undefined
  readonly adopters: Set<number>
}

interface WorkerState {
  /** What it asked for and has not closed. */
  readonly keys: Map<string, readonly number[]>
  /** Ports that the system was to choose, so far. */
  chosenCount: number
  /** Of its first server, which has the addresses of --bind when they were given: the port it asked for, and has. */
  mainPorts: readonly (number | null)[] | undefined
  /** What it wants of the addresses of --bind, when it serves those. */
  bindOptions: ListenerOptions | undefined
  isReady: boolean
  isLeaving: boolean
}

const options: ListenerOptions = { handsOverUpgrade: true, handsOverConnect: true }

export interface AdoptionsOptions {
  server: NativeServer
  settings: Settings
  /** The listeners of --bind: open already when the operator gave addresses. */
  listeners: { readonly addresses: BoundAddress[] }
  areBindsGiven: boolean
  /** Opens the default ones, for an application that is exported. */
  openBinds: () => Promise<void>
  /** What workers of a predecessor had bound: descriptors by the name `descriptors()` gave. */
  inherited: Map<string, number>
  /** One was opened or closed. */
  onChange: () => void
}

const adoptedPrefix = 'adopted '

/** Whether a descriptor that was handed down is one of `Adoptions.descriptors()`. */
export function isAdopted(name: string): boolean {
  return name.startsWith(adoptedPrefix)
}

export class Adoptions {
  readonly #options: AdoptionsOptions
  #opening: Promise<void> | undefined
  readonly #adopted = new Map<string, Adopted>()
  readonly #workers = new Map<number, WorkerState>()

  constructor(options: AdoptionsOptions) {
    this.#options = options
  }

  get #binds(): BoundAddress[] {
    return this.#options.listeners.addresses
  }

  /** Where connections are accepted now. */
  get addresses(): BoundAddress[] {
    return [...this.#binds, ...[...this.#adopted.values()].map(({ address }) => address)]
  }

  /** A server in the worker calls listen(). */
  listen(workerId: number, request: ListenRequest): ListenAnswer {
    if (request.isProbe) return this.#answerProbe(request)
    const worker = this.#stateOf(workerId)
    const { areBindsGiven } = this.#options
    // Fastify listens on the other addresses of `localhost` with servers of their own.
    const isMain =
      worker.mainPorts === undefined || (Number(request.port) > 0 && worker.mainPorts.includes(request.port))
    if (areBindsGiven && isMain && !request.keepsAddress) {
      worker.mainPorts ??= [request.port, this.#binds[0].port]
      return this.#answerWithBinds(workerId)
    }
    const key = keyOf(request, worker)
    if (worker.keys.has(key)) return { errno: addressInUse }
    const adopted = this.#adopted.get(key) ?? this.#open(key, request)
    if (typeof adopted === 'number') {
      return { errno: adopted }
    }
    const indexes = [adopted.address.index]
    worker.keys.set(key, indexes)
    if (request.port === 0) worker.chosenCount++
    adopted.adopters.add(workerId)
    this.#options.server.adoptListener(workerId, adopted.address.index)
    return { errno: 0, indexes, name: adopted.name }
  }

  /** It has closed it. */
  unlisten(workerId: number, indexes: readonly number[]): void {
    const worker = this.#stateOf(workerId)
    for (const [key, adopted] of this.#adopted) {
      if (!indexes.includes(adopted.address.index)) continue
      worker.keys.delete(key)
      adopted.adopters.delete(workerId)
      if (!worker.isLeaving) this.#options.server.abandonListener(workerId, adopted.address.index)
      // One that ends closes its servers because it ends: others will come for the address.
      if (adopted.adopters.size === 0 && !worker.isLeaving) this.#close(key, adopted)
    }
  }

  /**
   * The worker is ready: with an application that is exported, which is for the addresses of --bind, or with servers.
   *
   * @throws HornetError `ERR_HORNET_BIND`.
   */
  async noteReady(workerId: number, serves: 'export' | 'listen', takesTunnels: boolean): Promise<void> {
    if (serves === 'export') {
      if (!this.#options.areBindsGiven) {
        this.#opening ??= this.#options.openBinds()
        await this.#opening
      }
      // Where nobody waits for them, requests for another protocol are requests like any other, without a detour.
      this.#serveBinds(workerId, takesTunnels ? options : {})
    }
    this.#stateOf(workerId).isReady = true
    this.#sweep()
  }

  /** The addresses of --bind are others now: who serves them serves those. */
  adoptBinds(): void {
    for (const [workerId, { bindOptions }] of this.#workers) {
      if (bindOptions !== undefined) this.#serveBinds(workerId, bindOptions)
    }
  }

  #serveBinds(workerId: number, bindOptions: ListenerOptions): void {
    const { server } = this.#options
    this.#stateOf(workerId).bindOptions = bindOptions
    for (const { index } of this.#binds) {
      server.adoptListener(workerId, index)
      server.configureListener(index, bindOptions)
    }
  }

  /** For a successor: its workers will ask for the same. A file of a unix socket goes with this process, so not those. */
  descriptors(): [name: string, fd: number][] {
    const tcp = [...this.#adopted].filter(([, { address }]) => address.kind === 'tcp')
    return tcp.map(([key, { handle }]) => [adoptedPrefix + key, handle.fd])
  }

  /** What a predecessor's workers had bound and nobody has asked for. */
  closeUnused(): void {
    for (const fd of this.#options.inherited.values()) closeSync(fd)
    this.#options.inherited.clear()
  }

  /** It ends, or has been told to. */
  noteLeaving(workerId: number): void {
    const worker = this.#stateOf(workerId)
    worker.isLeaving = true
    worker.isReady = false
  }

  noteGone(workerId: number): void {
    this.#workers.delete(workerId)
    for (const { adopters } of this.#adopted.values()) adopters.delete(workerId)
    this.#sweep()
  }

  /** The process ends: files of unix sockets go. */
  close(): void {
    for (const { handle } of this.#adopted.values()) handle.close()
    this.#adopted.clear()
  }

  #stateOf(workerId: number): WorkerState {
    let state = this.#workers.get(workerId)
    if (state === undefined) {
      state = {
        keys: new Map(),
        chosenCount: 0,
        mainPorts: undefined,
        bindOptions: undefined,
        isReady: false,
        isLeaving: false,
      }
      this.#workers.set(workerId, state)
    }
    return state
  }

  /** Addresses that nobody listens on any more, though there are workers that could: an older generation did. */
  #sweep(): void {
    if (![...this.#workers.values()].some(({ isReady }) => isReady)) return
    for (const [key, adopted] of this.#adopted) {
      if (adopted.adopters.size === 0) this.#close(key, adopted)
    }
  }

  #answerWithBinds(workerId: number): ListenAnswer {
    this.#serveBinds(workerId, options)
    const [first] = this.#binds
    const name = first.kind === 'tcp' ? { address: first.address, family: first.family, port: first.port } : undefined
    return { errno: 0, indexes: this.#binds.map(({ index }) => index), areBinds: true, name }
  }

  /** Whether the port is one of the pool's own: then it is not in use, for those who look. */
  #answerProbe({ port }: ListenRequest): ListenAnswer {
    const found = [...this.#adopted.values()].find(({ address }) => address.kind === 'tcp' && address.port === port)
    if (found === undefined) return { errno: addressInUse }
    return { errno: 0, indexes: [], name: found.name }
  }

  /** A negative errno when it cannot be. */
  #open(key: string, request: ListenRequest): Adopted | number {
    const { server, settings } = this.#options
    const handle = this.#inherit(key) ?? bind(request)
    if (typeof handle === 'number') return handle
    const name = {}
    const isTcp = handle.getsockname !== undefined
    let error = handle.getsockname?.(name) ?? 0
    if (error === 0) {
      try {
        const backlog = Math.max(request.backlog || 0, settings.backlog)
        const address = server.listen({ kind: 'fd', fd: handle.fd, backlog, isLent: true }, options)
        const adopted = { address, handle, name: isTcp ? name : undefined, adopters: new Set<number>() }
        this.#adopted.set(key, adopted)
        this.#options.onChange()
        return adopted
      } catch (thrown) {
        const { errno } = thrown as NodeJS.ErrnoException // the core throws nothing else
        if (errno === undefined) throw thrown
        error = errno
      }
    }
    handle.close()
    return error
  }

  #inherit(key: string): Handle | number | undefined {
    const fd = this.#options.inherited.get(adoptedPrefix + key)
    if (fd === undefined) return undefined
    this.#options.inherited.delete(adoptedPrefix + key)
    return createHandle(null, null, null, fd, undefined)
  }

  #close(key: string, { address, handle }: Adopted): void {
    this.#adopted.delete(key)
    this.#options.server.closeListener(address.index)
    handle.close()
    this.#options.onChange()
  }
}

/** As Node does it: without an address, every one of both families where there is IPv6. */
function bind({ address, port, addressType, fd, flags }: ListenRequest): Handle | number {
  if (address !== null || fd !== undefined) return createHandle(address, port, addressType, fd, flags)
  const both = createHandle('::', port, 6, undefined, flags)
  return typeof both === 'number' ? createHandle('0.0.0.0', port, 4, undefined, flags) : both
}

/** The same for all workers that ask for the same; the n-th port of the system's choice is the n-th in each worker. */
function keyOf({ address, port, addressType, fd }: ListenRequest, { chosenCount }: WorkerState): string {
  if (fd !== undefined) return `fd ${fd}`
  return `${addressType} ${address ?? ''} ${port}${port === 0 ? ` #${chosenCount}` : ''}`
}
