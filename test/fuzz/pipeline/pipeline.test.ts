/**
 * Promise: whatever clients pipeline, however they send and read it, each request is answered in its turn and rightly, or
 * its connection has ended for a reason. For longer, and while workers are killed and replaced:
 * `npm run fuzz -- pipeline 60`.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runCampaign } from './campaign.js'

const pipelines = 250

for (const seed of [2, 12]) {
  test(`${pipelines} pipelines from seed ${seed}`, async () => {
    const report = await runCampaign({ seed, isEnough: (count) => count >= pipelines, hasFaults: false })
    const { reasons, answered } = report
    console.log(JSON.stringify(report))
    // Reasons are for the few: most of what can be answered is.
    assert.ok((reasons['all answered'] ?? 0) > pipelines / 4)
    assert.ok(answered > pipelines * 5)
  })
}
