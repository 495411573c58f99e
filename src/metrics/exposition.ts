/**
 * Metrics as Prometheus reads them: text exposition format 0.0.4.
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 */

export type MetricType = 'counter' | 'gauge' | 'histogram' | 'summary' | 'untyped'

export interface Sample {
  /** Added to the family's name: `_bucket`, `_sum`, `_count`. */
  suffix?: string
  labels?: Readonly<Record<string, string | number>>
  value: number
}

/** All samples of one name. */
export interface Family {
  name: string
  help: string
  type: MetricType
  samples: Sample[]
}

/** The whole page, ending in a line feed as the format demands. Families without samples are left out. */
export function exposeMetrics(families: Iterable<Family>): string {
  let text = ''
  for (const { name, help, type, samples } of families) {
    if (samples.length === 0) continue
    text += `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n`
    for (const { suffix = '', labels, value } of samples) {
      text += `${name}${suffix}${formatLabels(labels)} ${formatValue(value)}\n`
    }
  }
  return text
}

/** A family of one sample without labels. */
export function single(name: string, type: 'counter' | 'gauge', help: string, value: number): Family {
  return { name, help, type, samples: [{ value }] }
}

/** A family of one sample for each value of a label. */
export function labelled(
  name: string,
  type: 'counter' | 'gauge',
  help: string,
  label: string,
  values: Readonly<Record<string, number>>,
): Family {
  const samples = Object.entries(values).map(([key, value]) => ({ labels: { [label]: key }, value }))
  return { name, help, type, samples }
}

/** `counts` has one more than `bounds`, for what lies above them all. */
export interface Histogram {
  bounds: readonly number[]
  counts: readonly number[]
  sum: number
}

/** Samples of one histogram. */
export function histogramSamples(
  { bounds, counts, sum }: Histogram,
  labels: Readonly<Record<string, string | number>> = {},
): Sample[] {
  let below = 0
  const samples: Sample[] = counts.map((count, index) => {
    below += count
    const bound = bounds[index] ?? Number.POSITIVE_INFINITY
    return { suffix: '_bucket', labels: { ...labels, le: formatValue(bound) }, value: below }
  })
  samples.push({ suffix: '_sum', labels, value: sum }, { suffix: '_count', labels, value: below })
  return samples
}

function formatLabels(labels: Sample['labels'] = {}): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(String(value))}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

function formatValue(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  if (value === Number.NEGATIVE_INFINITY) return '-Inf'
  return Number.isNaN(value) ? 'NaN' : String(value)
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"')
}
