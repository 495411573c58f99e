/**
 * The fuzzer of calls as a command, for scripts/fuzz.mjs:
 *
 *   node run.js seconds 60 [SEED]
 *   node run.js runs 1000 [SEED]
 */
import { type Account, Campaign, describeFault, startScene } from './campaign.js'

function enough(kind: string, amount: number): (account: Account) => boolean {
  const until = performance.now() + amount * 1000
  return kind === 'seconds' ? () => performance.now() >= until : ({ plans }) => plans >= amount
}

async function main([kind = 'seconds', amount = '60', seedText]: string[]): Promise<number> {
  const seed = seedText === undefined ? Date.now() >>> 0 : Number(seedText)
  console.log(`calls: seed ${seed}`)
  await using scene = await startScene()
  const campaign = new Campaign(scene)
  await campaign.run(seed, enough(kind, Number(amount)))
  const { plans, requests, unsteady, faults } = campaign.account
  console.log(`${plans} plans with ${requests} requests; ${unsteady} differences that did not come again`)
  for (const fault of faults) console.log(describeFault(await campaign.shorten(fault)))
  if (faults.length === 0) return 0
  console.log(scene.output().slice(-4000))
  console.log(`${faults.length} faults. Again with \`npm run fuzz -- calls ${amount} ${seed}\`.`)
  return 1
}

process.exitCode = await main(process.argv.slice(2))
