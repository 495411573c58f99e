/**
 * Promise: an operator renews certificates by a reload that no client notices, and a bad one changes nothing; addresses,
 * log, metrics and status say what goes on; stops, upgrades, proxies and unix sockets are as without TLS.
 */
import assert from 'node:assert/strict'
import { randomBytes, X509Certificate } from 'node:crypto'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { ctl } from '../control/fixtures/control.js'
import { asked, eventually } from '../support/deadline.js'
import { freePort } from '../support/free-port.js'
import { runHornet, startHornet } from '../support/hornet.js'
import { connect as connectPlain, get as getPlain, message, request } from '../support/http.js'
import { startLoad } from '../support/load.js'
import { isThere, until } from '../support/until.js'
import {
  app,
  cert,
  configFolder,
  connectSecurely,
  getSecurely,
  pem,
  type SecureConnection,
  serverCertificate,
  startTls,
} from './support.js'
import { openWire } from './wire.js'

const folder = mkdtempSync(join(tmpdir(), 'hornet-tls-operation-'))
after(() => rmSync(folder, { recursive: true }))
const alert = 21

const serialOf = ({ tls }: SecureConnection) => tls.getPeerX509Certificate()?.serialNumber

async function servedSerial(where: { port: number }): Promise<string | undefined> {
  const connection = await connectSecurely(where)
  const serial = serialOf(connection)
  connection.destroy()
  return serial
}

async function textOf(connection: SecureConnection, path = '/'): Promise<string> {
  connection.write(message('GET', path))
  return (await connection.readResponse()).text
}

/** Files that are renewed in place, as an ACME client does it, and what the last reload came to. */
async function startRenewable(name: string, ...args: string[]) {
  const [certfile, keyfile, control] = ['pem', 'key', 'sock'].map((end) => join(folder, `${name}.${end}`))
  const renew = (from: string) => {
    copyFileSync(cert(`${from}.pem`), certfile)
    copyFileSync(cert(`${from}.key`), keyfile)
  }
  renew('server')
  const hornet = await startHornet({
    app,
    args: ['--workers', '2', '--certfile', certfile, '--keyfile', keyfile, '--control', `unix:${control}`, ...args],
  })
  const reload = () => request({ path: control }, message('POST', '/reload'))
  return { hornet, certfile, keyfile, control, renew, reload }
}

