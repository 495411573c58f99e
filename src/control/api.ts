/**
 * What the control API says: the shapes of its answers, shared by the server, by `hornetctl` and by the dashboard, and
 * what the server needs of the master to give them. Times in milliseconds unless a name says otherwise, sizes in bytes.
 */
import type { Readable } from 'node:stream'

export type ServerState = 'starting' | 'serving' | 'degraded' | 'draining' | 'stopping'

export interface StatusView {
  version: string
  nodeVersion: string
  pid: number
  /** With --guard: the process that keeps this one, and how often it had to start it anew. */
  guard: { pid: number; restarts: number } | null
  /** Path of the application's module. */
  app: string
  state: ServerState
  isReloading: boolean
  /** Counts the reloads; the first workers are generation 1. */
  generation: number
  uptimeMs: number
  /** Where it listens, as people write it: `http://127.0.0.1:8000`, `unix:/run/shop.sock`. */
  addresses: string[]
  /** With --certfile. */
  tls: TlsView | null
  ioThreads: number
  workers: { wanted: number; ready: number; booting: number; draining: number }
  connectionsOpen: number
  requestsInFlight: number
  /** Waiting for a worker, of those in flight. */
  requestsQueued: number
  /** Memory of the whole process, and what the native core holds of it. */
  residentBytes: number
  nativeBytes: number
  totals: Totals
  /** How long requests took, since the start. */
  durations: Durations
}

export interface TlsView {
  /** Handshakes that were completed, and those among them that resumed a session. */
  handshakes: number
  resumed: number
  /** Handshakes that were not, by why; those that the client left amid are in none. */
  failures: { protocol: number; certificate: number; plain_http: number; malformed: number }
  /** That are served, by file; the default one first. */
  certificates: { file: string; expiresAt: string }[]
}

/** Counters since the start. */
export interface Totals {
  connections: number
  requests: number
  /** 503: the queue was full, or the wait too long. */
  requestsShed: number
  /** 502 and 504: the worker died, or was too slow. */
  requestsFailed: number
  /** The client left, or was cut off, before it had the whole response. */
  requestsAborted: number
  /** Refused before any worker saw them, by status. */
  requestsRejected: Record<string, number>
  bytesRead: number
  bytesWritten: number
  /** Workers that ended, by reason. */
  workerExits: Record<string, number>
  /** Workers that were terminated because they were blocked (`--timeout`). */
  workersBlocked: number
}

/** A histogram: how many observations were at most `bounds[i]` seconds and more than the bound before. */
export interface Histogram {
  bounds: readonly number[]
  /** One more than bounds: the last is what lies above them all. */
  counts: readonly number[]
  /** Of all observations, in seconds. */
  sum: number
}

export interface Durations {
  /** From the first byte of the request to all that a worker needs to begin. */
  accept: Histogram
  /** From there until a worker began. */
  queue: Histogram
  /** From there to the head of the response. */
  handler: Histogram
  /** From there until the kernel had taken its last byte. */
  write: Histogram
  /** All of it. */
  total: Histogram
}

/** `stuck`: terminated, but inside native code that does not come back. */
export type WorkerState = 'booting' | 'ready' | 'draining' | 'stopping' | 'stuck'

export interface WorkerView {
  id: number
  generation: number
  state: WorkerState
  /** Why it leaves, or is to be replaced; null while it is to stay. */
  leaving: string | null
  /** Since its thread was started. */
  ageMs: number
  requestsInFlight: number
  /** Part of the last second or two that its event loop was busy, 0 to 1; null while it boots. */
  eventLoopUtilization: number | null
  /** For how long it has not answered the master; 0 when it does. */
  blockedMs: number
  /** As it said last; null before. */
  heapUsedBytes: number | null
  heapTotalBytes: number | null
}

/** `reading`: its body is on the way in. `queued`: waits for a worker. `handed`: to a worker, not begun. */
export type RequestState = 'reading' | 'queued' | 'handed' | 'running' | 'answering'

export interface RequestView {
  /** Unique while it is in flight. */
  id: string
  workerId: number | null
  method: string
  /** Cut after some 100 bytes. */
  url: string
  ageMs: number
  state: RequestState
}

export interface RequestsView {
  /** Oldest first. */
  requests: RequestView[]
  /** All there are; more than are listed when there are very many. */
  total: number
}

export interface StackFrame {
  function: string
  /** Path, or the name of a module of Node.js itself. */
  file: string
  line: number
  column: number
}

export interface StackView {
  workerId: number
  /** `idle`: no JavaScript runs. `unresponsive`: it is inside native code that does not come back. */
  state: 'running' | 'idle' | 'unresponsive'
  /** Innermost first. */
  frames: StackFrame[]
}

/** Something that happened, for `GET /events`. */
export interface ControlEvent {
  type: string
  [detail: string]: unknown
}

/** What the server asks of the master. Promises reject with a `Problem` that the caller is told. */
export interface ControlFacade {
  status(): StatusView
  workers(): Promise<WorkerView[]>
  requests(): Promise<RequestsView>
  /** Every setting: its value as text, and where it came from. Secrets are hidden. */
  config(): Record<string, unknown>
  metrics(): Promise<string>
  scale(change: { count: number } | { delta: number }): Promise<{ wanted: number }>
  restart(workerId: number): Promise<{ workerId: number }>
  reload(): Promise<{ generation: number }>
  reopenLogs(): Promise<void>
  /** Begins it; nobody can wait for the end of a server they are connected to. */
  shutdown(mode: 'graceful' | 'quick'): void
  stack(workerId: number): Promise<StackView>
  /** V8's profile, as `.cpuprofile` files hold it. */
  cpuProfile(workerId: number, durationMs: number, signal: AbortSignal): Promise<object>
  /** V8's snapshot, as `.heapsnapshot` files hold it. */
  heapSnapshot(workerId: number): Promise<Readable>
  /** @returns Ends the subscription. */
  subscribe(listener: (event: ControlEvent) => void): () => void
}
