/**
 * Promise: SIGTTIN adds a worker, SIGTTOU takes one away, down to one; clients notice neither.
 */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { startHornet } from '../support/hornet.js'
import { get } from '../support/http.js'
import { startLoad } from '../support/load.js'
import { until } from '../support/until.js'
import { app } from './held-request.js'

const skip = process.platform === 'linux' ? false : 'it reads /proc'

test('under load, adding and removing workers fails no request and closes no connection', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '1'] })
  const load = await startLoad({ target: hornet, connections: 64 })
  await load.progress(200)
  for (let round = 0; round < 5; round++) {
    const [added, removed] = [2 + round, 1 + round]
    hornet.signal('SIGTTIN')
    await hornet.waitForLog(new RegExp(`worker ${added} ready`))
    await load.progress(200)
    hornet.signal('SIGTTOU')
    await hornet.waitForLog(new RegExp(`worker ${removed} ended`))
    await load.progress(200)
  }
  const report = await load.stop()
  assert.deepEqual(
    { failures: report.failures, closed: report.closed },
    { failures: 0, closed: 0 },
    JSON.stringify(report),
  )
})

test('workers that are taken away while they load leave no file open', { skip }, async () => {
  await using hornet = await startHornet({ app: 'test/signals/fixtures/reads.mjs', args: ['--workers', '1'] })
  assert.equal((await get(hornet)).status, 200)
  const descriptors = () => readdirSync(`/proc/${hornet.pid}/fd`).length
  const before = descriptors()
  for (let round = 0; round < 5; round++) {
    const from = hornet.stderr.length
    hornet.signal('SIGTTIN')
    await hornet.waitForLog(/reading\n/, { from })
    hornet.signal('SIGTTOU')
    await hornet.waitForLog(/worker \d+ ended\n/, { from })
  }
  await until(() => descriptors() <= before, `return to ${before} descriptors`, 5000)
})

test('the last worker stays', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '2'] })
  await hornet.waitForLog(/worker [12] ready[\s\S]*worker [12] ready/)
  hornet.signal('SIGTTOU')
  await hornet.waitForLog(/workers: 2 -> 1\n/)
  hornet.signal('SIGTTOU')
  await hornet.waitForLog(/stays 1: it is at its limit/)
  assert.equal((await get(hornet)).text, 'first')
})
