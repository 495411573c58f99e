/**
 * Real traffic and random faults at once, and a ledger at the end: every request answered right, aborted by its client, or
 * failed for a reason that is known. The seed makes the same faults come in the same order; when they strike is for the
 * machine to say.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startHornet } from '../support/hornet.js'
import { ask, descriptorsOf, faults, pointTo, type Scene, settled } from './faults.js'
import { Journal } from './journal.js'
import { type Facts, type Judgement, judge, Ledger } from './ledger.js'
import { Random } from './random.js'
import { startTraffic, type Traffic } from './traffic.js'

export interface ChaosOptions {
  seconds: number
  seed: number
  clients?: number
  /** Told of each fault as it is inflicted. */
  onFault?: (name: string) => void
}

export interface ChaosReport {
  seed: number
  seconds: number
  faults: Record<string, number>
  faultCount: number
  /** Drawn when the server was in no state for them. */
  skipped: number
  sent: number
  right: Record<string, number>
  aborted: number
  judgement: Judgement
  /** Connections that could not be opened. */
  refused: string[]
  /** Workers or processes that died and were not meant to. */
  unexplained: string[]
  /** Of the same process, when it had served for a while and at the end. */
  residentBytes: [before: number, after: number]
  descriptors: [before: number, after: number]
  /** All that the server logged. */
  log: string
}

/** Memory may grow by this much from the end of the first part to the end of all. */
export const growthMax = 0.05
/**
 * Other processes take the server's place in the first part only. The next part warms the last of them up: allocators keep
 * what they had at the most. What is measured is the rest.
 */
const parts = { replacing: 0.2, warming: 0.2, measured: 0.6 }
const workers = 4
const memorySamples = 40

export async function runChaos({ seconds, seed, clients = 16, onFault }: ChaosOptions): Promise<ChaosReport> {
  const folder = mkdtempSync(join(tmpdir(), 'hornet-chaos-'))
  const accessLog = join(folder, 'access.log')
  const control = join(folder, 'control')
  const journal = new Journal(join(folder, 'journal'))
  pointTo(accessLog, `${accessLog}.0`)
  const args = ['--guard', '--workers', String(workers), '--control', `unix:${control}`, '--access-logfile', accessLog]
  // So that whatever fails does not fail for want of patience.
  args.push('--queue-timeout', '60s', '--keep-alive', '10m', '--graceful-timeout', '20s')
  args.push('--max-worker-memory', '64m', '--timeout', '5s')
  await using hornet = await startHornet({
    app: 'test/chaos/app.mjs',
    args,
    env: { CHAOS_JOURNAL: join(folder, 'journal') },
  })
  const random = new Random(seed)
  const ledger = new Ledger()
  const scene: Scene = {
    hornet,
    control,
    accessLog,
    ledger,
    random: random.fork(),
    deaths: [],
    workers,
    measurements: seconds >= 60 ? 5 : 1,
    begunBy: (id) => journal.read().begun.get(id),
    deadly: [],
  }
  const counts: Record<string, number> = {}
  let skipped = 0
  let traffic: Traffic | undefined
  await hornet.waitForLog(/control API on/)
  await settled(scene)

  async function wreak(forMs: number, isReplacing: boolean): Promise<void> {
    const endMs = performance.now() + forMs
    const possible = faults.filter((fault) => isReplacing || !fault.isReplacing)
    traffic = startTraffic(hornet.port, clients, ledger, random.fork())
    while (performance.now() < endMs) {
      const fault = random.weighted(possible)
      if (await fault.inflict(scene)) {
        counts[fault.name] = (counts[fault.name] ?? 0) + 1
        onFault?.(fault.name)
      } else skipped += 1
      await sleep(random.integer(0, 300))
    }
    await traffic.stop()
    await Promise.all(scene.deadly.splice(0))
  }

  await wreak(seconds * 1000 * parts.replacing, true)
  await wreak(seconds * 1000 * parts.warming, false)
  const before = await measure(scene)
  await wreak(seconds * 1000 * parts.measured, false)
  const after = await measure(scene)
  if (before.pid !== after.pid) ledger.refused.push(`process ${after.pid} is in the place of ${before.pid}`)
  await hornet.stop()

  const { begun, doomed } = journal.read()
  journal.close()
  const left = new Set([...hornet.stderr.matchAll(leaves)].map(([, pid, id]) => `${pid}:${id}`))
  const workerDeathsMs = [...hornet.stderr.matchAll(dies)]
    .filter(([, , pid, id]) => doomed.has(`${pid}:${id}`))
    .map(([, time]) => Date.parse(time ?? '') - performance.timeOrigin)
  const facts: Facts = { begun, doomed, left, workerDeathsMs, deaths: scene.deaths }
  rmSync(folder, { recursive: true })
  return {
    seed,
    seconds,
    faults: counts,
    faultCount: Object.values(counts).reduce((sum, count) => sum + count, 0),
    skipped,
    sent: ledger.sent,
    right: ledger.right,
    aborted: ledger.aborted,
    judgement: judge(ledger, facts),
    refused: ledger.refused,
    unexplained: unexplainedDeaths(hornet.stderr, doomed, scene.deaths.length),
    residentBytes: [before.residentBytes, after.residentBytes],
    descriptors: [before.descriptors, after.descriptors],
    log: hornet.stderr,
  }
}

