// Measures one scenario: starts its peers, proves them right, and takes samples in shuffled rounds.
import { existsSync, rmSync } from 'node:fs'
import { openIdle } from './idle.mjs'
import { makesHandshakes, runFixedRate, runLoad, stopLoad } from './load.mjs'
import { peers } from './peers.mjs'
import { machineUs, Server } from './server.mjs'
import { shuffle } from './statistics.mjs'

/**
 * Until both are reached: the first tens of thousands of requests run in code that is not optimised yet and cost several
 * times as much, however long a slow or starved server takes over them. The last bounds it.
 */
export const warmUpSecondsMin = 2
export const warmUpRequestsMin = 40_000
const warmUpSecondsMax = 10
/** A request with a large body is many pieces of work: fewer of them will do. */
const warmUpBytesMax = 4 * 1024 ** 3
/** So is one that has a handshake of TLS before it. */
const warmUpHandshakesMax = 5_000

const idleConnections = 10_000
const idleRoundsMax = 3

/**
 * One sample is what one peer did in one round; which of these it has depends on the kind. Times in microseconds unless
 * the name says otherwise.
 *
 * @typedef {object} Sample
 * @property {number} [cpuUs] Processor time of the whole process tree per request.
 * @property {number} [rate] Requests per second.
 * @property {number} [p50Us]
 * @property {number} [p90Us]
 * @property {number} [p99Us]
 * @property {number} [p999Us]
 * @property {number} [connectionBytes]
 * @property {number} [startMs]
 * @property {number} [reloadMs]
 * @property {number} [failed] Requests without a right answer, where they do not void the run.
 * @property {number} [closed] Connections that the server closed.
 * @property {number} [foreign] Share of a processor that others took meanwhile.
 *
 * @typedef {object} Row
 * @property {string} name
 * @property {string} title
 * @property {Sample[]} samples In order of the rounds.
 * @property {number} peakKib
 * @property {number} [requests] Right answers in all samples.
 * @property {number} [warmUpRequests] When they were fewer than wanted.
 * @property {string} [failure] Why this peer has no figures here.
 *
 * @typedef {object} Context
 * @property {number} rounds
 * @property {number} seconds
 * @property {{ server: string[], load: string[], cpus: number[] }} pins What goes before a command, and the processors.
 * @property {string} node
 * @property {string} [uws]
 * @property {(text: string) => void} progress
 */

/**
 * How each kind of scenario is measured. `isFresh`: each sample starts a server of its own; else all peers of a scenario
 * run side by side for its whole length, and one at a time is under load: so each is warm, and what slows the machine for
 * a while meets all of them.
 */
const kinds = {
  saturated: { isFresh: false, sample: sampleSaturated },
  'fixed-rate': { isFresh: false, sample: sampleFixedRate },
  reload: { isFresh: false, sample: sampleReload },
  idle: { isFresh: true, sample: sampleIdle, roundsMax: idleRoundsMax },
  start: { isFresh: true, sample: sampleStart },
}

/** Servers that run now, to be stopped whatever happens. */
const running = new Set()

export async function stopAll() {
  stopLoad()
  await stopServers([...running])
}

/** Of one run: thousands of connections take a good part of a second to be opened. */
const secondsOf = ({ secondsMin = 0 }, { seconds }) => Math.max(seconds, secondsMin)

/** Seconds that a scenario takes on a quiet machine, roughly. */
export function estimateSeconds(scenario, names, { rounds, seconds }) {
  const { isFresh, roundsMax = rounds } = kinds[scenario.kind]
  const sample =
    { idle: 2.5, start: 0.3 }[scenario.kind] ?? (scenario.fixed?.seconds ?? secondsOf(scenario, { seconds })) + 0.1
  // Where a request takes long, so does the warm-up.
  const warmUp = isFresh ? 0 : /express|post-1m|https-new/.test(scenario.name) ? 5 : 2.4
  return names.length * (warmUp + Math.min(rounds, roundsMax) * sample)
}

/**
 * A peer that fails (a wrong answer, an error of the load, a death) has no figures in this scenario; the others go on.
 *
 * @param {(typeof import('./scenarios.mjs').scenarios)[number]} scenario
 * @param {string[]} names
 * @param {Context} context
 * @returns {Promise<Row[]>}
 */
export async function measureScenario(scenario, names, context) {
  const { isFresh, sample, roundsMax = context.rounds } = kinds[scenario.kind]
  const rows = names.map((name) => ({ name, title: peers[name].title, samples: [], peakKib: 0, requests: 0 }))
  const servers = new Map()
  const attempt = async (row, work) => {
    if (row.failure !== undefined) return
    try {
      await work()
    } catch (error) {
      row.failure = error.message
      row.samples = []
      await stopServers([servers.get(row)].filter((server) => server !== undefined))
      servers.delete(row)
    }
  }
  try {
    if (!isFresh) {
      for (const row of rows) {
        context.progress(`${scenario.name}: ${row.name} warms up`)
        await attempt(row, async () => {
          servers.set(row, await launch(scenario, row.name, context))
          await warmUp(row, servers.get(row), scenario, context)
        })
      }
    }
    for (let round = 1; round <= Math.min(context.rounds, roundsMax); round++) {
      for (const row of shuffle(rows)) {
        context.progress(`${scenario.name}: round ${round}, ${row.name}`)
        await attempt(row, async () => {
          const { requests, ...figures } = await sample(scenario, row, context, servers.get(row))
          row.samples.push(figures)
          row.requests += requests
        })
      }
    }
    for (const row of rows) {
      await attempt(row, () => {
        if (!isFresh) row.peakKib = servers.get(row).peakKib()
      })
    }
    return rows
  } finally {
    await stopServers([...running])
  }
}

