/**
 * Promise: who a client is comes from its connection, and from others only as far as the operator trusts them.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, test } from 'node:test'
import { eventually } from '../support/deadline.js'
import { type Hornet, startHornet } from '../support/hornet.js'
import { connect, get, message, type RawConnection, type Target } from '../support/http.js'

const app = 'test/proxies/fixtures/app.mjs'

let folder = ''
let running: Hornet | undefined
afterEach(async () => {
  await running?.stop()
  running = undefined
  if (folder !== '') rmSync(folder, { recursive: true })
  folder = ''
})

/** A server that logs the client's address alone; `clients` waits until there are so many. */
async function start(...args: string[]) {
  folder = mkdtempSync(join(tmpdir(), 'hornet-proxies-'))
  const path = join(folder, 'access.log')
  const log = ['--access-logfile', path, '--access-logformat', '%(h)s']
  const hornet = await startHornet({ app, args: ['--workers', '1', ...log, ...args] })
  running = hornet
  const clients = (count: number) =>
    eventually(`${count} lines`, () => {
      const lines = readFileSync(path, 'latin1').split('\n').slice(0, -1)
      return lines.length === count ? lines : undefined
    })
  return { hornet, clients }
}

const seen = async (target: Target, fields?: Record<string, string>) =>
  JSON.parse((await get(target, '/', fields)).text)

async function ask(connection: RawConnection, fields: Record<string, string> = {}) {
  connection.write(message('GET', '/', fields))
  return JSON.parse((await connection.readResponse()).text)
}

const proxied = { 'X-Forwarded-For': '192.0.2.66, 192.0.2.7', 'X-Forwarded-Proto': 'https' }

describe('forwarded fields', () => {
  test('are believed from this machine for the log, and hidden from req.socket', async () => {
    const { hornet, clients } = await start()
    const { remoteAddress, encrypted } = await seen(hornet, proxied)
    assert.deepEqual({ remoteAddress, encrypted }, { remoteAddress: '127.0.0.1', encrypted: false })
    await seen(hornet, { Forwarded: 'for="[2001:db8::7]:80"' })
    await seen(hornet, { 'X-Forwarded-For': 'nonsense' })
    assert.deepEqual(await clients(3), ['192.0.2.7', '2001:db8::7', '127.0.0.1'])
  })

  test('are nothing from peers that are not trusted', async () => {
    const { hornet, clients } = await start('--forwarded-allow-ips', '10.0.0.0/8', '--forwarded-socket')
    const { remoteAddress, encrypted } = await seen(hornet, proxied)
    assert.deepEqual({ remoteAddress, encrypted }, { remoteAddress: '127.0.0.1', encrypted: false })
    assert.deepEqual(await clients(1), ['127.0.0.1'])
  })

  test('are believed hop by hop as far as hops are trusted', async () => {
    const { hornet, clients } = await start('--forwarded-allow-ips', '127.0.0.0/8,10.0.0.0/8')
    await seen(hornet, { 'X-Forwarded-For': '192.0.2.66, 192.0.2.7, 10.1.1.1' })
    assert.deepEqual(await clients(1), ['192.0.2.7'])
  })

  test('are shown as the socket of each request, on one connection too', async () => {
    const { hornet } = await start('--forwarded-socket')
    const connection = await connect(hornet)
    const first = await ask(connection, { 'X-Forwarded-For': '192.0.2.7:4711', 'X-Forwarded-Proto': 'https' })
    assert.deepEqual(first, {
      remoteAddress: '192.0.2.7',
      remotePort: 4711,
      remoteFamily: 'IPv4',
      encrypted: true,
    })
    const second = await ask(connection, { Forwarded: 'for="[2001:db8::8]";proto=http' })
    assert.deepEqual(second, {
      ...first,
      remoteAddress: '2001:db8::8',
      remotePort: 0,
      remoteFamily: 'IPv6',
      encrypted: false,
    })
    const { remoteAddress, encrypted } = await ask(connection)
    assert.deepEqual({ remoteAddress, encrypted }, { remoteAddress: '127.0.0.1', encrypted: false })
    connection.destroy()
  })

  test('are believed over a unix socket', async () => {
    folder = mkdtempSync(join(tmpdir(), 'hornet-proxies-'))
    const path = join(folder, 'socket')
    const hornet = await startHornet({
      app,
      listeners: 0,
      args: ['--workers', '1', '--bind', `unix:${path}`, '--forwarded-socket'],
    })
    running = hornet
    await hornet.waitForLog(/unix:/)
    const { remoteAddress } = await seen({ path }, proxied)
    assert.equal(remoteAddress, '192.0.2.7')
  })
})

const v2 = (command: number, family: number, rest: Buffer) =>
  Buffer.concat([
    Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1'),
    Buffer.from([0x20 | command, family, rest.length >> 8, rest.length & 255]),
    rest,
  ])
