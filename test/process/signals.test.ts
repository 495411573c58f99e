/**
 * Promise: an application that listens to a signal hears once in each worker that it ends there, when that breaks no
 * request and in time to end its streams; and ending itself the way it likes ends its worker only.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { holdRequest } from '../signals/held-request.js'
import { type Hornet, startHornet } from '../support/hornet.js'
import { connect, get, message } from '../support/http.js'
import { root } from '../support/root.js'

const app = join(root, 'test/process/fixtures/signals.mjs')

const start = (deed: string, signals: string[], options: string[] = []) =>
  startHornet({ args: [...options, app, '--', deed, ...signals] })

const heard = (hornet: Hornet) => hornet.stderr.match(/worker \d heard .*/g)?.sort() ?? []

test('TERM: once per worker, after the last request', async () => {
  await using hornet = await start('exit', ['SIGTERM'], ['--workers', '2'])
  for (const id of [1, 2]) await hornet.waitForLog(new RegExp(`worker ${id} ready`))
  const held = await holdRequest(hornet)
  hornet.signal('SIGTERM')
  await hornet.waitForLog(/stopping \(graceful/)
  assert.deepEqual(heard(hornet), [])
  held.release()
  assert.match((await held.connection.readToEnd()).toString(), /done/)
  assert.deepEqual(await hornet.exited, { code: 0, signal: null })
  assert.deepEqual(heard(hornet), ['worker 1 heard SIGTERM 15', 'worker 2 heard SIGTERM 15'])
})

test('reload: the old workers hear TERM, and one that kills itself with it does not stop the server', async () => {
  await using hornet = await start('kill', ['SIGTERM', 'SIGINT'], ['--workers', '2'])
  for (const id of [1, 2]) await hornet.waitForLog(new RegExp(`worker ${id} ready`))
  hornet.signal('SIGHUP')
  await hornet.waitForLog(/worker [12] ended[\s\S]*worker [12] ended/)
  assert.deepEqual(heard(hornet), ['worker 1 heard SIGTERM 15', 'worker 2 heard SIGTERM 15'])
  assert.equal((await get(hornet)).text, 'fine')
  assert.doesNotMatch(hornet.stderr, /stopping/)
})

test('streams that would never end do not keep the news from those who can end them', async () => {
  await using hornet = await start('end-streams', ['SIGTERM'], ['--workers', '1', '--graceful-timeout', '2s'])
  const events = await connect(hornet)
  events.write(message('GET', '/events'))
  await events.readUntil('begun;')
  hornet.signal('SIGTERM')
  assert.match((await events.readToEnd()).toString(), /bye/)
  assert.deepEqual(await hornet.exited, { code: 0, signal: null })
  assert.deepEqual(heard(hornet), ['worker 1 heard SIGTERM 15'])
  assert.doesNotMatch(hornet.stderr, /graceful timeout is over|terminated/)
})

test('INT is told as INT; one who listens to INT alone hears that for TERM too', async () => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    await using hornet = await start('exit', ['SIGINT'], ['--workers', '1'])
    assert.equal((await get(hornet)).text, 'fine')
    hornet.signal(signal)
    assert.deepEqual(await hornet.exited, { code: 0, signal: null })
    assert.deepEqual(heard(hornet), ['worker 1 heard SIGINT 2'])
  }
})

test('a worker whose listener leaves nothing open ends by itself, and runs its exit listeners', async () => {
  await using hornet = await start('nothing', ['SIGTERM'], ['--workers', '1'])
  assert.equal((await get(hornet)).text, 'fine')
  hornet.signal('SIGTERM')
  assert.deepEqual(await hornet.exited, { code: 0, signal: null })
  assert.match(hornet.stderr, /worker 1 heard SIGTERM 15\nworker 1 exits with 0\n/)
  assert.doesNotMatch(hornet.stderr, /terminated/)
})
