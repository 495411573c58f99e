/**
 * The master as the control API sees it: shows the pool, the native server and the workers, and passes on what is asked.
 */
import type { Readable } from 'node:stream'
import { printedValues } from '../config/print.js'
import { configName, settingEntries, workersMax } from '../config/settings.js'
import type {
  ControlEvent,
  ControlFacade,
  Histogram,
  RequestsView,
  StackView,
  StatusView,
  WorkerView,
} from '../control/api.js'
import { Problem } from '../control/problem.js'
import { HornetError } from '../errors.js'
import type { LogLevel } from '../log/logger.js'
import { exposeMetrics } from '../metrics/exposition.js'
import { type AppMetric, mergeAppMetrics, retireAppMetrics } from '../metrics/merge.js'
import type { StatsdLook } from '../metrics/statsd.js'
import type { NativeEvent, NativeHistogram, NativeRequest, NativeServer } from '../seam/addon.js'
import type { MasterControl } from './commands.js'
import type { GuardFacts } from './inheritance.js'
import { takeCpuProfile, takeStack, withinMs } from './inspect.js'
import { schemeOf } from './listeners.js'
import { collectFamilies, statusName } from './metrics.js'
import type { PooledWorker } from './pool.js'
import type { WorkerHandle } from './worker-handle.js'

export interface DeskOptions {
  control: MasterControl
  version: string
  server: NativeServer
  workers: ReadonlyMap<number, WorkerHandle>
  /** Records of the log by level. */
  logCounts: Readonly<Record<LogLevel, number>>
  guardFacts: GuardFacts | undefined
}

// How long a look at a worker waits for it: it answers in microseconds, or it is blocked.
const vitalsMsMax = 200
// An application's own metrics may take it a moment to collect.
const metricsMsMax = 500
const listedRequestsMax = 1000
const listingMsMax = 1000
const profilesMax = 4
// A heap of gigabytes takes a minute.
const snapshotMsMax = 120_000

interface Listed {
  requests: NativeRequest[]
  total: number
}

interface Listing {
  /** I/O threads that have not answered. */
  left: number
  total: number
  requests: NativeRequest[]
  settle: (listed: Listed) => void
}

export class ControlDesk implements ControlFacade {
  readonly #options: DeskOptions
  readonly #startedMs = performance.now()
  readonly #listings = new Map<number, Listing>()
  #lastListing = 0
  /** Workers that ended, by reason. */
  readonly #exits: Record<string, number> = {}
  #blocked = 0
  /** What the applications of workers that are gone had counted. */
  #retired: AppMetric[] = []
  readonly #profiled = new Set<number>()
  #isSnapshotting = false

  constructor(options: DeskOptions) {
    this.#options = options
    options.control.subscribe((event) => {
      if (event.type === 'worker-blocked') this.#blocked += 1
      if (event.type === 'worker-gone') this.#exits[event.reason] = (this.#exits[event.reason] ?? 0) + 1
    })
  }

  // ---- what the master tells ----------------------------------------------------------------------------------------

  /** An I/O thread's part of a listing. */
  noteRequests({ listing, total, requests }: NativeEvent & { type: 'requests' }): void {
    const open = this.#listings.get(listing)
    if (open === undefined) return
    open.left -= 1
    open.total += total
    open.requests.push(...requests)
    if (open.left === 0) this.#endListing(listing)
  }

  /** Nothing more will come from this worker. */
  noteGone(worker: WorkerHandle): void {
    this.#retired = retireAppMetrics(this.#retired, worker.vitals.metrics)
  }

  // ---- what is shown ------------------------------------------------------------------------------------------------

