/**
 * Promise: HTTP over TLS is HTTP: bodies of any size both ways, slow readers, pipelines, ends of connections, tunnels.
 * What the records of TLS (16 KiB at most) do to it, nobody sees.
 */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { after, before, describe, test } from 'node:test'
import { WebSocket } from 'ws'
import { asked, within } from '../support/deadline.js'
import { type Hornet, startHornet } from '../support/hornet.js'
import { message } from '../support/http.js'
import { connectSecurely, getSecurely, pem, type SecureConnection, serverCertificate, startTls } from './support.js'
import { openWire } from './wire.js'

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
const record = 16 * 1024
const mebibyte = 1024 * 1024
const sizes = [0, 1, record - 300, record - 1, record, record + 1, 2 * record, 65_536, 262_145, 3 * mebibyte + 7]
const versions = ['TLSv1.2', 'TLSv1.3'] as const
const alert = 21

let hornet: Hornet
before(async () => {
  hornet = await startTls()
})
after(() => hornet.stop())

async function ask(connection: SecureConnection, bytes: Buffer, method?: string) {
  connection.write(bytes)
  return connection.readResponse({ method })
}

for (const version of versions) {
  const only = { minVersion: version, maxVersion: version }

  describe(version, () => {
    test('bodies of any size come whole, on one connection', async () => {
      const connection = await connectSecurely(hornet, only)
      for (const length of sizes) {
        const { body, headers } = await ask(connection, message('GET', `/bytes?length=${length}`))
        assert.deepEqual([body.length, sha256(body)], [length, headers['x-sha256']])
      }
      connection.destroy()
    })

    test('bodies of any size go whole, with a length and in chunks', async () => {
      const connection = await connectSecurely(hornet, only)
      for (const length of sizes) {
        const body = randomBytes(length)
        const expected = { count: length, hash: sha256(body) }
        const whole = await ask(connection, message('POST', '/hash', {}, body), 'POST')
        assert.deepEqual(JSON.parse(whole.text), expected)
        connection.write(message('POST', '/hash', { 'Transfer-Encoding': 'chunked' }))
        for (let at = 0; at < length; at += 10_000) {
          const chunk = body.subarray(at, at + 10_000)
          connection.write(`${chunk.length.toString(16)}\r\n`)
          connection.write(chunk)
          connection.write('\r\n')
        }
        connection.write('0\r\n\r\n')
        assert.deepEqual(JSON.parse((await connection.readResponse()).text), expected)
      }
      connection.destroy()
    })

    test('pieces of a response come as chunks', async () => {
      const connection = await connectSecurely(hornet, only)
      for (const piece of [100, record, 100_000]) {
        const { body, headers, framing } = await ask(connection, message('GET', `/stream?length=300000&piece=${piece}`))
        assert.deepEqual([framing, body.length, sha256(body)], ['chunked', 300_000, headers['x-sha256']])
      }
      connection.destroy()
    })

    test('pipelined requests are answered in order', async () => {
      const connection = await connectSecurely(hornet, only)
      const lengths = Array.from({ length: 40 }, (_, index) => index * 777)
      connection.write(Buffer.concat(lengths.map((length) => message('GET', `/bytes?length=${length}`))))
      for (const length of lengths) {
        const { body, headers } = await connection.readResponse()
        assert.deepEqual([body.length, sha256(body)], [length, headers['x-sha256']])
      }
      connection.destroy()
    })

    test('a client that stops reading stops the application, and gets all when it goes on', async () => {
      const blockedCount = async () => Number((await getSecurely(hornet, '/blocked')).text)
      const before = await blockedCount()
      const connection = await connectSecurely(hornet, only)
      connection.pause()
      connection.write(message('GET', '/stream?length=16000000&piece=50000'))
      await asked('write that has to wait', async () => (await blockedCount()) > before)
      connection.resume()
      const { body, headers } = await connection.readResponse()
      assert.deepEqual([body.length, sha256(body)], [16_000_000, headers['x-sha256']])
      connection.destroy()
    })

    test('an application that does not read stops its client, and gets all when it does', async () => {
      const body = randomBytes(12 * mebibyte)
      const connection = await connectSecurely(hornet, only)
      connection.write(message('POST', '/hash?late', { 'Content-Length': String(body.length) }))
      let hasLeft = false
      connection.socket.write(body, () => {
        hasLeft = true
      })
      for (let i = 0; i < 20; i++) assert.equal((await getSecurely(hornet)).status, 200)
      assert.equal(hasLeft, false, 'it fits nowhere')
      await getSecurely(hornet, '/release')
      assert.deepEqual(JSON.parse((await connection.readResponse()).text), { count: body.length, hash: sha256(body) })
      connection.destroy()
    })

    test('Connection: close, and the end of the client’s side, end the connection in good order', async () => {
      for (const isHalfClosed of [false, true]) {
        const wire = await openWire(hornet)
        const connection = await connectSecurely(hornet, { ...only, socket: wire })
        connection.write(message('GET', '/bytes?length=100000', isHalfClosed ? {} : { Connection: 'close' }))
        if (isHalfClosed) connection.end()
        const { body, headers } = await connection.readResponse()
        assert.deepEqual([body.length, sha256(body)], [100_000, headers['x-sha256']])
        assert.equal((await connection.readToEnd()).length, 0)
        // TLS 1.3 hides what kind of record it is.
        if (version === 'TLSv1.2') assert.equal(wire.recordTypes().at(-1), alert, 'close_notify')
      }
    })
  })
}

