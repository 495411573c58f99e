/**
 * Promise: an operator renews certificates by a reload, or by an upgrade, that no client notices; a bad one changes
 * nothing.
 */
import assert from 'node:assert/strict'
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { startHornet } from '../support/hornet.js'
import { get as getPlain } from '../support/http.js'
import { startLoad } from '../support/load.js'
import { isThere, until } from '../support/until.js'
import {
  app,
  cert,
  configFolder,
  connectSecurely,
  serialOf,
  servedSerial,
  serverSerial,
  startRenewable,
  textOf,
} from './support.js'

const folder = mkdtempSync(join(tmpdir(), 'hornet-tls-reload-'))
after(() => rmSync(folder, { recursive: true }))

describe('a reload', () => {
  test('brings a new certificate to new connections; old ones go on, and no request fails', async () => {
    const { hornet, renew, reload } = await startRenewable(folder, 'renewed')
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
    const { hornet, certfile, keyfile, renew, reload } = await startRenewable(folder, 'broken')
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
    const { hornet, renew, reload } = await startRenewable(folder, 'unloaded', '--config', configWithHook())
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

test('USR2: a new process takes over, with the certificate of now', async () => {
  const { hornet, renew } = await startRenewable(folder, 'upgraded')
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
