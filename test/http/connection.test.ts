/**
 * Promises about one connection: order, framing, keep-alive, ends and refusals, over real sockets.
 */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import { type Hornet, startHornet } from '../support/hornet.js'
import { connect, get, message, request } from '../support/http.js'

const app = 'test/http/fixtures/by-path.mjs'
let hornet: Hornet

before(async () => {
  hornet = await startHornet({
    app,
    args: [
      '-w',
      '2',
      '--header-timeout',
      '400ms',
      '--body-timeout',
      '400ms',
      '--keep-alive',
      '1',
      '--limit-request-body',
      '2m',
    ],
  })
})
after(async () => {
  await hornet.stop()
})

test('pipelined answers come in the order of the requests, whatever the order they are made in', async () => {
  const connection = await connect(hornet)
  const waits = [60, 0, 30, 0, 0, 10, 0, 0]
  connection.write(waits.map((ms, n) => message('GET', `/slow?ms=${ms}&n=${n}`).toString()).join(''))
  for (const n of waits.keys()) assert.equal((await connection.readResponse()).text, `slow ${n}`)
  connection.destroy()
})

test('a hundred requests in one write, more than the server takes ahead', async () => {
  const connection = await connect(hornet)
  connection.write(Array.from({ length: 100 }, (_, n) => message('GET', `/${n}`).toString()).join(''))
  for (let n = 0; n < 100; n++) assert.equal((await connection.readResponse()).text, `GET /${n}`)
  connection.destroy()
})

test('a request behind an unsafe one waits for its answer', async () => {
  const connection = await connect(hornet)
  connection.write(Buffer.concat([message('POST', '/slow?ms=50&n=1', {}, 'x'), message('GET', '/2')]))
  assert.equal((await connection.readResponse()).text, 'slow 1')
  assert.equal((await connection.readResponse()).text, 'GET /2')
  connection.destroy()
})

test('Connection: close and HTTP/1.0 end the connection after the answer', async () => {
  for (const bytes of ['GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', 'GET /a HTTP/1.0\r\n\r\n']) {
    const connection = await connect(hornet)
    connection.write(bytes)
    const response = await connection.readResponse()
    assert.equal(response.headers.connection, 'close')
    assert.equal(response.text, 'GET /a')
    assert.equal((await connection.readToEnd()).length, 0)
  }
})

test('HTTP/1.0 with Connection: keep-alive goes on when the length is known beforehand, as in Node', async () => {
  const connection = await connect(hornet)
  for (let n = 0; n < 2; n++) {
    connection.write('GET /bytes?count=3 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')
    const response = await connection.readResponse()
    assert.equal(response.headers.connection, 'keep-alive')
    assert.equal(response.text, 'hor')
  }
  connection.destroy()
})

test('HEAD and 204 have no body, and the connection goes on', async () => {
  const connection = await connect(hornet)
  connection.write(message('HEAD', '/a'))
  assert.equal((await connection.readResponse({ method: 'HEAD' })).status, 200)
  connection.write(message('GET', '/empty'))
  assert.equal((await connection.readResponse()).status, 204)
  connection.write(message('GET', '/b'))
  assert.equal((await connection.readResponse()).text, 'GET /b')
  connection.destroy()
})

test('an idle connection is closed after the keep-alive timeout, without a word', async () => {
  const connection = await connect(hornet)
  connection.write(message('GET', '/'))
  await connection.readResponse()
  assert.equal((await connection.readToEnd()).length, 0)
})

test('slow-drip headers are answered 408', async () => {
  const connection = await connect(hornet)
  connection.write('GET / HTTP/1.1\r\nHost: x\r\n')
  const drip = setInterval(() => connection.write('X: y\r\n'), 50)
  try {
    assert.equal((await connection.readResponse()).status, 408)
  } finally {
    clearInterval(drip)
  }
  await connection.readToEnd()
})