test('a request may come in records of one byte', async () => {
  const connection = await connectSecurely(hornet)
  const body = randomBytes(100)
  for (const byte of message('POST', '/hash', {}, body)) connection.write(Buffer.from([byte]))
  assert.equal(JSON.parse((await connection.readResponse({ method: 'POST' })).text).hash, sha256(body))
  connection.destroy()
})

test('a connection that ends without close_notify, amid a body, is a request that broke off', async () => {
  const abortedCount = async () => Number((await getSecurely(hornet, '/aborted')).text)
  for (const isReset of [false, true]) {
    const before = await abortedCount()
    const wire = await openWire(hornet)
    const connection = await connectSecurely(hornet, { socket: wire })
    connection.write(message('POST', '/hash', { 'Content-Length': '1000000', Expect: '100-continue' }))
    // The application has it from then on: a reset takes unread bytes with it.
    await connection.readUntil('100 Continue\r\n\r\n')
    await new Promise<void>((settle) => connection.socket.write(Buffer.alloc(500_000), () => settle()))
    if (isReset) wire.socket.resetAndDestroy()
    else wire.socket.end()
    await asked('aborted request', async () => (await abortedCount()) > before)
    connection.destroy()
  }
})

test('a client that waits for 100 (Continue) is told to go on', async () => {
  const connection = await connectSecurely(hornet)
  connection.write(message('POST', '/hash', { Expect: '100-continue', 'Content-Length': '5' }))
  await connection.readUntil('HTTP/1.1 100 Continue\r\n\r\n')
  connection.write('hello')
  assert.equal(JSON.parse((await connection.readResponse()).text).hash, sha256(Buffer.from('hello')))
  connection.destroy()
})

test('an upgraded connection is a tunnel, and shows its TLS', async () => {
  const connection = await connectSecurely(hornet)
  connection.write(message('GET', '/', { Connection: 'Upgrade', Upgrade: 'echo' }))
  assert.equal((await connection.readResponse()).status, 101)
  const seen = JSON.parse((await connection.readUntil('\n')).toString())
  assert.deepEqual([seen.encrypted, seen.protocol, seen.servername], [true, 'TLSv1.3', 'localhost'])
  const sent = randomBytes(200_000)
  connection.write(sent)
  assert.ok((await connection.readBytes(sent.length)).equals(sent))
  connection.end()
  assert.equal((await connection.readToEnd()).length, 0)
})

test('WebSockets of ws work by wss:', async () => {
  await using echo = await startHornet({
    app: 'test/tls/fixtures/sockets.mjs',
    args: ['--workers', '1', ...serverCertificate],
  })
  const socket = new WebSocket(`wss://localhost:${echo.port}/`, { ca: pem('ca.pem'), family: 4 })
  await within(once(socket, 'open'), 'open WebSocket')
  for (const length of [1, record, mebibyte]) {
    const sent = randomBytes(length)
    socket.send(sent)
    const [received] = (await within(once(socket, 'message'), 'message')) as [Buffer]
    assert.ok(received.equals(sent))
  }
  socket.close(1000)
  const [code] = await within(once(socket, 'close'), 'end of the WebSocket')
  assert.equal(code, 1000)
})

test('frameworks and fetch handlers see https', async () => {
  await using express = await startHornet({
    app: 'test/tls/fixtures/express.mjs',
    args: ['--workers', '1', ...serverCertificate],
  })
  assert.deepEqual(JSON.parse((await getSecurely(express)).text), { secure: true, protocol: 'https' })
  await using fetching = await startHornet({
    app: 'test/tls/fixtures/fetch.mjs',
    args: ['--workers', '1', ...serverCertificate],
  })
  assert.equal((await getSecurely(fetching, '/there?a=b')).text, 'https://localhost/there?a=b')
})
