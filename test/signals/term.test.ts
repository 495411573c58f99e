/**
 * Promise: SIGTERM lets requests in flight finish, closes what is idle at once, and ends with status 0 within the
 * graceful timeout; a second one does not wait.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startHornet } from '../support/hornet.js'
import { connect, get, message } from '../support/http.js'
import { startLoad } from '../support/load.js'
import { app, holdRequest } from './held-request.js'

test('a request in flight finishes, and its connection is closed after it', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '2'] })
  const held = await holdRequest(hornet)
  hornet.signal('SIGTERM')
  await hornet.waitForLog(/stopping \(graceful, at most 30s\)/)
  held.release()
  const rest = await held.connection.readToEnd()
  assert.match(rest.toString(), /done/)
  assert.deepEqual(await hornet.exited, { code: 0, signal: null })
  assert.match(hornet.stderr, /\[info\] stopped\n/)
})

test('idle keep-alive connections are closed at once', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '1', '--keep-alive', '1h'] })
  const held = await holdRequest(hornet)
  const idle = await connect(hornet)
  idle.write(message('GET', '/'))
  assert.equal((await idle.readResponse()).text, 'first')
  hornet.signal('SIGTERM')
  assert.equal((await idle.readToEnd()).length, 0)
  assert.equal(held.connection.state, 'open', 'while the other request is still in flight')
  held.release()
  await held.connection.readToEnd()
  assert.deepEqual(await hornet.exited, { code: 0, signal: null })
})

test('nothing is lost under load: every request sent is answered, then the connections close', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '2'] })
  const load = await startLoad({ target: hornet, connections: 16 })
  await load.progress(500)
  hornet.signal('SIGTERM')
  assert.deepEqual(await hornet.exited, { code: 0, signal: null })
  const report = await load.stop()
  // A connection that the server closed while idle may have crossed with the next request; never with one it had read.
  assert.deepEqual(Object.keys(report.byStatus), ['200'], JSON.stringify(report))
})

test('a request that does not finish is given up at the graceful timeout', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '1', '--graceful-timeout', '300ms'] })
  const held = await holdRequest(hornet)
  hornet.signal('SIGTERM')
  assert.deepEqual(await hornet.exited, { code: 0, signal: null })
  assert.match(hornet.stderr, /the graceful timeout is over/)
  held.connection.destroy()
})

test('a second TERM forces', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '2'] })
  const held = await holdRequest(hornet)
  hornet.signal('SIGTERM')
  await hornet.waitForLog(/stopping \(graceful/)
  hornet.signal('SIGTERM')
  assert.deepEqual(await hornet.exited, { code: 0, signal: null })
  assert.match(hornet.stderr, /told again to stop/)
  held.connection.destroy()
})

test('TERM while no worker is ready yet', async () => {
  await using hornet = await startHornet({ app: 'test/signals/fixtures/never-ready.mjs', args: ['--workers', '2'] })
  await hornet.waitForLog(/loading/)
  hornet.signal('SIGTERM')
  assert.deepEqual(await hornet.exited, { code: 0, signal: null })
})

test('whose answer is not begun when the server gives up is told so', async () => {
  const booting = { app: 'test/signals/fixtures/never-ready.mjs', args: ['--workers', '1', '--health', '/health'] }
  const late = {
    app: 'test/http/fixtures/app.mjs',
    args: ['--workers', '1', '--worker-connections', '1', '--graceful-timeout', '100ms'],
  }
  for (const [options, signal] of [
    [booting, 'SIGTERM'],
    [booting, 'SIGINT'],
    [late, 'SIGTERM'],
    [late, 'SIGINT'],
  ] as const) {
    await using hornet = await startHornet(options)
    const connection = await connect(hornet)
    connection.write(Buffer.concat([message('GET', '/hold/a'), message('GET', '/hold/b')]))
    const other = await connect(hornet)
    other.write(message('GET', '/hold/c'))
    // Behind them in the accept queue and in the thread's work: they have been read.
    if (options === booting) await get(hornet, '/health/live')
    else await hornet.waitForLog(/worker 1 ready/)
    hornet.signal(signal)
    const answers = []
    for (const each of [connection, connection, other]) answers.push(await each.readResponse())
    assert.deepEqual([answers[1].headers.connection, answers[2].headers.connection], ['close', 'close'])
    // At most one was begun, and ended with its worker.
    const shed = answers.filter(({ status, headers }) => status === 503 && headers['retry-after'] === '1')
    const failed = answers.filter(({ status }) => status === 502)
    assert.ok(shed.length + failed.length === 3 && failed.length <= (options === booting ? 0 : 1))
    for (const each of [connection, other]) assert.equal((await each.readToEnd()).length, 0)
    assert.deepEqual(await hornet.exited, { code: 0, signal: null })
  }
})

test('INT and QUIT do not wait for requests in flight', async () => {
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) {
    await using hornet = await startHornet({ app, args: ['--workers', '2'] })
    assert.equal((await get(hornet)).status, 200)
    const held = await holdRequest(hornet)
    hornet.signal(signal)
    assert.deepEqual(await hornet.exited, { code: 0, signal: null })
    assert.match(hornet.stderr, /stopping \(quick/)
    held.connection.destroy()
  }
})
