/**
 * Promise: with --guard the listening sockets outlive the server's process. However it dies, another one takes its place,
 * and connections made in between wait for it; what ends in order, or cannot start, ends the guard as well.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { restartDelayMs } from '../../src/master/guard.js'
import { holdRequest } from '../signals/held-request.js'
import { within } from '../support/deadline.js'
import { freePort } from '../support/free-port.js'
import { type Hornet, runHornet, startHornet } from '../support/hornet.js'
import { get, type Target } from '../support/http.js'
import { startLoad } from '../support/load.js'
import { openNotifySocket } from '../support/notify-socket.js'
import { root } from '../support/root.js'
import { isThere, until } from '../support/until.js'

const app = 'test/guard/fixtures/app.mjs'
const folder = mkdtempSync(join(tmpdir(), 'hornet-guard-'))
after(() => rmSync(folder, { recursive: true }))

/** Waits for the next server that has a worker ready, and says which process it is. */
async function server(hornet: Hornet, from = 0): Promise<number> {
  const [, pid] = await hornet.waitForLog(/\[(\d+)\] \[info\] worker 1 ready/, { from })
  return Number(pid)
}

/** Neither the server nor the guard holds the port any more. */
async function refusal(port: number): Promise<void> {
  for (;;) {
    const outcome = await get({ port }).catch((error: NodeJS.ErrnoException) => error)
    if ('code' in outcome && outcome.code === 'ECONNREFUSED') return
  }
}

interface Attempt {
  startedMs: number
  result: string
}

/** Clients that open a connection for each request, one after another, whatever happens to it. */
function hammer(target: Target, clients: number): { attempts: Attempt[]; stop(): Promise<void> } {
  const attempts: Attempt[] = []
  let isStopping = false
  const drive = async () => {
    while (!isStopping) {
      const startedMs = performance.now()
      const answer = get(target, '/', { Connection: 'close' })
      const result = await answer.then(
        ({ status }) => String(status),
        (error: NodeJS.ErrnoException) => error.code ?? error.message,
      )
      attempts.push({ startedMs, result })
    }
  }
  const drivers = Array.from({ length: clients }, drive)
  return {
    attempts,
    async stop() {
      isStopping = true
      await Promise.all(drivers)
    },
  }
}

test('killed or aborted under load: no connection is refused, and those made meanwhile are answered', async () => {
  const [path, control, pidFile] = [join(folder, 'a.sock'), join(folder, 'a.control'), join(folder, 'a.pid')]
  const args = ['--guard', '--workers', '1', '--bind', `unix:${path}`, '--control', `unix:${control}`, '--pid', pidFile]
  await using hornet = await startHornet({ app, args })
  let pid = await server(hornet)
  assert.notEqual(pid, hornet.pid)
  for (const kill of [() => process.kill(pid, 'SIGKILL'), () => get(hornet, '/abort').catch(() => {})]) {
    const clients = [hammer(hornet, 4), hammer({ path }, 4)]
    const from = hornet.stderr.length
    await until(() => clients.every(({ attempts }) => attempts.length > 20), 'answers before the end')
    void kill()
    await hornet.waitForLog(new RegExp(`process ${pid} died after .*: SIG(KILL|ABRT); restart`), { from })
    const diedMs = performance.now()
    const late = [hammer(hornet, 4), hammer({ path }, 4)]
    pid = await server(hornet, from)
    await until(() => late.every(({ attempts }) => attempts.length > 20), 'answers afterwards')
    for (const each of [...clients, ...late]) await each.stop()
    const attempts = [...clients, ...late].flatMap((each) => each.attempts)
    assert.deepEqual(
      attempts.filter(({ result, startedMs }) => result === 'ECONNREFUSED' || (startedMs > diedMs && result !== '200')),
      [],
    )
    assert.equal(readFileSync(pidFile, 'utf8'), `${hornet.pid}\n`)
  }
  const status = JSON.parse((await get({ path: control }, '/status')).text)
  assert.deepEqual(status.guard, { pid: hornet.pid, restarts: 2 })
  assert.match((await get({ path: control }, '/metrics')).text, /^hornet_guard_restarts_total 2$/m)
  assert.equal((await hornet.stop()).code, 0)
  assert.ok(!existsSync(path) && !existsSync(pidFile), 'what it made is gone')
})

