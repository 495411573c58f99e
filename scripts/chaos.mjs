// Compiles and runs test/chaos: real traffic and random faults at once.
//
//   npm run chaos -- [MINUTES] [--seed NUMBER] [--report]
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { root } from './lib/addon.mjs'
import { buildWhatIsStale } from './lib/stale.mjs'

function main(args) {
  const status = buildWhatIsStale()
  if (status !== 0) return status
  const program = join(root, 'build/test-out/test/chaos/main.js')
  return spawnSync(process.execPath, [program, ...args], { cwd: root, stdio: 'inherit' }).status ?? 1
}

process.exitCode = main(process.argv.slice(2))
