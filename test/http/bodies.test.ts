/**
 * Promise: a request body reaches the application whole and as sent, however it was framed, and a client that asks first
 * is told to go on by whoever reads the body.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, test } from 'node:test'
import { type Hornet, startHornet } from '../support/hornet.js'
import { connect, get, message, type RawConnection, request } from '../support/http.js'

let hornet: Hornet
before(async () => {
  hornet = await startHornet({ app: 'test/http/fixtures/app.mjs', args: ['--workers', '1'] })
})
after(() => hornet.stop())

/** Beyond what the server gathers before the application hears of the request. */
const large = Buffer.alloc(300_000, 'large ')

function chunked(path: string, headers: Record<string, string> = {}): Buffer {
  return message('POST', path, { 'Transfer-Encoding': 'chunked', ...headers })
}

function chunk(data: string | Buffer): Buffer {
  const bytes = Buffer.from(data)
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')])
}

function digest(bytes: Buffer): string {
  return JSON.stringify({ bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') })
}

async function answersNext(connection: RawConnection): Promise<void> {
  connection.write(message('GET', '/text/next'))
  assert.equal((await connection.readResponse()).text, 'next')
  connection.destroy()
}

test('chunks, extensions and trailers', async () => {
  const connection = await connect(hornet)
  connection.write(chunked('/echo', { Trailer: 'X-Sum, X-More' }))
  connection.write('5;name=value\r\nhello\r\n1;x="a b"\r\n \r\n')
  connection.write('5\r\nworld\r\n0\r\nX-Sum: 42\r\nx-more: a\r\nX-More: b\r\n\r\n')
  const { body, trailers, rawTrailers } = JSON.parse((await connection.readResponse()).text)
  assert.equal(body, 'hello world')
  assert.deepEqual(trailers, { 'x-sum': '42', 'x-more': 'a, b' })
  assert.deepEqual(rawTrailers, ['X-Sum', '42', 'x-more', 'a', 'X-More', 'b'])
  await answersNext(connection)
})

test('trailers after a body too large to be gathered', async () => {
  const connection = await connect(hornet)
  connection.write(Buffer.concat([chunked('/echo'), chunk(large), Buffer.from('0\r\nX-Sum: 42\r\n\r\n')]))
  const { body, trailers } = JSON.parse((await connection.readResponse()).text)
  assert.equal(body, large.toString())
  assert.deepEqual(trailers, { 'x-sum': '42' })
  await answersNext(connection)
})

for (const [name, body] of [
  ['an empty body', Buffer.alloc(0)],
  ['a body of one byte', Buffer.from('x')],
  ['a body as large as is gathered', Buffer.alloc(65_536, 'abc')],
  ['a body one byte larger than is gathered', Buffer.alloc(65_537, 'abc')],
  ['a large body', large],
] as const) {
  test(`${name}, by length and in chunks, at once and head first`, async () => {
    for (const framed of [
      [message('POST', '/hash', {}, ''), Buffer.alloc(0)].slice(0, body.length === 0 ? 2 : 0),
      [message('POST', '/hash', { 'Content-Length': `${body.length}` }), body],
      [chunked('/hash'), Buffer.concat([...(body.length > 0 ? [chunk(body)] : []), Buffer.from('0\r\n\r\n')])],
      [chunked('/hash'), inManyChunks(body)],
    ]) {
      const [head, rest] = framed
      if (head === undefined || rest === undefined) continue
      const connection = await connect(hornet)
      connection.write(Buffer.concat([head, rest]))
      assert.equal((await connection.readResponse()).text, digest(body))
      await new Promise((taken) => connection.socket.write(head, taken))
      connection.write(rest)
      assert.equal((await connection.readResponse()).text, digest(body))
      await answersNext(connection)
    }
  })
}

test('uploads behind one another come whole and in order, wherever the reads of the server end', async () => {
  // One, several and many reads of 64 KiB, a byte more and less, and what fills the window of a request.
  const sizes = [65_537, 131_072, 262_143, 262_144, 300_000, 524_289, 1_048_576, 70_001, 3_000_000]
  const bodies = sizes.map((size) => {
    const body = Buffer.alloc(size + 4)
    for (let at = 0; at < size; at += 4) body.writeUInt32LE(at ^ size, at)
    return body.subarray(0, size)
  })
  const connection = await connect(hornet)
  for (const body of bodies) {
    connection.write(message('POST', '/hash', { 'Content-Length': `${body.length}` }))
    connection.write(body)
    connection.write(Buffer.concat([chunked('/hash'), chunk(body), Buffer.from('0\r\n\r\n')]))
  }
  for (const body of bodies) {
    assert.equal((await connection.readResponse()).text, digest(body), `${body.length} bytes, by length`)
    assert.equal((await connection.readResponse()).text, digest(body), `${body.length} bytes, in a chunk`)
  }
  await answersNext(connection)
})

function inManyChunks(body: Buffer): Buffer {
  const pieces: Buffer[] = []
  for (let at = 0, size = 1; at < body.length; at += size, size = (size * 7) % 1009) {
    pieces.push(chunk(body.subarray(at, at + size)))
  }
  return Buffer.concat([...pieces, Buffer.from('0\r\n\r\n')])
}

test('a small body that was asked about: the server says go on, and gathers it', async () => {
  for (const head of [
    message('POST', '/echo', { Expect: '100-continue', 'Content-Length': '5' }),
    message('POST', '/echo', { Expect: '100-Continue', 'Content-Length': '5' }),
  ]) {
    const connection = await connect(hornet)
    connection.write(head)
    assert.equal((await connection.readUntil('\r\n\r\n')).toString(), 'HTTP/1.1 100 Continue\r\n\r\n')
    connection.write('hello')
    const response = await connection.readResponse()
    assert.deepEqual(response.informational, [], 'said once')
    assert.equal(JSON.parse(response.text).body, 'hello')
    await answersNext(connection)
  }
})

test('a large body that was asked about: the client is told to go on when the application reads', async () => {
  const connection = await connect(hornet)
  connection.write(message('POST', '/unread/asked', { Expect: '100-continue', 'Content-Length': `${large.length}` }))
  const before = await releaseWhenHeld('asked', () => connection.buffered.length)
  assert.equal(before, 0, 'nothing said before the application reads')
  assert.equal((await connection.readUntil('\r\n\r\n')).toString(), 'HTTP/1.1 100 Continue\r\n\r\n')
  connection.write(large)
  assert.equal((await connection.readResponse()).text, digest(large))
  await answersNext(connection)
})

test('a large body that was asked about and is not wanted: the answer comes without it, and the connection closes', async () => {
  const connection = await connect(hornet)
  connection.write(message('POST', '/refuse', { Expect: '100-continue', 'Content-Length': `${large.length}` }))
  const response = await connection.readResponse()
  assert.deepEqual([response.status, response.text, response.informational], [403, 'no', []])
  assert.equal(response.headers.connection, 'close')
  assert.equal((await connection.readToEnd()).length, 0)
})

test('a client that sends its body without waiting is not told to', async () => {
  const connection = await connect(hornet)
  connection.write(message('POST', '/echo', { Expect: '100-continue' }, 'hello'))
  const response = await connection.readResponse()
  assert.deepEqual(response.informational, [])
  assert.equal(JSON.parse(response.text).body, 'hello')
  await answersNext(connection)
})

test('an expectation nobody knows is answered 417', async () => {
  const response = await request(hornet, message('POST', '/echo', { Expect: 'miracles' }, 'hello'))
  assert.equal(response.status, 417)
  assert.equal(response.headers.connection, 'close')
})

test('an HTTP/1.0 client is never sent an interim response', async () => {
  const response = await request(
    hornet,
    'POST /echo HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello',
  )
  assert.deepEqual(response.informational, [])
  assert.equal(JSON.parse(response.text).body, 'hello')
})

test('a body the application leaves alone is passed over, if that is worth it', async () => {
  const short = await connect(hornet)
  short.write(message('POST', '/refuse', {}, Buffer.alloc(100_000)))
  assert.equal((await short.readResponse()).status, 403)
  await answersNext(short)

  // Not worth it: the connection closes after the answer, which the client can read although it is still sending.
  const long = await connect(hornet)
  long.write(message('POST', '/refuse', { 'Content-Length': '1000000000' }))
  long.write(Buffer.alloc(500_000))
  const response = await long.readResponse()
  assert.deepEqual([response.status, response.headers.connection], [403, 'close'])
  assert.equal((await long.readToEnd()).length, 0)
})

/** Lets go of what the application holds, as soon as it does; gives what `look` saw just before. */
async function releaseWhenHeld<T>(name: string, look: () => T): Promise<T> {
  for (;;) {
    const seen = look()
    if ((await get(hornet, `/seen/release/${name}`)).text === 'released') return seen
  }
}