/** A server that has started and was found to answer right. */
async function launch(scenario, name, { pins, node, uws }, keepsIdle = false) {
  const { app, fetchApp, load, answer } = scenario
  const closes = load.headers.includes('Connection: close')
  const order = { node, app, fetchApp, keepsIdle, closes, transport: load.transport, answer, uws }
  const { command, ...options } = await peers[name].start(order)
  const server = new Server([...pins.server, ...command], options)
  running.add(server)
  await server.start()
  await server.check(answer, load)
  return server
}

async function stopServers(servers) {
  for (const server of servers) running.delete(server)
  // One that does not stop is killed and says so, which is nothing that its figures could be blamed for.
  for (const { reason } of await Promise.allSettled(servers.map((server) => server.stop()))) {
    if (reason !== undefined) console.error(`bench: ${reason.message}`)
  }
}

async function warmUp(row, server, { load }, { pins }) {
  const wanted = Math.min(
    ...[warmUpRequestsMin, load.bodyBytes > 0 ? warmUpBytesMax / load.bodyBytes : Infinity],
    makesHandshakes(load) ? warmUpHandshakesMax : Infinity,
  )
  let requests = 0
  for (let second = 1; second <= warmUpSecondsMax; second++) {
    requests += (await runLoad({ port: server.port, seconds: 1, load, pin: pins.load })).requests
    if (second >= warmUpSecondsMin && requests >= wanted) return
  }
  row.warmUpRequests = requests
}

// ---- kinds

/** wrk and h2load ask again as soon as they are answered. */
async function sampleSaturated({ answer, load, ...scenario }, _row, { pins, ...context }, server) {
  const seconds = secondsOf(scenario, context)
  const machineBefore = machineUs(pins.cpus)
  const cpuUsBefore = server.cpuUs()
  const { requests, durationUs, ...latencies } = await runLoad({ port: server.port, seconds, load, pin: pins.load })
  const serverUs = server.cpuUs() - cpuUsBefore
  const foreign = foreignShare(machineBefore, pins, serverUs, durationUs)
  if (requests === 0) throw new Error(`the run is void: no answer in ${seconds} s`)
  // They look at the status alone, so the rest is proven before and after.
  await server.check(answer, load)
  return { requests, rate: requests / (durationUs / 1e6), cpuUs: serverUs / requests, ...latencies, foreign }
}

/** Requests come when they are due, whatever the server does. */
async function sampleFixedRate({ answer, load, fixed }, _row, { pins }, server) {
  const machineBefore = machineUs(pins.cpus)
  const cpuUsBefore = server.threadsCpuUs()
  const { connections } = load
  const options = { ...fixed, port: server.port, connections, body: answer.body }
  const { answered, seconds, latency, errors } = await runFixedRate(pins.load, options)
  const serverUs = server.threadsCpuUs() - cpuUsBefore
  const foreign = foreignShare(machineBefore, pins, serverUs, seconds * 1e6)
  if (Object.keys(errors).length > 0)
    throw new Error(`the run is void: ${answered} answers, errors: ${JSON.stringify(errors)}`)
  const { p50Us, p90Us, p99Us, p999Us } = latency
  return { requests: answered, cpuUs: serverUs / answered, p50Us, p90Us, p99Us, p999Us, foreign }
}

/** A reload in the middle of a load with a fixed rate. */
async function sampleReload({ answer, load, fixed }, row, { pins }, server) {
  const options = { ...fixed, port: server.port, connections: load.connections, body: answer.body }
  const running = runFixedRate(pins.load, options)
  running.catch(() => {})
  // It is to meet a steady load, not the opening of the connections.
  await new Promise((resolve) => setTimeout(resolve, 500))
  const startMs = performance.now()
  await peers[row.name].reload(server)
  const reloadMs = performance.now() - startMs
  const { answered, sent, latency, closed } = await running
  await server.check(answer, load)
  const { p50Us, p99Us } = latency
  return { requests: answered, reloadMs, failed: sent - answered, closed, p50Us, p99Us }
}

/** Memory before and after thousands of connections that have each had one answer. */
async function sampleIdle(scenario, row, context) {
  const server = await launch(scenario, row.name, context, true)
  try {
    await runLoad({ port: server.port, seconds: 1, load: scenario.load, pin: context.pins.load })
    const before = server.residentBytes()
    const close = await openIdle(server.port, idleConnections, scenario.answer.body)
    const connectionBytes = (server.residentBytes() - before) / idleConnections
    row.peakKib = Math.max(row.peakKib, server.peakKib())
    close()
    return { requests: idleConnections, connectionBytes }
  } finally {
    await stopServers([server])
  }
}

async function sampleStart(scenario, row, context) {
  const startMs = performance.now()
  const server = await launch(scenario, row.name, context)
  try {
    const sample = { requests: 1, startMs: performance.now() - startMs }
    row.peakKib = Math.max(row.peakKib, server.peakKib())
    return sample
  } finally {
    await stopServers([server])
  }
}

/**
 * What others took of the processors in use, as a share of one. Not cut off at 0: the kernel counts the two sides by
 * different clocks, so a quiet machine reads a few per cent either way, and anything further below says that this sum is
 * wrong.
 */
function foreignShare(before, pins, serverUs, durationUs) {
  const machine = machineUs(pins.cpus)
  return (machine.busyUs - before.busyUs - serverUs - (machine.ownUs - before.ownUs)) / durationUs
}

/** What scenarios leave behind in the folder for such things. */
export function removeLogs(folder) {
  const file = `${folder}/access.log`
  if (existsSync(file)) rmSync(file)
}
