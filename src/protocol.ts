/**
 * What the master and a worker say to each other: `workerData` at the start, then messages over the worker's port.
 * One of the four tables. Requests never travel this way; they go through the lanes.
 */

/** How a worker finds and treats its application. */
export interface AppSpec {
  /** Absolute path of the module. */
  path: string
  /** Name of the export, when the operator gave one (`path:export`). */
  exportName?: string
  /** Call the export first and serve what it returns (may be a promise). */
  factory: boolean
  /** Its own arguments, as it finds them in `process.argv`. */
  args?: readonly string[]
}

/** What a worker is to know of TLS: no keys. */
export interface TlsFacts {
  /** Whether clients are asked for a certificate. */
  clientCertificates: 'none' | 'optional' | 'required'
  /** Who may have signed it, as PEM. */
  caPem: string | undefined
}

/** `workerData` of a worker thread. */
export interface WorkerData {
  /** Marks the thread as one of ours, so that worker/main.ts can tell. */
  hornet: true
  /** Number of this worker, from 1, never used twice. */
  workerId: number
  /** Where the master has found the native addon. */
  addonPath: string | undefined
  /** Handle of the native server in this process (see seam/addon.ts). */
  serverHandle: number
  /** One lane per I/O thread; memory made by the master, laid out by native/ring/records.h. */
  lanes: SharedArrayBuffer[]
  /** Bytes of the request ring in each lane; the response ring takes the rest. */
  requestRingBytes: number
  /** One word per I/O thread: 1 while that thread sleeps. */
  ioControl: SharedArrayBuffer
  app: AppSpec
  /** Which reload it belongs to; the first workers are generation 1. */
  generation: number
  /** The config file, when it has hooks for workers. */
  hooksPath?: string
  /** Say which files the application consists of. */
  tellModules: boolean
  /** Milliseconds an app may take from `drain` to the end. */
  gracefulTimeoutMs: number
  /** Keep-alive timeout of connections, for the `Keep-Alive` field of responses framed in the worker. */
  keepAliveMs: number
  /** With --certfile: all listeners speak TLS. */
  tls: TlsFacts | undefined
  /** `hornet doctor`: tell what the application does while it is loaded. */
  examine?: true
}

/** What `hornet doctor` learns of an application from its worker. */
export interface AppFacts {
  /** What was found to serve, in words; none as long as it is being loaded. */
  app?: string
  /** Milliseconds from the start of the thread. */
  bootMs?: number
  /** Heap and what is held outside of it by this worker. */
  memoryBytes?: number
  /** Calls that threw ERR_HORNET_UNSUPPORTED, whether the application caught it or not. */
  refused: { name: string; message: string }[]
  /** Native addons that could not be loaded, and Node's words. */
  addonErrors: string[]
  /** Http servers that called listen(). */
  listens: { address: string; isOpen: boolean }[]
  /** Servers of other kinds that listened and do no longer. */
  probeCount: number
  /** Where the application itself started intervals that still run: `server.js:12`. */
  intervals: string[]
  /** express-session made a store in memory. */
  hasMemorySessions: boolean
  hasEngineIo: boolean
  hasPromClient: boolean
  /** It called registerMetrics(). */
  hasRegistry: boolean
  nodeEnv?: string
}

/** What a server in a worker wants to listen on, in the terms of Node's net module. */
export interface ListenRequest {
  /** A numeric address, the path of a unix socket, or null for every address. */
  address: string | null
  /** -1 for a unix socket, null for a descriptor. */
  port: number | null
  addressType: number | null
  backlog: number
  /** Of the process: the socket is bound already. */
  fd?: number
  flags?: number
  /** Only whether the port is one of the pool's own. */
  isProbe?: boolean
  /** It shall not have the addresses of --bind instead: they are for an export that was named. */
  keepsAddress?: boolean
}

export interface ListenAnswer {
  /** 0, or a negative errno. */
  errno: number
  /** The listeners whose requests come to the worker now. */
  indexes?: readonly number[]
  /** They are those of --bind. */
  areBinds?: boolean
  /** What `server.address()` tells; none for a unix socket. */
  name?: object
}

/**
 * The master writes its answer here: a word that becomes 1, a word with the length, and JSON. A path in it has at most 107
 * bytes.
 */
export const listenAnswerBytesMax = 4096

export type MasterMessage =
  /** The worker will end when the requests in flight have; `signal` is why. */
  | { type: 'drain'; signal: NodeJS.Signals }
  /** No more requests will come; run exit hooks and end. */
  | { type: 'stop'; signal: NodeJS.Signals }
  /** How are you? */
  | { type: 'report'; report: number; withMetrics: boolean }

export type WorkerMessage =
  /**
   * The app is loaded and the lanes are attached: requests may come, for what the app exports or to the servers with
   * which it listens. `takesTunnels`: what it exports is a server that listens for 'upgrade' or 'connect'.
   */
  | { type: 'ready'; serves: 'export' | 'listen'; takesTunnels: boolean }
  /** The app cannot be loaded; the worker ends after this. */
  | { type: 'boot-failed'; code: string; message: string; stack?: string }
  /** A server listens; the worker waits for the answer. */
  | { type: 'listen'; request: ListenRequest; answer: SharedArrayBuffer }
  /** Its listeners are closed again. */
  | { type: 'unlisten'; indexes: readonly number[] }
  /** The application ends its worker; `reason` completes "the worker ended: …", with the place. */
  | { type: 'exiting'; reason: string }
  /** With `examine`: what is known so far. The last one counts. */
  | { type: 'facts'; facts: AppFacts }
  /** The application set `process.title`. */
  | { type: 'title'; title: string }
  /** Files of the application that have been loaded; only with `tellModules`. */
  | { type: 'loaded'; paths: string[] }
  /** Something the operator should read in the log. */
  | { type: 'log'; level: 'debug' | 'info' | 'warn' | 'error'; message: string }
  /** The answer to `report`. `metrics`: what the application's registries hold, as it gave it. */
  | { type: 'report'; report: number; heapUsedBytes: number; heapTotalBytes: number; metrics?: unknown[] }
