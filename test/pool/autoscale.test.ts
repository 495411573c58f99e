/**
 * Promise: with --max-workers, busy event loops bring more workers.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runHornet, startHornet } from '../support/hornet.js'
import { message } from '../support/http.js'
import { startLoad } from '../support/load.js'

const app = 'test/pool/fixtures/app.mjs'

test('under load there is one more within seconds', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '1', '--max-workers', '2'] })
  const load = await startLoad({ target: hornet, connections: 8, request: () => message('GET', '/busy') })
  await hornet.waitForLog(/autoscaling: event loops \d+% busy, oldest request waits \d+ ms\n.*workers: 1 -> 2\n/)
  await hornet.waitForLog(/worker 2 ready/)
  const report = await load.stop()
  assert.deepEqual([report.failures, report.closed], [0, 0], JSON.stringify(report))
})

test('limits that contradict each other are refused', async () => {
  const both = await runHornet({ app, args: ['--min-workers', '3', '--max-workers', '2'] })
  assert.match(both.stderr, /^hornet: --min-workers \(3\) is more than --max-workers \(2\)\n$/)
  const alone = await runHornet({ app, args: ['--min-workers', '3'] })
  assert.match(alone.stderr, /^hornet: --min-workers means nothing without --max-workers\n$/)
  assert.deepEqual([both.code, alone.code], [1, 1])
})
