/**
 * Promise: a reload opens the addresses that the config file names now and closes the others, without touching those that
 * stay; when it fails, all is as it was.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { type Hornet, startHornet } from '../support/hornet.js'
import { connect, get, message } from '../support/http.js'

const folder = mkdtempSync(join(tmpdir(), 'hornet-binds-'))
after(() => rmSync(folder, { recursive: true }))
const path = (name: string) => join(folder, name)
const config = path('config.json')
const write = (content: object) =>
  writeFileSync(config, JSON.stringify({ workers: 1, app: path('app.mjs'), ...content }))
const good = `export default (req, res) => res.end('good')`

/** Reloads and waits for what comes of it. */
async function reload(hornet: Hornet): Promise<void> {
  const from = hornet.stderr.length
  hornet.signal('SIGHUP')
  await hornet.waitForLog(/reloaded: generation|reload failed/, { from })
}

/** The listener's end is a moment after the log line. */
async function refused(target: { path: string } | { port: number }): Promise<void> {
  for (;;) {
    try {
      const connection = await connect(target)
      connection.destroy()
    } catch {
      return
    }
  }
}

test('addresses come and go, those that stay keep their connections', async () => {
  writeFileSync(path('app.mjs'), good)
  write({ bind: [`unix:${path('a')}`, `unix:${path('b')}`] })
  await using hornet = await startHornet({ listeners: 0, args: ['--config', config] })
  await hornet.waitForLog(/worker 1 ready/)
  const staying = await connect({ path: path('b') })
  const leaving = await connect({ path: path('a') })
  write({ bind: [`unix:${path('b')}`, `unix:${path('c')}`] })
  await reload(hornet)
  assert.equal((await get({ path: path('c') })).text, 'good')
  await refused({ path: path('a') })
  assert.ok(!existsSync(path('a')))
  for (const connection of [staying, leaving]) {
    connection.write(message('GET', '/'))
    assert.equal((await connection.readResponse()).text, 'good', 'an open connection has no address to lose')
    connection.destroy()
  }
})

test('an address that cannot be opened, or an application that cannot be loaded, changes nothing', async () => {
  writeFileSync(path('app.mjs'), good)
  write({ bind: `unix:${path('d')}` })
  await using hornet = await startHornet({ listeners: 0, args: ['--config', config] })
  await hornet.waitForLog(/worker 1 ready/)
  write({ bind: [`unix:${path('e')}`, '192.0.2.1:0'] })
  await reload(hornet)
  assert.match(hornet.stderr, /reload failed, the old workers go on: cannot listen on 192\.0\.2\.1:0/)
  assert.equal((await get({ path: path('d') })).text, 'good')
  await refused({ path: path('e') })
  write({ bind: `unix:${path('e')}` })
  writeFileSync(path('app.mjs'), 'throw new Error("bad")')
  await reload(hornet)
  assert.match(hornet.stderr, /reload failed, the old workers go on: [\s\S]*bad/)
  assert.equal((await get({ path: path('d') })).text, 'good')
  await refused({ path: path('e') })
})

test('the same port at another address', async () => {
  writeFileSync(path('app.mjs'), good)
  write({ bind: '127.0.0.1:0' })
  await using hornet = await startHornet({ listeners: 0, args: ['--config', config] })
  const [, port] = await hornet.waitForLog(/http:\/\/127\.0\.0\.1:(\d+)\n/)
  // From port 0 to the port it got: to whoever compares addresses that is another one.
  write({ bind: `127.0.0.1:${port}` })
  await reload(hornet)
  assert.match(hornet.stderr, /port is in use by another process/)
  assert.equal((await get({ port: Number(port) })).text, 'good')
})