const inet4 = Buffer.from([192, 0, 2, 7, 10, 0, 0, 1, 0x12, 0x67, 0x01, 0xbb])

describe('the PROXY protocol', () => {
  test('names the client of a connection, in either version', async () => {
    const { hornet, clients } = await start('--proxy-protocol', 'auto')
    const wanted = {
      remoteAddress: '192.0.2.7',
      remotePort: 4711,
      remoteFamily: 'IPv4',
      encrypted: false,
    }
    for (const header of [Buffer.from('PROXY TCP4 192.0.2.7 10.0.0.1 4711 443\r\n'), v2(1, 0x11, inet4)]) {
      const connection = await connect(hornet)
      // Header and request in one piece, and the next request on the same connection.
      connection.write(Buffer.concat([header, message('GET', '/')]))
      assert.deepEqual(JSON.parse((await connection.readResponse()).text), wanted)
      // The client is no proxy of ours, whatever its own fields say.
      assert.deepEqual(await ask(connection, proxied), wanted)
      connection.destroy()
    }
    // A health check of the proxy's own.
    const own = await connect(hornet)
    own.write(v2(0, 0, Buffer.alloc(0)))
    assert.equal((await ask(own)).remoteAddress, '127.0.0.1')
    own.destroy()
    assert.deepEqual(await clients(5), ['192.0.2.7', '192.0.2.7', '192.0.2.7', '192.0.2.7', '127.0.0.1'])
  })

  test('is required once asked for, in that version, in time, and well-formed', async () => {
    const { hornet } = await start('--proxy-protocol', 'v1', '--header-timeout', '200ms')
    const refused = [
      'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
      v2(1, 0x11, inet4),
      'PROXY TCP4 192.0.2.7 10.0.0.1 4711\r\n',
      'PROXY TC',
    ]
    for (const bytes of refused) {
      const connection = await connect(hornet)
      connection.write(bytes)
      assert.equal((await connection.readToEnd()).length, 0)
    }
    const connection = await connect(hornet)
    for (const byte of 'PROXY TCP4 192.0.2.7 10.0.0.1 4711 443\r\n') connection.write(byte)
    assert.equal((await ask(connection)).remoteAddress, '192.0.2.7')
    connection.destroy()
  })

  test('is taken from the peers that may speak it alone', async () => {
    const { hornet } = await start('--proxy-protocol', 'auto', '--proxy-allow-from', '10.0.0.0/8')
    const connection = await connect(hornet)
    assert.equal((await connection.readToEnd()).length, 0)
  })
})

describe('health checks', () => {
  test('are answered while every worker is blocked', async () => {
    const { hornet } = await start('--health', '/-/health')
    await hornet.waitForLog(/worker 1 ready/)
    const probe = await connect(hornet)
    const check = async (path: string, method = 'GET') => {
      probe.write(message(method, path))
      return probe.readResponse({ method })
    }
    assert.equal((await check('/-/health/ready')).status, 200)
    const blocked = await connect(hornet)
    blocked.write(message('GET', '/block'))
    await hornet.waitForLog(/blocked/)
    assert.equal((await check('/-/health/live')).text, 'OK\n')
    assert.equal((await check('/-/health/ready')).status, 200)
    assert.equal((await check('/-/health/live', 'HEAD')).status, 200)
    probe.destroy()
    await blocked.readResponse()
  })

  test('are answered while the first worker is loading, and requests wait for it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hornet-health-'))
    const go = join(folder, 'go')
    await using hornet = await startHornet({
      app: 'test/proxies/fixtures/slow-to-load.mjs',
      args: ['--workers', '1', '--health', '/health'],
      env: { GO_FILE: go },
    })
    const early = await connect(hornet)
    early.write(message('GET', '/'))
    assert.equal((await get(hornet, '/health/live')).status, 200)
    assert.equal((await get(hornet, '/health/ready')).status, 503)
    await hornet.waitForLog(/loading/)
    assert.equal((await get(hornet, '/health/ready')).status, 503)
    assert.equal(early.buffered.length, 0)
    writeFileSync(go, '')
    assert.equal((await early.readResponse()).text, 'loaded')
    assert.equal((await get(hornet, '/health/ready')).status, 200)
    early.destroy()
    rmSync(folder, { recursive: true })
  })

  test('leave other paths and methods to the application', async () => {
    const { hornet } = await start('--health', '/health')
    for (const [method, path] of [
      ['GET', '/health'],
      ['GET', '/healthy/live'],
      ['GET', '/health/live/x'],
      ['POST', '/health/live'],
    ]) {
      const connection = await connect(hornet)
      connection.write(message(method, path))
      assert.match((await connection.readResponse({ method })).text, /remoteAddress/)
      connection.destroy()
    }
  })
})
