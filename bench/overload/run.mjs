// Goodput under overload: answers that come while their clients still wait, at 1 to 10 times what the workers can do.
//
//   npm run bench:overload                       Hornet and node:cluster, 6 s a load
//   npm run bench:overload -- hornet             one of them
//   npm run bench:overload -- --seconds 3 --service 5 --patience 500
//   npm run bench:overload -- --write            puts the tables into docs/reliability.md
import { spawn } from 'node:child_process'
import { cpus } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { writeMarkedPart } from '../../scripts/lib/marked-part.mjs'
import { generate } from './generator.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '../..')
const page = join(root, 'docs/reliability.md')
const workers = 2
const loads = [0.5, 1, 2, 5, 10]
const healthRate = 20

const app = join(root, 'bench/overload/app.mjs')
const peers = {
  hornet: {
    title: 'Hornet, 2 workers',
    command: ['dist/cli.js', '--bind', '127.0.0.1:0', '--workers', `${workers}`, '--health', '/-/health', app],
    health: '/-/health/live',
  },
  cluster: { title: 'node:cluster, 2 workers', command: ['bench/macro/peers/node-cluster.mjs', app, `${workers}`] },
}

async function main(argv) {
  const { values, positionals: names } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      seconds: { type: 'string', default: '6' },
      service: { type: 'string', default: '20' },
      patience: { type: 'string', default: '1000' },
      args: { type: 'string', default: '' },
      write: { type: 'boolean', default: false },
    },
  })
  const seconds = Number(values.seconds)
  const serviceMs = Number(values.service)
  const patienceMs = Number(values.patience)
  const capacity = (workers * 1000) / serviceMs
  const sections = [
    `Service time ${serviceMs} ms, ${workers} workers: at most ${capacity} answers/s. Clients wait ${patienceMs} ms, then leave. ` +
      `${seconds} s a load, then ${seconds} s at half the capacity. ${cpus()[0].model.trim()}, ${cpus().length} processors, Node ${process.version}.\n`,
  ]
  console.log(sections[0])
  for (const [name, peer] of Object.entries(peers)) {
    if (names.length > 0 && !names.includes(name)) continue
    const extra = name === 'hornet' ? values.args.split(' ').filter(Boolean) : []
    const section = await measure(peer, extra, { seconds, serviceMs, patienceMs, capacity })
    console.log(section)
    sections.push(section)
  }
  if (values.write) writeMarkedPart(page, 'overload', sections.join('\n'))
}

async function measure(peer, extra, { seconds, serviceMs, patienceMs, capacity }) {
  const [script, ...rest] = peer.command
  const server = spawn(process.execPath, [join(root, script), ...extra, ...rest], {
    env: { ...process.env, SERVICE_MS: `${serviceMs}`, NODE_ENV: 'production' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  try {
    const port = await addressOf(server)
    await generate({ port, rate: capacity / 2, seconds: 1, patienceMs })
    const rows = []
    for (const load of loads) {
      const health = peer.health && generate({ port, path: peer.health, rate: healthRate, seconds, patienceMs })
      const records = await generate({ port, rate: capacity * load, seconds, patienceMs })
      const after = load > 1 ? await generate({ port, rate: capacity / 2, seconds, patienceMs }) : undefined
      rows.push(rowOf(load, records, seconds, capacity, health && (await health), after))
    }
    return `### ${peer.title}\n\n${table(rows)}`
  } finally {
    const ended = new Promise((resolve) => server.once('exit', resolve))
    server.kill('SIGTERM')
    await ended
  }
}

function addressOf(server) {
  return new Promise((resolve, reject) => {
    let output = ''
    const take = (chunk) => {
      output += chunk
      const found = /http:\/\/127\.0\.0\.1:(\d+)\b/.exec(output)
      if (found) resolve(Number(found[1]))
    }
    for (const stream of [server.stdout, server.stderr]) stream.setEncoding('utf8').on('data', take)
    server.once('exit', () => reject(new Error(`the server ended at its start\n${output}`)))
  })
}

function rowOf(load, records, seconds, capacity, health, after) {
  const of = (outcome) => records.filter((record) => record.outcome === outcome)
  const good = of('good').map(({ ms }) => ms)
  const perSecond = (count) => Math.round(count / seconds)
  // The last request of the calm that was not answered well says how long the overload was felt.
  const bad = after?.filter(({ outcome }) => outcome !== 'good').map(({ dueMs }) => dueMs)
  return {
    load: `${load} ×`,
    'offered/s': perSecond(records.length),
    'good/s': perSecond(good.length),
    'of capacity': `${Math.round((good.length / seconds / capacity) * 100)}%`,
    '503/s': perSecond(of('shed').length),
    'late/s': perSecond(of('late').length),
    'failed/s': perSecond(of('failed').length),
    'p50 ms': quantile(good, 0.5),
    'p99 ms': quantile(good, 0.99),
    'health p99 ms':
      health === undefined
        ? '–'
        : quantile(
            health.filter(({ outcome }) => outcome === 'good').map(({ ms }) => ms),
            0.99,
          ),
    'felt for ms': bad === undefined ? '–' : bad.length === 0 ? '0' : `${Math.round(Math.max(...bad))}`,
  }
}

function quantile(values, part) {
  if (values.length === 0) return '–'
  const sorted = values.toSorted((a, b) => a - b)
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]
  return value < 10 ? value.toFixed(1) : `${Math.round(value)}`
}

function table(rows) {
  const names = Object.keys(rows[0])
  const line = (cells) => `| ${cells.join(' | ')} |\n`
  const body = rows.map((row) => line(names.map((name) => row[name]))).join('')
  return `${line(names)}${line(names.map(() => '--:'))}${body}`
}

await main(process.argv.slice(2))
