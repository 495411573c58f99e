/**
 * Servers that call `listen()` in a worker, as plain scripts do. Node does all of `listen()`, the events included, but
 * for the binding: the master has the address bound once for all workers, by the native core, and what arrives there
 * comes down this worker's lanes like any other request.
 *
 * The master answers while this thread waits, so that `server.address()` and `server.listening` are as soon as in a
 * process of its own.
 */
import { chmodSync, statSync } from 'node:fs'
import net from 'node:net'
import { constants } from 'node:os'
import { builtins } from '../builtins.js'
import { HornetError } from '../errors.js'
import { Server } from '../http/node-http.js'
import { emitRequest, type Target } from '../http/target.js'
import { type ListenAnswer, type ListenRequest, listenAnswerBytesMax, type WorkerMessage } from '../protocol.js'
import type { LoadedApp } from './app-kind.js'

export interface AdopterOptions {
  tell: (message: WorkerMessage) => void
  keepAliveMs: number
  onError: NonNullable<Target['onError']>
  /** An export was named: the addresses of --bind are for that. */
  keepsAddresses: boolean
  /** All addresses speak TLS: an https server is served as an http server is. */
  hasTls: boolean
}

/** Parts of Node's servers that their types leave out. */
interface ServerFields extends net.Server {
  _handle: unknown
  _connections: number
  _emitCloseIfDrained(): void
  _listen2: Listen2
}
type Listen2 = (
  this: ServerFields,
  address: string | null,
  port: number | null,
  addressType: number | null,
  backlog: number,
  fd: number | undefined,
  flags: number | undefined,
) => void

/** What net.Server asks of what it has bound. */
interface Handle {
  listen(backlog: number): number
  getsockname: ((out: object) => number) | undefined
  fchmod(bits: number): number
  close(): void
  ref(): void
  unref(): void
  hasRef(): boolean
}

type CreateHandle = (
  address: string,
  port: number,
  addressType: number,
  fd: undefined,
  flags: number | undefined,
) => (Handle & { getsockname: (out: object) => number }) | number

// Node's own way from an address to a bound socket.
const { _createServerHandle: createHandle } = net as unknown as { _createServerHandle: CreateHandle }

/** The worker lives as long as its lanes, whether its servers are referenced or not. */
const idleHandle = {
  fchmod: () => 0,
  close: () => {},
  ref: () => {},
  unref: () => {},
  hasRef: () => false,
}

// The master answers at once, unless it is being stopped in a debugger.
const answerWaitMsMax = 60_000
// Another worker may be probing the same port at this moment, with a socket of its own.
const probeWaitMs = 20
const probesMax = 40
// A script may connect to its database before it listens.
const patienceMs = 5000
const addressInUse = -constants.errno.EADDRINUSE

export class Adopter {
  readonly #options: AdopterOptions
  readonly #targets = new Map<number, Target>()
  readonly #open = new Set<Server>()
  readonly #binds = new Set<number>()
  #onFirst: ((app: LoadedApp | null) => void) | undefined
  /** Calls back when no request runs in this worker. */
  #whenIdle: (callback: () => void) => void = (callback) => callback()
  readonly #idle: (() => void)[] = []

  constructor(options: AdopterOptions) {
    this.#options = options
  }

