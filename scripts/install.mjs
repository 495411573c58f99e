// The package's `install` script: sees to it that there is a native addon.
//
// Installed from the registry: the prebuilt binary of this platform serves, when there is one and it loads; otherwise
// the addon is compiled here. In a clone: compiled from the sources (only what changed), since a prebuilt binary would
// be older than they are; without a compiler a prebuilt binary that loads and fits is accepted there too.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { compileAddon, isClone, missingTools, root } from './lib/addon.mjs'

/** Whether the loader of this package finds a binary that fits. */
async function canLoad() {
  const loader = join(root, 'dist/seam/addon.js')
  if (!existsSync(loader)) return false
  try {
    const { loadAddon } = await import(pathToFileURL(loader).href)
    loadAddon()
    return true
  } catch {
    return false
  }
}

async function main() {
  const missing = missingTools()
  if ((!isClone || missing.length > 0) && (await canLoad())) return 0
  if (missing.length > 0) {
    const platform = `${process.platform}-${process.arch}`
    console.error(
      `hornet: there is no prebuilt binary for ${platform} and this machine cannot compile one: install ${missing.join(', ')}, then install again`,
    )
    return 1
  }
  const { ok, output } = compileAddon()
  if (ok) return 0
  console.error(output)
  console.error('hornet: the native addon could not be compiled; the output of node-gyp is above')
  return 1
}

process.exitCode = await main()
