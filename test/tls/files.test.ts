/**
 * Promise: what is wrong with a certificate, a key or a setting of TLS is said before anything is served, with the
 * option and the file; what will soon be wrong is said as well.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { loadSettings } from '../../src/config/load.js'
import type { Settings } from '../../src/config/settings.js'
import { HornetError } from '../../src/errors.js'
import { readTls } from '../../src/master/tls.js'
import { runHornet } from '../support/hornet.js'
import { app, cert, pem, serverCertificate } from './support.js'

const folder = mkdtempSync(join(tmpdir(), 'hornet-tls-files-'))
after(() => rmSync(folder, { recursive: true }))

function file(name: string, content: string | Buffer): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

function settings(argv: string[], env: Record<string, string> = {}): Settings {
  const loaded = loadSettings({ argv: [...argv, 'app.mjs'], env, version: '1', machine: { parallelism: 2 } })
  assert.equal(loaded.kind, 'run')
  return loaded.settings
}

function refuses(act: () => unknown, pattern: RegExp): void {
  assert.throws(act, (error) => {
    assert.ok(error instanceof HornetError, String(error))
    assert.equal(error.code, 'ERR_HORNET_CONFIG')
    assert.match(error.message, pattern)
    assert.ok(!error.message.includes('\n'), 'one line')
    return true
  })
}

const read = (...argv: string[]) => readTls(settings(argv))

describe('settings', () => {
  test('that mean nothing alone are refused', () => {
    const alone: [string[], RegExp][] = [
      [['--keyfile', 'k'], /^--keyfile means nothing without --certfile$/],
      [['--sni', 'c,k'], /^--sni means nothing without --certfile$/],
      [['--ca-certs', 'c'], /^--ca-certs means nothing without --certfile$/],
      [['--cert-reqs', 'required'], /^--cert-reqs means nothing without --certfile$/],
      [['--ciphers', 'HIGH'], /^--ciphers means nothing without --certfile$/],
      [['--tls-min-version', 'TLSv1.3'], /^--tls-min-version means nothing without --certfile$/],
      [['--certfile', 'c', '--cert-reqs', 'required'], /^--cert-reqs required .*--ca-certs$/],
      [['--certfile', 'c', '--ca-certs', 'c'], /^--ca-certs means nothing without --cert-reqs optional or required/],
      [['--certfile', 'c', '--sni', 'A.example=c', '--sni', 'a.example=d'], /^--sni: two certificates .* a\.example$/],
    ]
    for (const [argv, pattern] of alone) refuses(() => settings(argv), pattern)
  })

  test('take the numbers of Gunicorn, and names in the environment', () => {
    for (const [text, value] of Object.entries({ 0: 'none', 1: 'optional', 2: 'required', optional: 'optional' })) {
      const more = value === 'none' ? [] : ['--ca-certs', 'ca']
      assert.equal(settings(['--certfile', 'c', '--cert-reqs', text, ...more]).certReqs, value)
    }
    const { certfile, keyfile, sni } = settings([], {
      HORNET_CERTFILE: 'c.pem',
      HORNET_KEYFILE: 'k.pem',
      HORNET_SNI: "'*.Shop.Example=a b.pem,k' ./x=y.pem c.pem,k.pem",
    })
    assert.deepEqual([certfile, keyfile], ['c.pem', 'k.pem'])
    assert.deepEqual(sni, [
      { host: '*.shop.example', certfile: 'a b.pem', keyfile: 'k' },
      { host: undefined, certfile: './x=y.pem', keyfile: undefined },
      { host: undefined, certfile: 'c.pem', keyfile: 'k.pem' },
    ])
    assert.throws(
      () => settings(['--certfile', 'c', '--ciphers', 'A B']),
      /--ciphers \(command line\): 'A B' is not a list of cipher names, separated by colons/,
    )
    assert.throws(
      () => settings(['--certfile', 'c', '--sni', 'a,b,c']),
      /--sni \(command line\): 'a,b,c' is not of the form/,
    )
  })
})

describe('files', () => {
  test('give the core a chain, its key and the names that it is for', () => {
    const tls = read(
      ...serverCertificate,
      ...['--sni', `${cert('shop.pem')},${cert('shop.key')}`],
      ...['--sni', `www.shop.example=${cert('wild.pem')},${cert('wild.key')}`],
      ...['--sni', `${cert('wild.pem')},${cert('wild.key')}`],
    )
    assert.deepEqual(
      tls?.native.certificates.map(({ names }) => names),
      [['localhost'], ['shop.example'], ['www.shop.example'], ['*.wild.example']],
    )
    assert.equal(tls?.native.certificates[0].chainPem, pem('server.pem'))
    assert.equal(tls?.native.certificates[0].keyPem, pem('server.key').trimEnd())
    assert.equal(tls?.native.minVersion, 'TLSv1.2')
    assert.equal(tls?.native.clientCertificates, 'none')
    assert.deepEqual(tls?.expiries.map((each) => ({ ...each, file: each.file.split('/').at(-1) })).slice(0, 1), [
      { file: 'server.pem', expiresMs: Date.UTC(2120, 0, 1) },
    ])
    assert.match(
      tls?.warnings.join('\n') ?? '',
      /^--sni www\.shop\.example=\S+: the certificate in \S+wild\.pem is not for www\.shop\.example: clients will refuse it$/,
    )
    assert.equal(read(), undefined)
  })

  test('may be one, in any order, with text between', () => {
    const path = file('both.pem', `a comment\n${pem('server.key')}\r\nanother\n${pem('server.pem')}`)
    const [only] = read('--certfile', path)?.native.certificates ?? []
    assert.equal(only.keyPem.trim(), pem('server.key').trim())
    assert.equal(only.chainPem, pem('server.pem'))
  })

  test('that cannot serve are named, with the reason and a remedy', () => {
    const server = cert('server.pem')
    const der = (name: string) => Buffer.from(pem(name).replace(/-----[^-]+-----|\n/g, ''), 'base64')
    const trouble: [string[], RegExp][] = [
      [['--certfile', join(folder, 'none')], /^--certfile: ENOENT: no such file or directory, open '.*none'$/],
      [['--certfile', folder], /^--certfile: EISDIR/],
      [['--certfile', cert('server.key')], /^--certfile: there is no certificate in \S+server\.key \(PEM\)$/],
      [['--certfile', file('x.der', der('rsa.pem'))], /looks like DER: openssl x509 -inform der -in \S+x\.der/],
      [
        ['--certfile', file('bad.pem', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')],
        /^--certfile: certificate 1 in \S+bad\.pem cannot be read: /,
      ],
      [['--certfile', server], /^--certfile: there is no private key in \S+server\.pem: name its file as --keyfile$/],
      [
        ['--certfile', server, '--keyfile', cert('ca.pem')],
        /^--keyfile: there is no private key in \S+ca\.pem \(PEM\)$/,
      ],
      [
        ['--certfile', server, '--keyfile', cert('next.key')],
        /^--keyfile: the key in \S+next\.key does not belong to the certificate in \S+server\.pem$/,
      ],
      [
        ['--certfile', server, '--keyfile', cert('encrypted.key')],
        /^--keyfile: the key in \S+ is encrypted: decrypt it with openssl pkey -in \S+encrypted\.key -out FILE/,
      ],
      [
        [
          '--certfile',
          server,
          '--keyfile',
          file(
            'old.key',
            '-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES\n\nAAAA\n-----END EC PRIVATE KEY-----\n',
          ),
        ],
        /is encrypted/,
      ],
      [
        [
          '--certfile',
          server,
          '--keyfile',
          file('bad.key', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n'),
        ],
        /^--keyfile: the key in \S+bad\.key cannot be read: /,
      ],
      [
        ['--certfile', file('turned.pem', pem('ca.pem') + pem('server.pem')), '--keyfile', cert('server.key')],
        /but to one behind it: that must be the first$/,
      ],
      [
        ['--certfile', cert('small.pem'), '--keyfile', cert('small.key')],
        /^--certfile: OpenSSL cannot use the certificate in \S+small\.pem: .*key too small/,
      ],
      [[...serverCertificate, '--ciphers', 'NONSENSE'], /^--ciphers: OpenSSL knows no cipher of 'NONSENSE'/],
      [
        [...serverCertificate, '--ciphers', 'HIGH', '--tls-min-version', 'TLSv1.3'],
        /^--ciphers: 'HIGH' has none of TLS 1.3/,
      ],
      [[...serverCertificate, '--ciphers', 'TLS_NONSENSE'], /^--ciphers: OpenSSL knows no cipher of 'TLS_NONSENSE'/],
      [
        [...serverCertificate, '--cert-reqs', '2', '--ca-certs', cert('server.key')],
        /^--ca-certs: there is no certificate in/,
      ],
      [
        [...serverCertificate, '--sni', `${cert('nameless.pem')},${cert('nameless.key')}`],
        /^--sni \S+: the certificate in \S+nameless\.pem names no host: say which, as --sni HOST=\S+nameless\.pem,\S+$/,
      ],
      [
        [...serverCertificate, '--sni', cert('shop.pem')],
        /^--sni \S+shop\.pem: there is no private key in \S+shop\.pem: name its file as ,KEYFILE$/,
      ],
    ]
    for (const [argv, pattern] of trouble) refuses(() => read(...argv), pattern)
    const same = file('other.key', readFileSync(cert('server.key')))
    assert.ok(read('--certfile', server, '--keyfile', same))
  })

  test('whose time has not come, or is soon over, are warned of', () => {
    const at = (...utc: [number, number, number, number?]) =>
      readTls(settings(serverCertificate), Date.UTC(utc[0], utc[1], utc[2], utc[3] ?? 0))?.warnings
    assert.deepEqual(at(2100, 0, 1), [])
    assert.match(at(2119, 11, 18)?.[0] ?? '', /^--certfile: the certificate in \S+ expires on 2120-01-01, in 14 days$/)
    assert.deepEqual(at(2119, 11, 17), [])
    assert.match(at(2119, 11, 31)?.[0] ?? '', /expires on 2120-01-01, in 1 day$/)
    assert.match(at(2119, 11, 31, 12)?.[0] ?? '', /expires on 2120-01-01, in less than a day$/)
    assert.match(at(2120, 0, 2)?.[0] ?? '', /expired on 2120-01-01$/)
    assert.match(at(2019, 0, 1)?.[0] ?? '', /is not valid before 2020-01-01T00:00:00/)
  })
})

describe('--check-config', () => {
  test('looks through the files, and says what it would warn of', async () => {
    const bad = await runHornet({
      app,
      args: ['--check-config', '--certfile', cert('server.pem'), '--keyfile', cert('next.key')],
    })
    assert.equal(bad.code, 1)
    assert.match(bad.stderr, /^hornet: --keyfile: the key in \S+ does not belong to the certificate in \S+\n$/)
    const old = ['--certfile', cert('expired.pem'), '--keyfile', cert('expired.key')]
    const good = await runHornet({ app, args: ['--check-config', ...old] })
    assert.equal(good.code, 0)
    assert.match(
      good.stderr,
      /^hornet: --certfile: the certificate in \S+ expired on 2002-01-01\nhornet: the settings are well/,
    )
  })
})
