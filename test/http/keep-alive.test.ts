/**
 * Promise: a connection lives as long as both sides want it to, and every response ends where its framing says.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Hornet, startHornet } from '../support/hornet.js'
import { connect, get, message, request } from '../support/http.js'

let hornet: Hornet
before(async () => {
  hornet = await startHornet({ app: 'test/http/fixtures/app.mjs', args: ['--workers', '2'] })
})
after(() => hornet.stop())

test('one connection carries many requests', async () => {
  const connection = await connect(hornet)
  for (let number = 0; number < 50; number++) {
    connection.write(message('GET', `/text/${number}`))
    const response = await connection.readResponse()
    assert.equal(response.text, `${number}`)
    assert.equal(response.headers.connection, 'keep-alive')
    assert.equal(response.headers['keep-alive'], 'timeout=5')
  }
  connection.destroy()
})

test('Connection: close ends it after the answer, in any case and among other options', async () => {
  for (const value of ['close', 'Close', 'foo, close']) {
    const connection = await connect(hornet)
    connection.write(message('GET', '/text/a', { Connection: value }))
    const response = await connection.readResponse()
    assert.equal(response.text, 'a')
    assert.equal(response.headers.connection, 'close')
    assert.equal((await connection.readToEnd()).length, 0)
  }
})

test('what follows Connection: close is never served', async () => {
  const connection = await connect(hornet)
  connection.write(
    Buffer.concat([message('GET', '/text/a', { Connection: 'close' }), message('GET', '/text/b'), Buffer.alloc(4096)]),
  )
  assert.equal((await connection.readResponse()).text, 'a')
  assert.equal((await connection.readToEnd()).length, 0)
})

test('HTTP/1.0 closes unless it asks for keep-alive', async () => {
  const closing = await connect(hornet)
  closing.write('GET /echo HTTP/1.0\r\n\r\n')
  const first = await closing.readResponse()
  assert.equal(JSON.parse(first.text).httpVersion, '1.0')
  assert.equal(first.version, '1.1', 'the server speaks its own version')
  assert.equal(first.headers.connection, 'close')
  assert.equal((await closing.readToEnd()).length, 0)

  const staying = await connect(hornet)
  for (const name of ['a', 'b']) {
    staying.write(`GET /sized/${name} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n`)
    const response = await staying.readResponse()
    assert.equal(response.text, name)
    assert.equal(response.headers.connection, 'keep-alive')
  }
  staying.destroy()
})

test('a body of unknown length: chunks for HTTP/1.1, the end of the connection for HTTP/1.0', async () => {
  const chunked = await get(hornet, '/pieces')
  assert.deepEqual([chunked.framing, chunked.text], ['chunked', 'one,two,three'])
  const ended = await request(hornet, 'GET /pieces HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')
  assert.deepEqual([ended.framing, ended.text, ended.headers.connection], ['close', 'one,two,three', 'close'])
})

test('HEAD, 204 and 304 have no body, and the connection goes on at once', async () => {
  const connection = await connect(hornet)
  connection.write(message('HEAD', '/sized/four'))
  const head = await connection.readResponse({ method: 'HEAD' })
  assert.equal(head.status, 200)
  assert.equal(head.headers['content-length'], '4')
  connection.write(message('HEAD', '/pieces'))
  assert.equal((await connection.readResponse({ method: 'HEAD' })).status, 200)
  for (const status of [204, 304]) {
    connection.write(message('GET', `/status/${status}`))
    const response = await connection.readResponse()
    assert.equal(response.status, status)
    assert.equal(response.headers['content-length'], undefined)
    assert.equal(response.headers['transfer-encoding'], undefined)
  }
  connection.write(message('GET', '/text/next'))
  assert.equal((await connection.readResponse()).text, 'next')
  assert.equal(connection.buffered.length, 0)
  connection.destroy()
})

test('an empty line before a request is passed over', async () => {
  const connection = await connect(hornet)
  for (const name of ['a', 'b']) {
    connection.write(Buffer.concat([Buffer.from('\r\n'), message('GET', `/text/${name}`)]))
    assert.equal((await connection.readResponse()).text, name)
  }
  connection.destroy()
})

test('a request in one-byte pieces is a request like any other', async () => {
  const connection = await connect(hornet)
  const bytes = message('POST', '/echo', { 'X-Piece': 'by piece' }, 'the body')
  for (const byte of bytes) await new Promise((taken) => connection.socket.write(Buffer.of(byte), taken))
  const { method, headers, body } = JSON.parse((await connection.readResponse()).text)
  assert.deepEqual([method, headers['x-piece'], body], ['POST', 'by piece', 'the body'])
  connection.destroy()
})