  status(): StatusView {
    const { control, version, server, guardFacts } = this.#options
    const { pool, settings, app, addresses, certificates } = control.view()
    const stats = server.stats()
    const count = (state: PooledWorker['state']) => pool.workers.filter((worker) => worker.state === state).length
    const { accept, queue, handler, write, total } = stats.durations
    const seconds = (histogram: NativeHistogram) => inSeconds(histogram, stats.durationBoundsUs)
    return {
      version,
      nodeVersion: process.version,
      pid: process.pid,
      guard: guardFacts === undefined ? null : { pid: guardFacts.pid, restarts: guardFacts.restarts },
      app: app.path,
      state: pool.state,
      isReloading: pool.isReloading,
      generation: pool.generation,
      uptimeMs: Math.round(performance.now() - this.#startedMs),
      addresses: [...addresses],
      tls:
        settings.certfile === undefined
          ? null
          : {
              ...stats.tls,
              certificates: certificates.map(({ file, expiresMs }) => ({
                file,
                expiresAt: new Date(expiresMs).toISOString(),
              })),
            },
      ioThreads: settings.ioThreads,
      workers: { wanted: pool.wanted, ready: count('ready'), booting: count('booting'), draining: count('draining') },
      connectionsOpen: stats.connectionsOpen,
      requestsInFlight: stats.requestsInFlight,
      requestsQueued: stats.requestsQueued,
      residentBytes: process.memoryUsage.rss(),
      nativeBytes: stats.memoryBytes,
      totals: {
        connections: stats.connectionsAccepted,
        requests: stats.requests,
        requestsShed: stats.requestsShed,
        requestsFailed: stats.requestsFailed,
        requestsAborted: stats.requestsAborted,
        requestsRejected: stats.rejected,
        bytesRead: stats.bytesRead,
        bytesWritten: stats.bytesWritten,
        workerExits: { ...this.#exits },
        workersBlocked: this.#blocked,
      },
      durations: {
        accept: seconds(accept),
        queue: seconds(queue),
        handler: seconds(handler),
        write: seconds(write),
        total: seconds(total),
      },
    }
  }

  async workers(): Promise<WorkerView[]> {
    await this.#lookAtAll(vitalsMsMax, false)
    const { control, workers, server } = this.#options
    const { workerLoads } = server.stats()
    const nowMs = performance.now()
    return control.view().pool.workers.map((worker) => {
      const vitals = workers.get(worker.id)?.vitals
      return {
        id: worker.id,
        generation: worker.generation,
        state: worker.state,
        leaving: worker.leaving ?? null,
        ageMs: Math.round(nowMs - worker.spawnedMs),
        requestsInFlight: workerLoads[worker.id] ?? 0,
        eventLoopUtilization: vitals?.eventLoopUtilization ?? null,
        blockedMs: Math.round(vitals?.blockedMs ?? 0),
        heapUsedBytes: vitals?.heapUsedBytes ?? null,
        heapTotalBytes: vitals?.heapTotalBytes ?? null,
      }
    })
  }

  async requests(): Promise<RequestsView> {
    const { requests, total } = await this.#list(0)
    return { requests: requests.map((request) => ({ ...request, workerId: request.workerId || null })), total }
  }

  /** Those that one worker has, the oldest first. */
  async requestsOf(workerId: number): Promise<NativeRequest[]> {
    return (await this.#list(workerId)).requests
  }

  /** @param workerId 0 for all. */
  #list(workerId: number): Promise<Listed> {
    const { server, control } = this.#options
    const { pool, settings } = control.view()
    // The I/O threads run from the first worker's readiness on.
    if (pool.state === 'starting') return Promise.resolve({ requests: [], total: 0 })
    const listing = ++this.#lastListing
    return new Promise((settle) => {
      this.#listings.set(listing, { left: settings.ioThreads, total: 0, requests: [], settle })
      // A thread that ends meanwhile does not answer.
      setTimeout(() => this.#endListing(listing), listingMsMax).unref()
      server.listRequests(listing, listedRequestsMax, workerId)
    })
  }

  config(): Record<string, unknown> {
    const { settings, origins } = this.#options.control.view()
    const shown = settingEntries.filter(([, setting]) => setting.scope !== 'command line')
    return Object.fromEntries(
      shown.map(([key, setting]) => {
        const isGiven = settings[key] !== undefined && !(Array.isArray(settings[key]) && settings[key].length === 0)
        const texts = isGiven ? printedValues(setting, settings[key]) : []
        return [
          configName(setting.flag),
          { value: setting.repeatable ? texts : (texts[0] ?? null), origin: origins[key] },
        ]
      }),
    )
  }

  async metrics(): Promise<string> {
    await this.#lookAtAll(metricsMsMax, true)
    const { control, server, workers, version } = this.#options
    const { pool, settings, certificates } = control.view()
    const families = collectFamilies({
      stats: server.stats(),
      pool,
      workerExits: this.#exits,
      workersBlocked: this.#blocked,
      logCounts: this.#options.logCounts,
      guardRestarts: this.#options.guardFacts?.restarts,
      ioThreads: settings.ioThreads,
      scheme: schemeOf(settings),
      certificates,
      version,
      startedMs: Date.now() - (performance.now() - this.#startedMs),
      vitals: pool.workers.flatMap(({ id }) => {
        const handle = workers.get(id)
        return handle === undefined ? [] : [{ workerId: id, ...handle.vitals }]
      }),
    })
    const own = new Set(families.map(({ name }) => name))
    const apps = [this.#retired, ...[...workers.values()].map((worker) => worker.vitals.metrics)]
    return exposeMetrics([...families, ...mergeAppMetrics(apps, own)])
  }

  statsdLook(): StatsdLook {
    const { control, server, logCounts } = this.#options
    const { responses, durations, durationBoundsUs, requests, requestsWaiting } = server.stats()
    const statuses: Record<string, number> = {}
    for (const { statusClass, count } of responses) {
      const name = statusName(statusClass)
      statuses[name] = (statuses[name] ?? 0) + count
    }
    return {
      requests,
      statuses,
      durations: { boundsMs: durationBoundsUs.map((bound) => bound / 1000), counts: durations.total.counts },
      workers: control.view().pool.workers.filter(({ state }) => state === 'ready').length,
      backlog: requestsWaiting,
      logRecords: { ...logCounts },
    }
  }

  subscribe(listener: (event: ControlEvent) => void): () => void {
    return this.#options.control.subscribe((event) => listener({ ...event, time: new Date().toISOString() }))
  }

  // ---- what is done -------------------------------------------------------------------------------------------------

  async scale(change: { count: number } | { delta: number }): Promise<{ wanted: number }> {
    if ('count' in change && change.count > workersMax) {
      throw new Problem('bad-request', `there can be at most ${workersMax} workers, not ${change.count}`)
    }
    return asked(this.#options.control.scale(change))
  }

  async restart(workerId: number): Promise<{ workerId: number }> {
    this.#find(workerId)
    return asked(this.#options.control.restart(workerId))
  }

  async reload(): Promise<{ generation: number }> {
    return asked(this.#options.control.reload(), 'reload-failed')
  }

  async reopenLogs(): Promise<void> {
    return asked(this.#options.control.reopenLogs())
  }

  shutdown(mode: 'graceful' | 'quick'): void {
    this.#options.control.shutdown(mode)
  }

  async stack(workerId: number): Promise<StackView> {
    this.#find(workerId)
    return takeStack(workerId)
  }

  async cpuProfile(workerId: number, durationMs: number, signal: AbortSignal): Promise<object> {
    this.#find(workerId)
    if (this.#profiled.has(workerId)) throw new Problem('conflict', `worker ${workerId} is being profiled already`)
    if (this.#profiled.size >= profilesMax) {
      throw new Problem('too-many', `${profilesMax} workers are being profiled already`)
    }
    this.#profiled.add(workerId)
    try {
      return await takeCpuProfile(workerId, durationMs, signal)
    } finally {
      this.#profiled.delete(workerId)
    }
  }

  async heapSnapshot(workerId: number): Promise<Readable> {
    const worker = this.#find(workerId)
    // Each is held in memory as a whole, about as big as the heap, until it is sent.
    if (this.#isSnapshotting) throw new Problem('too-many', 'another heap snapshot is being taken')
    this.#isSnapshotting = true
    const end = () => {
      this.#isSnapshotting = false
    }
    const taken = worker.heapSnapshot().catch(() => undefined) // its thread has ended
    void taken.then((snapshot) => (snapshot ? snapshot.once('close', end) : end()))
    const snapshot = await withinMs(taken, snapshotMsMax)
    if (snapshot !== undefined) return snapshot
    void taken.then((late) => late?.destroy())
    throw new Problem('no-answer', `worker ${workerId} gave no snapshot: it has ended, or is inside native code`)
  }

  #find(workerId: number): WorkerHandle {
    const worker = this.#options.workers.get(workerId)
    if (worker !== undefined) return worker
    const ids = [...this.#options.workers.keys()].join(', ')
    throw new Problem('not-found', `there is no worker ${workerId}${ids === '' ? '' : `; there are ${ids}`}`)
  }

  async #lookAtAll(msMax: number, withMetrics: boolean): Promise<void> {
    const { workers, control } = this.#options
    // One that boots does not listen yet.
    const listening = control.view().pool.workers.filter(({ state }) => state === 'ready' || state === 'draining')
    await Promise.all(listening.map(({ id }) => workers.get(id)?.look(msMax, withMetrics)))
  }

  #endListing(listing: number): void {
    const open = this.#listings.get(listing)
    if (open === undefined) return
    this.#listings.delete(listing)
    open.requests.sort((a, b) => b.ageMs - a.ageMs)
    open.settle({ requests: open.requests.slice(0, listedRequestsMax), total: open.total })
  }
}

/** What the master refuses, in the words of the API. */
async function asked<T>(promise: Promise<T>, type: 'reload-failed' | 'conflict' = 'conflict'): Promise<T> {
  try {
    return await promise
  } catch (error) {
    if (!(error instanceof HornetError)) throw error
    const { code, message, cause } = error
    const stack = typeof cause === 'object' && cause !== null && 'stack' in cause ? cause.stack : undefined
    const isRefused = code === 'ERR_HORNET_REFUSED'
    throw new Problem(isRefused ? 'conflict' : type, message, { code, stack }, error)
  }
}

function inSeconds({ counts, sumUs }: NativeHistogram, boundsUs: readonly number[]): Histogram {
  return { bounds: boundsUs.map((bound) => bound / 1e6), counts, sum: sumUs / 1e6 }
}
