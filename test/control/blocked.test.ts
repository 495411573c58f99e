/**
 * Promise: a worker that is caught in a loop is seen, named by file and line within a second, and harms no other.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { RequestView, StackView, WorkerView } from '../../src/control/api.js'
import { connect, get, message } from '../support/http.js'
import { root } from '../support/root.js'
import { app, ctl, startControlled } from './fixtures/control.js'

test('hornetctl stack names file and line of an endless loop while the other worker serves on', async () => {
  await using server = await startControlled({ args: ['--graceful-timeout', '1'] })
  const { hornet, ask } = server
  const source = readFileSync(join(root, app), 'utf8').split('\n')
  const line = 1 + source.findIndex((text) => text.includes('a test looks for this line'))
  const spinning = await connect(hornet)
  spinning.write(message('GET', '/spin'))
  let worker: WorkerView | undefined
  while (worker === undefined) {
    const { workers } = (await ask('GET', '/workers')).json
    worker = workers.find(({ blockedMs }: WorkerView) => blockedMs > 0)
  }

  // The promise is a second. A machine that is busy with other tests gets three chances to keep it.
  const times: number[] = []
  let stack: StackView | undefined
  while (times.length === 0 || (Math.min(...times) >= 1000 && times.length < 3)) {
    const before = performance.now()
    stack = (await ask('GET', `/workers/${worker.id}/stack`)).json
    times.push(performance.now() - before)
  }
  const stackMs = Math.min(...times)
  assert.ok(stack !== undefined)
  assert.equal(stack.state, 'running')
  assert.equal(stack.frames[0].function, 'spinForever')
  assert.equal(stack.frames[0].file, join(root, app))
  assert.equal(stack.frames[0].line, line)
  assert.equal(stack.frames[1].function, 'handle')
  assert.ok(stackMs < 1000, `${stackMs} ms`)

  const begun = performance.now()
  const { code, stdout } = await ctl(['stack', String(worker.id)], { HORNET_CONTROL: `unix:${server.path}` })
  const commandMs = performance.now() - begun
  assert.equal(code, 0)
  assert.match(stdout, new RegExp(`at spinForever \\(.*app\\.mjs:${line}:\\d+\\)`))
  console.log(`stack of a worker in an endless loop: ${stackMs.toFixed(0)} ms, by hornetctl ${commandMs.toFixed(0)} ms`)

  const other = worker.id === 1 ? 2 : 1
  for (let count = 0; count < 20; count++) assert.equal((await get(hornet)).text, 'hello')
  const { requests } = (await ask('GET', '/requests')).json
  assert.deepEqual(
    requests.map(({ url, workerId, state }: RequestView) => [url, workerId, state]),
    [['/spin', worker.id, 'running']],
  )
  assert.equal((await ask('GET', `/workers/${other}/stack`)).json.state, 'idle')
  assert.equal(spinning.buffered.length, 0)

  // It can be replaced.
  await ask('POST', `/workers/${worker.id}/restart`)
  await hornet.waitForLog(/worker 3 ready/)
  await hornet.waitForLog(new RegExp(`worker ${worker.id} did not end in time: terminated`))
  assert.equal((await spinning.readResponse()).status, 502)
  spinning.destroy()
})

test('a heap snapshot is streamed as a download', async () => {
  await using server = await startControlled({ workers: 1 })
  const { status, headers, json } = await server.ask('GET', '/workers/1/heap-snapshot')
  assert.equal(status, 200)
  assert.match(headers['content-disposition'], /worker-1\.heapsnapshot/)
  assert.ok(json.snapshot.node_count > 1000)
})
