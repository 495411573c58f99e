/**
 * Promise: a client that is slow holds a connection for a time that was set, and never a worker.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startControlled } from '../control/fixtures/control.js'
import { asked } from '../support/deadline.js'
import { startHornet } from '../support/hornet.js'
import { connect, get, message, type RawConnection } from '../support/http.js'
import { readSlowly } from './slow-reader.js'

const app = 'test/http/fixtures/app.mjs'

/** Sends `byte` again and again, for as long as the server leaves the connection open. Slowness itself is under test. */
function drip(connection: RawConnection, byte: string): { stop: () => void } {
  const timer = setInterval(() => connection.write(byte), 20)
  connection.socket.once('close', () => clearInterval(timer))
  return { stop: () => clearInterval(timer) }
}

test('a head that comes in drips is answered 408, however steadily it drips', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '1', '--header-timeout', '300ms'] })
  for (const start of ['GET /', 'GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ']) {
    const connection = await connect(hornet)
    connection.write(start)
    const dripping = drip(connection, 'x')
    const response = await connection.readResponse()
    dripping.stop()
    assert.deepEqual([response.status, response.headers.connection], [408, 'close'])
    assert.equal((await connection.readToEnd()).length, 0)
    connection.destroy()
  }
  assert.equal((await get(hornet, '/seen/count')).text, '0')
})

test('the same for a later request on the connection', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '1', '--header-timeout', '300ms'] })
  const connection = await connect(hornet)
  connection.write(Buffer.concat([message('GET', '/text/a'), Buffer.from('GET / HTTP/1.1\r\nHo')]))
  assert.equal((await connection.readResponse()).text, 'a')
  assert.equal((await connection.readResponse()).status, 408)
  assert.equal((await connection.readToEnd()).length, 0)
})

test('a connection that never says anything is closed without a word', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '1', '--header-timeout', '300ms'] })
  const connection = await connect(hornet)
  assert.equal((await connection.readToEnd()).length, 0)
})

test('a body that stops is answered 408; the application never hears of a small one', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '1', '--body-timeout', '300ms'] })
  const connection = await connect(hornet)
  connection.write(message('POST', '/echo', { 'Content-Length': '1000' }))
  connection.write('a little')
  const response = await connection.readResponse()
  assert.deepEqual([response.status, response.headers.connection], [408, 'close'])
  assert.equal((await connection.readToEnd()).length, 0)
  assert.equal((await get(hornet, '/seen/count')).text, '0')
})

test('a large body that stops is answered 408, and the application is told that it ended', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '1', '--body-timeout', '300ms'] })
  const connection = await connect(hornet)
  connection.write(message('POST', '/late/stopped', { 'Content-Length': '1000000' }))
  connection.write(Buffer.alloc(100_000))
  const response = await connection.readResponse()
  assert.deepEqual([response.status, response.headers.connection], [408, 'close'])
  const events = JSON.parse((await get(hornet, '/seen/events/stopped')).text)
  assert.deepEqual([...events].sort(), ['req ECONNRESET', 'req aborted', 'req close', 'res close'])
})

test('a body that is slow but never stops is served', async () => {
  const args = ['--workers', '1', '--body-timeout', '300ms', '--body-min-rate', '10']
  await using hornet = await startHornet({ app, args })
  const connection = await connect(hornet)
  // 50 drips of 20 ms: more than three times what a pause may take.
  connection.write(message('POST', '/hash', { 'Content-Length': '50' }))
  const dripping = drip(connection, 'x')
  const response = await connection.readResponse()
  dripping.stop()
  assert.equal(JSON.parse(response.text).bytes, 50)
  connection.destroy()
})

