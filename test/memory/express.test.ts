/**
 * Promise: requests leave nothing behind: after 50,000 of everyday kinds through Express the server is as large as
 * before, and Node has warned of no leak. The extended test sends a million.
 */
import { describe, test } from 'node:test'
import { checkFlatMemory } from './flat-memory.js'
import { skip } from './process-memory.js'

describe('50,000 requests through Express', { skip, concurrency: 2 }, () => {
  for (const way of ['hornet', 'hornet/http'] as const) {
    test(`on ${way}`, () => checkFlatMemory(way, { warmUp: 20_000, count: 50_000 }))
  }
})
