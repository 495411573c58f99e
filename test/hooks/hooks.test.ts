/**
 * Promise: the hooks of the config file are called when what they are named for happens, in master and workers; what
 * they throw ends a start and nothing later.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { runHornet, startHornet } from '../support/hornet.js'
import { get } from '../support/http.js'

const app = 'test/pool/fixtures/app.mjs'
const folder = mkdtempSync(join(tmpdir(), 'hornet-hooks-'))
after(() => rmSync(folder, { recursive: true }))

function config(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

const names = ['onStarting', 'whenReady', 'onReload', 'workersChanged', 'workerSpawned', 'workerDied', 'onExit']

test('each is called with what happened', async () => {
  // Straight to the descriptor: what a thread prints the usual way comes a moment later.
  const tell = (name: string) => `${name}: (event) => process._rawDebug(${JSON.stringify(name)}, JSON.stringify(event))`
  const all = [...names, 'workerInit', 'workerExit'].map(tell)
  const path = config('all.mjs', `export default { workers: 1, ${all.join(',\n')} }`)
  await using hornet = await startHornet({ app, args: ['--config', path] })
  await hornet.waitForLog(/onStarting {"pid":\d+}\nworkerSpawned {"workerId":1,"generation":1}\n/)
  await hornet.waitForLog(/workerInit {"workerId":1,"generation":1}\n[\s\S]*worker 1 ready/)
  await hornet.waitForLog(new RegExp(`whenReady {"pid":${hornet.pid},"addresses":\\["${hornet.url}"\\]}\\n`))
  hornet.signal('SIGTTIN')
  await hornet.waitForLog(/workersChanged {"workers":2,"previous":1}\n/)
  await hornet.waitForLog(/worker 2 ready/)
  hornet.signal('SIGHUP')
  await hornet.waitForLog(/onReload {"generation":2}\n[\s\S]*workerInit {"workerId":3,"generation":2}\n/)
  await hornet.waitForLog(/workerExit {"workerId":1,"generation":1}\n/)
  await hornet.waitForLog(/workerDied {"workerId":1,"generation":1,"isExpected":true,"reason":"reload"}\n/)
  await hornet.waitForLog(/reloaded: generation 2/)
  const exit = await hornet.stop()
  assert.equal(exit.code, 0)
  assert.match(hornet.stderr, /stopped\nonExit {"pid":\d+}\n$/)
})

test('what they throw, now or later, is logged and stops nothing', async () => {
  const failing = names.filter((name) => name !== 'onStarting')
  const throwing = failing.map((name, index) =>
    index % 2 === 0
      ? `${name}() { throw new Error('${name} fails') }`
      : `async ${name}() { throw new Error('${name} fails') }`,
  )
  const path = config(
    'fails.mjs',
    `export default { workerExit() { throw new Error('workerExit fails') }, ${throwing} }`,
  )
  await using hornet = await startHornet({ app, args: ['--workers', '1', '--config', path] })
  await hornet.waitForLog(/\[error\] workerSpawned: Error: workerSpawned fails\n/)
  await hornet.waitForLog(/\[error\] whenReady: Error: whenReady fails\n/)
  hornet.signal('SIGHUP')
  await hornet.waitForLog(/\[error\] onReload: Error: onReload fails\n/)
  await hornet.waitForLog(/\[error\] worker 1: workerExit: Error: workerExit fails\n/)
  await hornet.waitForLog(/reloaded: generation 2/)
  assert.equal((await get(hornet)).text, 'hello')
  const exit = await hornet.stop()
  assert.equal(exit.code, 0)
  assert.match(hornet.stderr, /\[error\] onExit: Error: onExit fails\n/)
})

test('onStarting and workerInit may refuse a start', async () => {
  const starting = config('starting.mjs', `export default { async onStarting() { throw new Error('no database') } }`)
  const first = await runHornet({ app, args: ['-b', '127.0.0.1:0', '--config', starting] })
  assert.match(first.stderr, /^hornet: onStarting: Error: no database\n/)
  assert.equal(first.code, 1)
  const init = config('init.mjs', `export default { async workerInit() { throw new Error('no database') } }`)
  const second = await runHornet({ app, args: ['-b', '127.0.0.1:0', '-w', '1', '--config', init] })
  assert.match(second.stderr, /^hornet: no database\n/)
  assert.equal(second.code, 3)
})
