/**
 * Promise: the command serves what it was told to, where it was told to, and says so.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { runHornet, startHornet } from '../support/hornet.js'
import { get } from '../support/http.js'
import { root } from '../support/root.js'

const fixtures = join(root, 'test/cli/fixtures')
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'hornet-serve-')))
after(() => rmSync(folder, { recursive: true }))

test('the banner tells version, node, application, addresses, threads and how to stop', async () => {
  const args = ['-w', '2', '--io-threads', '1', 'hello']
  await using hornet = await startHornet({ cwd: fixtures, args })
  await hornet.waitForLog(/to let requests finish\n/)
  const { pid, port, stderr } = hornet
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  assert.ok(stderr.includes(`hornet ${version} on Node.js ${process.version}\n`), stderr)
  assert.ok(stderr.includes(join(fixtures, 'hello.mjs')), stderr)
  assert.ok(stderr.includes(`http://127.0.0.1:${port}\n`), stderr)
  assert.match(stderr, /2 workers, 1 I\/O thread\n/)
  assert.ok(stderr.includes(`kill -TERM ${pid} `), stderr)
  assert.equal((await get(hornet)).text, 'hello')
})

test('a JSON log holds nothing but JSON', async () => {
  await using hornet = await startHornet({ cwd: fixtures, args: ['--log-format', 'json', '-w', '1', 'hello'] })
  await hornet.waitForLog(/"message":"hornet .* serves /)
  await hornet.stop()
  for (const line of hornet.stderr.trimEnd().split('\n')) assert.equal(JSON.parse(line).pid, hornet.pid)
})

test('little is said when little is wanted', async () => {
  await using hornet = await startHornet({ cwd: fixtures, args: ['--log-level', 'error', '-w', '1', 'hello'] })
  assert.equal((await get(hornet)).text, 'hello')
  await hornet.stop()
  assert.equal(hornet.stderr, '')
})

test('the application gets folder, environment and node arguments', async () => {
  const args = [
    '--chdir',
    folder,
    '-e',
    'GREETING=hi there',
    '--node-arg=--no-warnings',
    '-w',
    '1',
    join(fixtures, 'about.mjs'),
  ]
  await using hornet = await startHornet({ args })
  assert.deepEqual(JSON.parse((await get(hornet)).text), {
    greeting: 'hi there',
    cwd: folder,
    execArgv: ['--no-warnings'],
  })
})

test('--factory calls the named export', async () => {
  await using hornet = await startHornet({ cwd: fixtures, args: ['--factory', '-w', '1', 'about.mjs:make'] })
  assert.equal((await get(hornet)).text, 'made')
})

test('several addresses of several kinds at once', async () => {
  const path = join(folder, 'a.sock')
  const args = ['-w', '1', '--umask', '077', '-b', `unix:${path}`, '-b', '127.0.0.1:0', 'hello']
  await using hornet = await startHornet({ cwd: fixtures, args })
  const [, port] = await hornet.waitForLog(/unix:\S+\n +http:\/\/127\.0\.0\.1:(\d+)\n +threads/)
  assert.equal((await get(hornet)).text, 'hello')
  assert.equal((await get({ path })).text, 'hello')
  assert.equal((await get({ port: Number(port) })).text, 'hello')
  assert.equal(statSync(path).mode & 0o777, 0o700)
  await hornet.stop()
  assert.ok(!existsSync(path), 'the socket file is gone')
})

test('the pid file is there while the server is, and names no two', async () => {
  const pid = join(folder, 'hornet.pid')
  writeFileSync(pid, 'nonsense')
  await using hornet = await startHornet({ cwd: fixtures, args: ['-w', '1', '--pid', pid, 'hello'] })
  await hornet.waitForLog(/worker 1 ready/)
  assert.equal(readFileSync(pid, 'utf8'), `${hornet.pid}\n`)
  const second = await runHornet({ cwd: fixtures, args: ['-w', '1', '-b', '127.0.0.1:0', '--pid', pid, 'hello'] })
  assert.equal(second.code, 1)
  assert.match(second.stderr, new RegExp(`^hornet: the pid file '.*' names a running process: ${hornet.pid}\\n$`))
  assert.equal(readFileSync(pid, 'utf8'), `${hornet.pid}\n`)
  await hornet.stop()
  assert.ok(!existsSync(pid))
})
