/**
 * Promise: workers are replaced when they have served their requests, their time, or need too much memory; the new one
 * is ready before the old one leaves, and clients notice nothing.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startHornet } from '../support/hornet.js'
import { get } from '../support/http.js'
import { startLoad } from '../support/load.js'

const app = 'test/pool/fixtures/app.mjs'

test('--max-requests: under load, no request fails and no connection closes', async () => {
  const args = ['--workers', '2', '--max-requests', '300', '--max-requests-jitter', '200']
  await using hornet = await startHornet({ app, args })
  const load = await startLoad({ target: hornet, connections: 32 })
  for (let replaced = 0; replaced < 4; replaced++) await load.progress(800)
  await hornet.waitForLog(/(worker \d+ is replaced: it has served its requests[\s\S]*){3}/)
  const report = await load.stop()
  assert.deepEqual([report.failures, report.closed], [0, 0], JSON.stringify(report))
})

test('--worker-lifetime', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '1', '--worker-lifetime', '1s'] })
  await hornet.waitForLog(/worker 2 ready.*\n.*worker 1 is replaced: it has served its time \(--worker-lifetime\)/)
  assert.equal((await get(hornet)).text, 'hello')
})

test('--max-worker-memory: the limit is named, and the worker replaced', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '1', '--max-worker-memory', '32m'] })
  assert.equal((await get(hornet, '/leak')).status, 502)
  await hornet.waitForLog(/worker 1 died, replaced at once: it needed more than 32m of heap \(--max-worker-memory\)/)
  assert.equal((await get(hornet)).text, 'hello')
})
