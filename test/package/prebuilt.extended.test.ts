/**
 * Promise: the binary that `npm run prebuilds` makes is one that the published package serves from.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { run } from '../support/package.js'
import { root } from '../support/root.js'
import { checkPrebuilt } from './check-prebuilt.js'

test('installed without scripts and without compiler, it serves from the binary of a release', async () => {
  await checkPrebuilt((prebuilds) => {
    const built = run(process.execPath, [join(root, 'scripts/prebuild.mjs'), '--out', prebuilds], { cwd: root })
    assert.equal(built.status, 0, built.output)
  })
})
