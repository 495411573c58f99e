/**
 * Promise: ten minutes of chaos lose nothing, and leave the process as big as it was.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { faultsOf, formatReport, growthMax, runChaos } from './chaos.js'

const skip = process.platform === 'linux' ? false : 'it reads /proc'

test('ten minutes of chaos', { skip }, async (t: TestContext) => {
  const report = await runChaos({ seconds: 600, seed: 2 })
  t.diagnostic(formatReport(report))
  assert.deepEqual(faultsOf(report, growthMax), [])
  assert.ok(report.faultCount >= 500)
})