test('a body that comes in drips is answered 408 when it is slower than it may be, whoever gathers it', async () => {
  const args = ['--body-timeout', '500ms', '--body-min-rate', '1k']
  await using controlled = await startControlled({ app, workers: 1, args })
  const { hornet, ask } = controlled
  const chunked = { 'Transfer-Encoding': 'chunked' }
  for (const [start, byte] of [
    // Gathered by the server, streamed to the application, in chunks, and one that is thrown away.
    [message('POST', '/hash', { 'Content-Length': '1000' }), 'x'],
    [message('POST', '/hash', { 'Content-Length': '100000' }), 'x'],
    [message('POST', '/hash', chunked), '1\r\nx\r\n'],
  ] as const) {
    const connection = await connect(hornet)
    connection.write(start)
    const dripping = drip(connection, byte)
    const response = await connection.readResponse()
    dripping.stop()
    assert.deepEqual([response.status, response.headers.connection], [408, 'close'])
    connection.destroy()
  }
  const unread = await connect(hornet)
  unread.write(message('POST', '/refuse', { 'Content-Length': '200000' }))
  assert.equal((await unread.readResponse()).status, 403)
  const dripping = drip(unread, 'x')
  assert.equal((await unread.readToEnd()).length, 0)
  dripping.stop()
  assert.match((await ask('GET', '/metrics')).text, /^hornet_timeouts_total\{reason="body_rate"\} 4$/m)
  assert.match((await ask('GET', '/metrics')).text, /^hornet_timeouts_total\{reason="body"\} 0$/m)
})

test('time in which the client waits for the server costs a body nothing', async () => {
  const args = ['--workers', '1', '--body-timeout', '300ms', '--body-min-rate', '1m']
  await using hornet = await startHornet({ app, args })
  const body = Buffer.alloc(2_000_000, 'x')
  const unread = await connect(hornet)
  unread.write(message('POST', '/unread/held', {}, body))
  const asking = await connect(hornet)
  asking.write(message('POST', '/unread/unasked', { 'Content-Length': '2000000', Expect: '100-continue' }))
  // Three that stop one after the other tell that more time has passed than theirs.
  for (let round = 0; round < 3; round++) {
    const stopped = await connect(hornet)
    stopped.write(message('POST', '/echo', { 'Content-Length': '1000' }))
    assert.equal((await stopped.readResponse()).status, 408)
  }
  assert.deepEqual([unread.buffered.length, asking.buffered.length], [0, 0])
  for (const [name, connection] of [
    ['held', unread],
    ['unasked', asking],
  ] as const) {
    assert.equal((await get(hornet, `/seen/release/${name}`)).text, 'released')
    if (connection === asking) {
      await asking.readUntil('HTTP/1.1 100 Continue\r\n\r\n')
      asking.write(body)
    }
    assert.equal(JSON.parse((await connection.readResponse()).text).bytes, body.length)
    connection.destroy()
  }
})

test('a body the application is slow to read is nobody else’s fault', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '1', '--body-timeout', '200ms'] })
  const connection = await connect(hornet)
  const body = Buffer.alloc(2_000_000, 'x')
  connection.write(message('POST', '/unread/slow', {}, body))
  // A connection that stops in the middle of its body tells that more time has passed than that.
  const stopped = await connect(hornet)
  stopped.write(message('POST', '/echo', { 'Content-Length': '1000' }))
  assert.equal((await stopped.readResponse()).status, 408)
  assert.equal(connection.buffered.length, 0)
  assert.equal((await get(hornet, '/seen/release/slow')).text, 'released')
  assert.equal(JSON.parse((await connection.readResponse()).text).bytes, body.length)
  connection.destroy()
})

test('an idle connection is closed after the keep-alive time, one that waits for its answer is not', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '1', '--keep-alive', '200ms'] })
  const waiting = await connect(hornet)
  waiting.write(message('GET', '/hold/answer'))
  const idle = await connect(hornet)
  idle.write(message('GET', '/text/a'))
  assert.equal((await idle.readResponse()).text, 'a')
  assert.equal((await idle.readToEnd()).length, 0)
  assert.equal(idle.state, 'ended')
  assert.equal(waiting.state, 'open')
  await get(hornet, '/seen/release/answer')
  assert.equal((await waiting.readResponse()).text, 'answer')
  assert.equal((await waiting.readToEnd()).length, 0)
})

