/**
 * Promise: what the native core counts is what happened: by method, status and reason, with the time of each request
 * split into its parts, and gauges that return to nothing.
 */
import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import type { NativeHistogram, NativeStats } from '../../src/seam/addon.js'
import { connect, get, message, request } from '../support/http.js'
import { startServer, type TestRequest, type TestServer, type TestServerOptions } from '../support/native-server.js'

const phases = ['new', 'reading', 'handling', 'writing', 'idle', 'closing', 'tunnel'] as const

let running: TestServer | undefined
afterEach(() => {
  running?.close()
  running = undefined
})

function start(options: TestServerOptions): TestServer {
  running = startServer(options)
  return running
}

const count = (histogram: NativeHistogram) => histogram.counts.reduce((sum, each) => sum + each, 0)
const isOnly = (stats: NativeStats, phase: (typeof phases)[number]) =>
  phases.every((each) => stats.connections[each] === (each === phase ? 1 : 0))
const hasEnded = (requests: number) => (stats: NativeStats) =>
  stats.responses.reduce((sum, row) => sum + row.count, 0) === requests && stats.requestsInFlight === 0

describe('requests', () => {
  test('are counted by method and status class, and their bytes both ways', async () => {
    const server = start({ handle: (req) => req.answer('hello', req.target === '/missing' ? 404 : 200) })
    const connection = await connect(server)
    for (const [method, path] of [
      ['GET', '/'],
      ['POST', '/'],
      ['GET', '/missing'],
      ['GET', '/'],
    ]) {
      connection.write(message(method, path))
      await connection.readResponse({ method })
    }
    const stats = await server.until('four ended', hasEnded(4))
    assert.deepEqual(stats.responses, [
      { method: 'GET', statusClass: 2, count: 2 },
      { method: 'GET', statusClass: 4, count: 1 },
      { method: 'POST', statusClass: 2, count: 1 },
    ])
    assert.equal(stats.requests, 4)
    assert.equal(stats.bytesRead, connection.socket.bytesWritten)
    assert.equal(stats.bytesWritten, connection.socket.bytesRead)
    assert.equal(stats.requestsAborted, 0)
    connection.destroy()
  })

  test('have their time split into accept, queue, handler and write', async () => {
    const held: TestRequest[] = []
    const block = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60)
    const server = start({
      handle(req) {
        if (req.target === '/block') block()
        if (req.target === '/hold') held.push(req)
        else req.answer('')
      },
    })
    const connection = await connect(server)
    // Its head comes in two pieces: the second is sent when the server has seen the first.
    connection.write('GET /block HT')
    await server.until('a head begun', (stats) => isOnly(stats, 'reading'))
    connection.write('TP/1.1\r\nHost: x\r\n\r\n')
    // Behind it in the ring of the worker, which is blocked meanwhile.
    const second = await connect(server)
    second.write(message('GET', '/'))
    await connection.readResponse()
    await second.readResponse()
    const { durations } = await server.until('both ended', hasEnded(2))
    for (const name of ['accept', 'queue', 'handler', 'write', 'total'] as const)
      assert.equal(count(durations[name]), 2, name)
    assert.ok(durations.accept.sumUs > 0)
    assert.ok(durations.handler.sumUs >= 60_000, `handler ${durations.handler.sumUs}`)
    const parts = durations.accept.sumUs + durations.queue.sumUs + durations.handler.sumUs + durations.write.sumUs
    assert.equal(parts, durations.total.sumUs)
    connection.destroy()
    second.destroy()
  })

  test('that wait for a worker show as waiting, with the age of the oldest', async () => {
    const held: TestRequest[] = []
    const server = start({ inFlightMax: 1, handle: (req) => held.push(req) })
    const first = await connect(server)
    first.write(message('GET', '/'))
    await server.until('one started', () => held.length === 1)
    const second = await connect(server)
    second.write(message('GET', '/'))
    await server.until('one waiting', (stats) => stats.requestsWaiting === 1 && stats.oldestWaitingMs >= 10)
    held[0].answer('')
    await first.readResponse()
    await server.until(
      'none waiting',
      (stats) => held.length === 2 && stats.requestsWaiting === 0 && stats.oldestWaitingMs === 0,
    )
    held[1].answer('')
    await second.readResponse()
    const { durations } = await server.until('both ended', hasEnded(2))
    assert.ok(durations.queue.sumUs >= 10_000)
    first.destroy()
    second.destroy()
  })

  test('are aborted when the client leaves before, or within, the response', async () => {
    const held: TestRequest[] = []
    const server = start({ handle: (req) => held.push(req) })
    const before = await connect(server)
    before.write(message('GET', '/'))
    await server.until('one started', () => held.length === 1)
    before.socket.resetAndDestroy()
    const within = await connect(server)
    within.write(message('GET', '/'))
    await server.until('another started', () => held.length === 2)
    held[1].write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n', false)
    await within.readUntil('\r\n\r\n')
    within.socket.resetAndDestroy()
    const stats = await server.until('both ended', hasEnded(2))
    assert.equal(stats.requestsAborted, 2)
    assert.deepEqual(stats.responses, [
      { method: 'GET', statusClass: 0, count: 1 },
      { method: 'GET', statusClass: 2, count: 1 },
    ])
  })
})