const leaves = /\[(\d+)\] \[\w+\] worker (\d+)(?: ended| died| threw| did not end in time| is replaced)/g
const dies =
  /^\[(\S+)\] \[(\d+)\] \[\w+\] worker (\d+)(?: died| threw| is blocked| could not boot| did not end in time).*$/gm

function unexplainedDeaths(log: string, doomed: ReadonlySet<string>, kills: number): string[] {
  const workers = [...log.matchAll(dies)]
    // One that was due while there were no descriptors is another's successor.
    .filter(([line, , pid, id]) => !doomed.has(`${pid}:${id}`) && !line.includes('EMFILE'))
    .map(([line]) => line)
  const processes = [...log.matchAll(/^.*guard: process \d+ died.*$/gm)].map(([line]) => line)
  return [...workers, ...(processes.length > kills ? processes : [])]
}

/** The server at rest, with fresh workers, as many as at the start; the least of several, since heaps differ. */
async function measure(scene: Scene): Promise<{ pid: number; residentBytes: number; descriptors: number }> {
  await settled(scene)
  await ask(scene, '/workers', { count: scene.workers })
  let { pid } = await settled(scene)
  let residentBytes = Number.POSITIVE_INFINITY
  let descriptors = Number.POSITIVE_INFINITY
  for (let round = 0; round < scene.measurements; round++) {
    await ask(scene, '/reload', {})
    pid = (await settled(scene)).pid
    // What threads had is given back a moment after they have ended.
    for (let sample = 0; sample < memorySamples; sample++) {
      await sleep(50)
      residentBytes = Math.min(residentBytes, residentOf(pid))
      descriptors = Math.min(descriptors, descriptorsOf(pid))
    }
  }
  return { pid, residentBytes, descriptors }
}

function residentOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024
}

/** What must not be, in words; nothing when the ledger is clean. */
export function faultsOf(report: ChaosReport, growthMax?: number): string[] {
  const { judgement, refused, unexplained, residentBytes, descriptors } = report
  const found = [
    ...judgement.lost.map((text) => `lost: ${text}`),
    ...judgement.closed.map((text) => `closed without a reason: ${text}`),
    ...refused.map((text) => `refused: ${text}`),
    ...unexplained.map((text) => `died without a reason: ${text}`),
  ]
  const growth = residentBytes[1] / residentBytes[0] - 1
  if (growthMax !== undefined && growth > growthMax) found.push(`memory grew by ${(growth * 100).toFixed(1)}%`)
  if (descriptors[1] > descriptors[0]) found.push(`descriptors grew from ${descriptors[0]} to ${descriptors[1]}`)
  return found
}

export function formatReport(report: ChaosReport): string {
  const rows = rowsOf(report)
  return `${rows.map(([name, value]) => `${`${name}:`.padEnd(45)}${value}`).join('\n')}\n`
}

/** The same as a table of Markdown. */
export function formatTable(report: ChaosReport): string {
  const rows = rowsOf(report).map(([name, value]) => `| ${name} | ${value} |`)
  return ['| | |', '|---|---|', ...rows].join('\n')
}

function rowsOf(report: ChaosReport): [string, string | number][] {
  const { judgement, residentBytes, descriptors } = report
  const mebibytes = residentBytes.map((bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`).join(' -> ')
  const growth = ((residentBytes[1] / residentBytes[0] - 1) * 100).toFixed(1)
  const answered = Object.values(report.right).reduce((sum, count) => sum + count, 0)
  return [
    ['seed', report.seed],
    ['faults', `${report.faultCount} (${list(report.faults)}); ${report.skipped} skipped`],
    ['sent', report.sent],
    ['answered right', `${answered} (${list(report.right)})`],
    ['aborted by us', report.aborted],
    ['failed for a listed reason', list(judgement.excused) || 0],
    ['lost', judgement.lost.length],
    ['connections that died with a killed process', judgement.closedByDeath],
    ['connections closed without a reason', judgement.closed.length],
    ['connections refused', report.refused.length],
    ['deaths without a reason', report.unexplained.length],
    ['resident memory', `${mebibytes} (${growth}%)`],
    ['descriptors', descriptors.join(' -> ')],
  ]
}

function list(counts: Record<string, number>): string {
  return Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ')
}
