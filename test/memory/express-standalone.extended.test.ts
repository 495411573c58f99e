/**
 * Promise: a million requests through Express leave the server as large as before.
 */
import { test } from 'node:test'
import { checkFlatMemory } from './flat-memory.js'
import { skip } from './process-memory.js'

test('1,000,000 requests through Express on hornet/http', { skip }, () =>
  checkFlatMemory('hornet/http', { warmUp: 100_000, count: 1_000_000 }),
)
