/**
 * Promise: a request body that the application does not read costs its client neither the answer nor, unless an answer
 * said so or the body is too large, the connection: the rest is read and thrown away, and the next request is served.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startControlled } from '../control/fixtures/control.js'
import { type Hornet, startHornet } from '../support/hornet.js'
import { connect, get, message, type RawConnection, type RawResponse } from '../support/http.js'

const app = 'test/http/fixtures/app.mjs'
let hornet: Hornet
before(async () => {
  hornet = await startHornet({ app, args: ['--workers', '1'] })
})
after(() => hornet.stop())

const mebibyte = 1024 * 1024
/** As in docs/limits.md. */
const unreadBytesMax = 16 * mebibyte

/** An answer in one piece, whose head the server completes, and those that the application frames itself. */
const answers = [
  ['in one piece', '/text/whole', 'whole'],
  ['in pieces', '/pieces', 'one,two,three'],
] as const
const framings = ['sized', 'chunked'] as const

interface Framed {
  headers: Record<string, string>
  /** As much of it as the server needs to let the application answer. */
  first: Buffer
  rest: Buffer
  end: string
}

/** A body of so many bytes. */
function frame(framing: (typeof framings)[number], bytes: number): Framed {
  if (framing === 'sized') {
    return { headers: { 'Content-Length': `${bytes}` }, first: Buffer.alloc(1), rest: Buffer.alloc(bytes - 1), end: '' }
  }
  const data = Buffer.alloc(bytes)
  const chunk = Buffer.from(`${bytes.toString(16)}\r\n`)
  return {
    headers: { 'Transfer-Encoding': 'chunked' },
    // One that does not say how large it is is gathered up to 64 KiB.
    first: Buffer.concat([chunk, data.subarray(0, 70_000)]),
    rest: data.subarray(70_000),
    end: '\r\n0\r\n\r\n',
  }
}

/** Sends a head and the first of its body; the answer has come whole when this resolves. */
async function answered(connection: RawConnection, head: string | Buffer, first?: Buffer): Promise<RawResponse> {
  connection.write(head)
  connection.write(first ?? 'x')
  return await connection.readResponse()
}

async function answersNext(connection: RawConnection, where: string): Promise<void> {
  connection.write(message('GET', '/text/next'))
  assert.equal((await connection.readResponse()).text, 'next', where)
  connection.destroy()
}

async function expectOrderlyEnd(connection: RawConnection): Promise<void> {
  assert.equal((await connection.readToEnd()).length, 0)
  assert.equal(connection.state, 'ended')
  connection.destroy()
}

for (const [kind, path, text] of answers) {
  test(`the rest of a body comes when its answer ${kind} has been read`, async () => {
    for (const framing of framings) {
      for (const bytes of [300_000, mebibyte, unreadBytesMax]) {
        const { headers, first, rest, end } = frame(framing, bytes)
        const connection = await connect(hornet)
        const response = await answered(connection, message('POST', path, headers), first)
        assert.deepEqual([response.text, response.headers.connection], [text, 'keep-alive'])
        connection.write(rest)
        connection.write(end)
        await answersNext(connection, `${framing}, ${bytes}`)
      }
    }
  })

  test(`the end of a body in chunks that is too large to be thrown away behind an answer ${kind}`, async () => {
    const { headers, first, rest } = frame('chunked', unreadBytesMax + mebibyte)
    const connection = await connect(hornet)
    const response = await answered(connection, message('POST', path, headers), first)
    assert.deepEqual([response.text, response.headers.connection], [text, 'keep-alive'])
    connection.write(rest)
    await expectOrderlyEnd(connection)
  })

  test(`of a body that says it is too large nothing more is waited for behind an answer ${kind}`, async () => {
    const connection = await connect(hornet)
    const head = message('POST', path, { 'Content-Length': `${unreadBytesMax + 100_000}` })
    const response = await answered(connection, head)
    assert.equal(response.text, text)
    // The head of the other was the application's, and made when it might still have read all of it.
    if (kind === 'in one piece') assert.equal(response.headers.connection, 'close')
    await expectOrderlyEnd(connection)
  })
}

test('the same to a client of HTTP/1.0 that keeps its connection', async () => {
  for (const path of ['/sized/whole', '/download/1']) {
    const connection = await connect(hornet)
    const head = `POST ${path} HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 1000000\r\n\r\n`
    const response = await answered(connection, head)
    assert.equal(response.headers.connection, 'keep-alive')
    connection.write(Buffer.alloc(999_999))
    await answersNext(connection, path)
  }
})

