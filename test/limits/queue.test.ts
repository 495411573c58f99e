/**
 * Promise: requests beyond what the workers take wait in a queue of a set length for a set time; beyond either they are
 * answered 503 at once, and nothing of it reaches the application.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type HeldRequest, holdRequest } from '../signals/held-request.js'
import { startHornet } from '../support/hornet.js'
import { connect, get, message, type RawConnection, type RawResponse, request } from '../support/http.js'

const app = 'test/signals/fixtures/app.mjs'
const oneAtATime = ['--workers', '1', '--worker-connections', '1']

function assertShed(response: RawResponse): void {
  assert.equal(response.status, 503)
  assert.match(response.headers['retry-after'] ?? '', /^\d+$/)
  assert.equal(response.headers.connection, 'keep-alive')
}

/** Lets the request finish. A connection that is closed at our word tells that the server is done with it. */
async function finish(held: HeldRequest): Promise<void> {
  held.release()
  held.connection.end()
  assert.match((await held.connection.readToEnd()).toString(), /done/)
}

test('a full queue sheds what comes on top, and serves the rest', async () => {
  await using hornet = await startHornet({ app, args: [...oneAtATime, '--request-queue', '2'] })
  const held = await holdRequest(hornet)
  const connections: RawConnection[] = []
  for (let number = 0; number < 3; number++) {
    const connection = await connect(hornet)
    connection.write(message('GET', '/'))
    connections.push(connection)
  }
  // Which of the three is left out is not ours to say.
  const answers = connections.map(async (connection) => ({ connection, response: await connection.readResponse() }))
  const first = await Promise.race(answers)
  assertShed(first.response)
  const others = connections.filter((connection) => connection !== first.connection)
  assert.ok(others.every(({ state, buffered }) => state === 'open' && buffered.length === 0))
  await finish(held)
  const texts = (await Promise.all(answers)).map(({ response }) => response.text)
  assert.deepEqual(texts.sort(), ['Service Unavailable\n', 'first', 'first'])
  first.connection.write(message('GET', '/'))
  assert.equal((await first.connection.readResponse()).text, 'first', 'the connection goes on')
  for (const connection of connections) connection.destroy()
})

test('all that are in the queue are served once there is room', async () => {
  await using hornet = await startHornet({ app, args: [...oneAtATime, '--request-queue', '100'] })
  const held = await holdRequest(hornet)
  // The last of 101 is shed: so the others are in the queue.
  const answers = Array.from({ length: 101 }, () => get(hornet))
  assertShed(await Promise.race(answers))
  await finish(held)
  const statuses = (await Promise.all(answers)).map(({ status }) => status)
  assert.equal(statuses.filter((status) => status === 200).length, 100)
})

test('no queue at all', async () => {
  await using hornet = await startHornet({ app, args: [...oneAtATime, '--request-queue', '0'] })
  const held = await holdRequest(hornet)
  assertShed(await get(hornet))
  assertShed(await request(hornet, message('POST', '/', {}, Buffer.alloc(10_000))))
  const large = await connect(hornet)
  large.write(message('POST', '/', {}, Buffer.alloc(100_000)))
  assertShed(await large.readResponse())
  large.write(message('GET', '/'))
  assertShed(await large.readResponse())
  large.destroy()
  await finish(held)
  assert.equal((await get(hornet)).text, 'first')
})

test('a request that waited too long is answered 503, the one that runs is left alone', async () => {
  await using hornet = await startHornet({ app, args: [...oneAtATime, '--queue-timeout', '200ms'] })
  const held = await holdRequest(hornet)
  assertShed(await get(hornet))
  const large = await connect(hornet)
  large.write(message('POST', '/', {}, Buffer.alloc(100_000)))
  assertShed(await large.readResponse())
  large.destroy()
  await finish(held)
  assert.equal((await get(hornet)).text, 'first')
})
