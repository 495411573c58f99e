/**
 * Promise: a worker that runs one long piece of JavaScript delays nothing but what it has already begun: what was handed
 * to it goes to another worker within milliseconds.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { RequestView } from '../../src/control/api.js'
import { type Controlled, startControlled } from '../control/fixtures/control.js'
import { within } from '../support/deadline.js'
import { startHornet } from '../support/hornet.js'
import { connect, get, message, type RawConnection, type Target } from '../support/http.js'

const app = 'test/http/fixtures/app.mjs'
const folder = mkdtempSync(join(tmpdir(), 'hornet-blocked-'))
after(() => rmSync(folder, { recursive: true }))

/**
 * Resolves when a worker is in the middle of a request that blocks it, until a word is written to the pipe.
 *
 * @param behind Further requests of the connection, sent in one piece with it.
 */
async function block(
  target: Target,
  name: string,
  behind: Buffer[] = [],
): Promise<{ connection: RawConnection; pipe: FileHandle }> {
  const path = join(folder, name)
  execFileSync('mkfifo', [path])
  const connection = await connect(target)
  connection.write(Buffer.concat([message('GET', `/block?${encodeURIComponent(path)}`), ...behind]))
  // Succeeds once the worker has opened it for reading.
  return { connection, pipe: await within(open(path, 'w'), 'worker that blocks') }
}

async function free({ pipe }: { pipe: FileHandle }): Promise<void> {
  await pipe.writeFile('go')
  await pipe.close()
}

async function reassigned({ ask }: Controlled): Promise<number> {
  return Number(/^hornet_requests_reassigned_total (\d+)$/m.exec((await ask('GET', '/metrics')).text)?.[1])
}

test('requests behind a blocked worker are served by the other one', async () => {
  const pipe = join(folder, 'pipe')
  execFileSync('mkfifo', [pipe])
  {
    await using hornet = await startHornet({ app, args: ['--workers', '2'] })
    await hornet.waitForLog(/worker 1 ready/)
    await hornet.waitForLog(/worker 2 ready/)
    const connections = await Promise.all(Array.from({ length: 64 }, () => connect(hornet)))
    const blocking = await connect(hornet)
    blocking.write(message('GET', `/block?${encodeURIComponent(pipe)}`))
    // More requests at the same moment: some land behind it in the same batch.
    let times: number[] = []
    const ask = async (connection: (typeof connections)[number]) => {
      const start = performance.now()
      connection.write(message('GET', '/echo'))
      const { threadId } = JSON.parse((await connection.readResponse()).text)
      times.push(performance.now() - start)
      return threadId as number
    }
    await Promise.all(connections.map(ask))
    // Opening it for writing succeeds once the worker has opened it for reading: it is blocked from here on.
    const writer = await within(open(pipe, 'w'), 'worker that blocks')
    const threads = new Set<number>()
    times = []
    for (let round = 0; round < 20; round++) {
      for (const thread of await Promise.all(connections.map(ask))) threads.add(thread)
    }
    assert.equal(blocking.buffered.length, 0, 'still blocked')
    assert.equal(threads.size, 1, 'one worker served them all')
    times.sort((a, b) => a - b)
    const [median, worst] = [times[times.length >> 1] ?? 0, times.at(-1) ?? 0]
    console.log(
      `one of two workers blocked: ${times.length} requests, ${median.toFixed(1)} ms median, ${worst.toFixed(1)} ms worst`,
    )
    // The promise is milliseconds; the bound leaves room for a machine that is busy with other tests.
    assert.ok(worst < 500, `a request took ${worst} ms`)
    await writer.writeFile('go')
    await writer.close()
    const blocked = await blocking.readResponse()
    assert.ok(!threads.has(Number(blocked.text)))
    assert.equal((await get(hornet)).text, 'hello')
    for (const connection of [...connections, blocking]) connection.destroy()
  }
})

test('a worker that blocks is given nothing new while another is free, however many requests wait in that one', async () => {
  await using server = await startControlled({ app, workers: 2 })
  const { hornet, ask } = server
  const blocked = await block(hornet, 'one')
  // By the number of requests the blocked worker, which has one, would be the one to choose.
  const held = await Promise.all(Array.from({ length: 5 }, () => connect(hornet)))
  for (const [index, connection] of held.entries()) connection.write(message('GET', `/hold/${index}`))
  const isHeld = ({ url, state }: RequestView) => url.startsWith('/hold/') && state === 'running'
  while ((await ask('GET', '/requests')).json.requests.filter(isHeld).length < held.length);
  const before = await reassigned(server)
  for (let count = 0; count < 100; count++) assert.equal((await get(hornet, '/text/a')).text, 'a')
  const after = await reassigned(server)
  assert.ok(after - before <= 1, `${before} before, ${after} after`)
  await free(blocked)
  assert.equal((await blocked.connection.readResponse()).status, 200)
  for (const connection of [...held, blocked.connection]) connection.destroy()
})

