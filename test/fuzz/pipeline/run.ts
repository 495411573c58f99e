/**
 * The fuzzer of pipelines as a command, for scripts/fuzz.mjs:
 *
 *   node run.js seconds 60 [SEED]
 *   node run.js runs 1000 [SEED]
 */
import { runCampaign } from './campaign.js'

async function main([kind = 'seconds', amount = '60', seedText]: string[]): Promise<number> {
  const seed = seedText === undefined ? Date.now() >>> 0 : Number(seedText)
  console.log(`pipeline: seed ${seed}`)
  const until = performance.now() + Number(amount) * 1000
  const isEnough = kind === 'seconds' ? () => performance.now() >= until : (count: number) => count >= Number(amount)
  try {
    console.log(await runCampaign({ seed, isEnough, hasFaults: true }))
    return 0
  } catch (error) {
    console.error(error)
    console.error(`the same pipelines again with \`npm run fuzz -- pipeline ${amount} ${seed}\``)
    return 1
  }
}

process.exitCode = await main(process.argv.slice(2))
