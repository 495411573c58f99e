/**
 * Promise: when the server ends a connection, a client that is still sending can read the last answer to its end: the
 * server ends its own side, takes in what comes for a while, and only then closes (RFC 9112 section 9.6).
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startControlled } from '../control/fixtures/control.js'
import * as held from '../signals/held-request.js'
import { within } from '../support/deadline.js'
import { type Hornet, startHornet } from '../support/hornet.js'
import { connect, get, message, type RawConnection } from '../support/http.js'

const app = 'test/http/fixtures/app.mjs'
let hornet: Hornet
before(async () => {
  hornet = await startHornet({ app, args: ['--workers', '1'] })
})
after(() => hornet.stop())

const pieces = 20

/** What a client does that looks at answers only when it has sent all it has to send. */
async function sendOn(connection: RawConnection): Promise<void> {
  for (let piece = 0; piece < pieces; piece++) {
    // By now the answer has left, and whatever the server's system has to say to what came last.
    await get(hornet, '/text/turn')
    await new Promise((taken) => connection.socket.write(Buffer.alloc(8192, 'GET /text/late HTTP/1.1\r\n'), taken))
  }
}

/** Nothing more comes, and the end is no reset. */
async function expectOrderlyEnd(connection: RawConnection): Promise<void> {
  connection.end()
  assert.equal((await connection.readToEnd()).length, 0)
  assert.equal(connection.state, 'ended')
}

test('the application ends the connection, and later requests are on their way', async () => {
  const connection = await connect(hornet)
  connection.pause()
  connection.write(message('GET', '/closing/last'))
  await sendOn(connection)
  connection.resume()
  const answer = await connection.readResponse()
  assert.deepEqual([answer.headers.connection, answer.text], ['close', 'last'])
  await expectOrderlyEnd(connection)
})

test('an answer while a body comes in that is too large to be thrown away', async () => {
  const connection = await connect(hornet)
  connection.pause()
  connection.write(message('POST', '/refuse', { 'Content-Length': '100000000' }))
  await sendOn(connection)
  connection.resume()
  const answer = await connection.readResponse()
  assert.deepEqual([answer.status, answer.headers.connection], [403, 'close'])
  await expectOrderlyEnd(connection)
})

test('requests sent ahead of an answer that closes are not run, and cost nobody that answer', async () => {
  const before = await count()
  const connection = await connect(hornet)
  connection.pause()
  const behind = Array.from({ length: 200 }, () => message('GET', '/text/never'))
  connection.write(Buffer.concat([message('POST', '/closing/last', {}, 'body'), ...behind]))
  await sendOn(connection)
  connection.resume()
  assert.equal((await connection.readResponse()).text, 'last')
  await expectOrderlyEnd(connection)
  assert.equal(await count(), before + 1 + pieces)
})

test('a response whose end is the end of its connection', async () => {
  const connection = await connect(hornet)
  connection.pause()
  connection.write('GET /pieces HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')
  await sendOn(connection)
  connection.resume()
  assert.equal((await connection.readResponse()).text, 'one,two,three')
  await expectOrderlyEnd(connection)
})

for (const [what, leave] of [
  [
    'the client ends its side',
    async (leaving: Hornet, connection: RawConnection) => {
      connection.end()
      // The server has seen that before it sees this.
      await get(leaving, '/text/turn')
    },
  ],
  [
    'the server shuts down',
    async (leaving: Hornet) => {
      const idle = await connect(leaving)
      idle.write(message('GET', '/text/idle'))
      await idle.readResponse()
      leaving.signal('SIGTERM')
      assert.equal((await idle.readToEnd()).length, 0)
    },
  ],
] as const) {
  test(`answers that are made and not yet read when ${what}`, async () => {
    await using controlled = await startControlled({ app, workers: 1 })
    const { hornet: leaving, ask } = controlled
    const connection = await connect(leaving)
    connection.pause()
    let sent = 0
    // Each whole, one at a time, until the kernel has no room for the last.
    for (let isStuck = false; !isStuck; sent++) {
      connection.write(message('GET', '/whole/200000'))
      while (Number((await get(leaving, '/seen/count')).text) <= sent);
      isStuck = /^hornet_connections\{state="writing"\} 1$/m.test((await ask('GET', '/metrics')).text)
    }
    await leave(leaving, connection)
    connection.resume()
    for (let read = 1; read <= sent; read++) {
      assert.equal((await connection.readResponse()).body.length, 200_000, `answer ${read} of ${sent}`)
    }
    await expectOrderlyEnd(connection)
  })
}

test('a server that shuts down', async () => {
  await using leaving = await startHornet({ app: held.app, args: ['--workers', '1'] })
  const { connection, release } = await held.holdRequest(leaving)
  leaving.signal('SIGTERM')
  await leaving.waitForLog(/stopping/)
  connection.pause()
  release()
  await sendOn(connection)
  connection.resume()
  assert.match((await connection.readToEnd()).toString(), /done/)
  assert.equal(connection.state, 'ended')
  assert.deepEqual(await leaving.exited, { code: 0, signal: null })
})

test('the application hears of the end at once, whatever its client does', async () => {
  const connection = await connect(hornet)
  connection.pause()
  connection.write(message('GET', '/closing-socket/heard'))
  const { text } = await get(hornet, '/seen/events/heard')
  const [event, ms] = JSON.parse(text)
  assert.equal(event, 'socket close')
  assert.ok(ms < 1500, `after ${ms} ms`)
  connection.destroy()
})

test('a client that stays is not waited for', async () => {
  const connection = await connect(hornet)
  connection.pause()
  connection.write(message('GET', '/closing/last'))
  const end = within(
    new Promise((settle) => connection.socket.once('close', settle)),
    'end of a connection that its client keeps',
  )
  // That the server has closed shows when we write.
  while (connection.state === 'open') {
    await get(hornet, '/text/turn')
    connection.write('x')
  }
  await end
})

async function count(): Promise<number> {
  return Number((await get(hornet, '/seen/count')).text)
}
