// Builds what is older than its sources, for test.mjs and chaos.mjs.
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { compileAddon, missingTools, root } from './addon.mjs'
import { buildPackage, compileTypeScript } from './typescript.mjs'

/**
 * Tests compile what they run: an addon older than its sources would be tested in their place.
 *
 * @returns {number} 0, or the exit status of what failed.
 */
export function buildWhatIsStale() {
  const newest = Math.max(...['native', 'binding.gyp'].map((name) => newestChangeMs(join(root, name))))
  const binary = join(root, 'build/Release/hornet.node')
  const isStale = !existsSync(binary) || statSync(binary).mtimeMs < newest
  if (isStale && missingTools().length === 0) {
    const { ok, output } = compileAddon()
    if (!ok) {
      console.error(output)
      return 1
    }
  }
  return buildPackage() || compileTypeScript('test/tsconfig.json')
}

function newestChangeMs(path) {
  const stat = statSync(path)
  if (!stat.isDirectory()) return stat.mtimeMs
  return Math.max(0, ...readdirSync(path).map((name) => newestChangeMs(join(path, name))))
}