describe('refusals', () => {
  test('are counted by reason', async () => {
    const server = start({ handle: (req) => req.answer('') })
    assert.equal((await request(server, 'GET / HTTP/1.1\r\n\r\n')).status, 400)
    assert.equal((await request(server, 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n')).status, 400)
    const chunk = 'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZ\r\n'
    assert.equal((await request(server, chunk)).status, 400)
    const stats = await server.until('three ended', hasEnded(3))
    assert.equal(stats.parseErrors.missing_host, 1)
    assert.equal(stats.parseErrors.bad_host, 1)
    assert.equal(stats.parseErrors.bad_chunk_size, 1)
    assert.equal(stats.rejected[400], 3)
    assert.deepEqual(stats.responses, [
      { method: 'POST', statusClass: 4, count: 1 },
      { method: '', statusClass: 4, count: 2 },
    ])
  })

  test('of a full queue and of a wait too long are told apart', async () => {
    const server = start({ limits: { requestQueueMax: 1, queueTimeoutMs: 50 } })
    const waits = get(server)
    await server.until('one queued', (stats) => stats.requestsQueued === 1)
    assert.equal((await get(server)).status, 503)
    assert.equal((await waits).status, 503)
    const { shed, requestsShed } = server.stats()
    assert.deepEqual({ shed, requestsShed }, { shed: { queue_full: 1, queue_timeout: 1 }, requestsShed: 2 })
  })

  test('of clients that take too long are told apart', async () => {
    const server = start({
      limits: { headerTimeoutMs: 150, bodyTimeoutMs: 150, keepAliveMs: 150 },
      handle: (req) => req.answer(''),
    })
    const idle = await connect(server)
    idle.write(message('GET', '/'))
    await idle.readResponse()
    await idle.readToEnd()
    assert.equal((await request(server, 'GET / HT')).status, 408)
    assert.equal((await request(server, 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab')).status, 408)
    const { timeouts } = await server.until('three ended', hasEnded(3))
    const none = { body_rate: 0, write: 0, write_rate: 0, request: 0 }
    assert.deepEqual(timeouts, { ...none, header: 1, body: 1, keep_alive: 1 })
  })
})

describe('gauges', () => {
  test('show what each connection is doing, and return to nothing', async () => {
    const held: TestRequest[] = []
    const server = start({ handle: (req) => held.push(req) })
    const connection = await connect(server)
    await server.until('new', (stats) => isOnly(stats, 'new'))
    connection.write('GET / HTTP/1.1\r\n')
    await server.until('reading', (stats) => isOnly(stats, 'reading'))
    connection.write('Host: x\r\n\r\n')
    await server.until('handling', (stats) => isOnly(stats, 'handling') && held.length === 1)
    connection.pause()
    // More than the buffers of both ends hold.
    held[0].answer(Buffer.alloc(32 * 1024 * 1024))
    await server.until('writing', (stats) => isOnly(stats, 'writing'))
    assert.equal(server.stats().requestsInFlight, 1)
    connection.resume()
    await connection.readResponse()
    await server.until('idle', (stats) => isOnly(stats, 'idle') && stats.requestsInFlight === 0)
    connection.end()
    await server.until('gone', (stats) => phases.every((phase) => stats.connections[phase] === 0))
  })

  test('show what waits in the accept queue', { skip: process.platform !== 'linux' }, async () => {
    const server = start({ limits: { connectionsMax: 1 } })
    const connections = [await connect(server), await connect(server), await connect(server)]
    const stats = await server.until('two waiting', ({ listeners }) => listeners[0].backlog === 2)
    assert.equal(stats.listeners[0].port, server.port)
    assert.equal(stats.listeners[0].backlogMax, 100)
    for (const connection of connections) connection.destroy()
  })
})

describe('health checks', () => {
  const health = { forwardedAllowIps: [], forwardedSocket: false, proxyProtocol: 'off', proxyAllowFrom: [] } as const
  const status = async (server: TestServer, path: string) => (await get(server, path)).status

  test('say ready when they are told so, and not while draining', async () => {
    const held: TestRequest[] = []
    const server = start({ edge: { ...health, healthPrefix: '/health' }, handle: (req) => held.push(req) })
    assert.equal(await status(server, '/health/live'), 200)
    assert.equal(await status(server, '/health/ready'), 503)
    server.server.setReady(true)
    assert.equal(await status(server, '/health/ready'), 200)
    server.server.setReady(false)
    assert.equal(await status(server, '/health/ready'), 503)
    server.server.setReady(true)
    // A request on its way keeps a connection; another asks on one that is new to the server.
    const busy = await connect(server)
    busy.write(message('GET', '/'))
    await server.until('one started', () => held.length === 1)
    const probe = await connect(server)
    await server.until('a new one', (stats) => stats.connections.new === 1)
    server.server.drain()
    probe.write(message('GET', '/health/ready'))
    const answer = await probe.readResponse()
    assert.equal(answer.status, 503)
    assert.equal(answer.headers.connection, 'close')
    held[0].answer('')
    await busy.readResponse()
  })
})
