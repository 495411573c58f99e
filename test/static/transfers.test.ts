/**
 * Promise: a large file costs little memory however large it is and however slowly it is taken; it is sent whole or seen
 * to be cut short; and neither it nor a client that does not read keeps others from theirs.
 */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { within } from '../support/deadline.js'
import { connect, get, message } from '../support/http.js'
import { startServer, type TestServer } from '../support/native-server.js'
import { download, mebibyte, sendLargeFile, sparse } from './large-file.js'

const folder = mkdtempSync(join(tmpdir(), 'hornet-transfers-'))
after(() => rmSync(folder, { recursive: true }))

test('a file of 128 MiB passes through a few hundred KiB of memory', () => sendLargeFile(128 * mebibyte))

describe('on one I/O thread', () => {
  let running: TestServer | undefined
  const start = (transfersMax: number, queueTimeoutMs = 10_000) => {
    running?.close()
    running = startServer({ limits: { queueTimeoutMs }, handle: (request) => request.answer('app') })
    running.server.serveFiles({ mounts: [{ prefix: '', folder }], maxAgeSeconds: 0, transfersMax })
    return running
  }
  after(() => running?.close())

  test('a file that shrinks while it is sent ends its connection', async () => {
    sparse(join(folder, 'shrinks.bin'), 64 * mebibyte)
    const server = start(8)
    const client = await connect(server)
    client.write(message('GET', '/shrinks.bin'))
    await client.readUntil('\r\n\r\n')
    client.pause()
    await server.until('a pause', ({ connections }) => connections.writing === 1)
    truncateSync(join(folder, 'shrinks.bin'), mebibyte)
    client.resume()
    const rest = await client.readToEnd()
    assert.ok(rest.length < 64 * mebibyte)
    const stats = await server.until('an aborted response', ({ requestsAborted }) => requestsAborted === 1)
    assert.deepEqual(
      stats.responses.map(({ method, statusClass, count }) => [method, statusClass, count]),
      [['GET', 2, 1]],
    )
  })

  test('more downloads than may be open wait for one to end; small files do not', async () => {
    sparse(join(folder, 'many.bin'), 64 * mebibyte)
    writeFileSync(join(folder, 'small.txt'), 'small')
    const server = start(1)
    const first = await connect(server)
    first.write(message('GET', '/many.bin'))
    await first.readUntil('\r\n\r\n')
    first.pause()
    const second = await connect(server)
    second.write(message('GET', '/many.bin'))
    await server.until('a second request', ({ requestsInFlight }) => requestsInFlight === 2)
    assert.equal((await get(server, '/small.txt')).text, 'small')
    assert.equal((await get(server, '/none')).text, 'app')
    assert.equal(second.buffered.length, 0)
    first.destroy()
    const { headers } = await within(
      second.readUntil('\r\n\r\n').then((head) => ({ headers: head.toString() })),
      'head of the second response',
    )
    assert.match(headers, /Content-Length: 67108864\r\n/)
    second.destroy()
    await server.until('nothing in flight', ({ requestsInFlight }) => requestsInFlight === 0)
  })

  test('but no longer than a request may wait', async () => {
    sparse(join(folder, 'busy.bin'), 64 * mebibyte)
    const server = start(1, 100)
    const first = await connect(server)
    first.write(message('GET', '/busy.bin'))
    await first.readUntil('\r\n\r\n')
    first.pause()
    const refused = await get(server, '/busy.bin')
    assert.deepEqual([refused.status, refused.headers['retry-after']], [503, '1'])
    first.destroy()
  })

  test('--request-timeout is about the application, and not about downloads', async () => {
    sparse(join(folder, 'slow.bin'), 64 * mebibyte)
    running?.close()
    running = startServer({ limits: { requestTimeoutMs: 100 }, handle: () => {} })
    const server = running
    server.server.serveFiles({ mounts: [{ prefix: '', folder }], maxAgeSeconds: 0, mayLookUp: false })
    const client = await connect(server)
    client.write(message('GET', '/slow.bin'))
    const head = await client.readUntil('\r\n\r\n')
    assert.match(head.toString(), /200 OK/)
    client.pause()
    // Begun later, and over.
    assert.equal((await get(server, '/none')).status, 504)
    client.resume()
    await client.readBytes(64 * mebibyte)
    client.destroy()
  })

  test('clients that leave take their files with them', async () => {
    sparse(join(folder, 'left.bin'), 64 * mebibyte)
    const server = start(4)
    for (let i = 0; i < 12; i++) {
      const client = await connect(server)
      client.write(Buffer.concat([message('GET', '/left.bin'), message('GET', '/left.bin'), message('GET', '/none')]))
      await client.readUntil('\r\n\r\n')
      client.socket.resetAndDestroy()
    }
    await server.until('nothing in flight', ({ requestsInFlight }) => requestsInFlight === 0)
    assert.deepEqual(await download(server.port, '/left.bin'), { bytes: 64 * mebibyte, last: 'z'.charCodeAt(0) })
  })

  test('nothing is different where the kernel cannot tell what it has in memory', async () => {
    mkdirSync(join(folder, 'sub'))
    writeFileSync(join(folder, 'sub/index.html'), 'index')
    const server = start(8)
    server.server.serveFiles({ mounts: [{ prefix: '', folder }], maxAgeSeconds: 0, mayLookUp: false })
    const client = await connect(server)
    const paths = ['/sub/', '/sub', '/none', '/large', '/sub/', '/none', '/sub/none']
    sparse(join(folder, 'large'), mebibyte)
    client.write(Buffer.concat(paths.map((path) => message('GET', path))))
    const seen: unknown[] = []
    for (const _ of paths) {
      const { status, text, body } = await client.readResponse()
      seen.push([status, body.length < 100 ? text : body.length])
    }
    const expected = [
      [200, 'index'],
      [301, ''],
      [200, 'app'],
      [200, mebibyte],
      [200, 'index'],
      [200, 'app'],
      [200, 'app'],
    ]
    assert.deepEqual(seen, expected)
    assert.equal(server.stats().requestsForFiles, 4)
    client.destroy()
  })
})
