/**
 * Promise: USR2 starts a new Hornet on the same sockets; it takes over when its workers are ready, with pid file and
 * socket files, and no request fails; when it fails, the old one goes on.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { asked, within } from '../support/deadline.js'
import { type Hornet, startHornet } from '../support/hornet.js'
import { connect, get, message } from '../support/http.js'
import { startLoad } from '../support/load.js'
import { openNotifySocket } from '../support/notify-socket.js'
import { isThere, turns, until } from '../support/until.js'

const app = 'test/signals/fixtures/app.mjs'
const folder = mkdtempSync(join(tmpdir(), 'hornet-upgrade-'))
after(() => rmSync(folder, { recursive: true }))

/** Waits for the new process, and says which it is. */
async function upgraded(hornet: Hornet): Promise<number> {
  const [, pid] = await hornet.waitForLog(/process (\d+) serves: this one leaves/)
  return Number(pid)
}

/** Ends a process that is not the harness's child: the pipe of its log closes with it. */
async function endSuccessor(hornet: Hornet, pid: number): Promise<void> {
  process.kill(pid, 'SIGTERM')
  await hornet.waitForLog(new RegExp(`\\[${pid}\\] \\[info\\] stopped\\n`))
  assert.deepEqual(await hornet.exited, { code: 0, signal: null })
  // Its parent is gone: whoever adopts orphans here reaps it, in a moment.
  await until(() => !isThere(pid), 'end of the new process')
}

test('under load no request fails; pid file and socket files go to the new process', async () => {
  const [pidFile, path, control] = [join(folder, 'a.pid'), join(folder, 'a.sock'), join(folder, 'a.control')]
  const args = ['--workers', '2', '--pid', pidFile, '--bind', `unix:${path}`, '--control', `unix:${control}`]
  await using hornet = await startHornet({ app, args })
  const load = await startLoad({ target: hornet, connections: 32, reconnect: true })
  await load.progress(500)
  const idle = await connect({ path })
  idle.write(message('GET', '/'))
  assert.notEqual((await idle.readResponse()).headers.connection, 'close')
  hornet.signal('SIGUSR2')
  const pid = await upgraded(hornet)
  assert.equal(readFileSync(pidFile, 'utf8'), `${pid}\n`)
  // A connection to the old process: as soon as that begins to leave it answers once more, and says that it is the last
  // time.
  await asked('a last answer', async () => {
    idle.write(message('GET', '/'))
    return (await idle.readResponse()).headers.connection === 'close'
  })
  assert.equal((await idle.readToEnd()).length, 0)
  await load.progress(500)
  await hornet.waitForLog(new RegExp(`\\[${hornet.pid}\\] \\[info\\] stopped\\n`))
  await load.progress(500)
  const report = await load.stop()
  assert.equal(report.failures, 0, JSON.stringify(report))
  assert.equal((await get({ path })).text, 'first', 'the socket file is still there')
  await hornet.waitForLog(new RegExp(`\\[${pid}\\] \\[info\\] control API on `))
  assert.equal(JSON.parse((await get({ path: control }, '/status')).text).pid, pid)
  await endSuccessor(hornet, pid)
  assert.ok(!existsSync(pidFile) && !existsSync(path), 'the new process removes both')
})

test('pipelined requests are answered up to the last one that the old process has read', async () => {
  const env = { CHAOS_JOURNAL: join(folder, 'journal') }
  const args = ['--workers', '2', '--graceful-timeout', '10s']
  await using hornet = await startHornet({ app: 'test/chaos/app.mjs', args, env })
  await hornet.waitForLog(/worker 2 ready/)
  let isOver = false
  const failures: string[] = []
  const drive = async () => {
    while (!isOver) {
      const connection = await connect(hornet)
      let isLast = false
      for (let batch = 0; !isLast && !isOver; batch++) {
        const depth = 1 + (batch % 8)
        // Idle now and then, so that workers are too.
        await turns(20 * (batch % 5))
        connection.write(
          Buffer.concat(Array.from({ length: depth }, () => message('GET', '/number?n=1', { 'X-Request': '1' }))),
        )
        for (let left = depth; left > 0 && !isLast; left--) {
          const response = await connection.readResponse()
          if (response.status !== 200) failures.push(`${response.status} with ${left} to come`)
          isLast = response.headers.connection === 'close'
        }
      }
      connection.destroy()
    }
  }
  const clients = Array.from({ length: 16 }, drive)
  hornet.signal('SIGUSR2')
  const pid = await upgraded(hornet)
  await hornet.waitForLog(new RegExp(`\\[${hornet.pid}\\] \\[info\\] stopped\\n`))
  isOver = true
  await Promise.all(clients)
  await endSuccessor(hornet, pid)
  assert.deepEqual(failures, [])
  assert.doesNotMatch(hornet.stderr, /the graceful timeout is over/)
})

test('a new process that cannot load the application leaves the old one as it was', async () => {
  const [generation, pidFile, path] = [join(folder, 'generation'), join(folder, 'b.pid'), join(folder, 'b.sock')]
  writeFileSync(generation, 'first')
  const args = ['--workers', '1', '--pid', pidFile, '--bind', `unix:${path}`]
  await using hornet = await startHornet({ app, args, env: { GENERATION_FILE: generation } })
  await hornet.waitForLog(/worker 1 ready/)
  writeFileSync(generation, 'broken')
  hornet.signal('SIGUSR2')
  await hornet.waitForLog(/this generation cannot load/)
  await hornet.waitForLog(/\[error\] upgrade failed, this process goes on: it ended with exit status 3\n/)
  assert.equal((await get(hornet)).text, 'first')
  assert.equal((await get({ path })).text, 'first')
  assert.equal(readFileSync(pidFile, 'utf8'), `${hornet.pid}\n`)
})

test('a second USR2 waits for the first; TERM gives the new process up', async () => {
  const generation = join(folder, 'generation')
  writeFileSync(generation, 'first')
  await using hornet = await startHornet({ app, args: ['--workers', '1'], env: { GENERATION_FILE: generation } })
  await hornet.waitForLog(/worker 1 ready/)
  writeFileSync(generation, 'stuck')
  hornet.signal('SIGUSR2')
  await hornet.waitForLog(/upgrading/)
  hornet.signal('SIGUSR2')
  await hornet.waitForLog(/no upgrade: one is under way/)
  assert.equal((await hornet.stop()).code, 0, 'and nothing is left')
})

test('systemd is told which process is the service', async () => {
  const path = join(folder, 'notify')
  await using manager = await openNotifySocket(path)
  await using hornet = await startHornet({ app, args: ['--workers', '1'], env: { NOTIFY_SOCKET: path } })
  await manager.waitFor(/^READY=1/)
  hornet.signal('SIGUSR2')
  const pid = await upgraded(hornet)
  await manager.waitFor(new RegExp(`^MAINPID=${pid}$`))
  await within(hornet.waitForLog(new RegExp(`\\[${hornet.pid}\\] \\[info\\] stopped\\n`)), 'end of the old process')
  assert.ok(!manager.messages.some((text) => text.startsWith('STOPPING')), 'the service goes on')
  await endSuccessor(hornet, pid)
  await manager.waitFor(/^STOPPING=1/)
})
