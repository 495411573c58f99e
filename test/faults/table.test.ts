/**
 * Promise: whatever a request does to its worker costs that request and those that ran beside it in the same worker, each
 * with a status of its own; no other fails, no connection closes, and log and counters say why.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { startControlled } from '../control/fixtures/control.js'
import { startHornet } from '../support/hornet.js'
import { connect, message } from '../support/http.js'
import { app, startChecking } from './client.js'

const folder = mkdtempSync(join(tmpdir(), 'hornet-table-'))
after(() => rmSync(folder, { recursive: true }))

/** What is asked for, what it is answered, what the log says, and why the worker ended, if it did. */
const faults: [path: string, status: number, log: RegExp, exit?: string][] = [
  ['/throw', 500, /\[error\] worker \d: GET \/throw: Error: thrown by the handler\n\s+at .*app\.mjs/],
  ['/reject', 500, /\[error\] worker \d: GET \/reject: Error: rejected by the handler\n\s+at .*app\.mjs/],
  ['/uncaught', 502, /died, replaced .*: Error: thrown outside of any request\n\s+at .*app\.mjs/, 'crash'],
  ['/unhandled', 502, /died, replaced .*: Error: a promise nobody handles\n\s+at .*app\.mjs/, 'crash'],
  ['/exit', 502, /died, replaced .*: it called process\.exit\(3\)\n\s+at .*app\.mjs/, 'crash'],
  ['/leak', 502, /died, replaced .*: it needed more than 48m of heap \(--max-worker-memory\)/, 'memory'],
  ['/spin', 504, /is blocked, replaced .*\n(?:.*\n)*? +at spinForever \(/, 'timeout'],
]

test('each fault of a request costs what the table says, beside a client that checks every answer', async () => {
  const args = ['--io-threads', '2', '--timeout', '1s', '--request-timeout', '2500ms', '--max-worker-memory', '48m']
  await using server = await startControlled({ app, args })
  const { hornet, ask } = server
  const load = await startChecking(hornet, [502, 504])
  const connection = await connect(hornet)
  const wanted: Record<string, number> = {}
  for (const [path, status, log, exit] of faults) {
    const from = hornet.stderr.length
    connection.write(message('GET', path))
    const response = await connection.readResponse()
    assert.deepEqual([response.status, response.headers.connection], [status, 'keep-alive'], path)
    await hornet.waitForLog(log, { from })
    if (exit !== undefined) wanted[exit] = (wanted[exit] ?? 0) + 1
    await load.progress(40)
  }
  connection.write(message('GET', '/never?table'))
  const late = await connection.readResponse()
  assert.deepEqual([late.status, late.headers.connection], [504, 'keep-alive'])
  await hornet.waitForLog(/request timed out after .* \(--request-timeout\): GET \/never\?table, in worker/)
  const report = await load.stop()
  assert.deepEqual([report.failures, report.closed], [0, 0], JSON.stringify(report))
  const { totals } = (await ask('GET', '/status')).json
  assert.deepEqual(totals.workerExits, wanted)
  assert.equal(totals.workersBlocked, 1)
  // Theirs and those that ran beside them; the request that timed out cost no worker.
  assert.equal(totals.requestsFailed, 5 + (report.byStatus[502] ?? 0) + (report.byStatus[504] ?? 0))
  connection.write(message('GET', '/'))
  assert.equal((await connection.readResponse()).status, 200)
  connection.destroy()
})

test('all workers down: 503 after --queue-timeout, not ready, degraded; and well again by itself', async () => {
  const file = join(folder, 'generation')
  writeFileSync(file, 'first')
  const args = ['--workers', '1', '--queue-timeout', '200ms', '--health', '/health']
  await using hornet = await startHornet({ app: 'test/signals/fixtures/app.mjs', env: { GENERATION_FILE: file }, args })
  await hornet.waitForLog(/worker 1 ready/)
  const connection = await connect(hornet)
  const ask = async (path: string) => {
    connection.write(message('GET', path))
    return connection.readResponse()
  }
  assert.equal((await ask('/')).text, 'first')
  writeFileSync(file, 'broken')
  assert.equal((await ask('/exit')).status, 502)
  const shed = await ask('/')
  assert.deepEqual([shed.status, shed.headers.connection], [503, 'keep-alive'])
  assert.match(shed.headers['retry-after'] ?? '', /^\d+$/)
  await hornet.waitForLog(/worker \d+ could not boot, replaced in \d+ ms: .*this generation cannot load/)
  await hornet.waitForLog(/\[warn\] degraded: 0 of 1 workers are ready/)
  assert.deepEqual([(await ask('/health/live')).status, (await ask('/health/ready')).status], [200, 503])
  // In one step: a worker may be booting right now.
  writeFileSync(`${file}.new`, 'mended')
  renameSync(`${file}.new`, file)
  await hornet.waitForLog(/no longer degraded/)
  assert.deepEqual([(await ask('/')).text, (await ask('/health/ready')).status], ['mended', 200])
  connection.destroy()
})
