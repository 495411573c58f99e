// From results to text: tables, aims, losses. Pure: numbers in, Markdown out.
import { scenarios } from './scenarios.mjs'
import { disturbance, ratioOf, spreadOf } from './statistics.mjs'

/** Of one processor. More than this taken by others, in the median run of a scenario, and its figures count for little. */
export const foreignMax = 0.1

const milliseconds = (us) => (us / 1000).toFixed(us < 10_000 ? 2 : 1)
const whole = (value) => Math.round(value).toLocaleString('en-US')

/** `better`: which way is good. */
const measures = {
  cpuUs: { title: 'CPU µs/request', better: 'less', format: (us) => us.toFixed(us < 10 ? 2 : us < 1000 ? 1 : 0) },
  rate: { title: 'requests/s', better: 'more', format: whole },
  p50Us: { title: 'p50 ms', better: 'less', format: milliseconds },
  p90Us: { title: 'p90 ms', better: 'less', format: milliseconds },
  p99Us: { title: 'p99 ms', better: 'less', format: milliseconds },
  p999Us: { title: 'p99.9 ms', better: 'less', format: milliseconds },
  connectionBytes: { title: 'bytes/connection', better: 'less', format: whole },
  startMs: { title: 'ms to the first answer', better: 'less', format: whole },
  reloadMs: { title: 'ms for a reload', better: 'less', format: whole },
  failed: { title: 'failed requests', better: 'less', format: whole },
  closed: { title: 'closed connections', better: 'less', format: whole },
}

/** `measure`: median and spread; `measure.median`: without the spread; `×measure`: ratio to the baseline. */
const columnsOf = {
  saturated: ['cpuUs', '×cpuUs', 'rate', '×rate', 'p50Us', 'p90Us.median', 'p99Us', 'p999Us.median', 'peak', 'errors'],
  'fixed-rate': ['p50Us', 'p90Us.median', 'p99Us', '×p99Us', 'p999Us.median', 'cpuUs', '×cpuUs', 'peak', 'errors'],
  reload: ['reloadMs', 'failed', 'closed', 'p50Us', 'p99Us', 'peak'],
  idle: ['connectionBytes', '×connectionBytes', 'peak'],
  start: ['startMs', '×startMs', 'peak'],
}

/** What a loss may be in. Peak memory of every scenario would say the same thing twenty times. */
const lossMeasures = ['cpuUs', 'rate', 'p50Us', 'p99Us', 'connectionBytes', 'startMs', 'reloadMs']

/** Whom each peer is set beside: those with as many workers. */
const rivals = [
  ['hornet-1', ['node:http', 'node:https', 'node:http2', 'bun', 'deno', 'nginx', 'nginx-file', 'uws']],
  ['hornet-2', ['cluster-2', 'pm2-2']],
  ['hornet-4', ['cluster-4', 'pm2-4']],
]

/**
 * @typedef {object} Result One scenario that was measured.
 * @property {string} name
 * @property {import('./measure.mjs').Row[]} rows
 * @property {{ title: string, failure: string }[]} earlier What failed in a first try, all of which was repeated.
 *
 * @typedef {object} Results All of a run.
 * @property {string[]} facts
 * @property {string[]} leftOut
 * @property {string} nodeMajor
 * @property {Result[]} scenarios
 */

const scenarioOf = ({ name }) => scenarios.find((scenario) => scenario.name === name)
const rowOf = ({ rows }, name) => rows.find((row) => row.name === name && row.failure === undefined)

/** One scenario: heading, table, what is to be said of it. */
export function formatSection(result) {
  const { title, kind, baseline } = scenarioOf(result)
  const base = rowOf(result, baseline)
  const baseTitle = result.rows.find(({ name }) => name === baseline)?.title ?? baseline
  const columns = columnsOf[kind]
  const heads = columns.map((column) => (column.startsWith('×') ? `× ${baseTitle}` : titleOf(column)))
  const rows = result.rows.map((row) => [row.title, ...columns.map((column) => cell(column, row, base))])
  return `### ${title}\n\n${formatTable(['server', ...heads], rows)}\n${notesOf(result).join(' ')}\n`
}

const titleOf = (column) => ({ peak: 'peak MiB', errors: 'errors' })[column] ?? measures[column.split('.')[0]].title

function cell(column, row, base) {
  if (row.failure !== undefined) return 'failed'
  if (column === 'peak') return whole(row.peakKib / 1024)
  // Any error voids a peer's run, which has no figures then.
  if (column === 'errors') return '0'
  const [measure, form] = column.replace('×', '').split('.')
  if (column.startsWith('×')) return ratioOf(row, base, measure)?.median.toFixed(2) ?? '–'
  const spread = spreadOf(row, measure)
  if (spread === undefined) return '–'
  const { format } = measures[measure]
  const text = format(spread.median)
  return form === 'median' || row.samples.length === 1 ? text : `${text} (${format(spread.low)}–${format(spread.high)})`
}

