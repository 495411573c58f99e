/**
 * Promise: with --request-timeout a request that takes longer is answered 504 by the server itself and the application
 * hears of it as of a client that left; the worker, and the connection where that is possible, go on.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startControlled } from '../control/fixtures/control.js'
import { startHornet } from '../support/hornet.js'
import { connect, get, message } from '../support/http.js'
import { app } from './client.js'

async function eventsOf(hornet: { port: number }, name: string): Promise<string[]> {
  let events: string[] | null = null
  for (let look = 0; look < 1000 && (events === null || events.length < 2); look++) {
    events = JSON.parse((await get(hornet, `/events?${name}`)).text)
  }
  return events ?? []
}

test('before the head of the response, after it, and with a streamed body', async () => {
  await using server = await startControlled({ app, workers: 1, args: ['--request-timeout', '300ms'] })
  const { hornet, ask } = server
  const connection = await connect(hornet)
  connection.write(message('GET', '/never?a'))
  const late = await connection.readResponse()
  assert.deepEqual([late.status, late.headers.connection], [504, 'keep-alive'])
  assert.deepEqual((await eventsOf(hornet, 'a')).sort(), ['req close', 'res close'])
  await hornet.waitForLog(
    /\[warn\] request timed out after [\d.]+ s \(--request-timeout\): GET \/never\?a, in worker 1/,
  )

  // The next one finds the connection's socket as it should be.
  connection.write(Buffer.concat([message('GET', '/socket'), message('GET', '/never?socket')]))
  assert.equal((await connection.readResponse()).text, 'open')
  assert.equal((await connection.readResponse()).status, 504)
  connection.write(message('GET', '/socket'))
  assert.equal((await connection.readResponse()).text, 'open')

  // What was answered behind it on the connection is not lost; time runs from a request's first byte.
  connection.write(Buffer.concat([message('GET', '/never?b'), message('GET', '/'), message('GET', '/never?c')]))
  for (const status of [504, 200, 504]) assert.equal((await connection.readResponse()).status, status)

  // Its head is out: the client sees that the body is not whole.
  const begun = await connect(hornet)
  begun.write(message('GET', '/begin?d'))
  await begun.readUntil('begun;')
  const rest = await begun.readToEnd().catch((error: Error) => Buffer.from(error.message))
  assert.doesNotMatch(rest.toString(), /0\r\n\r\n/)
  assert.deepEqual((await eventsOf(hornet, 'd')).sort(), ['req close', 'res close'])

  // A body that the application does not read, and one that the client does not send.
  const unread = await connect(hornet)
  unread.write(message('POST', '/never?e', {}, Buffer.alloc(1_000_000)))
  const unreadAnswer = await unread.readResponse()
  assert.deepEqual([unreadAnswer.status, unreadAnswer.headers.connection], [504, 'close'])
  const unsent = await connect(hornet)
  unsent.write(message('POST', '/never?f', { 'Content-Length': '1000000' }))
  unsent.write(Buffer.alloc(100_000))
  assert.equal((await unsent.readResponse()).status, 408)
  assert.deepEqual((await eventsOf(hornet, 'f')).sort(), ['req close', 'res close'])

  assert.match((await ask('GET', '/metrics')).text, /^hornet_timeouts_total\{reason="request"\} 7$/m)
  connection.write(message('GET', '/'))
  assert.equal((await connection.readResponse()).status, 200)
  for (const each of [connection, begun, unread, unsent]) each.destroy()
  await hornet.stop()
  assert.doesNotMatch(hornet.stderr, /died|blocked/)
})

test('requests behind one that times out keep the connection that they share with it', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '1', '--request-timeout', '300ms'] })
  const connection = await connect(hornet)
  // All are over the socket: the last two wait behind the first, one begun after it and one that holds the socket.
  const paths = ['/never?socket', '/socket', '/keep-socket?socket', '/socket']
  connection.write(Buffer.concat(paths.map((path) => message('GET', path))))
  assert.equal((await connection.readResponse()).status, 504)
  for (const path of paths.slice(1)) {
    const { status, text } = await connection.readResponse()
    assert.deepEqual([status, text], [200, 'open'], path)
  }
  connection.write(message('GET', '/socket'))
  assert.equal((await connection.readResponse()).text, 'open')
  connection.destroy()
})

test('while it waits for a worker, also one that is busy', async () => {
  await using hornet = await startHornet({
    app,
    args: ['--workers', '1', '--request-timeout', '400ms'],
  })
  const connection = await connect(hornet)
  connection.write(message('GET', '/'))
  assert.equal((await connection.readResponse()).status, 200)
  hornet.signal('SIGWINCH')
  await hornet.waitForLog(/worker 1 ended/)
  connection.write(message('GET', '/'))
  const late = await connection.readResponse()
  assert.deepEqual([late.status, late.headers.connection], [504, 'keep-alive'])
  await hornet.waitForLog(/request timed out after .*: GET \/, not begun/)
  hornet.signal('SIGHUP')
  await hornet.waitForLog(/worker 2 ready/)
  connection.write(message('GET', '/'))
  assert.equal((await connection.readResponse()).status, 200)
  connection.destroy()

  await using busy = await startHornet({ app, args: ['--workers', '1', '--request-timeout', '300ms'] })
  await busy.waitForLog(/worker 1 ready/)
  const [blocking, behind] = await Promise.all([get(busy, '/block?450'), get(busy, '/')])
  assert.deepEqual([blocking.status, behind.status], [504, 504])
  assert.equal((await get(busy, '/')).status, 200)
})

test("a fetch handler's request.signal is aborted", async () => {
  await using hornet = await startHornet({
    app: 'test/faults/fixtures/fetch.mjs',
    args: ['--workers', '1', '--request-timeout', '200ms'],
  })
  assert.equal((await get(hornet, '/never')).status, 504)
  assert.equal((await get(hornet, '/seen')).text, 'aborted')
})

test('without it a request may take any time', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '1'] })
  assert.equal((await get(hornet, '/wait?500')).status, 200)
})
