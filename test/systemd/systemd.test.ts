/**
 * Promise: started by systemd, Hornet serves the sockets it is given, says what it does (sd_notify) and feeds the
 * watchdog; READY only when workers serve.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { startHornet } from '../support/hornet.js'
import { get } from '../support/http.js'
import { openNotifySocket } from '../support/notify-socket.js'
import { root } from '../support/root.js'

const app = 'test/pool/fixtures/app.mjs'
const folder = mkdtempSync(join(tmpdir(), 'hornet-systemd-'))
after(() => rmSync(folder, { recursive: true }))

test('READY when it serves, RELOADING and READY again, STATUS, STOPPING', async () => {
  const path = join(folder, 'notify')
  await using manager = await openNotifySocket(path)
  const config = join(folder, 'config.json')
  writeFileSync(config, '{}')
  const args = ['--workers', '2', '--config', config]
  await using hornet = await startHornet({ app, args, env: { NOTIFY_SOCKET: path } })
  await manager.waitFor(/^READY=1\nSTATUS=/)
  assert.match(hornet.stderr, /worker \d ready/)
  assert.equal((await get(hornet)).text, 'hello')
  hornet.signal('SIGHUP')
  await manager.waitFor(/^RELOADING=1\nMONOTONIC_USEC=\d+\nSTATUS=reloading$/)
  await manager.waitFor(/^READY=1\nSTATUS=serving, generation 2, 2 workers$/)
  await hornet.stop()
  await manager.waitFor(/^STOPPING=1\n/)
  assert.equal(
    manager.messages.findLast((message) => !message.startsWith('STATUS=')),
    'STOPPING=1\nSTATUS=stopping',
  )
})

test('the watchdog, at an abstract address', async () => {
  const path = `@hornet-test-${process.pid}`
  await using manager = await openNotifySocket(path)
  const env = { NOTIFY_SOCKET: path, WATCHDOG_USEC: '100000' }
  await using hornet = await startHornet({ app, args: ['--workers', '1'], env })
  await manager.waitFor(/^WATCHDOG=1$/)
  await hornet.stop()
})

test('an application that cannot be loaded is never READY', async () => {
  const path = join(folder, 'notify')
  await using manager = await openNotifySocket(path)
  const args = ['--workers', '1']
  await using hornet = await startHornet({ app: 'test/cli/fixtures/throws.mjs', args, env: { NOTIFY_SOCKET: path } })
  assert.equal((await hornet.exited).code, 3)
  assert.deepEqual(
    manager.messages.filter((message) => message.includes('READY')),
    [],
  )
})

test('the application is not told about the service manager', async () => {
  const path = join(folder, 'env.mjs')
  writeFileSync(path, 'export default (req, res) => res.end(JSON.stringify(Object.keys(process.env)))')
  const env = { NOTIFY_SOCKET: join(folder, 'nobody'), LISTEN_FDS: '1', LISTEN_PID: '1', WATCHDOG_USEC: '1000000' }
  await using hornet = await startHornet({ app: path, args: ['--workers', '1'], env })
  const names: string[] = JSON.parse((await get(hornet)).text)
  assert.deepEqual(
    names.filter((name) => /^(?:LISTEN|NOTIFY|WATCHDOG|HORNET)_/.test(name)),
    [],
  )
})

test('sockets of a socket unit are served in place of those configured', async () => {
  const cli = join(root, 'test/systemd/fixtures/activated.mjs')
  const env = { LISTEN_FDS: '2', HORNET_BIND: '192.0.2.1:1' }
  await using hornet = await startHornet({ cli, app, listeners: 2, args: ['--workers', '1'], env })
  for (const port of hornet.ports) assert.equal((await get({ port })).text, 'hello')
  hornet.signal('SIGHUP')
  await hornet.waitForLog(/reloaded: generation 2/)
  for (const port of hornet.ports) assert.equal((await get({ port })).text, 'hello')
})