function notesOf(result) {
  const { kind } = scenarioOf(result)
  const others = disturbance(result.rows)
  const notes = []
  if (kind !== 'start') {
    const requests = result.rows.reduce((sum, row) => sum + (row.failure === undefined ? row.requests : 0), 0)
    notes.push(`${whole(requests)} right answers.`)
  }
  if (others !== undefined) {
    const share = `${percent(others.median)} of a processor (median run; at most ${percent(others.highest)})`
    notes.push(`Others took ${share}${others.median > foreignMax ? ': **not to be relied on**' : ''}.`)
  }
  const cold = result.rows.filter((row) => row.failure === undefined && row.warmUpRequests !== undefined)
  if (cold.length > 0) {
    const list = cold.map((row) => `${row.title} (${whole(row.warmUpRequests)})`).join(', ')
    notes.push(`Fewer requests than wanted to warm up: ${list}.`)
  }
  for (const row of result.rows) {
    if (row.failure !== undefined) notes.push(`${row.title} failed: ${oneLine(row.failure)}.`)
  }
  for (const { title, failure } of result.earlier) {
    notes.push(`In a first try, of which nothing is shown, ${title} failed: ${oneLine(failure)}.`)
  }
  return notes
}

const percent = (share) => `${Math.round(share * 100)}%`
const oneLine = (text) => `\`${text.split('\n')[0].replaceAll('`', "'").slice(0, 200)}\``

/** Whether what we set out to reach was reached, for all that was measured. */
export function formatAims({ scenarios: results, nodeMajor }) {
  const rows = []
  for (const result of results) {
    const { title, aims = [] } = scenarioOf(result)
    for (const { measure, peer, against, atMost, atLeast, node } of aims) {
      if (node !== undefined && `${node}` !== nodeMajor) continue
      const row = rowOf(result, peer)
      const found = against === undefined ? spreadOf(row, measure) : ratioOf(row, rowOf(result, against), measure)
      if (found === undefined) continue
      const what = `${title}: ${measures[measure].title}`
      const limit = atMost ?? atLeast
      const unit = against === undefined ? '' : ` × ${rowOf(result, against).title}`
      const isReached = atMost === undefined ? found.median >= atLeast : found.median <= atMost
      const format = against === undefined ? whole : (value) => value.toFixed(2)
      const spread = row.samples.length === 1 ? '' : ` (${format(found.low)}–${format(found.high)})`
      rows.push([
        `${what}, ${row.title}`,
        `${atMost === undefined ? '≥' : '≤'} ${limit.toLocaleString('en-US')}${unit}`,
        `${format(found.median)}${spread}`,
        isReached ? 'yes' : '**no**',
      ])
    }
  }
  return rows.length === 0 ? '' : formatTable(['what', 'aim', 'measured', 'reached'], rows)
}

/** Everything in which a peer was ahead of Hornet by more than the spread. */
export function formatLosses({ scenarios: results }) {
  const rows = []
  for (const result of results) {
    for (const [ours, names] of rivals) {
      const own = rowOf(result, ours)
      for (const peer of names.map((name) => rowOf(result, name))) {
        if (own === undefined || peer === undefined) continue
        const losses = lossMeasures.flatMap((measure) => lossOf(own, peer, measure) ?? [])
        const [ownMib, peerMib] = [own, peer].map(({ peakKib }) => peakKib / 1024)
        if (/^(write-head|express|set-header)$/.test(result.name) && ownMib > peerMib * 1.02) {
          losses.push(`peak MiB ${whole(peerMib)} against ${whole(ownMib)}`)
        }
        if (losses.length > 0) rows.push([scenarioOf(result).title, peer.title, own.title, losses.join('; ')])
      }
    }
  }
  if (rows.length === 0) return 'None that is larger than the spread of its runs.\n'
  return formatTable(['load', 'ahead', 'behind', 'in what'], rows, 4)
}

function lossOf(own, peer, measure) {
  const [ours, theirs] = [spreadOf(own, measure), spreadOf(peer, measure)]
  if (ours === undefined || theirs === undefined) return undefined
  const { title, better, format } = measures[measure]
  const isBehind = better === 'less' ? ours.low > theirs.high : ours.high < theirs.low
  return isBehind ? `${title} ${format(theirs.median)} against ${format(ours.median)}` : undefined
}

/** A table in Markdown: the first columns to the left, the others to the right. */
export function formatTable(titles, cells, leftColumns = 1) {
  const widths = titles.map((title, i) => Math.max(title.length, ...cells.map((row) => row[i].length)))
  const pad = (row) => row.map((text, i) => (i < leftColumns ? text.padEnd(widths[i]) : text.padStart(widths[i])))
  const rule = widths.map((width, i) => (i < leftColumns ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`))
  const lines = [`| ${pad(titles).join(' | ')} |`, `|${rule.join('|')}|`]
  return `${[...lines, ...cells.map((row) => `| ${pad(row).join(' | ')} |`)].join('\n')}\n`
}

/**
 * The whole page.
 *
 * @param {Results} results
 * @param {{ file: string, title: string }[]} charts Relative to the page.
 */
export function formatReport(results, charts) {
  const leftOut = results.leftOut.length === 0 ? '' : `\n## Left out\n\n${bullets(results.leftOut)}\n`
  return `# Benchmark report

<!-- Written by \`npm run bench -- --report\`; do not edit. -->

What each load is, and how it was measured: [README.md](README.md). A cell is the median of the rounds and, in brackets,
the lowest and the highest; a ratio is the median of each round's own. A difference inside the spread is no difference.

${bullets(results.facts)}

## What we aim at

${formatAims(results)}
## Where Hornet is behind

Every measure in which a peer was ahead by more than the spread of both. The floor is no server and is left out.

${formatLosses(results)}
${charts.length === 0 ? '' : `## Charts\n\n${charts.map(({ file, title }) => `![${title}](${file})`).join('\n\n')}\n\n`}## Tables

${results.scenarios.map(formatSection).join('\n')}${leftOut}`
}

const bullets = (lines) => lines.map((line) => `- ${line}`).join('\n')
