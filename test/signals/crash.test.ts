/**
 * Promise: a worker's death costs the requests running in it, each answered 502, and nothing else: no connection
 * closes, and another worker takes its place at once.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startHornet } from '../support/hornet.js'
import { connect, get, message } from '../support/http.js'
import { startLoad } from '../support/load.js'
import { app, holdRequest } from './held-request.js'

test('process.exit() under load: only requests in that worker fail, with 502, and no connection closes', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '2'] })
  const load = await startLoad({
    target: hornet,
    connections: 64,
    check(response) {
      if (response.status !== 200 && response.status !== 502) throw new Error(`status ${response.status}`)
    },
  })
  await load.progress(200)
  const connection = await connect(hornet)
  connection.write(message('GET', '/exit'))
  assert.equal((await connection.readResponse()).status, 502)
  const [, id] = await hornet.waitForLog(
    /\[error\] worker (\d) died, replaced at once: it called process.exit\(1\)\n\s+at .*app\.mjs/,
  )
  await hornet.waitForLog(/worker 3 ready/)
  assert.match(id, /^[12]$/)
  await load.progress(500)
  const report = await load.stop()
  assert.deepEqual(
    { failures: report.failures, closed: report.closed },
    { failures: 0, closed: 0 },
    JSON.stringify(report),
  )
  assert.ok((report.byStatus[502] ?? 0) <= 64, JSON.stringify(report))
  connection.write(message('GET', '/'))
  assert.equal((await connection.readResponse()).text, 'first', 'the connection of the request that did it goes on too')
  connection.destroy()
})

test('an uncaught exception is logged with its stack, and the worker replaced', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '1'] })
  assert.equal((await get(hornet, '/throw')).status, 502)
  await hornet.waitForLog(/worker 1 died, replaced at once: Error: thrown outside of any request\n\s+at .*app\.mjs/)
  await hornet.waitForLog(/worker 2 ready/)
  assert.equal((await get(hornet)).text, 'first')
})

test('a response that had begun is cut off, never ended as if it were whole', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '1'] })
  const held = await holdRequest(hornet)
  assert.equal((await get(hornet, '/exit')).status, 502)
  const rest = await held.connection.readToEnd().catch((error: Error) => Buffer.from(error.message))
  assert.doesNotMatch(rest.toString(), /0\r\n\r\n/)
  assert.notEqual(held.connection.state, 'open')
})

test('a crash loop is slowed down, and ends when the application is well again', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '1'] })
  for (const [id, pattern] of [
    [1, /worker 1 died, replaced at once/],
    [2, /worker 2 died, replaced in 100 ms/],
    [3, /worker 3 died, replaced in 200 ms/],
  ] as const) {
    await hornet.waitForLog(new RegExp(`worker ${id} ready`))
    assert.equal((await get(hornet, '/exit')).status, 502)
    await hornet.waitForLog(pattern)
  }
  // No worker at this moment: the request waits for one.
  assert.equal((await get(hornet)).text, 'first')
})
