/**
 * Promise: a worker whose event loop stands still for longer than --timeout is explained and replaced: the log names the
 * requests and the line of JavaScript, its running requests get 504, the others another worker, and no connection closes.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { WorkerView } from '../../src/control/api.js'
import { startControlled } from '../control/fixtures/control.js'
import { eventually, within } from '../support/deadline.js'
import { startHornet } from '../support/hornet.js'
import { connect, get, message } from '../support/http.js'
import { root } from '../support/root.js'
import { app, startChecking } from './client.js'

const folder = mkdtempSync(join(tmpdir(), 'hornet-faults-'))
after(() => rmSync(folder, { recursive: true }))

const source = readFileSync(join(root, app), 'utf8').split('\n')
const spinLine = 1 + source.findIndex((text) => text.includes('a test looks for this line'))

test('an endless loop: named by request and line, 504, replaced; those behind it are served', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '1', '--timeout', '500ms'] })
  await hornet.waitForLog(/worker 1 ready/)
  const spinning = await connect(hornet)
  // The second is in the worker's ring, not begun; or in the queue, when it came a moment later.
  spinning.write(Buffer.concat([message('GET', '/spin?why=test'), message('GET', '/')]))
  const blocked = await spinning.readResponse()
  assert.equal(blocked.status, 504)
  assert.equal(blocked.headers.connection, 'keep-alive')
  await hornet.waitForLog(
    new RegExp(
      '\\[error\\] worker 1 is blocked, replaced at once: its event loop has stood still for [\\d.]+ s \\(--timeout\\)\n' +
        ' +running GET /spin\\?why=test for [\\d.]+ s\n' +
        ` +at spinForever \\(.*app\\.mjs:${spinLine}:\\d+\\)\n +at handle \\(.*app\\.mjs:`,
    ),
  )
  await hornet.waitForLog(/worker 1: 1 requests failed with it, [01] moved to others/)
  assert.equal((await spinning.readResponse()).status, 200)
  spinning.write(message('GET', '/'))
  assert.equal((await spinning.readResponse()).status, 200, 'the connection goes on')
  spinning.destroy()
})

test('a loop outside of any request, and one that waits in Atomics.wait()', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '2', '--timeout', '400ms'] })
  const load = await startChecking(hornet, [504])
  await load.progress(50)
  assert.equal((await get(hornet, '/spin-later')).status, 200)
  await hornet.waitForLog(
    /worker \d is blocked, replaced at once: .*\n( +running .*\n)*( +and \d+ more\n)?( +running no request\n)? +at spinForever/,
  )
  assert.equal((await get(hornet, '/block?60000')).status, 504)
  await hornet.waitForLog(/running GET \/block\?60000 for .*\n(.*\n)*? +at handle \(/)
  await hornet.waitForLog(/worker 4 ready/)
  await load.progress(200)
  const report = await load.stop()
  assert.deepEqual([report.failures, report.closed], [0, 0], JSON.stringify(report))
})

test('a worker that waits, is busy but turns, or blocks for less is left alone', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '1', '--timeout', '300ms'] })
  for (const path of ['/wait?900', '/turn?900', '/block?150', '/block?150']) {
    assert.equal((await get(hornet, path)).status, 200)
  }
  // So is one of a process that was stopped itself.
  const turning = await connect(hornet)
  turning.write(message('GET', '/turn?700'))
  hornet.signal('SIGSTOP')
  const stoppedMs = performance.now()
  await eventually('time', () => performance.now() - stoppedMs > 600 || undefined)
  hornet.signal('SIGCONT')
  assert.equal((await turning.readResponse()).status, 200)
  turning.destroy()
  await hornet.stop()
  assert.doesNotMatch(hornet.stderr, /block|died|504/)
})

test('--timeout 0: never; nor while a debugger may look at it', async () => {
  for (const [nodeArgs, timeout] of [
    [[], '0'],
    [['--inspect=127.0.0.1:0'], '200ms'],
  ] as const) {
    await using hornet = await startHornet({ app, nodeArgs: [...nodeArgs], args: ['-w', '1', '--timeout', timeout] })
    assert.equal((await get(hornet, '/block?700')).status, 200)
  }
})

test('a worker inside native code that cannot be ended is fenced off, counted, shown and replaced', async () => {
  const fifo = join(folder, 'fifo')
  execFileSync('mkfifo', [fifo])
  await using server = await startControlled({ app, workers: 1, args: ['--timeout', '300ms'] })
  const { hornet, ask } = server
  const stuck = await connect(hornet)
  stuck.write(message('GET', `/native?${encodeURIComponent(fifo)}`))
  // Opening it for writing succeeds once the worker is in the middle of opening it for reading.
  const writer = await within(open(fifo, 'w'), 'worker that opens the FIFO')
  assert.equal((await stuck.readResponse()).status, 504)
  await hornet.waitForLog(/worker 1 is blocked, replaced at once: .*\n +running GET \/native.*\n +inside native code/)
  await hornet.waitForLog(/worker 2 ready/)
  stuck.write(message('GET', '/'))
  assert.equal((await stuck.readResponse()).status, 200, 'the connection goes on')
  await hornet.waitForLog(/\[error\] worker 1 is stuck in native code and cannot be ended: .*\(1 such\)/)
  const { workers } = (await ask('GET', '/workers')).json
  assert.deepEqual(
    workers.map(({ id, state }: WorkerView) => [id, state]),
    [
      [1, 'stuck'],
      [2, 'ready'],
    ],
  )
  const metrics = (await ask('GET', '/metrics')).text
  assert.match(metrics, /^hornet_workers\{state="stuck"\} 1$/m)
  assert.match(metrics, /^hornet_workers_blocked_total 1$/m)
  // What it does when it comes back reaches nobody.
  await writer.writeFile('go')
  await writer.close()
  await hornet.waitForLog(/worker 1, which was stuck, ended/)
  assert.match((await ask('GET', '/metrics')).text, /^hornet_worker_exits_total\{reason="timeout"\} 1$/m)
  assert.equal(stuck.buffered.length, 0)
  stuck.write(message('GET', '/'))
  assert.equal((await stuck.readResponse()).status, 200)
  stuck.destroy()
})
