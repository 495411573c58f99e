/**
 * The one file that loads the `.node` binary, and the types of what it exports.
 */
import { existsSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { HornetError } from '../errors.js'
import { layoutFingerprint } from './records.js'

export { IO_CONTROL_STRIDE, LANE_RINGS_OFFSET } from './records.js'

/** Limits and times the native core enforces. Bytes and milliseconds. */
export interface NativeLimits {
  requestLineBytesMax: number
  fieldsMax: number
  fieldBytesMax: number
  headBytesMax: number
  /** 0: no limit. */
  bodyBytesMax: number
  /** A body up to this size is read before the request is dispatched. */
  bodyBufferBytes: number
  connectionsMax: number
  /** Connections of one client (address, or IPv6 network of 64 bits) at once; 0: any number. */
  clientConnectionsMax: number
  /** Requests of one client a second, and how many at once after a pause; 0: any number. Beyond: 429. */
  clientRequestsPerSecond: number
  clientRequestsBurst: number
  /** Requests waiting for a worker, over all I/O threads; beyond: 503. */
  requestQueueMax: number
  queueTimeoutMs: number
  /** A worker that leaves requests unstarted this long, without progress, loses them to another. Default 5. */
  reassignAfterMs?: number
  /** From a request's first byte to the end of its response: 504 at that. Default 0: no limit. */
  requestTimeoutMs?: number
  /** Safe requests with nothing sent that ran in a worker that died are run once more. Default false. */
  retriesSafe?: boolean
  headerTimeoutMs: number
  bodyTimeoutMs: number
  /** Of a body, over any bodyTimeoutMs that the peer is waited for: 408 below that. Default 0: any rate. */
  bodyBytesPerSecondMin?: number
  keepAliveMs: number
  /** How long a peer may take no byte of what is written to it; 0: for ever. */
  writeTimeoutMs: number
  /** Of what waits for the peer, over any writeTimeoutMs: the connection is reset below that. Default 0: any rate. */
  writeBytesPerSecondMin?: number
}

/** What one listener does differently from the server; what is left out is as the server's `limits` say. */
export interface ListenerOptions
  extends Partial<
    Pick<
      NativeLimits,
      | 'requestLineBytesMax'
      | 'fieldsMax'
      | 'fieldBytesMax'
      | 'headBytesMax'
      | 'bodyBufferBytes'
      | 'headerTimeoutMs'
      | 'bodyTimeoutMs'
      | 'keepAliveMs'
      | 'writeTimeoutMs'
    >
  > {
  /** What responses say of the keep-alive time, in seconds; 0: nothing. */
  keepAliveHintSeconds?: number
  /** Offers each connection to the worker before a byte is read (TUNNEL_REASON_OFFER). Default false. */
  offersConnections?: boolean
  /** Requests for another protocol go to the worker as tunnels; otherwise Upgrade is ignored. Default false. */
  handsOverUpgrade?: boolean
  /** So do CONNECT requests; otherwise they are answered 501. Default false. */
  handsOverConnect?: boolean
  /** So do requests with an Expect field; otherwise the server answers that itself. Default false. */
  handsOverExpect?: boolean
  /** So does what the parser refuses; otherwise the server answers it itself. Default false. */
  handsOverFaults?: boolean
  /** Tells the worker of a peer that has finished sending; otherwise its requests have a second more. Default false. */
  tellsEnds?: boolean
}

/** Where to listen. A `unix` path is created by the core and removed at close. */
export type ListenerSpec =
  | { kind: 'tcp'; host: string; port: number; reusePort: boolean; backlog: number }
  | { kind: 'unix'; path: string; mode: number; backlog: number }
  /** `isLent`: the descriptor stays its owner's; otherwise it is closed with the listener. Default false. */
  | { kind: 'fd'; fd: number; backlog: number; isLent?: boolean }

/** What a listener is bound to once open. `port` is 0 for unix sockets. */
export interface BoundAddress {
  kind: 'tcp' | 'unix'
  address: string
  family: 'IPv4' | 'IPv6' | 'unix'
  port: number
  /** Number of the listener, from 0, never used twice: what request records name it by. */
  index: number
}

export type NativeEvent =
  /** A draining worker has no request left. */
  | { type: 'worker-drained'; workerId: number }
  /** Nothing that a worker does reaches anybody any more. */
  | { type: 'worker-fenced'; workerId: number; requestsFailed: number; requestsMoved: number; requestsRetried: number }
  /** The I/O threads let go of a removed worker's lanes; what failed or moved when it was fenced was told then. */
  | { type: 'worker-removed'; workerId: number; requestsFailed: number; requestsMoved: number; requestsRetried: number }
  /** A worker has been given as many requests as `addWorker` said. */
  | { type: 'worker-spent'; workerId: number }
  /** After `drain`: every connection is closed. */
  | { type: 'drained' }
  /** The machine misbehaved (EMFILE, accept failure…); said once per kind and minute. */
  | { type: 'log'; level: 'warn' | 'error'; message: string }
  /** After `listRequests`, once per I/O thread. */
  | { type: 'requests'; listing: number; total: number; requests: NativeRequest[] }

/** A request in flight. */
export interface NativeRequest {
  /** Unique while it is in flight. */
  id: string
  /** 0: with none. */
  workerId: number
  method: string
  /** Its first 104 bytes, as received. */
  url: string
  ageMs: number
  /** `handed`: in a worker's ring, not begun. */
  state: 'reading' | 'queued' | 'handed' | 'running' | 'answering'
}

/** Durations in buckets: `counts[i]` of those in the i-th of `durationBoundsUs`, and a last one for all longer ones. */
export interface NativeHistogram {
  counts: number[]
  /** Microseconds, all durations together. */
  sumUs: number
}

/** Counters since start, and how things stand now; all sums over the I/O threads. */
export interface NativeStats {
  connectionsAccepted: number
  connectionsOpen: number
  requests: number
  requestsInFlight: number
  requestsQueued: number
  /** Not started by a worker: queued, or given to one and not begun (as seen within the last 5 ms). */
  requestsWaiting: number
  /** Age of the one that waits longest; 0 when none does. */
  oldestWaitingMs: number
  /** 503 answers because the queue was full or a request waited past its deadline. */
  requestsShed: number
  /** 502 answers because a worker died. */
  requestsFailed: number
  /** Requests taken back from a worker that made no progress, and given to another. */
  requestsReassigned: number
  /** Requests run again because their worker died. */
  requestsRetried: number
  /** Requests answered with a file of `serveFiles`, or with a word about one (304, a redirect). */
  requestsForFiles: number
  /** Requests refused before dispatch, by status code. */
  rejected: Record<string, number>
  bytesRead: number
  bytesWritten: number
  /** Bytes the core holds for connections and buffers (slabs and pools, not the kernel's). */
  memoryBytes: number
  /** Requests whose response did not reach the client whole: it left, or the connection was cut. */
  requestsAborted: number
  /** Lines of the access log that were written, and that were lost because there was no room for them. */
  accessLogLines: number
  accessLogDropped: number
  /** `requestsShed` by reason. */
  shed: { queue_full: number; queue_timeout: number }
  /**
   * Connections closed or refused because the client took too long; `keep_alive`: it sent no further request; `request`:
   * the whole of a request and its response took too long.
   */
  timeouts: Record<'header' | 'body' | 'body_rate' | 'write' | 'write_rate' | 'keep_alive' | 'request', number>
  /** Malformed or oversized requests by what was wrong with them: every reason the parsers know, zero included. */
  parseErrors: Record<string, number>
  acceptErrors: number
  /** Times that a connection had to wait because the limit was reached. */
  acceptPauses: number
  /** Connections closed to make room for others, and because their client had too many. */
  connectionsClosed: { room: number; client_limit: number }
  /** Connections closed over the PROXY protocol: from a peer that may not speak it, spoken wrong, or too slowly. */
  proxyErrors: { forbidden: number; malformed: number; timeout: number }
  /**
   * Of connections with TLS: handshakes that were completed, those among them that resumed a session, and those that
   * were not, by why: no common version or cipher, the client's certificate (or its judgement of ours), HTTP without
   * TLS, or anything else that was no such handshake. A client that leaves before the end of one is in none of these.
   */
  tls: {
    handshakes: number
    resumed: number
    failures: Record<'protocol' | 'certificate' | 'plain_http' | 'malformed', number>
  }
  /** Open connections by what they are doing. */
  connections: Record<'new' | 'reading' | 'handling' | 'writing' | 'idle' | 'closing' | 'tunnel', number>
  /**
   * Requests that ended, only what is not zero. `method` is '' for requests refused before one could be told;
   * `statusClass` is 1 to 5, or 0 when the client had gone before there was a status.
   */
  responses: { method: string; statusClass: number; count: number }[]
  /** The upper end of each bucket, which belongs to it, in microseconds. */
  durationBoundsUs: number[]
  /**
   * Where the time of requests went. `accept`: first byte to all that a worker needs to start; `queue`: from then until
   * one did; `handler`: from then to the response's head; `write`: from then until the kernel took the last byte.
   * What no worker served is in `total` and `write` alone; what a client did not wait for is not in `write`.
   */
  durations: Record<'accept' | 'queue' | 'handler' | 'write' | 'total', NativeHistogram>
  /** Connections that wait in the kernel to be accepted; null where the system does not tell (unix sockets). */
  listeners: (BoundAddress & { backlog: number | null; backlogMax: number | null })[]
  /** Requests in flight by the number of their worker. */
  workerLoads: Record<number, number>
}

/** The native server, as the master holds it. */
export interface NativeServer {
  /** Number that `attachWorker` takes, in any thread of this process. */
  readonly handle: number
  /** Opens a listener. Throws an Error with `code` (`EADDRINUSE`, `EACCES`, …) when it cannot. Does not accept yet. */
  listen(spec: ListenerSpec, options?: ListenerOptions): BoundAddress
  /** For the connections that the listener has and will have. */
  configureListener(index: number, options: ListenerOptions): void
  /** Accepts no more from it. Its address is free when this returns; its open connections stay. */
  closeListener(index: number): void
  /** Requests of the listener may go to this worker, which was added with `servesAll` false. */
  adoptListener(workerId: number, index: number): void
  /** They go to others from now on; those it has it keeps. */
  abandonListener(workerId: number, index: number): void
  /** Starts the I/O threads; connections are accepted from now on. */
  start(): void
  /** Announces a worker and its lanes (typed arrays over the SharedArrayBuffers, one per I/O thread). After `requestsMax` requests, unless that is 0, `worker-spent` follows. */
  addWorker(
    workerId: number,
    lanes: Uint8Array[],
    requestRingBytes: number,
    inFlightMax: number,
    /** Default true; false: only the listeners named with `adoptListener`. */
    servesAll?: boolean,
    requestsMax?: number,
  ): void
  /** Requests may be dispatched to the worker. */
  readyWorker(workerId: number): void
  /** Dispatch nothing more to it; `worker-drained` follows when its last request is answered. */
  drainWorker(workerId: number): void
  /**
   * Whatever it still does reaches nobody: requests it had started fail with `status`, the others move. Its thread may
   * live on. Once per worker; `worker-fenced` follows.
   */
  fenceWorker(workerId: number, status: 502 | 504): void
  /** Its thread is gone: requests it had started fail (502), the others move. `worker-removed` follows. */
  removeWorker(workerId: number): void
  /**
   * Serves what is in the accept queues, closes the listeners and the idle connections, and lets the others finish
   * their requests. `drained` follows. With `keepIdle`, for a successor that serves the same addresses, connections stay
   * until their next response tells the client to come no more, or for as long as an idle one may stay.
   */
  drain(keepIdle?: boolean): void
  /** A descriptor of the listener, still its own; -1 when it is made of several sockets. */
  listenerFd(index: number): number
  /** The path of an inherited unix socket is this process's to remove from now on. */
  ownPath(index: number, path: string): void
  /** The paths of unix sockets stay when this server closes: they are another process's now. */
  leavePaths(): void
  /** Closes everything now, stops the threads and joins them. */
  close(): void
  /** What PREFIX/ready says; false until then, and false while draining whatever was said. */
  setReady(isReady: boolean): void
  /** GET and HEAD requests for files below these folders are answered by the I/O threads, from now on. */
  serveFiles(files: NativeFiles): void
  /** Lines go there from now on; the caller closes `fd`. Nothing happens without an access log. */
  reopenAccessLog(fd: number): void
  /**
   * For connections that are accepted from now on; the server must have been made with `tls`. Throws an Error that says
   * what OpenSSL cannot use, and nothing has changed then.
   */
  setTls(tls: NativeTls): void
  stats(): NativeStats
  /**
   * A `requests` event follows from each I/O thread, with the oldest `countMax` of those in flight there; with a
   * `workerId`, of those that this worker has.
   */
  listRequests(listing: number, countMax: number, workerId?: number): void
}

export interface NativeFiles {
  /** `prefix` is empty for all paths; otherwise it begins with a slash and ends without. `folder` is absolute. */
  mounts: readonly { prefix: string; folder: string }[]
  /** What responses say to caches, in seconds. */
  maxAgeSeconds: number
  /** Files that one I/O thread has open to send them; further ones wait. Default 512. */
  transfersMax?: number
  /** At once, where the kernel can tell without waiting; otherwise threads of their own do. Default true. */
  mayLookUp?: boolean
}

/** Lines of the access log; each is its parts one after the other. */
export interface NativeAccessFormat {
  parts: readonly { atom: AccessAtom; text: string }[]
  /** Values come in quotes, or as null. */
  isJson: boolean
}

/** `text` is the literal, or the lower-case name of a header; empty for the others. */
export type AccessAtom =
  | 'literal'
  | 'remoteAddress'
  | 'user'
  | 'requestLine'
  | 'method'
  | 'target'
  | 'path'
  | 'query'
  | 'protocol'
  | 'referer'
  | 'userAgent'
  | 'requestHeader'
  | 'responseHeader'
  | 'dash'
  | 'time'
  | 'timeIso'
  | 'status'
  | 'bytes'
  | 'bytesOrDash'
  | 'seconds'
  | 'milliseconds'
  | 'microseconds'
  | 'secondsDecimal'
  | 'millisecondsDecimal'
  | 'queueDecimal'
  | 'handlerDecimal'
  | 'connectionState'
  | 'isAborted'
  | 'process'

/** What stands between the network and the application. Addresses are IP addresses, CIDR blocks or `*`. */
export interface NativeEdge {
  /** Peers whose X-Forwarded-* and Forwarded fields are believed. */
  forwardedAllowIps: readonly string[]
  /** The application sees what they say as the connection's own address and encryption. */
  forwardedSocket: boolean
  /** Every connection must begin with a header of this version, and come from one of `proxyAllowFrom`. */
  proxyProtocol: 'off' | 'v1' | 'v2' | 'auto'
  proxyAllowFrom: readonly string[]
  /** PREFIX/live and PREFIX/ready are answered by the I/O threads. */
  healthPrefix: string | undefined
}

/** TLS on all listeners. Certificates and keys are PEM text. */
export interface NativeTls {
  /** The first serves clients that name no host, or one that no other is for. */
  certificates: readonly {
    /** The certificate, then those that it is signed by. */
    chainPem: string
    /** Not encrypted. */
    keyPem: string
    /** Host names in lower case that it is for; `*.example.com` stands for one label. Empty: the default only. */
    names: readonly string[]
  }[]
  /** Of `optional` certificates, one that does not verify is told to the application. Default none. */
  clientCertificates?: 'none' | 'optional' | 'required'
  /** Whose certificates clients may have. */
  caPem?: string
  /** Names or an OpenSSL cipher string for TLS 1.2, and `TLS_...` names for TLS 1.3, separated by colons. */
  ciphers?: string
  minVersion?: 'TLSv1.2' | 'TLSv1.3'
  /** Clients that offer HTTP/2 get it, when this Node.js has nghttp2 to share. Default false. */
  http2?: boolean
}

/** What a handshake agreed on, and who the client is. */
export interface NativeTlsSession {
  /** `TLSv1.3` */
  protocol: string
  /** OpenSSL's name of the cipher, its name in the standard, and the first protocol version that has it. */
  cipher: string
  cipherStandardName: string
  cipherVersion: string
  /** The host that the client named; empty: none. */
  servername: string
  /** `h2`, or `http/1.1`, when the client offered protocols, otherwise empty. */
  alpnProtocol: string
  isResumed: boolean
  /** X509 verification result as Node names it (`UNABLE_TO_VERIFY_LEAF_SIGNATURE`); empty: it verified, or was not asked for. */
  verifyError: string
  /** DER, the client's own first; empty: it gave none. */
  certificates: Buffer[]
}

export interface NativeServerOptions {
  ioThreads: number
  /** Typed array over the I/O control words: `ioThreads * IO_CONTROL_STRIDE` bytes. */
  ioControl: Uint8Array
  limits: NativeLimits
  edge?: NativeEdge
  /** Without it listeners speak HTTP as it is. What `createServer` throws is as with `setTls`. */
  tls?: NativeTls
  /** The core writes to a descriptor of its own; this one stays the caller's to close. */
  accessLog?: NativeAccessFormat & { fd: number }
  onEvent: (event: NativeEvent) => void
  /** How clients are told apart that stay with one worker, as `--sticky` has it. Default: none stay. */
  sticky?: string
  /** Does not keep the event loop of its thread running. Default false. */
  isBackground?: boolean
}

/** A worker's end of its lanes. */
export interface WorkerPort {
  /** Wakes I/O thread `index`; only when its control word says that it sleeps. */
  wake(index: number): void
  /** Asks for one more call of the pump from the event loop. */
  wakeSelf(): void
  /** Has an error that nothing caught treated as Node treats such: 'uncaughtException', or the end of the process. */
  reportUncaught(error: unknown): void
  /** Whether it keeps the event loop running while nothing else does. It does at first. */
  ref(): void
  unref(): void
  /** Copies a block out into a new Buffer and gives up this side's hold on it. */
  takeBlock(low: number, high: number, length: number): Buffer
  /**
   * Copies bytes into a new block, or a string as UTF-8 (what is no Unicode becomes U+FFFD); its address is written into
   * `out` as two 32-bit halves. Returns the bytes in it.
   */
  makeBlock(data: Uint8Array | string, out: Uint32Array): number
  /** Of a connection of I/O thread `index`; null when it has no TLS, or is closed. */
  tlsSession(index: number, connectionIndex: number, connectionGeneration: number): NativeTlsSession | null
  /** Lets the event loop end. */
  close(): void
}

export interface Addon {
  /** One datagram to the unix socket of a service manager; 0 or a negative errno. Never blocks. */
  notifyManager(path: string, text: string): number
  /** From now on the allocator keeps little of what is freed, unless the environment says how much. */
  limitSpareMemory(): void
  /** Gives memory that was freed back to the system. Takes milliseconds. */
  trimMemory(): void
  /** Nobody needs what these bytes hold: they may be zeros afterwards, and take no memory until they are used again. */
  discardMemory(bytes: Uint8Array): void
  /** A second descriptor of what `fd` is one of, not inherited by other programs; or a negative errno. */
  duplicateFd(fd: number): number
  readonly layoutFingerprint: string
  createServer(options: NativeServerOptions): NativeServer
  /** Worker side; `pump` is called without arguments when there is something in a lane. */
  attachWorker(serverHandle: number, workerId: number, pump: () => void): WorkerPort
  /**
   * Writes to descriptor 1 or 2 from `offset` on what fits within `waitMs`, without mixing it with what other threads
   * write this way: a thread that has written a part goes on first. Returns the bytes written, or a negative errno.
   */
  writeOutput(fd: 1 | 2, bytes: Uint8Array, offset: number, waitMs: number): number
  /** Columns and rows; null when it is no terminal. */
  terminalSize(fd: number): [columns: number, rows: number] | null
  /**
   * Puts pipes in the place of descriptors 1 and 2. Returns their ends to read from, and what 2 was before.
   * Throws an Error with `code` when it cannot.
   */
  captureOutput(): { stdout: number; stderr: number; savedStderr: number }
  /** Descriptors 1 and 2 are again what they were; the pipes come to their end. Harmless when nothing was captured. */
  releaseOutput(): void
  /** Ends the process with this status in `ms` if nothing else has by then, although a thread is stuck. */
  exitWithin(status: number, ms: number): void
}

const require = createRequire(import.meta.url)
let loaded: { addon: Addon; path: string } | undefined

/**
 * Loads the native addon: a prebuilt binary for this platform first, then the one built on this machine. One that does
 * not load, or that was built for another record layout, is passed over when there is another.
 *
 * @param found Where another thread of this process found it (`addonPath`): looked at first, which spares the search.
 * @throws HornetError `ERR_HORNET_ADDON` when there is no binary, none can be loaded, or none fits.
 */
export function loadAddon(found?: string): Addon {
  if (loaded === undefined) {
    const root = packageRoot()
    loaded = loadOneOf(candidates(root, found), root, layoutFingerprint)
  }
  return loaded.addon
}

/** Of the binary that `loadAddon` has loaded. */
export function addonPath(): string | undefined {
  return loaded?.path
}

function* candidates(root: string, found: string | undefined): Iterable<string> {
  if (found !== undefined) yield found
  yield* binaries(root)
}

/**
 * As `loadAddon`, for the package in `root` and a layout `expected`; exported for tests.
 *
 * @throws HornetError `ERR_HORNET_ADDON`.
 */
export function loadFirst(root: string, expected: string): Addon {
  return loadOneOf(binaries(root), root, expected).addon
}

function loadOneOf(files: Iterable<string>, root: string, expected: string): { addon: Addon; path: string } {
  const refused: string[] = []
  let cause: unknown
  for (const file of files) {
    try {
      const addon = require(file) as Addon
      if (addon.layoutFingerprint === expected) return { addon, path: file }
      refused.push(`${file} has record layout ${addon.layoutFingerprint}, this JavaScript needs ${expected}`)
    } catch (error) {
      cause = error
      refused.push(`${file} cannot be loaded: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  const platform = `${process.platform}-${process.arch}`
  if (refused.length === 0) {
    throw new HornetError(
      'ERR_HORNET_ADDON',
      `no native addon for ${platform} in ${root}: there is no prebuilt binary and none was built here; ${remedy(root)}`,
    )
  }
  throw new HornetError('ERR_HORNET_ADDON', `no native addon fits: ${refused.join('; ')}; ${remedy(root)}`, { cause })
}

/** What an operator does about a missing binary; a clone and an installed package are rebuilt differently. */
function remedy(root: string): string {
  return existsSync(join(root, 'src'))
    ? 'run `npm run build` (it needs a C++20 compiler, make and Python 3)'
    : 'run `npm rebuild hornet` (it needs a C++20 compiler, make and Python 3)'
}

/** The package this file belongs to: dist/ and build/test-out/ lie at different depths below it. */
function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json')) && folder !== dirname(folder)) folder = dirname(folder)
  return folder
}

/** The parts of node-gyp-build, which has no types, that choose among prebuilt binaries. */
interface NodeGypBuild {
  parseTuple(folder: string): Tuple | undefined
  matchTuple(platform: string, arch: string): (tuple: Tuple | undefined) => boolean
  compareTuples(a: Tuple, b: Tuple): number
  parseTags(file: string): Tags | undefined
  matchTags(runtime: string, abi: string): (tags: Tags | undefined) => boolean
  compareTags(runtime: string): (a: Tags, b: Tags) => number
}
interface Tuple {
  name: string
}
interface Tags {
  file: string
}

/**
 * The binaries that may serve this process, best first. node-gyp-build's own `resolve` puts a local build first and
 * stops there, so its choosers are used one by one.
 */
function binaries(root: string): string[] {
  const choose = require('node-gyp-build') as NodeGypBuild
  const found: string[] = []
  const [tuple] = list(join(root, 'prebuilds'))
    .map(choose.parseTuple)
    .filter(choose.matchTuple(process.platform, process.arch))
    .sort(choose.compareTuples as never) as Tuple[]
  if (tuple) {
    const folder = join(root, 'prebuilds', tuple.name)
    const [tags] = list(folder)
      .map(choose.parseTags)
      .filter(choose.matchTags('node', process.versions.modules))
      .sort(choose.compareTags('node') as never) as Tags[]
    if (tags) found.push(join(folder, tags.file))
  }
  const local = join(root, 'build/Release/hornet.node')
  if (existsSync(local)) found.push(local)
  return found
}

/** Names in a folder; none when there is no such folder. */
function list(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : []
}