test('a reader that takes nothing is cut off, however busily it sends; one that is slow is not', async () => {
  await using controlled = await startControlled({ app, workers: 1, args: ['--write-timeout', '1s'] })
  const { hornet, ask } = controlled
  // More than the kernel's buffers hold.
  const download = message('GET', '/download/24')
  const slow = await connect(hornet)
  slow.pause()
  slow.write(download)
  const stuck = await connect(hornet)
  stuck.pause()
  stuck.write(Buffer.concat([download, Buffer.from('GET / HTTP/1.1\r\nX-Busy: ')]))
  const dripping = drip(stuck, 'x')
  const takenBytes = readSlowly(slow.socket)
  let metrics = ''
  const gone = /^hornet_timeouts_total\{reason="write"\} 1$/m
  const isGone = async () => {
    metrics = (await ask('GET', '/metrics')).text
    return gone.test(metrics)
  }
  await asked('write timeout', isGone, () => `${takenBytes()} bytes taken\n${metrics}`)
  dripping.stop()
  stuck.resume()
  // A reset, or an end behind what its own kernel had taken: that is for its kernel to say.
  const cut = await stuck.readToEnd().catch(() => Buffer.alloc(0))
  assert.ok(cut.length < 24 * 1024 * 1024, 'the response is not whole')
  const isWhole = async () => (await isGone()) && takenBytes() > 24 * 1024 * 1024
  await asked('rest of the download', isWhole, () => `${takenBytes()} bytes taken\n${metrics}`)
  assert.equal(slow.state, 'open')
  slow.destroy()
  stuck.destroy()
})

test('a reader that takes less than it has to is cut off, though it takes some all the time', async () => {
  const args = ['--write-timeout', '1s', '--write-min-rate', '500m']
  await using controlled = await startControlled({ app, workers: 1, args })
  const { hornet, ask } = controlled
  const slow = await connect(hornet)
  slow.pause()
  slow.write(message('GET', '/download/100'))
  const takenBytes = readSlowly(slow.socket)
  let metrics = ''
  const isGone = async () => {
    metrics = (await ask('GET', '/metrics')).text
    return /^hornet_timeouts_total\{reason="write_rate"\} 1$/m.test(metrics)
  }
  await asked('least rate', isGone, () => `${takenBytes()} bytes taken\n${metrics}`)
  assert.match(metrics, /^hornet_timeouts_total\{reason="write"\} 0$/m)
  // What its own kernel holds by now is far less than the rest.
  await slow.readToEnd().catch(() => undefined)
  assert.notEqual(slow.state, 'open')
  assert.ok(takenBytes() < 100 * 1024 * 1024)
})

test('time in which the client waits for the application costs it nothing', async () => {
  const args = ['--workers', '1', '--write-timeout', '500ms', '--write-min-rate', '1000m']
  await using hornet = await startHornet({ app, args })
  const connection = await connect(hornet)
  // More of them than the time has room for.
  connection.write(message('GET', '/drips/50'))
  assert.equal((await connection.readResponse()).text, 'x'.repeat(50))
  connection.destroy()
})

test('bytes count that the client takes while the kernel has no room for more', async () => {
  // A socket takes more only when a third of its buffer is free, here about a megabyte.
  await using controlled = await startControlled({ app, workers: 1, args: ['--write-timeout', '1s'] })
  const { hornet, ask } = controlled
  const slow = await connect(hornet)
  slow.pause()
  slow.write(message('GET', '/download/24'))
  const takenBytes = readSlowly(slow.socket, 200)
  // Three that take nothing, one after the other, tell that more time has passed than that.
  for (const cut of [1, 2, 3]) {
    const stuck = await connect(hornet)
    stuck.pause()
    stuck.write(message('GET', '/download/24'))
    const isGone = async () => {
      const { text } = await ask('GET', '/metrics')
      assert.equal(slow.state, 'open', `after ${takenBytes()} bytes`)
      return text.includes(`\nhornet_timeouts_total{reason="write"} ${cut}\n`)
    }
    await asked(`write timeout ${cut}`, isGone, () => `${takenBytes()} bytes taken`)
    stuck.destroy()
  }
  assert.equal(slow.state, 'open')
  slow.destroy()
})
