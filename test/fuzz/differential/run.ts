/**
 * The differential fuzzer as a command, for scripts/fuzz.mjs:
 *
 *   node run.js seconds 60 [SEED]      for so long
 *   node run.js runs 1000000 [SEED]    until Node has seen so many requests
 *
 * Ends with 1 when Hornet was looser than Node, or different from it in a way that differences.json does not list.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../../support/root.js'
import { type Account, Campaign, describeFault, readDifferences } from './campaign.js'
import { HornetSide } from './hornet-side.js'
import { loadReplayProgram } from './program.js'
import { wholeOf } from './transcript.js'

function enough(kind: string, amount: number): (account: Account) => boolean {
  const until = performance.now() + amount * 1000
  return kind === 'seconds' ? () => performance.now() >= until : (account) => account.requests >= amount
}

async function main([kind = 'seconds', amount = '60', seedText]: string[]): Promise<number> {
  const seed = seedText === undefined ? Date.now() >>> 0 : Number(seedText)
  console.log(`differential: seed ${seed}`)
  const differences = readDifferences()
  const campaign = new Campaign(new HornetSide(await loadReplayProgram()), differences)
  const started = performance.now()
  await campaign.run(seed, enough(kind, Number(amount)))
  const { account } = campaign
  const seconds = (performance.now() - started) / 1000
  console.log(`streams: ${account.streams} in ${seconds.toFixed(0)} s, with ${account.requests} requests for Node`)
  console.log(`refused by both: ${account.refusedByBoth}; refused later by Hornet: ${account.later}`)
  for (const { id } of differences) console.log(`${String(account.stricter.get(id) ?? 0).padStart(8)}  ${id}`)
  const folder = join(root, 'build/fuzz/differential')
  mkdirSync(folder, { recursive: true })
  for (const [index, found] of account.faults.entries()) {
    const fault = campaign.shorten(found)
    console.log(describeFault(fault))
    writeFileSync(join(folder, `fault-${index}`), wholeOf(fault.stream))
  }
  if (account.faults.length === 0) return 0
  console.log(`${account.faults.length} faults; kept in build/fuzz/differential. Again with seed ${seed}.`)
  return 1
}

process.exitCode = await main(process.argv.slice(2))
