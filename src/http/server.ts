/**
 * `http.Server` on the native core. It is Node's own Server with another way in: `listen()` binds as Node does, in all
 * its forms, and then the native core accepts from the bound socket, parses, and hands requests over.
 *
 * What the core cannot show exactly as Node does goes through Node's own parser and code, over the core's connections:
 * upgrades, CONNECT, `Expect`, malformed requests, and whole connections of a server that listens for 'connection' or
 * sets what only Node's code knows of (`needsNode`).
 */
import http, { type RequestListener, type ServerOptions } from 'node:http'
import type { ListenerOptions } from '../seam/addon.js'
import { DROP_MODE_IDLE, DROP_MODE_NOW, TUNNEL_REASON_BROKEN_BODY } from '../seam/records.js'
import type { Connection } from './connection.js'
import type { Exchange } from './exchange.js'
import { type Handover, installMessages, type ServerCore } from './server-core.js'
import { type Hosted, type Standalone, standaloneCore } from './standalone.js'
import { emitRequest, serveByNode, type Target } from './target.js'

/** Fields and methods of Node's Server that its types leave out, and ours. */
interface ServerFields extends http.Server {
  _handle: Handle | null
  _connections: number
  _unref?: boolean
  _emitCloseIfDrained(): void
  keepAliveTimeoutBuffer?: number
  noDelay?: boolean
  keepAlive?: boolean
  keepAliveInitialDelay?: number
  insecureHTTPParser?: boolean
  maxHeaderSize?: number
  shouldUpgradeCallback?: unknown
  [kShouldUpgrade]?: unknown
  [kHandle]: Handle | null
  [kHome]: Home
}

/** What Node's net module binds and listens with. */
interface Handle {
  fd?: number
  getsockname?: (out: object) => number
  listen: (backlog: number) => number
}

const kHandle = Symbol('hornet.handle')
const kHome = Symbol('hornet.home')
/** The callback of Node's own making, a new one for each server. */
const kShouldUpgrade = Symbol('hornet.shouldUpgrade')
const kKeepAliveTimeout = Symbol('hornet.keepAliveTimeout')

const NodeServer = http.Server as unknown as {
  new (options?: ServerOptions, listener?: RequestListener): http.Server
  prototype: http.Server
  call(target: object, options: unknown, listener: unknown): void
}

/** A server as it is when nothing was asked of it. */
const plain = new NodeServer() as unknown as Record<string | symbol, unknown>
/** What the native core cannot do as Node does, when it is not as in a plain server. */
const nodesOwn: (string | symbol)[] = [
  'timeout',
  'maxHeadersCount',
  'maxRequestsPerSocket',
  'requestTimeout',
  'headersTimeout',
  'connectionsCheckingInterval',
  'httpAllowHalfOpen',
  'rejectNonStandardBodyWrites',
  'requireHostHeader',
  'highWaterMark',
  'optimizeEmptyRequests',
  // The classes of req and res, and the headers to be unique.
  ...Object.getOwnPropertySymbols(plain).filter((symbol) =>
    ['IncomingMessage', 'ServerResponse', 'kUniqueHeaders'].includes(symbol.description ?? ''),
  ),
]

/** True when Node's own parser and code must serve the server's connections for it to see what it asked for. */
function needsNode(server: ServerFields): boolean {
  // Node's own listener is one of them.
  if (server.listenerCount('connection') !== 1 || server.listenerCount('timeout') > 0) return true
  if (server.shouldUpgradeCallback !== server[kShouldUpgrade]) return true
  const fields = server as unknown as Record<string | symbol, unknown>
  return nodesOwn.some((name) => fields[name] !== plain[name])
}

/** A server's place at the native core. */
class Home implements Hosted {
  readonly target: Target & { readonly server: http.Server }
  readonly #server: ServerFields
  #core: Standalone | null = null
  #index = -1

  constructor(server: ServerFields) {
    this.#server = server
    // Node's way: what a listener throws is uncaught.
    this.target = { listener: emitRequest, server, keepAliveMs: server.keepAliveTimeout, onError: null }
  }

  get isReferenced(): boolean {
    return !this.#server._unref
  }

