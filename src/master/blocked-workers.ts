/**
 * Finds workers whose event loop stands still (`--timeout`), tells what they are at, and has them ended.
 */
import type { StackView } from '../control/api.js'
import type { NativeRequest } from '../seam/addon.js'
import { isDebugged, takeStack, withinMs } from './inspect.js'
import type { WorkerHandle } from './worker-handle.js'

export interface BlockedWorkersOptions {
  /** Those that serve. */
  workers: () => Iterable<WorkerHandle>
  /** Requests that the worker has in flight, the oldest first. */
  requestsOf: (workerId: number) => Promise<readonly NativeRequest[]>
  /** It stands still for longer than it may. `details` complete "worker 1 is blocked: …". */
  onBlocked: (workerId: number, details: string) => void
  /** It did, and goes on. */
  onFreed: (workerId: number, details: string) => void
}

// A tenth of the timeout, so that one is found at 1.2 times of it at most; but a look costs some microseconds per worker.
const lookMsMin = 20
const lookMsMax = 1000
// The longest that a worker, which is stuck anyway, is kept for its explanation.
const explainMsMax = 1000
const requestsTold = 10
const framesTold = 20

export class BlockedWorkers {
  readonly #options: BlockedWorkersOptions
  /** Being explained. */
  readonly #found = new Set<number>()
  #timer: NodeJS.Timeout | undefined
  #lookedMs = Number.NaN
  #everyMs = 0

  constructor(options: BlockedWorkersOptions) {
    this.#options = options
  }

  /** Looks from now on at what a timeout of `timeoutMs` needs; 0 for never. */
  watch(timeoutMs: number): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    if (timeoutMs === 0) return
    this.#everyMs = Math.min(Math.max(timeoutMs / 10, lookMsMin), lookMsMax)
    this.#lookedMs = performance.now()
    this.#timer = setInterval(() => this.#look(), this.#everyMs)
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    const nowMs = performance.now()
    const pastMs = nowMs - this.#lookedMs
    this.#lookedMs = nowMs
    // Stopped (SIGSTOP, a suspended machine) or starved, we were late ourselves; so were the workers, then.
    const heldMs = pastMs > 2 * this.#everyMs ? pastMs - this.#everyMs : 0
    for (const worker of this.#options.workers()) {
      const blockedMs = worker.watch(nowMs, heldMs)
      if (worker.timeoutMs === 0 || blockedMs < worker.timeoutMs || this.#found.has(worker.id)) continue
      this.#found.add(worker.id)
      void this.#explain(worker, blockedMs).finally(() => this.#found.delete(worker.id))
    }
  }

  async #explain(worker: WorkerHandle, blockedMs: number): Promise<void> {
    const { id } = worker
    if (await isDebugged()) return
    const [requests, stack] = await Promise.all([
      withinMs(this.#options.requestsOf(id), explainMsMax).catch(() => undefined),
      withinMs(takeStack(id), explainMsMax).catch(() => undefined),
    ])
    const details = describeBlock(blockedMs, requests ?? [], stack)
    // Perhaps it was about to finish.
    if (worker.watch(performance.now(), 0) === 0) this.#options.onFreed(id, details)
    else this.#options.onBlocked(id, details)
  }
}

/** What it is at, one thing a line. */
export function describeBlock(blockedMs: number, requests: readonly NativeRequest[], stack?: StackView): string {
  const running = requests.filter(({ state }) => state === 'running')
  const told = running
    .slice(0, requestsTold)
    .map(({ method, url, ageMs }) => `    running ${method} ${url} for ${seconds(ageMs)}`)
  if (running.length > told.length) told.push(`    and ${running.length - told.length} more`)
  if (running.length === 0) told.push('    running no request')
  const frames = (stack?.frames ?? [])
    .slice(0, framesTold)
    .map(({ function: name, file, line, column }) => `    at ${name} (${file}:${line}:${column})`)
  if (frames.length === 0) frames.push('    inside native code that does not come back')
  return [`its event loop has stood still for ${seconds(blockedMs)} (--timeout)`, ...told, ...frames].join('\n')
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
