/**
 * Promise: a request that no worker has begun survives the death of the worker that it was given to. With
 * --retry-idempotent so does one that was begun, once, if it is safe and nothing of an answer was sent.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { startControlled } from '../control/fixtures/control.js'
import { within } from '../support/deadline.js'
import { startHornet } from '../support/hornet.js'
import { connect, get, message } from '../support/http.js'
import { app } from './client.js'

const folder = mkdtempSync(join(tmpdir(), 'hornet-retry-'))
after(() => rmSync(folder, { recursive: true }))

test('requests in the ring of a worker that dies are all served by the next, also those that change something', async () => {
  const fifo = join(folder, 'fifo')
  execFileSync('mkfifo', [fifo])
  await using hornet = await startHornet({ app: 'test/faults/fixtures/dies.mjs', args: ['--workers', '1'] })
  await hornet.waitForLog(/worker 1 ready/)
  const dying = await connect(hornet)
  dying.write(message('GET', `/die?${encodeURIComponent(fifo)}`))
  const writer = await within(open(fifo, 'w'), 'worker that is busy')
  const connections = await Promise.all(Array.from({ length: 20 }, () => connect(hornet)))
  // Bodies in the ring, and such as are too long for it.
  connections.forEach((connection, index) => {
    connection.write(message('POST', '/', {}, Buffer.alloc(index * 3000, 'x')))
  })
  await writer.writeFile('go')
  await writer.close()
  assert.equal((await dying.readResponse()).status, 502)
  const texts = await Promise.all(connections.map(async (connection) => (await connection.readResponse()).text))
  assert.deepEqual(
    texts,
    connections.map((_, index) => `${index * 3000}`),
  )
  for (const connection of [...connections, dying]) connection.destroy()
})

test('--retry-idempotent: run once more on another worker, or not, by method and by what was sent', async () => {
  await using server = await startControlled({ app, workers: 1, args: ['--retry-idempotent'] })
  const { hornet, ask } = server
  const first = await get(hornet, '/')
  const thread = first.headers['x-thread'] ?? ''
  const headers = { 'X-Thread': thread }
  const held = await connect(hornet)
  held.write(message('GET', '/hold?a'))
  while ((await get(hornet, '/held?a')).text !== 'true');
  const survivor = await connect(hornet)
  survivor.write(message('GET', `/die-once?${'y'.repeat(7000)}`, { ...headers, A: 'x'.repeat(7000) }, 'with a body'))
  const again = await survivor.readResponse()
  assert.equal(again.status, 200)
  assert.notEqual(again.headers['x-thread'], thread)
  await hornet.waitForLog(/worker 1: 0 requests failed with it, 0 moved to others, 2 run again/)
  // The other one that ran there is held by the new worker.
  assert.equal((await get(hornet, '/release?a')).status, 200)
  assert.equal((await held.readResponse()).text, 'released')

  // A POST is not run again; nor is what kills a second worker; nor what was answered in part.
  assert.equal((await get(hornet, '/exit')).status, 502)
  await hornet.waitForLog(/worker 3: 1 requests failed with it/)
  const post = await connect(hornet)
  post.write(message('POST', '/exit', {}, 'x'))
  assert.equal((await post.readResponse()).status, 502)
  const interim = await connect(hornet)
  interim.write(message('GET', '/interim'))
  const answer = await interim.readResponse()
  assert.deepEqual([answer.informational.length, answer.status], [1, 502])
  assert.match((await ask('GET', '/metrics')).text, /^hornet_requests_retried_total 3$/m)
  for (const connection of [held, survivor, post, interim]) connection.destroy()
})

test('without it none is run twice', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '1'] })
  assert.equal((await get(hornet, '/exit')).status, 502)
  await hornet.waitForLog(/worker 1: 1 requests failed with it, 0 moved to others\n/)
})