describe('a reload', () => {
  test('brings a new certificate to new connections; old ones go on, and no request fails', async () => {
    const { hornet, renew, reload } = await startRenewable('renewed')
    await using _ = hornet
    const load = await startLoad({ target: hornet, open: () => connectSecurely(hornet), connections: 8 })
    const old = await connectSecurely(hornet)
    const first = serialOf(old)
    for (const name of ['next', 'server', 'next']) {
      await load.progress(50)
      renew(name)
      assert.equal((await reload()).status, 200)
    }
    const second = await servedSerial(hornet)
    assert.ok(first !== undefined && second !== undefined && first !== second)
    assert.equal(await textOf(old), 'hello\n')
    old.destroy()
    await load.progress(50)
    const { failures, closed } = await load.stop()
    assert.deepEqual({ failures, closed }, { failures: 0, closed: 0 })
  })

  test('with a certificate that cannot serve fails and says why, and the old one goes on', async () => {
    const { hornet, certfile, keyfile, renew, reload } = await startRenewable('broken')
    await using _ = hornet
    const first = await servedSerial(hornet)
    copyFileSync(cert('next.pem'), certfile)
    const refused = await reload()
    assert.equal(refused.status, 422)
    const { detail } = JSON.parse(refused.text)
    assert.equal(detail, `--keyfile: the key in ${keyfile} does not belong to the certificate in ${certfile}`)
    await hornet.waitForLog(/\[error\] reload failed, the old workers go on: --keyfile: the key in /)
    assert.equal(await servedSerial(hornet), first)
    renew('expired')
    assert.equal((await reload()).status, 200)
    await hornet.waitForLog(/\[warn\] --certfile: the certificate in \S+ expired on 2002-01-01\n/)
  })

  test('that cannot load the application leaves the certificate as it was', async () => {
    const { hornet, renew, reload } = await startRenewable('unloaded', '--config', configWithHook())
    await using _ = hornet
    const first = await servedSerial(hornet)
    renew('next')
    assert.equal((await reload()).status, 422)
    assert.equal(await servedSerial(hornet), first)
  })

  test('takes other files, hosts and demands, but turns TLS neither on nor off', async () => {
    const { path, write } = configFolder()
    write({})
    await using hornet = await startHornet({ app, args: ['--config', path] })
    await hornet.waitForLog(/worker 1 ready/)
    write({ sni: { 'www.shop.example': `${cert('shop.pem')},${cert('shop.key')}` }, tlsMinVersion: 'TLSv1.3' })
    hornet.signal('SIGHUP')
    await hornet.waitForLog(/reloaded: generation 2\n/)
    const connection = await connectSecurely(hornet, { servername: 'www.shop.example' })
    assert.equal(connection.tls.getPeerCertificate().subject.CN, 'shop')
    connection.destroy()
    await assert.rejects(connectSecurely(hornet, { maxVersion: 'TLSv1.2' }))
    write({ certfile: undefined, keyfile: undefined })
    hornet.signal('SIGHUP')
    await hornet.waitForLog(/reloaded: generation 3\n/)
    assert.match(hornet.stderr, /\[warn\] --certfile was changed and stays as it is: that takes a restart\n/)
    assert.equal(await servedSerial(hornet), serverSerial())
  })

  test('of a server without TLS does not turn it on', async () => {
    const { path, write } = configFolder()
    write({ certfile: undefined, keyfile: undefined })
    await using hornet = await startHornet({ app, args: ['--config', path] })
    await hornet.waitForLog(/worker 1 ready/)
    write({})
    hornet.signal('SIGHUP')
    await hornet.waitForLog(
      /--keyfile was changed and stays as it is: that takes a restart\n[\s\S]*reloaded: generation 2\n/,
    )
    assert.equal((await getPlain(hornet)).text, 'hello\n')
  })
})

function serverSerial(): string {
  return new X509Certificate(readFileSync(cert('server.pem'))).serialNumber
}

/** The first generation loads, and no other. */
function configWithHook(): string {
  const path = join(folder, 'once.config.mjs')
  writeFileSync(
    path,
    `export default {
  workerInit({ generation }) {
    if (generation > 1) throw new Error('no second generation')
  },
}`,
  )
  return path
}

test('addresses are told as https, and certificates and handshakes counted', async () => {
  const { hornet, control, certfile } = await startRenewable(
    ...(['told', '--sni', `${cert('shop.pem')},${cert('shop.key')}`] as const),
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
  await assert.rejects(connectSecurely(hornet, { ALPNProtocols: ['h2'] }))
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

test('USR2: a new process takes over, with the certificate of now', async () => {
  const { hornet, renew } = await startRenewable('upgraded')
  await using _ = hornet
  const load = await startLoad({ target: hornet, open: () => connectSecurely(hornet), connections: 8, reconnect: true })
  await load.progress(100)
  const first = await servedSerial(hornet)
  renew('next')
  hornet.signal('SIGUSR2')
  const [, text] = await hornet.waitForLog(/process (\d+) serves: this one leaves/)
  const pid = Number(text)
  await hornet.waitForLog(new RegExp(`\\[${hornet.pid}\\] \\[info\\] stopped\\n`))
  await load.progress(100)
  assert.equal((await load.stop()).failures, 0)
  assert.notEqual(await servedSerial(hornet), first)
  process.kill(pid, 'SIGTERM')
  await hornet.waitForLog(new RegExp(`\\[${pid}\\] \\[info\\] stopped\\n`))
  await until(() => !isThere(pid), 'end of the new process')
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
