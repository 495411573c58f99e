/**
 * Promise: a client may leave in any state of its connection, with a reset or without: nothing of it stays, what was not
 * begun is not begun, and no other client notices.
 */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { asked } from '../support/deadline.js'
import { connect, get, message, type RawConnection } from '../support/http.js'
import { until } from '../support/until.js'
import { type Besieged, besiege, swarm } from './hostile.js'

let server: Besieged
before(async () => {
  server = await besiege('--keep-alive', '1h', '--worker-connections', '40', '--request-queue', '1000')
  await server.servesOthers()
})
after(() => server[Symbol.asyncDispose]())

const descriptors = () => readdirSync(`/proc/${server.hornet.pid}/fd`).length
const reset = (connections: RawConnection[]) => {
  for (const connection of connections) connection.reset()
}
const leave = (connections: RawConnection[]) => {
  for (const connection of connections) connection.destroy()
}

/** What is sent, and the state in which its sender goes. */
const states: [name: string, bytes: string | Buffer, isIn: (connections: RawConnection[]) => Promise<unknown>][] = [
  ['nothing said', '', async () => {}],
  ['within a head', 'GET / HTTP/1.1\r\nHo', () => inPhase('reading')],
  ['within a small body', message('POST', '/hash', { 'Content-Length': '1000' }, 'abc'), () => inPhase('reading')],
  [
    'within a chunk',
    message('POST', '/hash', { 'Transfer-Encoding': 'chunked' }, '10\r\nab'),
    () => inPhase('reading'),
  ],
  [
    'within a large body',
    message('POST', '/hash', { 'Content-Length': '1000000' }, Buffer.alloc(100_000)),
    () => inPhase('reading'),
  ],
  ['waiting for an answer', message('GET', '/hold/never'), () => inPhase('handling')],
  ['within an answer', message('GET', '/download/64'), (all) => Promise.all(all.map((each) => each.readBytes(1000)))],
  ['not reading an answer', message('GET', '/download/64'), () => inPhase('writing')],
  ['idle', message('GET', '/text/a'), (all) => Promise.all(all.map((each) => each.readResponse()))],
  ['refused', 'nonsense\r\n\r\n', (all) => Promise.all(all.map((each) => each.readResponse()))],
]
const each = 10

const inPhase = (phase: string) =>
  asked(`${phase} connections`, async () => (await server.metric(`hornet_connections{state="${phase}"}`)) >= each)

for (const [how, go] of [
  ['a reset', reset],
  ['a close', leave],
] as const) {
  test(`clients that go with ${how}, in every state`, async () => {
    await server.isQuiet()
    const before = descriptors()
    for (const [name, bytes, isIn] of states) {
      const connections = await swarm(server, each, () => bytes)
      if (name === 'not reading an answer') for (const connection of connections) connection.pause()
      await isIn(connections)
      go(connections)
      await server.isQuiet()
      await server.servesOthers()
    }
    await until(() => descriptors() <= before, 'descriptors to be closed')
  })
}

test('requests in the queue whose clients have left are not run, and those of others are', async () => {
  await server.isQuiet()
  const seen = await server.seen()
  const others = server.others
  const aborted = await server.metric('hornet_requests_aborted_total')
  // The worker takes 40; the others wait.
  const held = await swarm(server, 40, (number) => message('GET', `/hold/${number}`))
  await inflight(40)
  const waiting = await swarm(server, 200, () => message('POST', '/hash', {}, 'body'))
  await inflight(240)
  const patient = await connect(server.hornet)
  patient.write(message('GET', '/text/patient'))
  await inflight(241)
  reset(waiting.slice(0, 100))
  leave(waiting.slice(100))
  await inflight(41)
  held[0].destroy()
  assert.equal((await patient.readResponse()).text, 'patient')
  leave(held)
  patient.destroy()
  await server.isQuiet()
  assert.equal((await server.seen()) - seen - (server.others - others), 41)
  assert.equal((await server.metric('hornet_requests_aborted_total')) - aborted, 240)
})

const inflight = (count: number) =>
  asked(`${count} requests in flight`, async () => (await server.ask('GET', '/status')).json.requestsInFlight === count)

test('an end behind a request is no reason to drop it, and one within it is a fault', async () => {
  const asking = await connect(server.hornet)
  asking.write(message('GET', '/text/asked'))
  asking.end()
  assert.equal((await asking.readResponse()).text, 'asked')
  assert.equal((await asking.readToEnd()).length, 0)
  const broken = await connect(server.hornet)
  broken.write('GET / HTTP/1.1\r\n')
  broken.end()
  assert.equal((await broken.readResponse()).status, 400)
  assert.equal((await get(server.hornet, '/text/after')).text, 'after')
})
