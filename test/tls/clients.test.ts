/**
 * Promise: clients show certificates as --cert-reqs has it, and the application sees of them, and of TLS, what it would
 * see on node:https: each answer here is that of the same code in a server of Node's own.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import https, { type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { ConnectionOptions } from 'node:tls'
import { pathToFileURL } from 'node:url'
import { type Hornet, startHornet } from '../support/hornet.js'
import { get as getPlain } from '../support/http.js'
import { root } from '../support/root.js'
import { app, cert, configFolder, connectSecurely, getSecurely, pem, refusal, startTls, type Where } from './support.js'

const authority = ['--ca-certs', cert('ca.pem')]
const client = { cert: pem('client.pem'), key: pem('client.key') }
const chain = { ...client, cert: pem('client-chain.pem') }
const stranger = { cert: pem('stranger.pem'), key: pem('stranger.key') }

/** The same function that the application of these tests calls. */
const { describe: describeSocket } = (await import(
  pathToFileURL(join(root, 'test/tls/fixtures/describe.mjs')).href
)) as { describe: (socket: object) => object }

interface NodeServer extends AsyncDisposable {
  port: number
}

async function startNode(options: ServerOptions): Promise<NodeServer> {
  const server = https.createServer(
    { cert: pem('server.pem'), key: pem('server.key'), ALPNProtocols: ['http/1.1'], ...options },
    (req, res) => res.end(JSON.stringify(describeSocket(req.socket))),
  )
  // What --cert-reqs required does there.
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

async function seen(where: Where, options: ConnectionOptions): Promise<object> {
  const { remoteAddress, ...view } = JSON.parse((await getSecurely(where, '/tls', options)).text)
  return view
}

const views: Record<string, ConnectionOptions> = {
  'TLS 1.2 and no certificate': { maxVersion: 'TLSv1.2' },
  'TLS 1.3 and no certificate': {},
  'protocols to choose from': { ALPNProtocols: ['acme-tls/1', 'http/1.1'] },
  'no name of a host': { servername: '', checkServerIdentity: () => undefined },
  'a certificate, TLS 1.2': { ...client, maxVersion: 'TLSv1.2' },
  'a certificate, TLS 1.3': client,
  'a certificate and its issuer': chain,
  // With an authority of its own a client sends that as well.
  'a certificate alone': { ...client, ca: [], rejectUnauthorized: false },
  'a certificate alone, TLS 1.2': { ...client, ca: [], rejectUnauthorized: false, maxVersion: 'TLSv1.2' },
  'a certificate that nobody trusts': stranger,
}

describe('req.socket is what it is on node:https', () => {
  const requests: Record<string, [string[], ServerOptions]> = {
    none: [[], {}],
    optional: [authority, { ca: pem('ca.pem'), requestCert: true, rejectUnauthorized: false }],
    required: [authority, { ca: pem('ca.pem'), requestCert: true, rejectUnauthorized: true }],
  }
  for (const [certReqs, [more, options]] of Object.entries(requests)) {
    test(`--cert-reqs ${certReqs}`, async () => {
      await using hornet = await startTls(['--cert-reqs', certReqs, ...more])
      await using node = await startNode(options)
      for (const [what, clientOptions] of Object.entries(views)) {
        const isRefused = certReqs === 'required' && ('cert' in clientOptions ? clientOptions === stranger : true)
        if (isRefused) {
          assert.match(await refusal(hornet, clientOptions), /^ALERT_/, what)
          continue
        }
        assert.deepEqual(await seen(hornet, clientOptions), await seen(node, clientOptions), what)
      }
    })
  }
})

test('a client without the certificate that is required is told so', async () => {
  await using hornet = await startTls(['--cert-reqs', 'required', ...authority])
  const reasons = {
    'TLSv1.2': ['ALERT_HANDSHAKE_FAILURE', 'ALERT_UNKNOWN_CA'],
    'TLSv1.3': ['ALERT_CERTIFICATE_REQUIRED', 'ALERT_UNKNOWN_CA'],
  } as const
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const [none, unknown] = reasons[version]
    assert.equal(await refusal(hornet, { maxVersion: version }), none)
    assert.equal(await refusal(hornet, { maxVersion: version, ...stranger }), unknown)
  }
  assert.equal((await getSecurely(hornet, '/', client)).status, 200)
})