test('a server that cannot start again is tried again, ever more slowly, and at once on HUP', async () => {
  const [path, generation] = [join(folder, 'b.sock'), join(folder, 'b.generation')]
  writeFileSync(generation, 'first')
  const args = ['--guard', '--workers', '1', '--bind', `unix:${path}`]
  await using hornet = await startHornet({ app, args, env: { GENERATION_FILE: generation } })
  const pid = await server(hornet)
  assert.equal((await get({ path })).text, 'first')
  writeFileSync(generation, 'broken')
  process.kill(pid, 'SIGKILL')
  for (const delay of ['100ms', '200ms', '400ms', '800ms']) {
    await hornet.waitForLog(new RegExp(`died after .*; restart \\d in ${delay}, new connections wait`))
  }
  const waiting = get({ path })
  // The file is held: another server does not take it for one that a dead server left.
  const thief = await runHornet({ app, args: ['--bind', `unix:${path}`] })
  assert.equal(thief.code, 1)
  assert.match(thief.stderr, /another process serves this socket/)
  writeFileSync(generation, 'second')
  const from = hornet.stderr.length
  hornet.signal('SIGHUP')
  await server(hornet, from)
  assert.equal((await waiting).text, 'second')

  // Told to stop between two servers, it removes what nobody else does.
  writeFileSync(generation, 'broken')
  process.kill(await server(hornet, from), 'SIGKILL')
  await hornet.waitForLog(/restart \d in \d/, { from: hornet.stderr.length })
  hornet.signal('SIGTERM')
  assert.deepEqual(await hornet.exited, { code: 0, signal: null })
  assert.ok(!existsSync(path))
})

test('what cannot start the first time ends with its own status', async () => {
  const cases: [status: number, message: RegExp, app: string, args: string[]][] = [
    [3, /thrown/, 'test/cli/fixtures/throws.mjs', []],
    [1, /cannot listen on 192\.0\.2\.1:1/, app, ['--bind', '192.0.2.1:1']],
    [1, /cannot listen on fd:\/\/99: no such descriptor/, app, ['--bind', 'fd://99']],
  ]
  for (const [code, pattern, path, args] of cases) {
    const ended = await runHornet({ app: path, args: ['--guard', '--workers', '1', ...args] })
    assert.equal(ended.code, code, ended.stderr)
    assert.match(ended.stderr, pattern)
    assert.doesNotMatch(ended.stderr, /restart/)
  }
})