test('a body that stops coming is answered 408, buffered or streamed', async () => {
  for (const length of [10, 1_000_000]) {
    const connection = await connect(hornet)
    connection.write(`POST /hash HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\nabc`)
    assert.equal((await connection.readResponse()).status, 408)
    await connection.readToEnd()
  }
})

test('bodies of every size and framing arrive whole', async () => {
  for (const size of [0, 1, 8192, 8193, 65_536, 65_537, 300_000, 1_500_000]) {
    const body = randomBytes(size)
    const sha256 = createHash('sha256').update(body).digest('hex')
    const sized = await request(hornet, message('POST', '/hash', {}, body))
    assert.deepEqual(JSON.parse(sized.text), { bytes: size, sha256, trailers: {} })
    const chunks: Buffer[] = []
    for (let at = 0; at < size; at += 50_000) {
      const part = body.subarray(at, at + 50_000)
      chunks.push(Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n'))
    }
    const head = 'POST /hash HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n'
    const tail = '0\r\nX-Check: yes\r\n\r\n'
    const chunked = await request(hornet, Buffer.concat([Buffer.from(head), ...chunks, Buffer.from(tail)]))
    assert.deepEqual(JSON.parse(chunked.text), { bytes: size, sha256, trailers: { 'x-check': 'yes' } })
  }
})

test('100 (Continue) is sent for a body that is waited for, small or large', async () => {
  for (const size of [5, 200_000]) {
    const connection = await connect(hornet)
    connection.write(`POST /hash HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: ${size}\r\n\r\n`)
    await connection.readUntil('HTTP/1.1 100 Continue\r\n\r\n')
    connection.write(Buffer.alloc(size))
    assert.equal(JSON.parse((await connection.readResponse()).text).bytes, size)
    connection.destroy()
  }
})

test('a body over the limit is refused with 413, announced or not', async () => {
  const announced = await connect(hornet)
  announced.write('POST /hash HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n')
  assert.equal((await announced.readResponse()).status, 413)
  const chunked = await connect(hornet)
  chunked.write('POST /hash HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n')
  const piece = Buffer.concat([Buffer.from('80000\r\n'), Buffer.alloc(0x80000), Buffer.from('\r\n')])
  for (let n = 0; n < 5; n++) chunked.write(piece)
  assert.equal((await chunked.readResponse()).status, 413)
})

test('a client that has finished sending still gets its answer', async () => {
  for (const path of ['/now', '/slow?ms=100&n=1']) {
    const connection = await connect(hornet)
    connection.write(message('GET', path))
    connection.end()
    assert.equal((await connection.readResponse()).status, 200)
    assert.equal((await connection.readToEnd()).length, 0)
  }
})

test('a refusal can be read by a client that keeps sending, and the request never reaches the application', async () => {
  for (const [bytes, status] of [
    ['GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', 400],
    ['GET / HTTP/1.1\r\n\r\n', 400],
    ['GET / HTTP/2.0\r\nHost: x\r\n\r\n', 505],
    ['BREW / HTTP/1.1\r\nHost: x\r\n\r\n', 501],
    [`GET /${'a'.repeat(9000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 414],
    [`GET / HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(9000)}\r\n\r\n`, 431],
    ['GET / HTTP/1.1\r\nHost: x\r\nExpect: a-miracle\r\n\r\n', 417],
  ] as const) {
    const connection = await connect(hornet)
    connection.write(bytes)
    connection.write(Buffer.alloc(200_000, 'x'))
    const response = await connection.readResponse()
    assert.equal(response.status, status)
    assert.equal(response.headers.connection, 'close')
    connection.end()
    await connection.readToEnd()
  }
  assert.ok(!hornet.stderr.includes('[error]'), hornet.stderr)
})

test('a good request before a bad one is answered first', async () => {
  const connection = await connect(hornet)
  connection.write(`${message('GET', '/slow?ms=30&n=1')}GARBAGE\r\n\r\n`)
  assert.equal((await connection.readResponse()).text, 'slow 1')
  assert.equal((await connection.readResponse()).status, 400)
  connection.end()
  await connection.readToEnd()
})

test('a response head larger than a ring record holds up nobody', async () => {
  const connection = await connect(hornet)
  for (let n = 0; n < 3; n++) {
    connection.write(message('GET', '/big-head'))
    const { headers, text } = await connection.readResponse()
    assert.equal(headers['x-big']?.length, 1_200_000)
    assert.equal(text, 'big')
    connection.write(message('GET', '/next'))
    assert.equal((await connection.readResponse()).text, 'GET /next')
  }
  connection.destroy()
})

test('a response shorter than it announced is cut off, so that the client can tell', async () => {
  const connection = await connect(hornet)
  connection.write(message('GET', '/short'))
  assert.match((await connection.readToEnd()).toString(), /Content-Length: 10\r\n[\s\S]*\r\n\r\nfour$/)
})

test('a client that leaves is noticed by the application, and its answer is a no-op', async () => {
  await using one = await startHornet({ app, args: ['-w', '1'] })
  const connection = await connect(one)
  connection.write(message('GET', '/wait'))
  // The next answer of the only worker shows that the request before it has begun.
  assert.deepEqual(JSON.parse((await get(one, '/events')).text), ['begun'])
  connection.socket.resetAndDestroy()
  for (;;) {
    const events = JSON.parse((await get(one, '/events')).text)
    if (events.length === 3) {
      assert.deepEqual(events.sort(), ['aborted', 'begun', 'close false'])
      break
    }
  }
  await one.stop()
})

test('a throwing handler gives 500 and the worker lives', async () => {
  await using one = await startHornet({ app, args: ['-w', '1'] })
  assert.equal((await get(one, '/throw')).status, 500)
  assert.equal((await get(one, '/on')).text, 'GET /on')
  await one.waitForLog(/GET \/throw: Error: on purpose/)
  assert.ok(!/worker 2/.test(one.stderr))
  await one.stop()
})

test('a full queue sheds with 503 and Retry-After; a request that waits too long as well', async () => {
  const limits = ['--worker-connections', '1', '--request-queue', '1', '--queue-timeout', '300ms']
  await using one = await startHornet({ app, args: ['-w', '1', ...limits] })
  const running = await connect(one)
  running.write(message('GET', '/slow?ms=1500&n=1'))
  const others = await Promise.all(Array.from({ length: 4 }, () => get(one, '/next')))
  for (const response of others) {
    assert.equal(response.status, 503)
    assert.equal(response.headers['retry-after'], '1')
  }
  assert.equal((await running.readResponse()).text, 'slow 1')
  running.write(message('GET', '/after'))
  assert.equal((await running.readResponse()).text, 'GET /after')
  running.destroy()
  await one.stop()
})

test('requests behind a blocked worker are served by the other one meanwhile', async () => {
  await using two = await startHornet({ app, args: ['-w', '2'] })
  await two.waitForLog(/worker \d ready[\s\S]*worker \d ready/)
  const blocked = get(two, '/block?ms=3000')
  let isBlocked = true
  const done = blocked.then(() => {
    isBlocked = false
  })
  const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => get(two, `/${n}`)))
  assert.ok(isBlocked, 'all 50 were answered before the blocked one')
  for (const [n, response] of answers.entries()) assert.equal(response.text, `GET /${n}`)
  await done
  await two.stop()
})

test('connections over the limit wait in the accept queue and are served when there is room', async () => {
  await using one = await startHornet({ app, args: ['-w', '1', '--max-connections', '2'] })
  const [first, second, third] = await Promise.all([connect(one), connect(one), connect(one)])
  for (const connection of [first, second, third]) connection.write(message('GET', '/'))
  const early = await Promise.race(
    [first, second, third].map(async (each) => [each, await each.readResponse()] as const),
  )
  assert.equal(early[1].status, 200)
  // Whichever two were taken: closing them lets the third in.
  first.destroy()
  second.destroy()
  if (early[0] !== third) assert.equal((await third.readResponse()).status, 200)
  third.destroy()
  await one.stop()
})
