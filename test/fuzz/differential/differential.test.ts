/**
 * Promise: Hornet's parser is nowhere looser than Node's. Where it is stricter, differences.json has a row with the
 * reason, and docs/parser-differences.md shows it. For longer: `npm run fuzz -- differential 60`.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Campaign, describeFault, nameOf, readDifferences } from './campaign.js'
import { HornetSide } from './hornet-side.js'
import { loadReplayProgram } from './program.js'
import { unescapeOctets } from './transcript.js'

const differences = readDifferences()
const hornet = new HornetSide(await loadReplayProgram())
const seconds = 2

describe('differential fuzzing against Node', () => {
  test('the example of each listed difference shows it', () => {
    const campaign = new Campaign(hornet, differences)
    for (const { id, example } of differences) {
      const verdict = campaign.verdictOf({ pieces: [unescapeOctets(example)] })
      assert.equal(nameOf(verdict), `stricter: ${id}`, example)
    }
  })

  for (const seed of [1, Date.now() >>> 0]) {
    test(`seed ${seed}: no stream is read more loosely, or otherwise`, async () => {
      const campaign = new Campaign(hornet, differences)
      const until = performance.now() + seconds * 1000
      await campaign.run(seed, () => performance.now() >= until)
      const { streams, requests, faults } = campaign.account
      assert.deepEqual(
        faults.map((fault) => describeFault(campaign.shorten(fault))),
        [],
      )
      assert.ok(requests > 1000, `${requests} requests in ${streams} streams`)
    })
  }
})
