/**
 * Promise: what the compatibility checks ask for is what node:http does. A check that fails here is wrong itself.
 */
import assert from 'node:assert/strict'
import http from 'node:http'
import { describe, test } from 'node:test'
import { perform } from './stage.js'
import { areas, concurrency } from './suite.js'

for (const [area, checks] of areas) {
  describe(area, { concurrency }, () => {
    for (const one of checks) {
      test(one.name, async () => {
        const result = await perform(one, http, 'node:http')
        assert.equal(result !== undefined, one.isCompared, 'a check returns something when it is a comparison')
      })
    }
  })
}
