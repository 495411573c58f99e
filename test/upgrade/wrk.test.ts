/**
 * Promise: under wrk at 64 keep-alive connections, 20 reloads and 20 changes of the number of workers fail no request and
 * close no connection; an upgrade fails no request.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { within } from '../support/deadline.js'
import { type Hornet, startHornet } from '../support/hornet.js'
import { isThere, until } from '../support/until.js'

const app = 'test/signals/fixtures/app.mjs'
const connectionsWanted = 64

interface Wrk {
  /** What it says at the end. */
  [Symbol.asyncDispose](): Promise<void>
  stop(): Promise<{ requests: number; socketErrors: string; badAnswers: string }>
}

function startWrk(url: string): Wrk {
  const args = ['-t1', `-c${connectionsWanted}`, '-d100s', '--timeout', '20s', url]
  const child = spawn('wrk', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  const closed = once(child, 'close')
  return {
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await closed
    },
    async stop() {
      // It prints its figures then, as at the end of its time.
      child.kill('SIGINT')
      await within(closed, 'end of wrk')
      return {
        requests: Number(/(\d+) requests in/.exec(output)?.[1]),
        socketErrors: /Socket errors: (.*)/.exec(output)?.[1] ?? 'none',
        badAnswers: /Non-2xx or 3xx responses: (.*)/.exec(output)?.[1] ?? 'none',
      }
    },
  }
}

/** The ports of established connections to the server, seen from the clients. */
function clientPorts(serverPort: number): string[] {
  const established = '01'
  const remote = `:${serverPort.toString(16).toUpperCase().padStart(4, '0')}`
  const rows = readFileSync('/proc/net/tcp', 'utf8').trim().split('\n').slice(1)
  const sockets = rows.map((row) => row.trim().split(/\s+/))
  return sockets
    .filter(([, , peer, state]) => peer.endsWith(remote) && state === established)
    .map(([, local]) => local)
    .sort()
}

async function allConnected(hornet: Hornet): Promise<string[]> {
  await until(() => clientPorts(hornet.port).length === connectionsWanted, `${connectionsWanted} connections`)
  return clientPorts(hornet.port)
}

const skip = process.platform === 'linux' ? false : 'it reads /proc/net/tcp'

test('20 reloads, 10 times TTIN and 10 times TTOU', { skip }, async (t: TestContext) => {
  await using hornet = await startHornet({ app, args: ['--workers', '2'] })
  await hornet.waitForLog(/worker [12] ready[\s\S]*worker [12] ready/)
  await using wrk = startWrk(hornet.url)
  const before = await allConnected(hornet)
  for (let generation = 2; generation <= 21; generation++) {
    hornet.signal('SIGHUP')
    await hornet.waitForLog(new RegExp(`reloaded: generation ${generation}\\n`))
  }
  for (let round = 0; round < 10; round++) {
    const from = hornet.stderr.length
    hornet.signal('SIGTTIN')
    await hornet.waitForLog(/workers: 2 -> 3\n[\s\S]*worker \d+ ready/, { from })
    hornet.signal('SIGTTOU')
    await hornet.waitForLog(/workers: 3 -> 2\n[\s\S]*worker \d+ ended/, { from })
  }
  const after = clientPorts(hornet.port)
  const report = await wrk.stop()
  t.diagnostic(
    `20 reloads, 20 TTIN/TTOU: ${JSON.stringify(report)}, connections closed: ${before.filter((port) => !after.includes(port)).length}`,
  )
  assert.deepEqual([report.socketErrors, report.badAnswers], ['none', 'none'])
  assert.deepEqual(after, before, 'the very same connections')
  assert.ok(report.requests > 1000)
})

test('one upgrade', { skip }, async (t: TestContext) => {
  await using hornet = await startHornet({ app, args: ['--workers', '2'] })
  await hornet.waitForLog(/worker [12] ready[\s\S]*worker [12] ready/)
  await using wrk = startWrk(hornet.url)
  await allConnected(hornet)
  hornet.signal('SIGUSR2')
  const [, pid] = await hornet.waitForLog(/process (\d+) serves: this one leaves/)
  await hornet.waitForLog(new RegExp(`\\[${hornet.pid}\\] \\[info\\] stopped\\n`))
  const report = await wrk.stop()
  t.diagnostic(`one upgrade: ${JSON.stringify(report)}`)
  process.kill(Number(pid), 'SIGTERM')
  await hornet.exited
  await until(() => !isThere(Number(pid)), 'end of the new process')
  assert.deepEqual([report.socketErrors, report.badAnswers], ['none', 'none'])
  assert.ok(report.requests > 1000)
})
