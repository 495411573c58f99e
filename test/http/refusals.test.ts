/**
 * Promise: what is no request is answered with the status of its fault and a closed connection, the client can read that
 * answer even while it goes on sending, and the application never hears of it.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Hornet, startHornet } from '../support/hornet.js'
import { connect, get, message } from '../support/http.js'

let hornet: Hornet
before(async () => {
  const args = ['--workers', '1', '--limit-request-body', '100k']
  hornet = await startHornet({ app: 'test/http/fixtures/app.mjs', args })
})
after(() => hornet.stop())

const line = 'GET / HTTP/1.1\r\n'
const host = 'Host: a\r\n'
const post = `POST / HTTP/1.1\r\n${host}`

const faults: [name: string, status: number, bytes: string][] = [
  ['noise', 400, '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n'],
  ['no version', 400, 'GET /\r\n\r\n'],
  ['two spaces', 400, `GET  / HTTP/1.1\r\n${host}\r\n`],
  ['bare LF', 400, 'GET / HTTP/1.1\nHost: a\n\n'],
  ['bare CR', 400, `${line}${host}A: b\rC: d\r\n\r\n`],
  ['no Host', 400, `${line}\r\n`],
  ['two Hosts', 400, `${line}${host}Host: b\r\n\r\n`],
  ['bad Host', 400, `${line}Host: a b\r\n\r\n`],
  ['space before the colon', 400, `${line}${host}A : b\r\n\r\n`],
  ['folded field', 400, `${line}${host}A: b\r\n c\r\n\r\n`],
  ['NUL in a field', 400, `${line}${host}A: b\0c\r\n\r\n`],
  ['fragment in the target', 400, `GET /a#b HTTP/1.1\r\n${host}\r\n`],
  ['length and chunks', 400, `${post}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ['two lengths', 400, `${post}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello`],
  ['negative length', 400, `${post}Content-Length: -5\r\n\r\nhello`],
  ['chunks that are not last', 400, `${post}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n`],
  ['bad chunk size', 400, `${post}Transfer-Encoding: chunked\r\n\r\nxyz\r\n`],
  ['chunk longer than it says', 400, `${post}Transfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n0\r\n\r\n`],
  ['body over the limit, by length', 413, `${post}Content-Length: 102401\r\n\r\n`],
  ['target too long', 414, `GET /${'a'.repeat(9000)} HTTP/1.1\r\n${host}\r\n`],
  ['unknown expectation', 417, `${post}Expect: miracles\r\nContent-Length: 0\r\n\r\n`],
  ['field too long', 431, `${line}${host}A: ${'b'.repeat(9000)}\r\n\r\n`],
  ['too many fields', 431, `${line}${host}${'A: b\r\n'.repeat(100)}\r\n`],
  ['CONNECT', 501, 'CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n'],
  ['unknown transfer coding', 501, `${post}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
  ['HTTP/2 preface, whose method nobody knows', 501, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['a version of the future', 505, `GET / HTTP/2.1\r\n${host}\r\n`],
]

// What is tried to smuggle a request past a proxy, or belongs to another protocol. Where Node answers otherwise,
// docs/parser-differences.md says why.
const odd: typeof faults = [
  [
    'chunks and length, the other way round',
    400,
    `${post}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n`,
  ],
  ['the same length twice', 400, `${post}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`],
  ['a list of lengths', 400, `${post}Content-Length: 5, 5\r\n\r\nhello`],
  ['a length with a sign', 400, `${post}Content-Length: +5\r\n\r\nhello`],
  ['a hexadecimal length', 400, `${post}Content-Length: 0x5\r\n\r\nhello`],
  ['an empty length', 400, `${post}Content-Length:\r\n\r\n`],
  ['space before the colon of a length', 400, `${post}Content-Length : 5\r\n\r\nhello`],
  ['chunked twice', 400, `${post}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`],
  ['chunked in two fields', 400, `${post}${'Transfer-Encoding: chunked\r\n'.repeat(2)}\r\n0\r\n\r\n`],
  ['a coding that looks like chunked', 400, `${post}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`],
  ['vertical tab before chunked', 400, `${post}Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n`],
  ['space before the colon of a coding', 400, `${post}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`],
  ['folded coding', 400, `${post}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n`],
  ['chunks on HTTP/1.0', 400, 'POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['chunk size of 0x', 400, `${post}Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n`],
  [
    'chunk size of 19 digits',
    413,
    `${post}Transfer-Encoding: chunked\r\n\r\n0000000000000000005\r\nhello\r\n0\r\n\r\n`,
  ],
  ['bare LF behind a chunk size', 400, `${post}Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n`],
  ['bare LF behind a field', 400, `${line}${host}A: b\nC: d\r\n\r\n`],
  ['NUL in a name', 400, `${line}${host}A\0: b\r\n\r\n`],
  ['a field without a name', 400, `${line}${host}: b\r\n\r\n`],
  ['a line without a colon', 400, `${line}${host}nonsense\r\n\r\n`],
  ['space before the first field', 400, `${line} ${host}\r\n`],
  ['the same Host twice', 400, `${line}${host}${host}\r\n`],
  ['asterisk for GET', 400, `GET * HTTP/1.1\r\n${host}\r\n`],
  ['authority for GET', 400, `GET a:80 HTTP/1.1\r\n${host}\r\n`],
  ['another scheme', 400, `GET ftp://a/ HTTP/1.1\r\n${host}\r\n`],
  ['userinfo', 400, `GET http://b@a/ HTTP/1.1\r\n${host}\r\n`],
  ['lower-case method', 501, `get / HTTP/1.1\r\n${host}\r\n`],
  ['method of 70 characters', 501, `${'M'.repeat(70)} / HTTP/1.1\r\n${host}\r\n`],
  ['HTTP/1.2', 505, `GET / HTTP/1.2\r\n${host}\r\n`],
  ['lower-case protocol', 400, `GET / http/1.1\r\n${host}\r\n`],
]
faults.push(...odd)

test('each fault has its status, and none reaches the application', async () => {
  const before = await count()
  for (const [name, status, bytes] of faults) {
    const connection = await connect(hornet)
    connection.write(bytes)
    const response = await connection.readResponse().catch((cause: Error) => {
      throw new Error(`${name}: ${cause.message}`)
    })
    assert.equal(response.status, status, name)
    assert.equal(response.headers.connection, 'close', name)
    assert.equal(response.headers['content-type'], 'text/plain; charset=utf-8', name)
    assert.ok(response.body.length > 0 && response.body.length < 100, name)
    assert.equal((await connection.readToEnd()).length, 0, name)
    assert.equal(connection.state, 'ended', `${name}: an orderly end, no reset`)
    connection.destroy()
  }
  assert.equal(await count(), before)
})

test('a fault behind good requests: they are answered, then it is, then nothing', async () => {
  const before = await count()
  const connection = await connect(hornet)
  connection.write(
    Buffer.concat([
      message('GET', '/pieces'),
      message('POST', '/echo', {}, 'body'),
      Buffer.from('GET / HTTP/1.1\r\nBad Field: x\r\n\r\n'),
      message('GET', '/text/never'),
    ]),
  )
  assert.equal((await connection.readResponse()).text, 'one,two,three')
  assert.equal(JSON.parse((await connection.readResponse()).text).body, 'body')
  assert.equal((await connection.readResponse()).status, 400)
  assert.equal((await connection.readToEnd()).length, 0)
  assert.equal(await count(), before + 2)
})

test('a client that goes on sending can still read the answer', async () => {
  for (const [first, status] of [
    ['GET / HTTP/1.1\r\nBad Field: x\r\n\r\n', 400],
    [`${post}Content-Length: 900000\r\n\r\n`, 413],
  ] as const) {
    const connection = await connect(hornet)
    connection.pause()
    connection.write(first)
    // The server has answered long before the last of these is taken.
    for (let piece = 0; piece < 100; piece++) {
      await new Promise((taken) => connection.socket.write(Buffer.alloc(8192), taken))
      await get(hornet, '/text/turn')
    }
    connection.resume()
    assert.equal((await connection.readResponse()).status, status)
    assert.equal((await connection.readToEnd()).length, 0)
    assert.equal(connection.state, 'ended')
    connection.destroy()
  }
})

test('a client that goes on sending for ever is cut off', async () => {
  const connection = await connect(hornet)
  // It never looks at the answer, nor at the end of the server's side.
  connection.pause()
  connection.write('GET / HTTP/1.1\r\nBad Field: x\r\n\r\n')
  const piece = Buffer.alloc(65_536)
  let pieces = 0
  while (connection.state === 'open') {
    pieces += 1
    assert.ok(pieces < 1000, 'still open after 64 MB of noise')
    await new Promise((taken) => connection.socket.write(piece, taken))
  }
  connection.destroy()
})

test('a body over the limit is answered 413, also when its length was never told', async () => {
  const before = await count()
  const exact = await connect(hornet)
  exact.write(message('POST', '/hash', {}, Buffer.alloc(102_400)))
  assert.equal(JSON.parse((await exact.readResponse()).text).bytes, 102_400)
  exact.destroy()
  const connection = await connect(hornet)
  connection.write(message('POST', '/hash', { 'Transfer-Encoding': 'chunked' }))
  for (let piece = 0; piece < 10; piece++) {
    connection.write(Buffer.concat([Buffer.from('5000\r\n'), Buffer.alloc(0x5000), Buffer.from('\r\n')]))
  }
  const response = await connection.readResponse()
  assert.deepEqual([response.status, response.headers.connection], [413, 'close'])
  assert.equal((await connection.readToEnd()).length, 0)
  assert.ok((await count()) <= before + 2)
  connection.destroy()
})

async function count(): Promise<number> {
  return Number((await get(hornet, '/seen/count')).text)
}
