/**
 * Promise: clients that speak TLS 1.2 or 1.3 are served, each with the certificate for the host that it asks for; those
 * that cannot be are told so, and whatever else comes on the port neither is served nor stays.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, describe, test } from 'node:test'
import { within } from '../support/deadline.js'
import type { Hornet } from '../support/hornet.js'
import { connect as connectPlain, message, request } from '../support/http.js'
import { cert, connectSecurely, getSecurely, refusal, type SecureConnection, startTls } from './support.js'
import { openWire } from './wire.js'

const certificateOf = ({ tls }: SecureConnection) => tls.getPeerCertificate().subject.CN

async function reading(connection: SecureConnection, path = '/') {
  connection.write(message('GET', path))
  return connection.readResponse()
}

/** A session that the server has given to the client for the next time. */
async function sessionOf(where: { port: number }, version: 'TLSv1.2' | 'TLSv1.3'): Promise<Buffer> {
  const connection = await connectSecurely(where, { minVersion: version, maxVersion: version })
  const given = version === 'TLSv1.3' ? (once(connection.tls, 'session') as Promise<[Buffer]>) : undefined
  await reading(connection)
  const [session] = (await (given && within(given, 'session'))) ?? [connection.tls.getSession()]
  connection.destroy()
  assert.ok(session)
  return session
}

describe('a server with certificates for several hosts', () => {
  let hornet: Hornet
  before(async () => {
    hornet = await startTls([
      ...['--sni', `${cert('shop.pem')},${cert('shop.key')}`],
      ...['--sni', `${cert('wild.pem')},${cert('wild.key')}`],
      ...['--sni', `pay.wild.example=${cert('rsa.pem')},${cert('rsa.key')}`],
      ...['--header-timeout', '300ms'],
    ])
  })
  after(() => hornet.stop())

  test('speaks TLS 1.2 and 1.3', async () => {
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const connection = await connectSecurely(hornet, { minVersion: version, maxVersion: version })
      assert.equal(connection.tls.getProtocol(), version)
      assert.ok(connection.tls.authorized, 'the intermediate certificate was sent')
      assert.equal((await reading(connection)).text, 'hello\n')
      connection.destroy()
    }
  })

  test('refuses TLS 1.1', async () => {
    const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const
    assert.equal(await refusal(hornet, old), 'ALERT_PROTOCOL_VERSION')
  })

  test('agrees on HTTP/1.1 with clients that offer protocols', async () => {
    const both = await connectSecurely(hornet, { ALPNProtocols: ['acme-tls/1', 'http/1.1'] })
    assert.equal(both.tls.alpnProtocol, 'http/1.1')
    assert.equal(JSON.parse((await reading(both, '/tls')).text).alpnProtocol, 'http/1.1')
    both.destroy()
    const none = await connectSecurely(hornet)
    assert.equal(none.tls.alpnProtocol, false)
    none.destroy()
    assert.equal(await refusal(hornet, { ALPNProtocols: ['acme-tls/1'] }), 'ALERT_NO_APPLICATION_PROTOCOL')
  })

  test('shows the certificate for the host that is asked for', async () => {
    const hosts = {
      'www.shop.example': 'shop',
      'WWW.Shop.Example': 'shop',
      'a.wild.example': 'wild',
      // More labels than the one that a wildcard stands for, or fewer.
      'a.b.wild.example': 'localhost',
      'wild.example': 'localhost',
      'nobody.example': 'localhost',
      localhost: 'localhost',
      '': 'localhost',
    }
    for (const [servername, subject] of Object.entries(hosts)) {
      const connection = await connectSecurely(hornet, { servername, checkServerIdentity: () => undefined })
      assert.equal(certificateOf(connection), subject, servername)
      const seen = JSON.parse((await reading(connection, '/tls')).text)
      assert.equal(seen.servername, servername === '' ? false : servername)
      connection.destroy()
    }
    const exact = { servername: 'pay.wild.example', checkServerIdentity: () => undefined }
    const paying = await connectSecurely(hornet, exact)
    assert.ok('modulus' in paying.tls.getPeerCertificate(), 'the exact name goes before the wildcard')
    paying.destroy()
  })

  test('resumes sessions', async () => {
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const session = await sessionOf(hornet, version)
      const options = { session, minVersion: version, maxVersion: version } as const
      const connection = await connectSecurely(hornet, options)
      assert.ok(connection.tls.isSessionReused(), version)
      const seen = JSON.parse((await reading(connection, '/tls')).text)
      assert.deepEqual([seen.isReused, seen.protocol, seen.servername], [true, version, 'localhost'])
      connection.destroy()
    }
  })

  test('answers HTTP without TLS with 400, and closes', async () => {
    const connection = await connectPlain(hornet)
    connection.write(message('GET', '/'))
    const { status, headers } = await connection.readResponse()
    assert.deepEqual([status, headers.connection], [400, 'close'])
    await connection.readToEnd()
    const posted = await request(hornet, message('POST', '/hash', {}, 'x'.repeat(1000)))
    assert.equal(posted.status, 400)
  })

  test('closes what is no handshake', async () => {
    for (const garbage of [
      Buffer.alloc(64, 0xff),
      Buffer.from('SSH-2.0-OpenSSH_9.9\r\n'),
      Buffer.from([22, 3, 1, 0, 4, 1, 0, 0, 9]),
    ]) {
      const connection = await connectPlain(hornet)
      connection.write(garbage)
      connection.end()
      // An alert, or a reset; never an answer.
      const answer = await connection.readToEnd().catch(() => Buffer.alloc(0))
      assert.doesNotMatch(answer.toString('latin1'), /^HTTP\/1\.1 [^4]/)
    }
    assert.equal((await getSecurely(hornet)).status, 200)
  })

  test('takes a handshake byte by byte', async () => {
    const wire = await openWire(hornet, { isDribbling: true })
    const connection = await connectSecurely(hornet, { socket: wire })
    assert.equal((await reading(connection)).text, 'hello\n')
    connection.destroy()
  })

  test('is left amid a handshake by many, and serves on', async () => {
    const wire = await openWire(hornet)
    const connection = await connectSecurely(hornet, { socket: wire })
    const [hello] = wire.sent
    connection.destroy()
    for (const length of [1, 5, hello.length - 1, hello.length]) {
      for (const isReset of [true, false]) {
        const leaving = await connectPlain(hornet)
        leaving.write(hello.subarray(0, length))
        if (isReset) leaving.reset()
        else leaving.destroy()
      }
    }
    assert.equal((await getSecurely(hornet)).status, 200)
  })

  test('ends a client that says nothing, or stops in its handshake, by --header-timeout', async () => {
    const wire = await openWire(hornet)
    const connection = await connectSecurely(hornet, { socket: wire })
    const [hello] = wire.sent
    connection.destroy()
    const beginnings = [Buffer.alloc(0), hello.subarray(0, 100), hello]
    const waiting = await Promise.all(
      beginnings.map(async (bytes) => {
        const silent = await connectPlain(hornet)
        silent.write(bytes)
        return silent
      }),
    )
    await Promise.all(waiting.map((silent) => silent.readToEnd()))
    // The head of a request as well, behind a handshake.
    const slow = await connectSecurely(hornet)
    slow.write('GET / HTTP/1.1\r\n')
    assert.equal((await slow.readResponse()).status, 408)
    slow.destroy()
  })
})

