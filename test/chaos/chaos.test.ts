/**
 * Promise: whatever happens to workers, process, logs and descriptors while it serves, Hornet loses no request and closes no
 * connection without a reason. This is the short form; `npm run chaos` goes on for as long as one likes.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { faultsOf, formatReport, runChaos } from './chaos.js'

const skip = process.platform === 'linux' ? false : 'it reads /proc'

test('ten seconds of chaos', { skip }, async (t: TestContext) => {
  const report = await runChaos({ seconds: 8, seed: 1 })
  t.diagnostic(formatReport(report))
  assert.deepEqual(faultsOf(report), [])
  assert.ok(report.sent > 200 && report.faultCount > 5, 'there was something to survive')
})
