// From samples to tables. Pure: numbers in, text out.
import { baseline } from './scenarios.mjs'

/**
 * One sample is what one peer did in one round.
 *
 * @typedef {{ rate: number, cpuUs: number, p50Us?: number, p99Us?: number, foreign: number }} Sample
 */

/**
 * The table of one scenario, in Markdown.
 *
 * @param {{ name: string, title: string, samples: Sample[], peakKib: number }[]} rows Samples in order of the rounds.
 */
export function formatTable(rows) {
  const base = rows.find(({ name }) => name === baseline)
  const titles = [
    'server',
    'CPU µs/request',
    '× node:http',
    'requests/s',
    '× node:http',
    'p50 ms',
    'p99 ms',
    'peak MiB',
  ]
  const cells = rows.map(({ title, samples, peakKib }) => [
    title,
    spread(samples, 'cpuUs', (us) => us.toFixed(us < 10 ? 2 : 1)),
    ratio(samples, base?.samples, 'cpuUs'),
    spread(samples, 'rate', (rate) => Math.round(rate).toLocaleString('en-US')),
    ratio(samples, base?.samples, 'rate'),
    spread(samples, 'p50Us', milliseconds),
    spread(samples, 'p99Us', milliseconds),
    Math.round(peakKib / 1024).toString(),
  ])
  const widths = titles.map((title, i) => Math.max(title.length, ...cells.map((row) => row[i].length)))
  const pad = (row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
  const rule = widths.map((width, i) => (i === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`))
  return [`| ${pad(titles).join(' | ')} |`, `|${rule.join('|')}|`, ...cells.map((row) => `| ${pad(row).join(' | ')} |`)]
    .join('\n')
    .concat('\n')
}

/**
 * How much of a processor others took while a scenario was timed.
 *
 * @param {{ samples: Sample[] }[]} rows
 * @returns {{ median: number, highest: number }} 1 is one whole processor.
 */
export function disturbance(rows) {
  const shares = rows.flatMap(({ samples }) => samples.map(({ foreign }) => foreign))
  return { median: median(shares), highest: Math.max(...shares) }
}

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** A shuffled copy (Fisher–Yates). */
export function shuffle(values) {
  const copy = [...values]
  for (let i = copy.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1))
    ;[copy[i], copy[j]] = [copy[j], copy[i]]
  }
  return copy
}

function spread(samples, measure, format) {
  const values = samples.map((sample) => sample[measure])
  if (values.includes(undefined)) return '–'
  return `${format(median(values))} (${format(Math.min(...values))}–${format(Math.max(...values))})`
}

/** Of each round its own ratio, then the median: what slows a whole round cancels out. */
function ratio(samples, baseSamples, measure) {
  if (baseSamples === undefined) return '–'
  return median(samples.map((sample, round) => sample[measure] / baseSamples[round][measure])).toFixed(2)
}

function milliseconds(us) {
  return (us / 1000).toFixed(us < 10_000 ? 2 : 1)
}