  /** Call before anything of the application is loaded. */
  install(): void {
    const adopter = this
    const { _listen2: listen } = net.Server.prototype as ServerFields
    const listenAdopted: Listen2 = function (address, port, addressType, backlog, fd, flags) {
      const { keepsAddresses: keepsAddress } = adopter.#options
      const request = { address, port, addressType, backlog, fd, flags, keepsAddress }
      // As Node writes it when no address was given.
      const shown = address ?? (fd === undefined ? '::' : null)
      this._handle = adopter.#adopt(this as unknown as Server, request)
      listen.call(this, shown, port, address === null ? 6 : addressType, backlog, fd, flags)
    }
    replace(Server.prototype, listenAdopted)
    // A socket of another kind is the worker's own. It cannot have an address that servers of the pool have; but who
    // only looks whether a port is free (detect-port, get-port) must hear that it is.
    replace(net.Server.prototype, function (address, port, addressType, backlog, fd, flags) {
      if (isHttp2(this)) throw unsupported('http2 servers')
      // Not imported: few applications make one, and all would wait for OpenSSL's part of Node at their start.
      if (this instanceof builtins.tls().Server) {
        if (this instanceof builtins.https().Server) {
          if (!adopter.#options.hasTls) throw unsupportedHttps()
          // Its sockets alone are different, and those are not its own here.
          listenAdopted.call(this, address, port, addressType, backlog, fd, flags)
          return
        }
      } else {
        const handle = adopter.#bindOwn({ address, port, addressType, backlog, fd, flags })
        if (handle !== undefined) this._handle = handle
      }
      listen.call(this, address, port, addressType, backlog, fd, flags)
    })
  }

  /** Whom the requests of a listener are for, if a server of this worker listens there. */
  targetOf(index: number): Target | null {
    return this.#targets.get(index) ?? null
  }

  /** Whether a server listens now. */
  get isListening(): boolean {
    return this.#open.size > 0
  }

  /** What is exported goes before what listens: the addresses of --bind are for that. */
  yieldBinds(): void {
    for (const index of this.#binds) this.#targets.delete(index)
  }

  set whenIdle(whenIdle: (callback: () => void) => void) {
    this.#whenIdle = whenIdle
  }

  /** Resolves when a server listens; to null when nothing is left that could make one. */
  async waitForServer(): Promise<LoadedApp | null> {
    // As below.
    await new Promise((settle) => setImmediate(settle))
    const [server] = this.#open
    if (server !== undefined) return appOf(server)
    const timer = setTimeout(() => {
      const message = 'it exports nothing that can serve, and no http server of it listens yet: waiting for one'
      this.#options.tell({ type: 'log', level: 'warn', message })
    }, patienceMs)
    timer.unref()
    const found = await new Promise<LoadedApp | null>((settle) => {
      this.#onFirst = settle
      process.once('beforeExit', () => settle(null))
    })
    clearTimeout(timer)
    this.#onFirst = undefined
    return found
  }

  /** What the server shall use in place of a bound socket. */
  #adopt(server: Server, request: ListenRequest): Handle {
    const { tell, keepAliveMs, onError } = this.#options
    let answer = this.#ask(request)
    for (let i = 0; i < probesMax && answer.errno === addressInUse; i++) {
      sleep(probeWaitMs)
      answer = this.#ask(request)
    }
    const { errno, indexes = [], name } = answer
    if (errno !== 0) return { ...idleHandle, listen: () => errno, getsockname: () => errno }
    const target: Target = { listener: emitRequest, server, keepAliveMs, onError }
    for (const index of indexes) {
      this.#targets.set(index, target)
      if (answer.areBinds) this.#binds.add(index)
    }
    this.#open.add(server)
    // A turn later one that only wanted to know whether it could is closed again.
    server.once('listening', () => {
      setImmediate(() => {
        if (this.#open.has(server)) this.#onFirst?.(appOf(server))
      })
    })
    let isOpen = true
    return {
      ...idleHandle,
      listen: () => 0,
      getsockname: name === undefined ? undefined : nameGiver(name),
      fchmod: (bits) => (typeof request.address === 'string' ? openTo(request.address, bits) : 0),
      close: () => {
        if (!isOpen) return
        isOpen = false
        this.#open.delete(server)
        tell({ type: 'unlisten', indexes })
        this.#holdClose(server as unknown as ServerFields)
      },
    }
  }

  /** As on Node, 'close' waits for the requests in flight. */
  #holdClose(server: ServerFields): void {
    server._connections++
    this.#idle.push(() => {
      server._connections--
      server._emitCloseIfDrained()
    })
    this.#whenIdle(() => {
      for (const callback of this.#idle.splice(0)) callback()
    })
  }

  /** A socket of this worker's own, bound; undefined when Node is to try, and to report why it cannot. */
  #bindOwn(request: ListenRequest): Handle | undefined {
    const { address, port, addressType, fd, flags } = request
    if (port === null || port <= 0 || fd !== undefined) return undefined
    for (let i = 0; i < probesMax; i++) {
      const handle = createHandle(address ?? '::', port, address === null ? 6 : (addressType ?? 4), undefined, flags)
      if (typeof handle === 'number') return undefined
      if (handle.getsockname({}) === 0) return handle
      handle.close()
      const answer = this.#ask({ ...request, isProbe: true })
      if (answer.errno === 0) return { ...idleHandle, listen: () => 0, getsockname: nameGiver(answer.name) }
      sleep(probeWaitMs)
    }
    return undefined
  }

  /** Asks the master and waits for its answer. */
  #ask(request: ListenRequest): ListenAnswer {
    const answer = new SharedArrayBuffer(listenAnswerBytesMax)
    const words = new Int32Array(answer, 0, 2)
    this.#options.tell({ type: 'listen', request, answer })
    if (Atomics.wait(words, 0, 0, answerWaitMsMax) === 'timed-out')
      throw new Error('the master did not answer listen()')
    const bytes = Buffer.from(new Uint8Array(answer, 8, words[1]))
    return JSON.parse(bytes.toString()) as ListenAnswer // written by the master
  }
}

function replace(prototype: object, listen: Listen2): void {
  Object.defineProperty(prototype, '_listen2', { value: listen, writable: true, configurable: true })
}

function appOf(server: Server): LoadedApp {
  const address = server.address()
  const where = typeof address === 'string' ? address : `port ${address?.port}`
  return {
    kind: 'server',
    listener: (req, res) => emitRequest.call(server, req, res),
    describe: `${server instanceof Server ? 'http' : 'https'} server listening on ${where}`,
    server,
    isListening: true,
  }
}

function nameGiver(name: object | undefined): (out: object) => number {
  return (out) => {
    Object.assign(out, name)
    return 0
  }
}

function isHttp2(server: object): boolean {
  return /^Http2(?:Secure)?Server$/.test(server.constructor.name)
}

function unsupportedHttps(): HornetError {
  return new HornetError(
    'ERR_HORNET_UNSUPPORTED',
    'https servers cannot listen in a worker by themselves: start hornet with --certfile and --keyfile, which go before those of the server',
  )
}

function unsupported(what: string): HornetError {
  return new HornetError(
    'ERR_HORNET_UNSUPPORTED',
    `${what} cannot listen in a worker yet: listen with an http server, and let a proxy in front of hornet do the rest`,
  )
}

// What libuv understands by readableAll and writableAll.
const readable = 1
const writable = 2

/** For a unix socket, permission for everybody; returns 0 or a negative errno. */
function openTo(path: string, bits: number): number {
  try {
    const mode = statSync(path).mode | (bits & readable ? 0o444 : 0) | (bits & writable ? 0o222 : 0)
    chmodSync(path, mode & 0o777)
    return 0
  } catch (error) {
    return (error as NodeJS.ErrnoException).errno ?? -1 // fs throws nothing else
  }
}

function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