  /** In place of the handle's own listen(): 0 or a negative errno. */
  listen(fd: number, backlog: number): number {
    this.#core = standaloneCore()
    try {
      this.#index = this.#core.listen(this, fd, backlog, this.#options())
      return 0
    } catch (error) {
      const { errno } = error as NodeJS.ErrnoException // the core throws nothing else
      if (errno === undefined) throw error
      return errno
    }
  }

  close(): void {
    if (this.#index === -1) return
    this.#core?.close(this.#index)
    this.#index = -1
  }

  /** The server's settings have changed. */
  configure(): void {
    this.target.keepAliveMs = this.#server.keepAliveTimeout
    if (this.#index !== -1) this.#core?.configure(this.#index, this.#options())
  }

  updateReference(): void {
    this.#core?.updateReference()
  }

  drop(mode: number): void {
    this.#core?.drop(this, mode)
  }

  handleOffer(core: ServerCore, exchange: Exchange): 'native' | 'node' | 'dropped' {
    const server = this.#server
    if (server.maxConnections && server._connections >= server.maxConnections) {
      server.emit('drop', dropData(exchange))
      return 'dropped'
    }
    server._connections++
    if (!needsNode(server)) return 'native'
    server.emit('connection', core.openTunnel(exchange))
    return 'node'
  }

  // What our parser refuses is Node's to judge: it is refused with the event, the codes and the words that Node has for
  // it, or served if Node serves it.
  handleUnparsed(core: ServerCore, { exchange, reason, fault }: Handover): void {
    const connection = core.openTunnel(exchange)
    if (reason === TUNNEL_REASON_BROKEN_BODY) this.#refuseBody(connection, fault)
    else serveByNode(this.#server, connection)
  }

  /** A body in chunks that is none: Node's parser sees it behind a head of ours, and says what it says of such. */
  #refuseBody(connection: Connection, status: number): void {
    const server = this.#server
    let isTold = false
    const front = Object.create(server, {
      emit: {
        value: (event: string, ...args: unknown[]) => {
          // The request was told of already, and so may be the fault, by us.
          if (event === 'request' || (event === 'clientError' && isTold)) return true
          isTold ||= event === 'clientError'
          return Reflect.apply(server.emit, server, [event, ...args])
        },
      },
    }) as http.Server
    serveByNode(front, connection)
    if (status === 413) {
      // What was too much of it is behind us.
      const error = new Error('Parse Error: Chunk extensions overflow')
      const code = 'HPE_CHUNK_EXTENSIONS_OVERFLOW'
      connection.emit('error', Object.assign(error, { code, reason: 'Chunk extensions overflow' }))
      return
    }
    const complain = (): void => {
      if (isTold || connection.destroyed) return
      const error = new Error('Parse Error: Invalid character in chunk size')
      connection.emit('error', Object.assign(error, { code: 'HPE_INVALID_CHUNK_SIZE', reason: 'Invalid character' }))
    }
    // The head of ours, then what ours has seen enough of. Should Node wait for more before it complains:
    let pieces = 0
    connection.on('data', () => {
      if (++pieces === 2) setImmediate(complain)
    })
    connection.receive(Buffer.from('POST / HTTP/1.1\r\nHost: hornet\r\nTransfer-Encoding: chunked\r\n\r\n'))
  }

  handleClosed(): void {
    this.#server._connections--
    this.#server._emitCloseIfDrained()
  }

  #options(): ListenerOptions {
    const { keepAliveTimeout, keepAliveTimeoutBuffer, headersTimeout, requestTimeout, maxHeaderSize } = this.#server
    const headBytesMax = maxHeaderSize || http.maxHeaderSize
    return {
      requestLineBytesMax: headBytesMax,
      fieldBytesMax: headBytesMax,
      headBytesMax,
      fieldsMax: 512,
      headerTimeoutMs: headersTimeout,
      bodyTimeoutMs: requestTimeout,
      bodyBufferBytes: 0,
      keepAliveMs: keepAliveTimeout > 0 ? keepAliveTimeout + (keepAliveTimeoutBuffer ?? 0) : 0,
      keepAliveHintSeconds: Math.floor(keepAliveTimeout / 1000),
      writeTimeoutMs: 0,
      offersConnections: true,
      handsOverUpgrade: true,
      handsOverConnect: true,
      handsOverExpect: true,
      handsOverFaults: true,
      tellsEnds: true,
    }
  }
}

function dropData(exchange: Exchange): object | undefined {
  const { text } = exchange
  const [remoteAddress, remotePort, localAddress, localPort] = text.slice(text.lastIndexOf('\0') + 1).split(' ')
  if (localPort === undefined) return undefined
  const family = (address: string): string => (address.includes(':') ? 'IPv6' : 'IPv4')
  return {
    localAddress,
    localPort: Number(localPort),
    localFamily: family(localAddress),
    remoteAddress,
    remotePort: Number(remotePort),
    remoteFamily: family(remoteAddress),
  }
}

function homeOf(server: ServerFields): Home {
  if (server[kHome] === undefined) {
    Object.defineProperty(server, kHome, { value: new Home(server) })
  }
  return server[kHome]
}

/** As Node's `http.Server`: callable without `new`, and inheritable in the old way (`http.Server.call(this)`). */
function HornetServer(this: ServerFields | undefined, options?: unknown, listener?: unknown): unknown {
  if (!(this instanceof HornetServer)) {
    return new (Server as unknown as new (options: unknown, listener: unknown) => unknown)(options, listener)
  }
  installMessages()
  const server = this as unknown as ServerFields
  NodeServer.call(server, options, listener)
  const isAsked = typeof options === 'object' && options !== null && 'shouldUpgradeCallback' in options
  if (!isAsked) server[kShouldUpgrade] = server.shouldUpgradeCallback
  if (server.insecureHTTPParser) {
    process.emitWarning('hornet/http has no insecure parser: insecureHTTPParser is ignored', 'HornetWarning')
    server.insecureHTTPParser = false
  }
  return undefined
}
Object.defineProperty(HornetServer, 'name', { value: 'Server' })
Object.setPrototypeOf(HornetServer, http.Server)
Object.setPrototypeOf(HornetServer.prototype, NodeServer.prototype)

const methods: Record<string, (this: ServerFields, ...args: never[]) => unknown> = {
  ref() {
    const result = NodeServer.prototype.ref.call(this)
    homeOf(this).updateReference()
    return result
  },
  unref() {
    const result = NodeServer.prototype.unref.call(this)
    homeOf(this).updateReference()
    return result
  },
  closeAllConnections() {
    NodeServer.prototype.closeAllConnections.call(this)
    homeOf(this).drop(DROP_MODE_NOW)
  },
  closeIdleConnections() {
    NodeServer.prototype.closeIdleConnections.call(this)
    homeOf(this).drop(DROP_MODE_IDLE)
  },
}
for (const [name, value] of Object.entries(methods)) {
  Object.defineProperty(HornetServer.prototype, name, { value, writable: true, configurable: true, enumerable: true })
}

Object.defineProperties(HornetServer.prototype, {
  // Node sets this to what it has bound, calls its listen(), and clears it at the end.
  _handle: {
    configurable: true,
    enumerable: true,
    get(this: ServerFields) {
      return this[kHandle] ?? null
    },
    set(this: ServerFields, handle: Handle | null) {
      const previous = this[kHandle] ?? null
      this[kHandle] = handle
      if (previous !== null && previous !== handle) homeOf(this).close()
      // A cluster worker's is none of ours: the primary accepts.
      const fd = handle?.fd
      if (handle === null || fd === undefined || fd < 0) return
      handle.listen = (backlog) => {
        // Where libuv keeps an address in use for its own listen() to report.
        const error = handle.getsockname?.({}) ?? 0
        return error !== 0 ? error : homeOf(this).listen(fd, backlog)
      }
    },
  },
  keepAliveTimeout: {
    configurable: true,
    enumerable: true,
    get(this: ServerFields) {
      return (this as unknown as Record<symbol, unknown>)[kKeepAliveTimeout]
    },
    set(this: ServerFields, milliseconds: number) {
      ;(this as unknown as Record<symbol, unknown>)[kKeepAliveTimeout] = milliseconds
      if (this[kHome] !== undefined) homeOf(this).configure()
    },
  },
})

export const Server = HornetServer as unknown as typeof http.Server

/** As Node's `http.createServer`. */
export function createServer(options?: ServerOptions | RequestListener, listener?: RequestListener): http.Server {
  return new (Server as unknown as new (options: unknown, listener: unknown) => http.Server)(options, listener)
}
