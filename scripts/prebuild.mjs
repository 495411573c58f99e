// Fills prebuilds/ for this platform: one Node-API binary for every Node from 20 on.
//
//   node scripts/prebuild.mjs [--out FOLDER]    the prebuilds/ folder to fill; default: the package's own
//
// prebuildify starts with `node-gyp rebuild`, which deletes build/. So it works on a copy of the sources, and the
// clone's own build (and the tests compiled beside it) stays as it is.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { findNodeGyp, missingTools, nodeGypEnv, root } from './lib/addon.mjs'

function main(args) {
  const { values } = parseArgs({ args, options: { out: { type: 'string', default: join(root, 'prebuilds') } } })
  const missing = missingTools()
  if (missing.length > 0) {
    console.error(`building the addon needs ${missing.join(', ')}`)
    return 1
  }
  const stage = mkdtempSync(join(tmpdir(), 'hornet-prebuild-'))
  try {
    for (const name of ['package.json', 'binding.gyp', 'native'])
      cpSync(join(root, name), join(stage, name), { recursive: true })
    symlinkSync(join(root, 'node_modules'), join(stage, 'node_modules'))
    const status = prebuildify(stage)
    if (status !== 0) return status
    const out = resolve(values.out)
    cpSync(join(stage, 'prebuilds'), out, { recursive: true })
    console.log(`wrote ${join(out, `${process.platform}-${process.arch}`)}`)
    return 0
  } finally {
    rmSync(stage, { recursive: true, force: true })
  }
}

/** Runs it in `stage`; its output is shown only when it fails. */
function prebuildify(stage) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [
      join(root, 'node_modules/prebuildify/bin.js'),
      '--napi',
      '--strip',
      // The binary is named for its C library, so that one of glibc is never loaded where there is musl.
      '--tag-libc',
      `--target=${process.versions.node}`,
      `--cache=${join(stage, 'headers')}`,
    ],
    {
      cwd: stage,
      env: { ...nodeGypEnv(), PREBUILD_NODE_GYP: findNodeGyp(process.env), JOBS: process.env.JOBS ?? 'max' },
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
    },
  )
  if (status !== 0) console.error(`${stdout}${stderr}\nprebuildify failed; its output is above`)
  return status ?? 1
}

process.exitCode = main(process.argv.slice(2))
