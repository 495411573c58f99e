/**
 * Makes the certificates beside this file anew, with the openssl command: `node test/tls/certs/make.mjs`. The keys are
 * for these tests alone, and those of the authorities are thrown away.
 *
 * | file | what it is |
 * |---|---|
 * | `ca.pem` | the authority |
 * | `server.pem`, `.key` | localhost and 127.0.0.1, signed by an intermediate, which follows it |
 * | `next.pem`, `.key` | the same host, for a reload |
 * | `shop.pem`, `.key` | shop.example and www.shop.example |
 * | `wild.pem`, `.key` | *.wild.example |
 * | `client.pem`, `.key` | a client, signed by the authority; `client-chain.pem` has the authority's as well |
 * | `stranger.pem`, `.key` | a client that signed its certificate itself |
 * | `expired.pem`, `.key` | localhost, until 2002 |
 * | `nameless.pem`, `.key` | without subjectAltName |
 * | `small.pem`, `.key` | an RSA key of 512 bits |
 * | `rsa.pem`, `.key` | localhost, with an RSA key |
 * | `encrypted.key` | the key of `server.pem`, encrypted |
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const folder = import.meta.dirname ?? new URL('.', import.meta.url).pathname
const work = mkdtempSync(join(tmpdir(), 'hornet-certs-'))
const path = (name) => join(work, name)
const openssl = (...args) => execFileSync('openssl', args, { cwd: work, stdio: ['ignore', 'pipe', 'pipe'] })
const ec = ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256']
const rsa = (bits) => ['-algorithm', 'RSA', '-pkeyopt', `rsa_keygen_bits:${bits}`]
const localhost = 'DNS:localhost,IP:127.0.0.1,IP:::1'

/** `openssl ca` alone takes the dates on every version of it. */
function certificate(name, { subject = name, names, issuer = name, isAuthority = false, key = ec, extra = [], dates }) {
  const [from, to] = dates ?? ['20200101000000Z', '21200101000000Z']
  openssl('genpkey', ...key, '-out', `${name}.key`)
  const extensions = [
    `basicConstraints=critical,CA:${isAuthority ? 'TRUE' : 'FALSE'}`,
    'subjectKeyIdentifier=hash',
    ...(names === undefined ? [] : [`subjectAltName=${names}`]),
    ...extra,
  ]
  writeFileSync(
    path('ca.cnf'),
    `[ca]\ndefault_ca=d\n[d]\ndatabase=index\nrand_serial=yes\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\nunique_subject=no\n[p]\ncommonName=supplied\n[e]\n${extensions.join('\n')}\n[req]\ndistinguished_name=n\n[n]\n`,
  )
  writeFileSync(path('index'), '')
  openssl('req', '-new', '-config', 'ca.cnf', '-key', `${name}.key`, '-subj', `/CN=${subject}`, '-out', 'request')
  const signer =
    issuer === name ? ['-selfsign', '-keyfile', `${name}.key`] : ['-keyfile', `${issuer}.key`, '-cert', `${issuer}.pem`]
  openssl(
    ...['ca', '-batch', '-notext', '-config', 'ca.cnf', '-extensions', 'e', '-in', 'request', '-out', `${name}.pem`],
    ...['-startdate', from, '-enddate', to, ...signer],
  )
}

const authority = { isAuthority: true, extra: ['keyUsage=critical,keyCertSign,cRLSign'] }
certificate('ca', { ...authority, subject: 'hornet tests' })
certificate('intermediate', { ...authority, subject: 'hornet tests, intermediate', issuer: 'ca' })
const forServer = { issuer: 'intermediate', extra: ['extendedKeyUsage=serverAuth'] }
certificate('server', { ...forServer, subject: 'localhost', names: localhost })
certificate('next', { ...forServer, subject: 'localhost', names: localhost })
certificate('shop', { ...forServer, names: 'DNS:shop.example,DNS:www.shop.example' })
certificate('wild', { ...forServer, names: 'DNS:*.wild.example' })
certificate('rsa', { ...forServer, subject: 'localhost', names: localhost, key: rsa(2048) })
certificate('expired', { ...forServer, names: localhost, dates: ['20010101000000Z', '20020101000000Z'] })
certificate('nameless', forServer)
certificate('small', { key: rsa(512), names: localhost })
certificate('client', {
  issuer: 'ca',
  extra: ['extendedKeyUsage=clientAuth', 'authorityInfoAccess=OCSP;URI:http://ocsp.example/'],
})
certificate('stranger', { extra: ['extendedKeyUsage=clientAuth'] })
openssl('pkey', '-in', 'server.key', '-aes256', '-passout', 'pass:secret', '-out', 'encrypted.key')

const read = (name) => readFileSync(path(name), 'latin1')
const keep = (name, ...parts) => writeFileSync(join(folder, name), parts.map(read).join(''))
keep('ca.pem', 'ca.pem')
keep('encrypted.key', 'encrypted.key')
keep('client-chain.pem', 'client.pem', 'ca.pem')
for (const name of ['server', 'next', 'shop', 'wild', 'rsa', 'expired', 'nameless']) {
  keep(`${name}.pem`, `${name}.pem`, 'intermediate.pem')
  keep(`${name}.key`, `${name}.key`)
}
for (const name of ['client', 'stranger', 'small']) {
  keep(`${name}.pem`, `${name}.pem`)
  keep(`${name}.key`, `${name}.key`)
}
rmSync(work, { recursive: true })
