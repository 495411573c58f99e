/**
 * The fuzzer of configuration values as a command, for scripts/fuzz.mjs:
 *
 *   node run.js seconds 60 [SEED]
 *   node run.js runs 1000000 [SEED]
 */
import { Random } from '../random.js'
import { checkAll } from './properties.js'

function main([kind = 'seconds', amount = '60', seedText]: string[]): number {
  const seed = seedText === undefined ? Date.now() >>> 0 : Number(seedText)
  console.log(`config_values: seed ${seed}`)
  const until = performance.now() + Number(amount) * 1000
  const isEnough = kind === 'seconds' ? () => performance.now() >= until : (runs: number) => runs >= Number(amount)
  let runs = 0
  try {
    for (; !isEnough(runs); runs++) checkAll(new Random(seed + runs))
  } catch (error) {
    console.error(error)
    console.error(`run ${runs}: again with \`npm run fuzz -- config_values 1x ${seed + runs}\``)
    return 1
  }
  console.log(`${runs} runs, nothing found`)
  return 0
}

process.exitCode = main(process.argv.slice(2))
