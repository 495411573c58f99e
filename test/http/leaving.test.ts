/**
 * Promise: a client that only finished sending still gets its answer; one that left costs nothing, breaks nothing, and
 * the application hears of it.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectSocket } from 'node:net'
import { after, before, test } from 'node:test'
import { holdRequest } from '../signals/held-request.js'
import { within } from '../support/deadline.js'
import { type Hornet, startHornet } from '../support/hornet.js'
import { connect, get, message, RawConnection } from '../support/http.js'

const app = 'test/http/fixtures/app.mjs'
let hornet: Hornet
before(async () => {
  hornet = await startHornet({ app, args: ['--workers', '1'] })
})
after(() => hornet.stop())

test('a client that half-closes after its requests gets every answer, then the end', async () => {
  for (const bytes of [
    message('GET', '/text/a'),
    message('GET', '/pieces'),
    message('POST', '/echo', {}, Buffer.alloc(200_000, 'x')),
    Buffer.concat([message('GET', '/text/a'), message('POST', '/echo', {}, 'b'), message('GET', '/pieces')]),
  ]) {
    const connection = await connect(hornet)
    connection.write(bytes)
    connection.end()
    const all = (await connection.readToEnd()).toString('latin1')
    const asked = bytes.toString('latin1').match(/ HTTP\/1\.1\r/g)
    assert.equal(all.match(/HTTP\/1\.1 200 OK\r/g)?.length, asked?.length)
    assert.equal(connection.state, 'ended')
  }
})

test("the end of the client's side may arrive in the middle of the response", async () => {
  const connection = await connect(hornet)
  connection.write(message('GET', '/download/8'))
  await connection.readUntil('\r\n\r\n')
  connection.end()
  assert.equal((await connection.readToEnd()).length, 8 * 1024 * 1024)
  assert.equal(connection.state, 'ended')
})

test('a half-closed client of 100 pipelined requests gets 100 answers', async () => {
  const connection = await connect(hornet)
  connection.write(Buffer.concat(Array.from({ length: 100 }, (_, index) => message('GET', `/sized/${index}`))))
  connection.end()
  for (let index = 0; index < 100; index++) assert.equal((await connection.readResponse()).text, `${index}`)
  assert.equal((await connection.readToEnd()).length, 0)
})

test('a client that leaves in the middle of a request is forgotten', async () => {
  const seen = Number((await get(hornet, '/seen/count')).text)
  for (const bytes of [
    'G',
    'GET / HTTP/1.1\r\nHost: a',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhell',
  ]) {
    const connection = await connect(hornet)
    connection.write(bytes)
    connection.end()
    // It may still be reading: it is told that this was no request.
    assert.equal((await connection.readResponse()).status, 400)
    assert.equal((await connection.readToEnd()).length, 0)
  }
  assert.equal(Number((await get(hornet, '/seen/count')).text), seen)
})

for (const [how, route] of [
  ['reset', 'late'],
  ['reset', 'begun'],
  ['end', 'late'],
  ['end', 'begun'],
] as const) {
  const when = route === 'late' ? 'before the response' : 'in the middle of the response'
  test(`a client that leaves ${when} by ${how}: the application hears of it, and what it still sends goes nowhere`, async () => {
    const name = `${how}-${route}`
    const connection = await connect(hornet)
    connection.write(message('GET', `/${route}/${name}`))
    if (route === 'begun') await connection.readUntil('begun;')
    else await untilNow(name, (events) => events !== undefined)
    if (how === 'reset') connection.socket.resetAndDestroy()
    else connection.destroy()
    const events = JSON.parse((await get(hornet, `/seen/events/${name}`)).text)
    assert.deepEqual([...events].sort(), ['req ECONNRESET', 'req aborted', 'req close', 'res close'])
    assert.ok(events.indexOf('req aborted') < events.indexOf('req close'))
    assert.equal((await get(hornet, '/text/well')).text, 'well')
  })
}

test('a client that leaves with a request behind the one under way, which waits for that', async () => {
  const connection = await connect(hornet)
  connection.write(Buffer.concat([message('GET', '/late/followed'), message('POST', '/late/following', {}, 'body')]))
  await untilNow('followed', (events) => events !== undefined)
  connection.destroy()
  const events = JSON.parse((await get(hornet, '/seen/events/followed')).text)
  assert.deepEqual([...events].sort(), ['req ECONNRESET', 'req aborted', 'req close', 'res close'])
})

test('a large request that waits behind another, and the end of its client behind that, come in good order', async () => {
  const connection = await connect(hornet)
  const body = Buffer.alloc(8 * 1024 * 1024, 'x')
  connection.write(Buffer.concat([message('GET', '/hold/ahead'), message('POST', '/echo', {}, body)]))
  connection.end()
  while ((await get(hornet, '/seen/release/ahead')).text !== 'released');
  assert.equal((await connection.readResponse()).text, 'ahead')
  assert.ok((await connection.readResponse()).body.length >= body.length)
  assert.equal((await connection.readToEnd()).length, 0)
})

test('a client that leaves by reset while the application does not read its body', async () => {
  const connection = await connect(hornet)
  // More than the server and the socket hold.
  connection.write(message('POST', '/late/unread', { 'Content-Length': '50000000' }))
  connection.write(Buffer.alloc(50_000_000))
  for (let turn = 0; turn < 100; turn++) await get(hornet, '/text/turn')
  assert.deepEqual(JSON.parse((await get(hornet, '/seen/now/unread')).text), [])
  connection.socket.resetAndDestroy()
  const events = JSON.parse((await get(hornet, '/seen/events/unread')).text)
  assert.deepEqual([...events].sort(), ['req ECONNRESET', 'req aborted', 'req close', 'res close'])
})

test('a request whose client left before it was its turn is never run', async () => {
  await using busy = await startHornet({
    app: 'test/signals/fixtures/app.mjs',
    args: ['--workers', '1', '--worker-connections', '1'],
  })
  const held = await holdRequest(busy)
  const leaving = await connect(busy)
  // Would end the worker.
  leaving.write(message('GET', '/exit'))
  const closed = once(leaving.socket, 'close')
  await new Promise((sent) => leaving.socket.write('', sent))
  leaving.socket.resetAndDestroy()
  await closed
  const waiting = await connect(busy)
  waiting.write(message('GET', '/'))
  held.release()
  assert.equal((await waiting.readResponse()).text, 'first')
  held.connection.destroy()
  waiting.destroy()
  await busy.stop()
  assert.doesNotMatch(busy.stderr, /died/)
})

test('a client that shuts down its side after a request and waits gets a slow answer too', async () => {
  const socket = connectSocket({ port: hornet.port, host: '127.0.0.1', allowHalfOpen: true })
  await once(socket, 'connect')
  const connection = new RawConnection(socket)
  connection.write(message('GET', '/hold/slow'))
  connection.end()
  await within(once(socket, 'finish'), 'end of our side')
  while ((await get(hornet, '/seen/release/slow')).text !== 'released');
  assert.equal((await connection.readResponse()).text, 'slow')
  assert.equal((await connection.readToEnd()).length, 0)
})

/** Asks again until the application has seen what is looked for. */
async function untilNow(name: string, isThere: (events: string[]) => boolean): Promise<void> {
  while (!isThere(JSON.parse((await get(hornet, `/seen/now/${name}`)).text)));
}
