/**
 * `npm run chaos -- MINUTES [--seed NUMBER] [--report]`: exit status 0 when the ledger is clean. With `--report` it is
 * written into docs/reliability.md as well, clean or not.
 */
import { writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { root } from '../support/root.js'
import { type ChaosReport, faultsOf, formatReport, formatTable, growthMax, runChaos } from './chaos.js'

/** Shorter runs say nothing about memory. */
const measuredSecondsMin = 180

const page = join(root, 'docs/reliability.md')
const script = pathToFileURL(join(root, 'scripts/lib/marked-part.mjs')).href
const { writeMarkedPart }: { writeMarkedPart(page: string, name: string, text: string): void } = await import(script)

function writeLedger(minutes: number, report: ChaosReport): void {
  const day = new Date().toISOString().slice(0, 10)
  const machine = `${cpus()[0]?.model}, ${cpus().length} processors, Node ${process.version}`
  const text = `${minutes} minutes on ${day}: ${machine}.\n\n${formatTable(report)}`
  writeMarkedPart(page, 'chaos', text)
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seed: { type: 'string' }, report: { type: 'boolean', default: false } },
})
const minutes = Number(positionals[0] ?? 1)
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 32))
if (!(minutes > 0) || !Number.isSafeInteger(seed)) {
  console.error('usage: npm run chaos -- [MINUTES] [--seed NUMBER] [--report]')
  process.exit(2)
}
const seconds = minutes * 60
console.log(`${minutes} minutes of chaos; again with --seed ${seed}`)
const report = await runChaos({ seconds, seed })
process.stdout.write(formatReport(report))
if (values.report) writeLedger(minutes, report)
const found = faultsOf(report, seconds >= measuredSecondsMin ? growthMax : undefined)
for (const text of found) console.error(text)
if (found.length > 0) {
  const path = join(tmpdir(), `hornet-chaos-${seed}.log`)
  writeFileSync(path, report.log)
  console.error(`the server's log is in ${path}`)
}
process.exitCode = found.length === 0 ? 0 : 1