test('a session that is resumed has the certificate of its client', async () => {
  await using hornet = await startTls(['--cert-reqs', 'required', ...authority])
  await using node = await startNode({ ca: pem('ca.pem'), requestCert: true })
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const answers: object[] = []
    for (const where of [hornet, node]) {
      const only = { ...client, minVersion: version, maxVersion: version }
      const first = await connectSecurely(where, only)
      const given = once(first.tls, 'session') as Promise<[Buffer]>
      first.write('GET /tls HTTP/1.1\r\nHost: localhost\r\n\r\n')
      await first.readResponse()
      const [session] = version === 'TLSv1.3' ? await given : [first.tls.getSession()]
      first.destroy()
      const { authorized, isReused, peer } = (await seen(where, { ...only, session })) as Record<string, object>
      answers.push({ authorized, isReused, subject: (peer as { subject: object }).subject })
    }
    assert.deepEqual(answers[0], { authorized: true, isReused: true, subject: { CN: 'client' } }, version)
    assert.deepEqual(answers[0], answers[1], version)
  }
})

test('a session without a certificate is not taken for one that has been verified', async () => {
  await using hornet = await startTls(['--cert-reqs', 'optional', ...authority])
  const session = await sessionOf(hornet)
  const { authorized, authorizationError, isReused } = (await seen(hornet, { session })) as Record<string, unknown>
  assert.deepEqual([authorized, authorizationError, isReused], [false, 'UNABLE_TO_GET_ISSUER_CERT', true])
})

test('a session of another --cert-reqs, from before a reload, resumes nothing that it should not', async () => {
  const { path, write } = configFolder()
  write({ certReqs: 'none' })
  await using hornet = await startHornet({ args: ['--config', path], app })
  const session = await sessionOf(hornet)
  write({ certReqs: 'required', caCerts: cert('ca.pem') })
  hornet.signal('SIGHUP')
  await hornet.waitForLog(/reloaded: generation 2\n/)
  assert.equal(await refusal(hornet, { session }), 'ALERT_CERTIFICATE_REQUIRED')
})

test('plain connections have none of it, whatever a proxy says', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '1', '--forwarded-socket'] })
  const plain = JSON.parse((await getPlain(hornet, '/tls')).text)
  assert.deepEqual(plain, { isTls: false, has: false, remoteAddress: '127.0.0.1' })
  const forwarded = JSON.parse((await getPlain(hornet, '/tls', { 'X-Forwarded-Proto': 'https' })).text)
  assert.deepEqual(forwarded, { isTls: false, encrypted: true, has: false, remoteAddress: '127.0.0.1' })
})

describe('after the end of the connection', () => {
  async function kept(hornet: Hornet, query: string): Promise<Record<string, unknown>> {
    await getSecurely(hornet, `/keep${query}`, client)
    return JSON.parse((await getSecurely(hornet, '/kept')).text)
  }

  test('what was asked before stays, and the rest is as of a destroyed socket', async () => {
    await using hornet = await startTls(['--cert-reqs', 'optional', ...authority])
    const asked = await kept(hornet, '?ask')
    assert.deepEqual([asked.authorized, asked.protocol, asked.line], [true, 'TLSv1.3', ['client', 'hornet tests']])
    const { encrypted, authorized, authorizationError, protocol, cipher, isReused, peer, x509 } = await kept(hornet, '')
    assert.deepEqual(
      { encrypted, authorized, authorizationError, protocol, cipher, isReused, peer, x509 },
      {
        ...{ encrypted: true, authorized: false, authorizationError: null },
        ...{ protocol: null, cipher: null, isReused: null, peer: null, x509: null },
      },
    )
  })
})

test('it may be set, as applications that test themselves do', async () => {
  const { TlsConnection } = await import('../../src/http/tls-connection.js')
  const socket = Object.create(TlsConnection.prototype) as { authorized: boolean; servername: string | false }
  socket.authorized = true
  socket.servername = 'a.example'
  assert.deepEqual({ ...socket }, { authorized: true, servername: 'a.example' })
})

/** What a client that has connected once may resume. */
async function sessionOf(hornet: Hornet): Promise<Buffer> {
  const first = await connectSecurely(hornet)
  const given = once(first.tls, 'session') as Promise<[Buffer]>
  first.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await first.readResponse()
  const [session] = await given
  first.destroy()
  return session
}