test('signals go on to the server; a second TERM forces', async () => {
  const [path, log] = [join(folder, 'notify'), join(folder, 'd.log')]
  await using manager = await openNotifySocket(path)
  const args = ['--guard', '--workers', '1', '--log-file', log]
  await using hornet = await startHornet({ app, args, env: { NOTIFY_SOCKET: path } })
  const logged = (pattern: RegExp) => until(() => pattern.test(readFileSync(log, 'utf8')), `log line like ${pattern}`)
  await manager.waitFor(/^READY=1/)
  hornet.signal('SIGTTIN')
  await logged(/workers: 1 -> 2\n/)
  hornet.signal('SIGTTOU')
  await logged(/workers: 2 -> 1\n/)
  hornet.signal('SIGHUP')
  await logged(/reloaded: generation 2\n/)
  hornet.signal('SIGUSR1')
  await logged(/log reopened/)
  const held = await holdRequest(hornet)
  hornet.signal('SIGTERM')
  await logged(/stopping \(graceful/)
  // A service manager signals every process of the service: that is not yet the second time.
  const [, pid] = readFileSync(log, 'utf8').match(/\[(\d+)\] \[info\] stopping/) ?? []
  process.kill(Number(pid), 'SIGTERM')
  hornet.signal('SIGUSR1')
  await logged(/log reopened[\s\S]*log reopened/)
  assert.doesNotMatch(readFileSync(log, 'utf8'), /told again/)
  hornet.signal('SIGTERM')
  assert.deepEqual(await hornet.exited, { code: 0, signal: null })
  await logged(/told again to stop/)
  held.connection.destroy()
  assert.ok(!manager.messages.some((text) => text.startsWith('MAINPID')), 'the guard is the main process')
})

test('USR2: another server under the same guard, no request fails; one that fails changes nothing', async () => {
  const [path, generation] = [join(folder, 'e.sock'), join(folder, 'e.generation')]
  writeFileSync(generation, 'first')
  const control = join(folder, 'e.control')
  const args = ['--guard', '--workers', '2', '--bind', `unix:${path}`, '--control', `unix:${control}`]
  await using hornet = await startHornet({ app, args, env: { GENERATION_FILE: generation } })
  const old = await server(hornet)
  writeFileSync(generation, 'broken')
  hornet.signal('SIGUSR2')
  await hornet.waitForLog(/upgrade failed, this process goes on: it ended with exit status 3\n/)
  writeFileSync(generation, 'second')
  const load = await startLoad({ target: hornet, connections: 16, reconnect: true })
  await load.progress(300)
  hornet.signal('SIGUSR2')
  const [, next] = await hornet.waitForLog(/process (\d+) serves: this one leaves/)
  await load.progress(300)
  await hornet.waitForLog(new RegExp(`\\[${old}\\] \\[info\\] stopped\\n`))
  await load.progress(300)
  const report = await load.stop()
  assert.equal(report.failures, 0, JSON.stringify(report))
  assert.equal((await get({ path })).text, 'second')
  await hornet.waitForLog(new RegExp(`\\[${next}\\] \\[info\\] control API on `))
  assert.equal(JSON.parse((await get({ path: control }, '/status')).text).pid, Number(next))

  // The new one is guarded like the old one.
  const from = hornet.stderr.length
  process.kill(Number(next), 'SIGKILL')
  assert.equal((await get({ path })).text, 'second')
  assert.notEqual(await server(hornet, from), Number(next))
  assert.equal((await hornet.stop()).code, 0)
  assert.ok(!existsSync(path))
})

test('a server whose guard was killed finishes its requests and ends', async () => {
  await using hornet = await startHornet({ app, args: ['--guard', '--workers', '1'] })
  const pid = await server(hornet)
  const held = await holdRequest(hornet)
  hornet.signal('SIGKILL')
  await hornet.waitForLog(/stopping \(graceful/)
  held.release()
  assert.match((await held.connection.readToEnd()).toString(), /done/)
  await until(() => !isThere(pid), 'end of the server')
  assert.equal((await hornet.exited).signal, 'SIGKILL')
})

test('addresses that a reload opens are held too, and those that it closes are free', async () => {
  const config = join(folder, 'f.json')
  const [first, second, third] = [await freePort(), await freePort(), await freePort()]
  const bind = (...binds: string[]) => writeFileSync(config, JSON.stringify({ bind: binds, workers: 1, guard: true }))
  bind(`127.0.0.1:${first}`, `127.0.0.1:${second}`)
  await using hornet = await startHornet({ app, args: ['--config', config], listeners: 0 })
  const pid = await server(hornet)
  // All addresses of a port in place of one: what the guard holds must not stand in the way.
  bind(`0.0.0.0:${first}`, `127.0.0.1:${third}`)
  hornet.signal('SIGHUP')
  await hornet.waitForLog(/reloaded: generation 2\n/)
  await within(refusal(second), 'refusal of a closed address')
  process.kill(pid, 'SIGKILL')
  await hornet.waitForLog(/restart 1 in/)
  for (const port of [first, third]) assert.equal((await get({ port })).text, 'first')
})

test('sockets of a service manager, and those of a script that listens by itself', async () => {
  const cli = join(root, 'test/systemd/fixtures/activated.mjs')
  const port = await freePort()
  await using activated = await startHornet({
    cli,
    app,
    listeners: 2,
    args: ['--guard', '--workers', '1'],
    env: { LISTEN_FDS: '2', HORNET_BIND: '192.0.2.1:1' },
  })
  await using script = await startHornet({
    app: 'test/guard/fixtures/listens.cjs',
    listeners: 0,
    args: ['--guard', '--workers', '1'],
    env: { LISTEN_PORT: String(port) },
  })
  for (const [hornet, ports, text] of [
    [activated, activated.ports, 'first'],
    [script, [port], 'listens'],
  ] as const) {
    process.kill(await server(hornet), 'SIGKILL')
    await hornet.waitForLog(/restart 1 in/)
    for (const port of ports) assert.equal((await get({ port })).text, text)
  }
})

test('the wait doubles up to its bound, and begins anew after a server that served for a while', () => {
  const waits = [undefined, 100, 200, 6400, 10_000].map((last) => restartDelayMs(last, 500))
  assert.deepEqual(waits, [100, 200, 400, 10_000, 10_000])
  assert.equal(restartDelayMs(10_000, 10_000), 100)
})
