// Builds everything from its sources: generated files, native addon, JavaScript.
//
//   node scripts/build.mjs            all of it
//   node scripts/build.mjs --native   generated files and the addon
//   node scripts/build.mjs --ts       generated files and the JavaScript

import { generate } from './gen.mjs'
import { compileAddon, missingTools } from './lib/addon.mjs'
import { buildPackage } from './lib/typescript.mjs'

function main(args) {
  const unknown = args.filter((arg) => arg !== '--native' && arg !== '--ts')
  if (unknown.length > 0) {
    console.error('usage: node scripts/build.mjs [--native] [--ts]')
    return 2
  }
  const all = args.length === 0
  for (const file of generate()) console.log(`wrote ${file}`)
  if (all || args.includes('--native')) {
    const missing = missingTools()
    if (missing.length > 0) {
      console.error(`building the addon needs ${missing.join(', ')}`)
      return 1
    }
    const { ok, output } = compileAddon()
    if (!ok) {
      console.error(output)
      return 1
    }
    // Warnings of our own sources should be seen; node-gyp's progress need not.
    for (const line of warnings(output)) console.error(line)
  }
  if (all || args.includes('--ts')) return buildPackage()
  return 0
}

function warnings(output) {
  return output.split('\n').filter((line) => /(^|\/)native\/.*warning:/.test(line))
}

process.exitCode = main(process.argv.slice(2))