test('one that was taken back from a blocked worker is answered in its turn, though later ones have begun', async () => {
  await using server = await startControlled({ app, workers: 2 })
  const { hornet, ask } = server
  // Half of these go to the worker that blocks. What is larger than a window waits for its turn in the midst.
  const sizes = [1, 2, 3, 1, 2, 3]
  const behind = sizes.flatMap((size) => ['/text/small', `/download/${size}`]).map((path) => message('GET', path))
  for (const name of ['late one', 'late two', 'late three']) {
    const before = await reassigned(server)
    const blocked = await block(hornet, name, behind)
    const { connection } = blocked
    const hasBegun = ({ url, state }: RequestView) => url.startsWith('/download/') && state === 'running'
    while ((await ask('GET', '/requests')).json.requests.filter(hasBegun).length < sizes.length);
    assert.ok((await reassigned(server)) > before)
    await free(blocked)
    assert.equal((await connection.readResponse()).status, 200)
    for (const size of sizes) {
      assert.equal((await connection.readResponse()).text, 'small')
      assert.equal((await connection.readResponse()).body.length, size * 1024 * 1024)
    }
    connection.destroy()
  }
})

test('--reassign-after says when', async () => {
  await using server = await startControlled({ app, workers: 2, args: ['--reassign-after', '300ms'] })
  const { hornet } = server
  const connections = await Promise.all(Array.from({ length: 16 }, () => connect(hornet)))
  const blocked = await block(hornet, 'three')
  const begun = performance.now()
  for (const connection of connections) connection.write(message('GET', '/text/a'))
  const times = await Promise.all(
    connections.map(async (connection) => {
      assert.equal((await connection.readResponse()).text, 'a')
      return performance.now() - begun
    }),
  )
  assert.equal(blocked.connection.buffered.length, 0, 'still blocked')
  const late = times.filter((ms) => ms >= 295).length
  const count = await reassigned(server)
  console.log(`--reassign-after 300ms: ${count} of ${times.length} went to the other worker`)
  assert.ok(late >= count, `${count} did, but only ${late} took that long`)
  await free(blocked)
  for (const connection of [...connections, blocked.connection]) connection.destroy()
})

test('with no other worker to go to, who waits is answered 503 at --queue-timeout, and never run', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '1', '--queue-timeout', '200ms'] })
  const blocked = await block(hornet, 'two')
  const behind = await connect(hornet)
  behind.write(message('GET', '/text/never'))
  const shed = await behind.readResponse()
  assert.deepEqual([shed.status, shed.headers.connection], [503, 'keep-alive'])
  assert.match(shed.headers['retry-after'] ?? '', /^\d+$/)
  await free(blocked)
  assert.equal((await blocked.connection.readResponse()).status, 200)
  behind.write(message('GET', '/seen/count'))
  assert.equal((await behind.readResponse()).text, '1', 'the request that blocked')
  behind.destroy()
  blocked.connection.destroy()
})

test('requests that are merely in flight cost nothing', { skip: process.platform !== 'linux' }, async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '1', '--keep-alive', '500ms'] })
  const held = await Promise.all(Array.from({ length: 10 }, () => connect(hornet)))
  for (const [index, connection] of held.entries()) connection.write(message('GET', `/hold/${index}`))
  const idle = await connect(hornet)
  idle.write(message('GET', '/text/a'))
  assert.equal((await idle.readResponse()).text, 'a')
  const tasks = `/proc/${hornet.pid}/task`
  const io = readdirSync(tasks).find((id) => readFileSync(`${tasks}/${id}/comm`, 'utf8').startsWith('hornet-io'))
  const wakeUps = () =>
    Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(readFileSync(`${tasks}/${io}/status`, 'utf8'))?.[1])
  const before = wakeUps()
  await idle.readToEnd()
  const count = wakeUps() - before
  console.log(`the I/O thread woke up ${count} times in half a second`)
  assert.ok(count < 20, `${count} times: a timer of 5 ms would be 100`)
  for (const connection of held) connection.destroy()
})