test('a large body that was asked about and not read: an answer in pieces says that the connection ends', async () => {
  const connection = await connect(hornet)
  connection.write(message('POST', '/pieces', { Expect: '100-continue', 'Content-Length': '1000000' }))
  const response = await connection.readResponse()
  assert.deepEqual([response.text, response.informational], ['one,two,three', []])
  assert.equal(response.headers.connection, 'close')
  await expectOrderlyEnd(connection)
})

test('a body that nobody reads and that becomes larger than may be ends the connection without another answer', async () => {
  await using limited = await startHornet({ app, args: ['--workers', '1', '--limit-request-body', '100k'] })
  for (const [, path, text] of answers) {
    const connection = await connect(limited)
    const { headers, first } = frame('chunked', mebibyte)
    assert.equal((await answered(connection, message('POST', path, headers), first)).text, text)
    // By now the worker has said that its answer is whole.
    await get(limited, '/text/turn')
    connection.write(Buffer.alloc(200_000))
    await expectOrderlyEnd(connection)
  }
})

for (const [what, rate, reason] of [
  ['stops', '0', 'body'],
  ['is slower than it may be', '1k', 'body_rate'],
] as const) {
  test(`a client that ${what} in the middle of such a body is cut off`, async () => {
    const args = ['--body-timeout', '500ms', '--body-min-rate', rate]
    await using controlled = await startControlled({ app, workers: 1, args })
    for (const [, path, text] of answers) {
      for (const framing of framings) {
        const connection = await connect(controlled.hornet)
        const { headers, first } = frame(framing, mebibyte)
        assert.equal((await answered(connection, message('POST', path, headers), first)).text, text)
        // Slowness itself is under test.
        const timer = reason === 'body' ? undefined : setInterval(() => connection.write('x'), 20)
        await expectOrderlyEnd(connection)
        clearInterval(timer)
      }
    }
    const metrics = (await controlled.ask('GET', '/metrics')).text
    assert.deepEqual(
      metrics.match(/^hornet_timeouts_total\{reason="body.*$/gm),
      ['body', 'body_rate'].map((each) => `hornet_timeouts_total{reason="${each}"} ${each === reason ? 4 : 0}`),
    )
  })
}

test('a server that shuts down does not wait for such a body', async () => {
  const leaving = await startHornet({ app, args: ['--workers', '1', '--graceful-timeout', '300s'] })
  const connections: RawConnection[] = []
  for (const [, path, text] of answers) {
    const connection = await connect(leaving)
    const response = await answered(connection, message('POST', path, { 'Content-Length': `${mebibyte}` }))
    assert.equal(response.text, text)
    connections.push(connection)
  }
  leaving.signal('SIGTERM')
  for (const connection of connections) await expectOrderlyEnd(connection)
  assert.deepEqual(await leaving.exited, { code: 0, signal: null })
  await leaving.stop()
})

test('what the application answers while the server shuts down does not wait for it either', async () => {
  const leaving = await startHornet({ app, args: ['--workers', '1', '--graceful-timeout', '300s'] })
  const releasing = await connect(leaving)
  const connections: RawConnection[] = []
  for (const name of ['hold', 'stream']) {
    const connection = await connect(leaving)
    connection.write(message('POST', `/${name}/${name}`, { 'Content-Length': `${mebibyte}` }))
    connection.write('x')
    connections.push(connection)
  }
  const begun = new Set<string>()
  while (begun.size < 2) for (const line of JSON.parse((await get(leaving, '/seen/journal')).text)) begun.add(line)
  const body = Buffer.alloc(200_000)
  releasing.write(message('POST', '/release-after-body/hold,stream', { 'Content-Length': `${body.length}` }))
  releasing.write(body.subarray(0, 100_000))
  const idle = await connect(leaving)
  idle.write(message('GET', '/text/idle'))
  await idle.readResponse()
  leaving.signal('SIGTERM')
  // Then it drains.
  await expectOrderlyEnd(idle)
  releasing.write(body.subarray(100_000))
  assert.equal((await releasing.readResponse()).text, 'released')
  for (const connection of connections) {
    await connection.readResponse()
    await expectOrderlyEnd(connection)
  }
  releasing.destroy()
  assert.deepEqual(await leaving.exited, { code: 0, signal: null })
  await leaving.stop()
})
