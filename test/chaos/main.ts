/**
 * `npm run chaos -- MINUTES [--seed NUMBER]`: exit status 0 when the ledger is clean.
 */
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { faultsOf, formatReport, growthMax, runChaos } from './chaos.js'

/** Shorter runs say nothing about memory. */
const measuredSecondsMin = 180

const { values, positionals } = parseArgs({ allowPositionals: true, options: { seed: { type: 'string' } } })
const minutes = Number(positionals[0] ?? 1)
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 32))
if (!(minutes > 0) || !Number.isSafeInteger(seed)) {
  console.error('usage: npm run chaos -- [MINUTES] [--seed NUMBER]')
  process.exit(2)
}
const seconds = minutes * 60
console.log(`${minutes} minutes of chaos; again with --seed ${seed}`)
const report = await runChaos({ seconds, seed })
process.stdout.write(formatReport(report))
const found = faultsOf(report, seconds >= measuredSecondsMin ? growthMax : undefined)
for (const text of found) console.error(text)
if (found.length > 0) {
  const path = join(tmpdir(), `hornet-chaos-${seed}.log`)
  writeFileSync(path, report.log)
  console.error(`the server's log is in ${path}`)
}
process.exitCode = found.length === 0 ? 0 : 1
