/**
 * Promise: what a worker writes to standard output and standard error comes out whole and in order, also when it blocks,
 * exits or is terminated right after; and a reader that does not read holds up nobody but those who write.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { runHornet, startHornet } from '../support/hornet.js'
import { connect, get, message } from '../support/http.js'
import { root } from '../support/root.js'

const writer = join(root, 'test/stdio/fixtures/writer.cjs')
const folder = mkdtempSync(join(tmpdir(), 'hornet-stdio-'))
after(() => rmSync(folder, { recursive: true }))

/** Every line of every way and worker is there, whole and in its order. */
function assertComplete(output: string, ways: string[], workers: number, count: number): void {
  const next = new Map<string, number>()
  for (const line of output.split('\n').slice(0, -1)) {
    const [, way = '', worker = '', index = '', fill = ''] = /(\w+) (\d+) (\d+) (x*);/.exec(line) ?? []
    const key = `${way} ${worker}`
    assert.equal(Number(index), next.get(key) ?? 0, line)
    assert.equal(fill.length, way === 'transport' ? 0 : Number(index) % 300, line)
    next.set(key, Number(index) + 1)
  }
  const wanted = ways.flatMap((way) => Array.from({ length: workers }, (_, index) => `${way} ${index + 1}`))
  assert.deepEqual(Object.fromEntries(next), Object.fromEntries(wanted.map((key) => [key, count])))
}

const allWays = ['console', 'write', 'fd', 'pino', 'destination', 'async']
const options = ['-b', '127.0.0.1:0']

test('a worker that exits at once, or throws, has written all', async () => {
  for (const deed of ['exit', 'throw']) {
    const args = [...options, '-w', '2', writer, '--', allWays.join(), deed]
    const { code, stdout } = await runHornet({ args })
    assert.equal(code, 3)
    assertComplete(stdout, allWays, 2, 1000)
  }
})

test('a worker that blocks has written all, before it is terminated', async () => {
  await using hornet = await startHornet({
    args: ['-w', '1', '--graceful-timeout', '100ms', writer, '--', 'later', allWays.join('+')],
  })
  const blocked = await connect(hornet)
  blocked.write(message('GET', '/block'))
  // While it blocks, and not when it is over.
  await hornet.waitForOutput(/async 1 999 /)
  hornet.signal('SIGTERM')
  assert.deepEqual(await hornet.exited.finally(() => blocked.destroy()), { code: 0, signal: null })
  assertComplete(hornet.stdout, allWays, 1, 1000)
})

test('into a pipe and into a file', () => {
  const args = [join(root, 'dist/cli.js'), ...options, '-w', '2', writer, '--', allWays.join(), 'exit']
  const file = join(folder, 'output')
  for (const sink of [`| cat > ${file}`, `> ${file}`, `>> ${file}`]) {
    rmSync(file, { force: true })
    spawnSync('sh', ['-c', `"$0" "$@" ${sink}`, process.execPath, ...args], { encoding: 'utf8' })
    assertComplete(readFileSync(file, 'utf8'), allWays, 2, 1000)
  }
})

test('a pino transport has written all when the worker exits', async () => {
  const { stdout } = await runHornet({ args: [...options, '-w', '1', writer, '--', 'transport', 'exit'] })
  assertComplete(stdout, ['transport'], 1, 1000)
})

test('process.stdout shows its descriptor, and no terminal where there is none', async () => {
  const { stdout } = await runHornet({ args: [...options, '-w', '1', writer, '--', 'facts', 'exit'] })
  assert.deepEqual(JSON.parse(stdout), { fd: 1, writableLength: 0 })
})

