/**
 * Promise: SIGHUP replaces the workers one by one with ready ones of the new application; clients notice nothing, and
 * when the new one cannot load the old one goes on.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { startHornet } from '../support/hornet.js'
import { connect, get, message } from '../support/http.js'
import { startLoad } from '../support/load.js'
import { app, holdRequest } from './held-request.js'

const folder = mkdtempSync(join(tmpdir(), 'hornet-hup-'))
after(() => rmSync(folder, { recursive: true }))

let files = 0
function generationFile(): { path: string; write(generation: string): void } {
  const path = join(folder, `generation-${++files}`)
  const write = (generation: string) => writeFileSync(path, generation)
  write('first')
  return { path, write }
}

test('under load, 20 reloads fail no request and close no connection', async () => {
  const file = generationFile()
  await using hornet = await startHornet({ app, args: ['--workers', '2'], env: { GENERATION_FILE: file.path } })
  const load = await startLoad({ target: hornet, connections: 64 })
  await load.progress(200)
  for (let generation = 2; generation <= 21; generation++) {
    file.write(`generation ${generation}`)
    hornet.signal('SIGHUP')
    await hornet.waitForLog(new RegExp(`reloaded: generation ${generation}\\n`))
    // The old workers may still be finishing what they had begun; whatever comes from now on goes to the new ones.
    await load.progress(64)
    assert.equal((await get(hornet)).text, `generation ${generation}`)
  }
  const report = await load.stop()
  assert.deepEqual(
    { failures: report.failures, closed: report.closed },
    { failures: 0, closed: 0 },
    JSON.stringify(report),
  )
})

test('a request in flight finishes on the old worker, and its connection goes on to the new one', async () => {
  const file = generationFile()
  await using hornet = await startHornet({ app, args: ['--workers', '1'], env: { GENERATION_FILE: file.path } })
  const { connection, release } = await holdRequest(hornet)
  file.write('second')
  hornet.signal('SIGHUP')
  await hornet.waitForLog(/reloaded: generation 2\n/)
  release()
  assert.match((await connection.readUntil('0\r\n\r\n')).toString(), /done/)
  connection.write(message('GET', '/'))
  assert.equal((await connection.readResponse()).text, 'second')
  connection.destroy()
  await hornet.waitForLog(/worker 1 ended/)
})

test('a new application that throws while it loads leaves the old one serving, and is told', async () => {
  const file = generationFile()
  await using hornet = await startHornet({ app, args: ['--workers', '2'], env: { GENERATION_FILE: file.path } })
  await hornet.waitForLog(/worker [12] ready[\s\S]*worker [12] ready/)
  const idle = await connect(hornet)
  file.write('broken')
  hornet.signal('SIGHUP')
  await hornet.waitForLog(/reload failed, the old workers go on: [\s\S]*this generation cannot load/)
  idle.write(message('GET', '/'))
  assert.equal((await idle.readResponse()).text, 'first')
  idle.destroy()

  file.write('mended')
  hornet.signal('SIGHUP')
  await hornet.waitForLog(/reloaded: generation 3\n/)
  assert.equal((await get(hornet)).text, 'mended')
})

test('a new application that is not ready in time leaves the old one serving', async () => {
  const file = generationFile()
  const args = ['--workers', '1', '--boot-timeout', '2s']
  await using hornet = await startHornet({ app, args, env: { GENERATION_FILE: file.path } })
  await hornet.waitForLog(/worker 1 ready/)
  file.write('stuck')
  hornet.signal('SIGHUP')
  await hornet.waitForLog(/reload failed, the old workers go on: the application was not ready within 2s/)
  assert.equal((await get(hornet)).text, 'first')
})

test('HUP before the first worker is ready is kept for later', async () => {
  const file = generationFile()
  await using hornet = await startHornet({ app, args: ['--workers', '2'], env: { GENERATION_FILE: file.path } })
  await hornet.waitForLog(/worker \d ready/)
  hornet.signal('SIGHUP')
  hornet.signal('SIGHUP')
  await hornet.waitForLog(/reloaded: generation [23]\n/)
  assert.equal((await get(hornet)).text, 'first')
})
