/**
 * Promise: addresses, log, metrics and status say what goes on; limits, stops, upgrades, proxies, files and unix sockets
 * are as without TLS.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { ctl } from '../control/fixtures/control.js'
import { asked, eventually } from '../support/deadline.js'
import { freePort } from '../support/free-port.js'
import { runHornet, startHornet } from '../support/hornet.js'
import { connect as connectPlain, get as getPlain, message } from '../support/http.js'
import {
  app,
  cert,
  connectSecurely,
  getSecurely,
  pem,
  serialOf,
  serverCertificate,
  serverSerial,
  startRenewable,
  startTls,
  textOf,
} from './support.js'
import { openWire } from './wire.js'

const folder = mkdtempSync(join(tmpdir(), 'hornet-tls-operation-'))
after(() => rmSync(folder, { recursive: true }))
const alert = 21

test('addresses are told as https, and certificates and handshakes counted', async () => {
  const { hornet, control, certfile } = await startRenewable(
    ...([folder, 'told', '--sni', `${cert('shop.pem')},${cert('shop.key')}`] as const),
    ...['--cert-reqs', 'required', '--ca-certs', cert('ca.pem')],
  )
  await using _ = hornet
  await hornet.waitForLog(new RegExp(`listening {2}https://127\\.0\\.0\\.1:${hornet.port}\n`))
  const known = { cert: pem('client.pem'), key: pem('client.key'), maxVersion: 'TLSv1.2' } as const
  const first = await connectSecurely(hornet, known)
  const session = first.tls.getSession()
  await textOf(first)
  first.destroy()
  assert.ok(session)
  await getSecurely(hornet, '/', { session, ...known })
  await getPlain(hornet)
  await assert.rejects(connectSecurely(hornet, { ALPNProtocols: ['acme-tls/1'] }))
  await assert.rejects(
    connectSecurely(hornet, { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'ALL@SECLEVEL=0' }),
  )
  await assert.rejects(connectSecurely(hornet, { maxVersion: 'TLSv1.2' }), 'no certificate')
  const garbage = await connectPlain(hornet)
  // A record with a message that no handshake begins with.
  garbage.write(Buffer.from([22, 3, 1, 0, 5, 9, 0, 0, 1, 0]))
  await garbage.readToEnd().catch(() => {})

  const ask = async (path: string) => (await getPlain({ path: control }, path)).text
  const failures = { protocol: 2, certificate: 1, plain_http: 1, malformed: 1 }
  let status = JSON.parse(await ask('/status'))
  await asked(
    'count of all failures',
    async () => {
      status = JSON.parse(await ask('/status'))
      return isDeepStrictEqual(status.tls.failures, failures)
    },
    () => JSON.stringify(status.tls),
  )
  assert.deepEqual(status.addresses, [`https://127.0.0.1:${hornet.port}`])
  assert.deepEqual(status.tls, {
    ...{ handshakes: 2, resumed: 1, failures },
    certificates: [certfile, cert('shop.pem')].map((file) => ({ file, expiresAt: '2120-01-01T00:00:00.000Z' })),
  })
  const metrics = await ask('/metrics')
  for (const line of [
    'hornet_tls_handshakes_total{resumed="yes"} 1',
    'hornet_tls_handshakes_total{resumed="no"} 1',
    ...Object.entries(failures).map(([reason, n]) => `hornet_tls_handshake_failures_total{reason="${reason}"} ${n}`),
    `hornet_tls_certificate_expiry_seconds{file="${certfile}"} ${Date.UTC(2120, 0, 1) / 1000}`,
    `hornet_listener_backlog_max{listener="https://127.0.0.1:${hornet.port}"} 2048`,
  ]) {
    assert.ok(metrics.includes(`${line}\n`), `${line} in\n${metrics}`)
  }
  const { stdout: shown } = await ctl(['status'], { HORNET_CONTROL: `unix:${control}` })
  assert.match(shown, /^listening {3}https:/m)
  assert.match(shown, /^tls {9}2 handshakes, 1 resumed, 5 failed\ncertificate \S+told\.pem, until 2120-01-01/m)
})

test('limits of time end connections as without TLS', async () => {
  const times = ['--write-timeout', '300ms', '--body-timeout', '300ms', '--keep-alive', '300ms']
  const control = join(folder, 'times.sock')
  await using hornet = await startTls([...times, '--control', `unix:${control}`])
  const idle = await openWire(hornet)
  const idling = await connectSecurely(hornet, { socket: idle, maxVersion: 'TLSv1.2' })
  assert.equal(await textOf(idling), 'hello\n')
  const slow = await connectSecurely(hornet)
  slow.write(message('POST', '/hash', { 'Content-Length': '10' }))
  const stuck = await connectSecurely(hornet)
  stuck.pause()
  stuck.write(message('GET', '/stream?length=64000000&piece=100000'))
  assert.equal((await idling.readToEnd()).length, 0)
  assert.equal(idle.recordTypes().at(-1), alert)
  assert.equal((await slow.readResponse()).status, 408)
  await slow.readToEnd()
  await asked('write that timed out', async () =>
    /^hornet_timeouts_total\{reason="write"\} 1$/m.test((await getPlain({ path: control }, '/metrics')).text),
  )
  stuck.resume()
  // Cut short, and not by an end in good order.
  await assert.rejects(stuck.readResponse())
  stuck.destroy()
})

test('a response that its worker does not end does not look whole', async () => {
  await using hornet = await startTls()
  const wire = await openWire(hornet)
  const connection = await connectSecurely(hornet, { socket: wire, maxVersion: 'TLSv1.2' })
  connection.write('GET /die HTTP/1.0\r\n\r\n')
  await connection.readUntil('half of it')
  await connection.readToEnd().catch(() => {})
  assert.notEqual(wire.recordTypes().at(-1), alert, 'no close_notify')
})

test('files of --static, and --health, are served as without TLS', async () => {
  const content = randomBytes(5_000_000)
  const files = join(folder, 'files')
  mkdirSync(files)
  writeFileSync(join(files, 'large.bin'), content)
  writeFileSync(join(files, 'small.txt'), 'small')
  await using hornet = await startTls(['--static', `/files=${files}`, '--health', '/health'])
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const connection = await connectSecurely(hornet, { maxVersion })
    assert.equal(await textOf(connection, '/health/live'), 'OK\n')
    assert.equal(await textOf(connection, '/files/small.txt'), 'small')
    connection.write(message('GET', '/files/large.bin', { Range: 'bytes=16380-3000000' }))
    const part = await connection.readResponse()
    assert.equal(part.status, 206)
    assert.ok(part.body.equals(content.subarray(16_380, 3_000_001)))
    connection.pause()
    connection.write(Buffer.concat([message('GET', '/files/large.bin'), message('GET', '/')]))
    await getSecurely(hornet)
    connection.resume()
    assert.ok((await connection.readResponse()).body.equals(content))
    assert.equal((await connection.readResponse()).text, 'hello\n')
    connection.destroy()
  }
})

test('the access log has requests as without TLS', async () => {
  const path = join(folder, 'access.log')
  await using hornet = await startTls(['--access-logfile', path, '--access-logformat', '%(h)s "%(r)s" %(s)s %(B)s'])
  await getSecurely(hornet, '/bytes?length=40000')
  await getPlain(hornet)
  await eventually('two lines', () => readFileSync(path, 'latin1').split('\n').length === 3 || undefined)
  assert.match(readFileSync(path, 'latin1'), /^127\.0\.0\.1 "GET \/bytes\?length=40000 HTTP\/1\.1" 200 40000\n.* 400 /)
})

test('a graceful stop lets requests finish, and takes its leave by close_notify', async () => {
  await using hornet = await startTls([], { app: 'test/signals/fixtures/app.mjs' })
  const idle = await openWire(hornet)
  const idling = await connectSecurely(hornet, { socket: idle, maxVersion: 'TLSv1.2' })
  assert.equal(await textOf(idling), 'first')
  const held = await openWire(hornet)
  const holding = await connectSecurely(hornet, { socket: held, maxVersion: 'TLSv1.2' })
  // Too large to be gathered: the application begins, and answers when it has all.
  const body = Buffer.alloc(200_000, 'x')
  holding.write(message('POST', '/hold', { 'Content-Length': String(body.length) }))
  holding.write(body.subarray(0, 100_000))
  await holding.readUntil('begun;')
  hornet.signal('SIGTERM')
  assert.equal((await idling.readToEnd()).length, 0)
  assert.equal(idle.recordTypes().at(-1), alert)
  holding.write(body.subarray(100_000))
  await holding.readUntil('done')
  await holding.readToEnd()
  assert.equal(held.recordTypes().at(-1), alert)
  assert.deepEqual(await hornet.exited, { code: 0, signal: null })
})

describe('elsewhere than on a TCP port of its own', () => {
  test('unix sockets speak TLS as well', async () => {
    const path = join(folder, 'app.sock')
    await using hornet = await startHornet({
      ...{ app, listeners: 0 },
      args: ['--workers', '1', '--bind', `unix:${path}`, ...serverCertificate],
    })
    await hornet.waitForLog(/worker 1 ready/)
    const { encrypted, protocol } = JSON.parse((await getSecurely({ path }, '/tls')).text)
    assert.deepEqual([encrypted, protocol], [true, 'TLSv1.3'])
  })

  test('the PROXY protocol goes before TLS, in either version', async () => {
    await using hornet = await startTls(['--proxy-protocol', 'auto'])
    const address = Buffer.from([192, 0, 2, 7, 10, 0, 0, 1, 0x12, 0x67, 0x01, 0xbb])
    const v2 = Buffer.concat([Buffer.from('\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c', 'latin1'), address])
    for (const ahead of ['PROXY TCP4 192.0.2.7 10.0.0.1 4711 443\r\n', v2]) {
      for (const isDribbling of [false, true]) {
        const wire = await openWire(hornet, { ahead, isDribbling })
        const connection = await connectSecurely(hornet, { socket: wire })
        const seen = JSON.parse(await textOf(connection, '/tls'))
        assert.deepEqual([seen.remoteAddress, seen.encrypted], ['192.0.2.7', true])
        connection.destroy()
      }
    }
    await assert.rejects(connectSecurely(hornet), 'without a header')
  })

  test('fields of a trusted proxy that speaks TLS are believed', async () => {
    await using hornet = await startTls(['--forwarded-socket'])
    const connection = await connectSecurely(hornet)
    connection.write(message('GET', '/tls', { 'X-Forwarded-For': '192.0.2.7', 'X-Forwarded-Proto': 'https' }))
    const seen = JSON.parse((await connection.readResponse()).text)
    assert.deepEqual([seen.remoteAddress, seen.encrypted, seen.protocol], ['192.0.2.7', true, 'TLSv1.3'])
    connection.write(message('GET', '/tls', { 'X-Forwarded-For': '192.0.2.7', 'X-Forwarded-Proto': 'http' }))
    const plain = JSON.parse((await connection.readResponse()).text)
    assert.deepEqual([plain.encrypted, plain.protocol], [undefined, 'TLSv1.3'], 'as its client came to it')
    assert.equal(JSON.parse(await textOf(connection, '/tls')).encrypted, true, 'its own request')
    connection.destroy()
  })
})

describe('a script with an https server that listens', () => {
  const listening = 'test/tls/fixtures/listening.mjs'

  test('is served with the certificate of the server', async () => {
    const port = await freePort()
    await using hornet = await startHornet({
      listeners: 0,
      args: ['--workers', '2', ...serverCertificate, listening, '--', String(port)],
    })
    await hornet.waitForLog(new RegExp(`listening {2}https://127\\.0\\.0\\.1:${port}\n`))
    await hornet.waitForOutput(new RegExp(`listening true ${port}\nlistening true ${port}\n`))
    const connection = await connectSecurely({ port })
    assert.equal(serialOf(connection), serverSerial())
    assert.equal(await textOf(connection), 'true TLSv1.3 localhost')
    connection.destroy()
  })

  test('says how, without one', async () => {
    const { code, stderr } = await runHornet({ args: ['--workers', '1', listening, '--', '0'] })
    assert.equal(code, 3)
    assert.match(
      stderr,
      /https servers cannot listen in a worker by themselves: start hornet with --certfile and --keyfile/,
    )
  })
})
