/**
 * The native parts keep their own promises: the C++ unit tests and the HTTP vectors, under sanitizers.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { root } from '../support/root.js'

/** What scripts/native-tests.mjs ends with on a machine that cannot build anything. */
const exitNoCompiler = 77

test('the unit tests of native/ pass under sanitizers', (t) => {
  const script = join(root, 'scripts/native-tests.mjs')
  const { status, stdout, stderr } = spawnSync(process.execPath, [script], { encoding: 'utf8' })
  if (status === exitNoCompiler) {
    t.skip(stderr.trim())
    return
  }
  for (const line of `${stdout}${stderr}`.trim().split('\n')) t.diagnostic(line)
  assert.equal(status, 0, `${stdout}${stderr}`)
})