test('--ciphers and --tls-min-version choose', async () => {
  const ciphers = 'ECDHE-ECDSA-AES128-GCM-SHA256:TLS_AES_128_GCM_SHA256'
  await using hornet = await startTls(['--ciphers', ciphers])
  const cipherWith = async (maxVersion: 'TLSv1.2' | 'TLSv1.3') =>
    JSON.parse((await getSecurely(hornet, '/tls', { maxVersion })).text).cipher
  assert.deepEqual(await cipherWith('TLSv1.2'), {
    name: 'ECDHE-ECDSA-AES128-GCM-SHA256',
    standardName: 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
    version: 'TLSv1.2',
  })
  assert.deepEqual(await cipherWith('TLSv1.3'), {
    name: 'TLS_AES_128_GCM_SHA256',
    standardName: 'TLS_AES_128_GCM_SHA256',
    version: 'TLSv1.3',
  })
  const other = { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384' } as const
  assert.equal(await refusal(hornet, other), 'ALERT_HANDSHAKE_FAILURE')
  await using newer = await startTls(['--tls-min-version', 'TLSv1.3'])
  assert.equal(await refusal(newer, { maxVersion: 'TLSv1.2' }), 'ALERT_PROTOCOL_VERSION')
  assert.equal((await getSecurely(newer)).status, 200)
})
