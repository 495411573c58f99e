/**
 * The metrics that applications keep with prom-client, one registry per worker, merged into one: what
 * `registry.getMetricsAsJSON()` gives in each worker comes in, families for the page go out.
 */
import type { Family, MetricType } from './exposition.js'

/** One metric, as prom-client's `getMetricsAsJSON()` describes it. */
export interface AppMetric {
  name: string
  help: string
  type: string
  /** How values of several processes become one; prom-client's names. Default `sum`. */
  aggregator?: string
  values: AppValue[]
}

export interface AppValue {
  value: number
  labels: Record<string, string | number>
  /** With histograms and summaries: the name with its suffix. */
  metricName?: string
}

/** Values of one worker that are kept; some megabytes of text at the most. */
export const appValuesMax = 20_000

const aggregators: Record<string, (values: number[]) => number | undefined> = {
  sum: (values) => values.reduce((sum, value) => sum + value, 0),
  first: (values) => values[0],
  min: (values) => Math.min(...values),
  max: (values) => Math.max(...values),
  average: (values) => values.reduce((sum, value) => sum + value, 0) / values.length,
  omit: () => undefined,
}

const types: readonly string[] = ['counter', 'gauge', 'histogram', 'summary'] satisfies MetricType[]

/**
 * @param workers The metrics of each worker. The first one that has a metric says what it is called and how it is merged.
 * @param taken Names that are the server's own: an application's metric of that name is left out.
 */
export function mergeAppMetrics(workers: readonly (readonly AppMetric[])[], taken: ReadonlySet<string>): Family[] {
  const metrics = combine(workers).filter((metric) => !taken.has(metric.name))
  return metrics.map(({ name, help, type, values }) => ({
    name,
    help,
    type: types.includes(type) ? (type as MetricType) : 'untyped', // just looked up
    samples: values.map(({ metricName, labels, value }) => ({ suffix: metricName?.slice(name.length), labels, value })),
  }))
}

/**
 * Adds what a worker had counted to what others had before it: their counts must not vanish with them, or every
 * replacement would look like a restart of the whole server. Gauges describe what is, and go.
 */
export function retireAppMetrics(retired: readonly AppMetric[], last: readonly AppMetric[]): AppMetric[] {
  const counts = last.filter(({ type }) => type === 'counter' || type === 'histogram')
  return limit(combine([retired, counts]), appValuesMax)
}

function combine(workers: readonly (readonly AppMetric[])[]): AppMetric[] {
  const merged = new Map<string, { metric: AppMetric; groups: Map<string, { value: AppValue; all: number[] }> }>()
  for (const metric of workers.flat()) {
    let entry = merged.get(metric.name)
    if (entry === undefined) {
      entry = { metric, groups: new Map() }
      merged.set(metric.name, entry)
    }
    for (const value of metric.values) {
      const key = JSON.stringify([value.metricName, Object.entries(value.labels).sort(byName)])
      const group = entry.groups.get(key)
      if (group) group.all.push(value.value)
      else entry.groups.set(key, { value, all: [value.value] })
    }
  }
  return [...merged.values()].map(({ metric, groups }) => ({
    ...metric,
    values: [...groups.values()].flatMap(({ value, all }) => {
      const one = (aggregators[metric.aggregator ?? 'sum'] ?? aggregators.sum)(all)
      return one === undefined ? [] : [{ ...value, value: one }]
    }),
  }))
}

/** Label names within one sample differ. */
function byName([a]: [string, unknown], [b]: [string, unknown]): number {
  return a < b ? -1 : 1
}

/** What came from an application, checked: those of its metrics that are well-formed, up to `appValuesMax` values. */
export function readAppMetrics(given: unknown): AppMetric[] {
  if (!Array.isArray(given)) return []
  const metrics: AppMetric[] = []
  for (const entry of given as (Partial<AppMetric> | null)[]) {
    const { name, help = '', type = 'untyped', aggregator, values } = entry ?? {}
    if (typeof name !== 'string' || !/^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(name) || !Array.isArray(values)) continue
    const kept = values.filter((value) => isValue(name, value))
    metrics.push({ name, help: String(help), type: String(type), aggregator, values: kept })
  }
  return limit(metrics, appValuesMax)
}

function limit(metrics: AppMetric[], valuesMax: number): AppMetric[] {
  let left = valuesMax
  return metrics.map((metric) => {
    const values = metric.values.slice(0, left)
    left -= values.length
    return { ...metric, values }
  })
}

function isValue(name: string, value: unknown): value is AppValue {
  if (typeof value !== 'object' || value === null) return false
  const { value: number, labels, metricName = name } = value as Partial<AppValue>
  if (typeof number !== 'number' || typeof labels !== 'object' || labels === null) return false
  const isNamed = typeof metricName === 'string' && metricName.startsWith(name)
  if (!isNamed || !/^(?:_bucket|_sum|_count)?$/.test(metricName.slice(name.length))) return false
  return Object.keys(labels).every((label) => /^[a-zA-Z_][a-zA-Z0-9_]*$/.test(label))
}
