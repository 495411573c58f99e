/**
 * Promise: whatever clients pipeline, however they send and read it, each request is answered in its turn and rightly, or
 * its connection has ended for a reason; and a worker that is killed in the midst does not change that. For longer:
 * `npm run fuzz -- pipeline 60`.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runCampaign } from './campaign.js'

const pipelines = 250

for (const seed of [2, 12]) {
  test(`${pipelines} pipelines from seed ${seed}`, async () => {
    const report = await runCampaign({ seed, isEnough: (count) => count >= pipelines, hasFaults: true })
    const { reasons, answered, kills } = report
    console.log(JSON.stringify(report))
    assert.ok(kills > 0)
    // Reasons are for the few: most of what can be answered is.
    assert.ok((reasons['all answered'] ?? 0) > pipelines / 4)
    assert.ok(answered > pipelines * 5)
  })
}
