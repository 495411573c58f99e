// Simulates how requests get to workers, from 1 to 64 of them. Prints tables; see docs/performance.md.
//
//   node bench/simulation/run.mjs            prints the tables (half a minute)
//   node bench/simulation/run.mjs --write    puts the tables into docs/performance.md, and the charts beside it
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { formatTable } from '../macro/report.mjs'
import { policies, simulate } from './dispatch.mjs'

const docs = join(dirname(fileURLToPath(import.meta.url)), '../../docs')
const page = join(docs, 'performance.md')
const markers = ['<!-- simulation: begin, written by bench/simulation/run.mjs -->', '<!-- simulation: end -->']

const workerCounts = [1, 2, 4, 8, 16, 32, 64]
const titles = {
  'per-connection': 'a connection belongs to a worker',
  'least-loaded': 'each request to the least loaded worker',
  hornet: 'the same, and taken back where nothing moves (Hornet)',
  'shared-queue': 'one queue for all workers',
}
const colours = {
  [titles['per-connection']]: '#3f9142',
  [titles['least-loaded']]: '#3b82c4',
  [titles.hornet]: '#e8590c',
  [titles['shared-queue']]: '#8a919a',
}

const cases = [
  {
    name: 'dispatch-blocking',
    title: 'One request in 100 blocks its worker for 100 ms',
    subtitle: 'the others take 2 ms; workers are busy for 60% of the time',
    options: { load: 0.6, meanMs: 2, blockingShare: 0.01, blockingMs: 100 },
  },
  {
    name: 'dispatch-even',
    title: 'Requests that take 2 ms, more or less (exponential), none that blocks',
    subtitle: 'workers are busy for 80% of the time',
    options: { load: 0.8, meanMs: 2 },
  },
]

/** Each point is as exact as its requests are many. */
const requests = 200_000

const sections = []
for (const { name, title, subtitle, options } of cases) {
  const points = []
  const rows = policies.map((policy) => {
    const cells = workerCounts.map((workers) => {
      const { p99Ms } = simulate({ ...options, policy, workers, requests })
      points.push({ label: titles[policy], x: workers, y: Math.max(p99Ms, 0.01) })
      return p99Ms < 0.005 ? '0' : p99Ms.toFixed(p99Ms < 1 ? 2 : 1)
    })
    return [titles[policy], ...cells]
  })
  const table = formatTable(
    ['p99 of the wait for a worker, ms', ...workerCounts.map((count) => `${count} worker${count === 1 ? '' : 's'}`)],
    rows,
  )
  console.log(`${title}; ${subtitle}\n\n${table}`)
  sections.push(`**${title}**; ${subtitle}.\n\n![${title}](${name}.svg)\n\n${table}`)
  if (process.argv.includes('--write')) {
    const { draw, lines } = await import('../macro/charts.mjs')
    const x = { title: 'workers', log: true, values: workerCounts }
    const y = { title: 'p99 of the wait for a worker, ms', log: true }
    // What is below a hundredth of a millisecond is drawn as that: a logarithmic axis has no zero.
    writeFileSync(
      join(docs, `${name}.svg`),
      await draw(lines({ title, subtitle, x, y, points, colours, legendColumns: 1 })),
    )
  }
}

if (process.argv.includes('--write')) {
  const text = readFileSync(page, 'utf8')
  const [begin, end] = markers.map((marker) => text.indexOf(marker))
  if (begin < 0 || end < begin) throw new Error(`docs/performance.md has lost its markers: ${markers.join(' ')}`)
  writeFileSync(page, `${text.slice(0, begin)}${markers[0]}\n\n${sections.join('\n')}\n${text.slice(end)}`)
}
