/**
 * Promise: HUP reads the config file again before anything else; what is wrong in it changes nothing, what was changed at
 * run time stays, and what cannot be changed in a running process is named.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { eventually } from '../support/deadline.js'
import { startHornet } from '../support/hornet.js'
import { get } from '../support/http.js'

const app = 'test/cli/fixtures/about.mjs'
const folder = mkdtempSync(join(tmpdir(), 'hornet-reload-'))
after(() => rmSync(folder, { recursive: true }))

let files = 0
function configFile(): { path: string; write(config: object): void } {
  const path = join(folder, `${++files}.json`)
  return { path, write: (config) => writeFileSync(path, JSON.stringify(config)) }
}

test('variables, node arguments and the number of workers change with the file', async () => {
  const file = configFile()
  file.write({ workers: 1, env: { GREETING: 'one' } })
  await using hornet = await startHornet({ app, args: ['--config', file.path] })
  assert.equal(JSON.parse((await get(hornet)).text).greeting, 'one')
  file.write({ workers: 2, env: { GREETING: 'two' }, nodeArg: '--no-warnings' })
  hornet.signal('SIGHUP')
  await hornet.waitForLog(/workers: 1 -> 2\n[\s\S]*reloaded: generation 2\n/)
  const about = JSON.parse((await get(hornet)).text)
  assert.deepEqual([about.greeting, about.execArgv], ['two', ['--no-warnings']])
})

test('a file that is wrong changes nothing; settings of the process stay and are named', async () => {
  const file = configFile()
  file.write({ workers: 1, env: { GREETING: 'one' } })
  await using hornet = await startHornet({ app, args: ['--config', file.path] })
  await hornet.waitForLog(/worker 1 ready/)
  file.write({ workers: 'some' })
  hornet.signal('SIGHUP')
  await hornet.waitForLog(/\[error\] reload failed, the old workers go on: .*workers: 'some' is not a whole number/)
  file.write({ workers: 1, backlog: 7, env: { GREETING: 'two' } })
  hornet.signal('SIGHUP')
  await hornet.waitForLog(/\[warn\] --backlog was changed and stays as it is: that takes a restart\n/)
  await hornet.waitForLog(/reloaded: generation 2\n/)
  assert.equal(JSON.parse((await get(hornet)).text).greeting, 'two')
})

test('workers added at run time outlive a reload, until the file says another number', async () => {
  const file = configFile()
  file.write({ workers: 1 })
  await using hornet = await startHornet({ app, args: ['--config', file.path] })
  await hornet.waitForLog(/worker 1 ready/)
  hornet.signal('SIGTTIN')
  await hornet.waitForLog(/workers: 1 -> 2\n/)
  hornet.signal('SIGHUP')
  await hornet.waitForLog(/reloaded: generation 2\n/)
  assert.doesNotMatch(hornet.stderr, /workers: 2 -> /)
  file.write({ workers: 3 })
  hornet.signal('SIGHUP')
  await hornet.waitForLog(/workers: 2 -> 3\n[\s\S]*reloaded: generation 3\n/)
})

test('a new application that fails takes its settings with it: who replaces a dead worker has the old ones', async () => {
  const file = configFile()
  file.write({ app: join(folder, 'good.mjs'), workers: 1, env: { WHO: 'old' } })
  writeFileSync(
    join(folder, 'good.mjs'),
    `export default (req, res) => (req.url === '/exit' ? process.exit(1) : res.end(process.env.WHO))`,
  )
  writeFileSync(join(folder, 'bad.mjs'), `throw new Error('not this one')`)
  await using hornet = await startHornet({ args: ['--config', file.path] })
  await hornet.waitForLog(/worker 1 ready/)
  file.write({ app: join(folder, 'bad.mjs'), workers: 3, env: { WHO: 'new' } })
  hornet.signal('SIGHUP')
  await hornet.waitForLog(/reload failed, the old workers go on: [\s\S]*not this one/)
  await hornet.waitForLog(/workers: 3 -> 1\n/)
  assert.equal((await get(hornet, '/exit')).status, 502)
  await hornet.waitForLog(/worker 1 died, replaced/)
  assert.equal((await get(hornet)).text, 'old')
})

test('the log changes its level, format and file with the reload; a file that cannot be is told before', async () => {
  const file = configFile()
  const log = join(folder, 'moved.log')
  file.write({ workers: 1 })
  await using hornet = await startHornet({ app, args: ['--config', file.path] })
  await hornet.waitForLog(/worker 1 ready/)
  file.write({ workers: 1, errorLogfile: join(folder, 'none', 'x.log') })
  hornet.signal('SIGHUP')
  await hornet.waitForLog(/reload failed, the old workers go on: cannot open the log file '\S+x\.log'/)
  file.write({ workers: 1, errorLogfile: log, logFormat: 'json', logLevel: 'info' })
  hornet.signal('SIGHUP')
  const read = () => (existsSync(log) ? readFileSync(log, 'utf8') : '')
  const lines = await eventually('the reload in the new file', () => {
    const found = read().split('\n').slice(0, -1)
    return found.some((line) => line.includes('reloaded: generation 2')) ? found : undefined
  })
  for (const line of lines) assert.equal(JSON.parse(line).pid, hornet.pid)
  assert.doesNotMatch(hornet.stderr, /reloaded|stays as it is/)
})
