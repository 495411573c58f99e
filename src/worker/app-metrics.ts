/**
 * What a worker tells of itself when the master asks: its heap, and the metrics that the application keeps.
 */
import { builtins } from '../builtins.js'
import type { MasterMessage, WorkerMessage } from '../protocol.js'

/** What prom-client's `Registry` has; anything that answers like it will do. */
export interface MetricsRegistry {
  getMetricsAsJSON(): Promise<unknown[]> | unknown[]
}

const registries = new Set<MetricsRegistry>()
// An application has one, or a few for its libraries.
const registriesMax = 16

/**
 * Has the metrics of a prom-client registry shown on `GET /metrics` of the control address, merged over all workers:
 * counters and histograms are added up; gauges too, unless their `aggregator` says otherwise. Call it in the
 * application, in each worker; outside a Hornet worker it does nothing.
 *
 * @throws TypeError when it is no registry; RangeError beyond 16 of them.
 */
export function registerMetrics(registry: MetricsRegistry): void {
  if (typeof registry?.getMetricsAsJSON !== 'function') throw new TypeError('a prom-client Registry is needed')
  if (!registries.has(registry) && registries.size >= registriesMax) {
    throw new RangeError(`at most ${registriesMax} registries can be registered`)
  }
  registries.add(registry)
}

export function hasRegistry(): boolean {
  return registries.size > 0
}

/** Answers the master's questions. A worker that is blocked does not, which is an answer as well. */
export function answerReports(
  onMessage: (handler: (message: MasterMessage) => void) => void,
  tell: (message: WorkerMessage) => void,
): void {
  onMessage((message) => {
    if (message.type !== 'report') return
    const { report, withMetrics } = message
    if (!withMetrics || registries.size === 0) {
      tell({ type: 'report', report, ...heapSizes() })
      return
    }
    void collect(tell).then((metrics) => tell({ type: 'report', report, ...heapSizes(), metrics }))
  })
}

function heapSizes(): { heapUsedBytes: number; heapTotalBytes: number } {
  const { used_heap_size: heapUsedBytes, total_heap_size: heapTotalBytes } = builtins.v8().getHeapStatistics()
  return { heapUsedBytes, heapTotalBytes }
}

async function collect(tell: (message: WorkerMessage) => void): Promise<unknown[]> {
  const metrics: unknown[] = []
  for (const registry of registries) {
    try {
      // As text and back: what cannot be posted to another thread (functions, proxies) must not end this one.
      metrics.push(...JSON.parse(JSON.stringify(await registry.getMetricsAsJSON())))
    } catch (error) {
      tell({ type: 'log', level: 'warn', message: `the application's metrics cannot be read: ${error}` })
    }
  }
  return metrics
}
