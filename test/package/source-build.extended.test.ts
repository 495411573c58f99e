/**
 * Promise: where there is no prebuilt binary for a platform, installing the published package compiles the addon, with
 * nothing but the package, its runtime dependencies, npm's own node-gyp and a compiler.
 */
import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { startHornet } from '../support/hornet.js'
import { get } from '../support/http.js'
import { installInto, pack, Scratch, stagePackage } from '../support/package.js'

test('installed without prebuilt binary, it compiles its addon and serves', async () => {
  using scratch = new Scratch()
  stagePackage(scratch.at('package'))
  const installed = installInto(scratch, pack(scratch.at('package'), scratch))
  assert.equal(installed.status, 0, installed.output)
  assert.ok(existsSync(scratch.at('project/node_modules/hornet/build/Release/hornet.node')))

  const app = scratch.at('project/app.mjs')
  writeFileSync(app, "export default (req, res) => res.end('hello')\n")
  await using hornet = await startHornet({ cli: scratch.at('project/node_modules/.bin/hornet'), app })
  assert.equal((await get(hornet)).text, 'hello')
})