test('on a terminal, process.stdout is one', { skip: spawnSync('script', ['--version']).status !== 0 }, () => {
  const command = [process.execPath, join(root, 'dist/cli.js'), ...options, '-w1', writer, '--', 'facts', 'exit']
  const { stdout } = spawnSync('script', ['-qec', `stty cols 123; ${command.join(' ')}`, '/dev/null'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const facts = JSON.parse(/\{.*\}/.exec(stdout)?.[0] ?? '')
  assert.deepEqual(facts, { fd: 1, isTTY: true, columns: 123, writableLength: 0, isErrorTTY: true })
})

test('a reader that does not read holds up the worker that writes; others serve, and nothing is lost', async () => {
  await using hornet = await startHornet({
    stdout: 'unread',
    args: ['-w', '2', writer, '--', 'later', 'serve', '20000'],
  })
  for (const id of [1, 2]) await hornet.waitForLog(new RegExp(`worker ${id} ready`))
  const held = await connect(hornet)
  held.write(message('GET', '/write'))
  // More than one connection can tell apart: whichever worker is not held up has them all.
  for (let i = 0; i < 20; i++) assert.equal((await get(hornet)).text, 'fine')
  hornet.readStdout()
  assert.equal((await held.readResponse()).text, 'fine')
  held.destroy()
  await hornet.stop()
  const id = /console (\d)/.exec(hornet.stdout)?.[1]
  assert.equal(hornet.stdout.split('\n').length - 1, 20_000)
  assertComplete(hornet.stdout.replaceAll(`console ${id} `, 'console 1 '), ['console'], 1, 20_000)
})

test('a worker held up by its reader ends when it is told to', async () => {
  await using hornet = await startHornet({
    stdout: 'unread',
    args: ['-w', '1', '--graceful-timeout', '300ms', writer, '--', 'later', 'serve', '20000'],
  })
  const held = await connect(hornet)
  held.write(message('GET', '/write'))
  await hornet.waitForLog(/worker 1 ready/)
  hornet.signal('SIGTERM')
  assert.deepEqual(await hornet.exited.finally(() => held.destroy()), { code: 0, signal: null })
})

test('a reader that went away loses what is written; the log says so once and the worker goes on', async () => {
  await using hornet = await startHornet({ stdout: 'unread', args: ['-w', '1', writer, '--', 'later', 'serve', '10'] })
  await hornet.waitForLog(/worker 1 ready/)
  hornet.closeStdout()
  for (let i = 0; i < 3; i++) assert.equal((await get(hornet, '/write')).text, 'fine')
  await hornet.waitForLog(/\[warn\] worker 1: what it writes to standard output is lost: EPIPE\n/)
  await hornet.stop()
  assert.equal(hornet.stderr.match(/is lost/g)?.length, 1)
})

test('a thread stuck in a system call does not keep the process', async () => {
  const fifo = join(folder, 'fifo')
  execFileSync('mkfifo', [fifo])
  await using hornet = await startHornet({
    env: { FIFO: fifo },
    args: ['-w', '1', '--graceful-timeout', '100ms', writer, '--', 'later'],
  })
  const stuck = await connect(hornet)
  stuck.write(message('GET', '/stuck'))
  await hornet.waitForLog(/worker 1 ready/)
  hornet.signal('SIGTERM')
  assert.deepEqual(await hornet.exited.finally(() => stuck.destroy()), { code: 0, signal: null })
})

test('--capture-output puts every line into the log, with what children write and what has no line end', async () => {
  await using hornet = await startHornet({
    args: ['-w', '1', '--capture-output', writer, '--', allWays.join(), 'serve', '500'],
  })
  for (const path of ['/spawn', '/partial']) assert.equal((await get(hornet, path)).text, 'fine')
  await hornet.stop()
  assert.equal(hornet.stdout, '')
  const lines: string[] = [...(hornet.stderr.match(/\[info\] stdout: .*/g) ?? [])]
  assertComplete(`${lines.filter((line) => line.includes(';')).join('\n')}\n`, allWays, 1, 500)
  assert.ok(lines.includes('[info] stdout: from a child'))
  assert.ok(lines.includes('[info] stdout: no line end'))
  assert.match(hornet.stderr, /\[error\] stderr: badly\n/)
})

test('--capture-output keeps what a worker said that cannot boot, and the message of the command', async () => {
  const log = join(folder, 'captured.log')
  const fd = openSync(join(folder, 'untouched'), 'w')
  const { code, stderr } = await runHornet({
    stdout: fd,
    args: [...options, '-w', '1', '--capture-output', '--log-file', log, writer, '--', 'console', 'throw', '300'],
  })
  closeSync(fd)
  assert.equal(code, 3)
  assert.match(stderr, /^hornet: .*thrown/)
  const lines = readFileSync(log, 'utf8').match(/stdout: .*/g) ?? []
  assertComplete(`${lines.join('\n')}\n`, ['console'], 1, 300)
  assert.equal(readFileSync(join(folder, 'untouched'), 'utf8'), '')
})
