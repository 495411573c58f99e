/**
 * Promise: requests sent ahead are answered in their order, whatever the order they finish in, and none runs beside one
 * it may depend on.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Hornet, startHornet } from '../support/hornet.js'
import { connect, get, message } from '../support/http.js'

const app = 'test/http/fixtures/app.mjs'
let hornet: Hornet
before(async () => {
  hornet = await startHornet({ app, args: ['--workers', '1'] })
})
after(() => hornet.stop())

for (const [count, groupSize] of [
  [16, 16],
  [100, 20],
] as const) {
  test(`${count} requests in one write, finished backwards in groups of ${groupSize}`, async () => {
    const connection = await connect(hornet)
    const paths = Array.from({ length: count }, (_, index) => `/reverse/${groupSize}/${index}`)
    connection.write(Buffer.concat(paths.map((path) => message('GET', path))))
    for (const path of paths) assert.equal((await connection.readResponse()).text, path)
    assert.equal(connection.buffered.length, 0)
    connection.destroy()
  })
}

test('1,000 requests in one write over two workers', async () => {
  await using two = await startHornet({ app, args: ['--workers', '2'] })
  const connection = await connect(two)
  const paths = Array.from({ length: 1000 }, (_, index) => (index % 7 === 0 ? '/pieces' : `/text/${index}`))
  connection.write(Buffer.concat(paths.map((path) => message('GET', path))))
  for (const [index, path] of paths.entries()) {
    assert.equal((await connection.readResponse()).text, path === '/pieces' ? 'one,two,three' : `${index}`)
  }
  connection.destroy()
})

test('an unsafe method waits for those before it, and those after wait for it', async () => {
  const connection = await connect(hornet)
  await get(hornet, '/seen/journal')
  connection.write(
    Buffer.concat([
      message('GET', '/hold/first'),
      message('POST', '/hold/second', {}, 'body'),
      message('GET', '/text/third'),
      message('GET', '/text/fourth'),
    ]),
  )
  // Each release is asked for on another connection until there is something to release.
  await release('first')
  assert.equal((await connection.readResponse()).text, 'first')
  await release('second')
  for (const name of ['second', 'third', 'fourth']) assert.equal((await connection.readResponse()).text, name)
  assert.deepEqual(JSON.parse((await get(hornet, '/seen/journal')).text), [
    'begin first',
    'end first',
    'begin second',
    'end second',
    'text third',
    'text fourth',
  ])
  connection.destroy()
})

test('safe methods run side by side', async () => {
  const connection = await connect(hornet)
  connection.write(Buffer.concat([message('GET', '/hold/slow'), message('GET', '/hold/quick')]))
  await release('quick')
  assert.equal(connection.buffered.length, 0, 'the first answer comes first')
  await release('slow')
  for (const name of ['slow', 'quick']) assert.equal((await connection.readResponse()).text, name)
  connection.destroy()
})

test('an answer that ends the connection, made before an earlier one is begun, waits for all of that', async () => {
  // Its length is known and it is none, so both go over the connection's socket.
  const last = message('GET', '/pieces', { Connection: 'close' })
  for (const [name, late] of [
    ['closed-by-client', last],
    ['closed-by-server', message('GET', '/closing/last')],
  ] as const) {
    await get(hornet, '/seen/journal')
    const connection = await connect(hornet)
    connection.write(Buffer.concat([message('GET', `/stream/${name}`), message('GET', '/text/second'), late]))
    while (!(await get(hornet, '/seen/journal')).text.includes('text second'));
    // By now the last one is answered, too: it was read with the others.
    assert.equal((await get(hornet, '/text/turn')).text, 'turn')
    await release(name)
    assert.equal((await connection.readResponse()).text, `${name},two,three`)
    assert.equal((await connection.readResponse()).text, 'second')
    const { text, headers } = await connection.readResponse()
    assert.deepEqual([text, headers.connection], [late === last ? 'one,two,three' : 'last', 'close'])
    assert.equal((await connection.readToEnd()).length, 0)
  }
})

test('a large answer that is begun before an earlier one, whichever way that is written', async () => {
  for (const [path, text] of [
    ['/stream/ahead-of-large', 'ahead-of-large,two,three'],
    ['/hold/ahead-of-large', 'ahead-of-large'],
  ]) {
    const connection = await connect(hornet)
    await get(hornet, '/seen/journal')
    connection.write(Buffer.concat(['/download/3', path, '/download/2', '/pieces'].map((each) => message('GET', each))))
    assert.equal((await connection.readResponse()).body.length, 3 * 1024 * 1024)
    while (!(await get(hornet, '/seen/journal')).text.includes('begin ahead-of-large'));
    await release('ahead-of-large')
    assert.equal((await connection.readResponse()).text, text)
    assert.equal((await connection.readResponse()).body.length, 2 * 1024 * 1024)
    assert.equal((await connection.readResponse()).text, 'one,two,three')
    connection.destroy()
  }
})

test('a last answer comes whole, whatever the application does with the requests behind it', async () => {
  const connection = await connect(hornet)
  connection.pause()
  // More than the kernel's buffers hold: some of it is on its way when those behind it break off.
  const paths = ['/closing-download/24', '/late/behind-last', '/pieces', '/late/behind-that']
  connection.write(Buffer.concat(paths.map((path) => message('GET', path))))
  // The first two have begun when the third has answered; the client reads from then on.
  while ((await get(hornet, '/seen/release/behind-that')).text !== 'released');
  connection.resume()
  const { body, headers } = await connection.readResponse()
  assert.deepEqual([body.length, headers.connection], [24 * 1024 * 1024, 'close'])
  assert.equal((await connection.readToEnd()).length, 0)
  const events = JSON.parse((await get(hornet, '/seen/events/behind-last')).text)
  assert.deepEqual([...events].sort(), ['req ECONNRESET', 'req aborted', 'req close', 'res close'])
  connection.destroy()
})

test('an interim response of one whose turn has not come is sent before its head', async () => {
  const connection = await connect(hornet)
  await get(hornet, '/seen/journal')
  connection.write(Buffer.concat(['/hold/before-hints', '/hints/hinted'].map((path) => message('GET', path))))
  while (!(await get(hornet, '/seen/journal')).text.includes('hints hinted'));
  await release('before-hints')
  assert.equal((await connection.readResponse()).text, 'before-hints')
  const { text, informational } = await connection.readResponse()
  assert.deepEqual([text, informational.map(({ status }) => status)], ['hinted', [103]])
  connection.destroy()
})

test('bodies between pipelined requests end where they say', async () => {
  const connection = await connect(hornet)
  const chunked = 'GET /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n'
  connection.write(
    Buffer.concat([
      message('POST', '/echo', {}, 'GET /text/smuggled HTTP/1.1\r\n\r\n'),
      Buffer.from(chunked),
      message('PUT', '/echo', {}, ''),
      message('GET', '/text/last'),
    ]),
  )
  for (const body of ['GET /text/smuggled HTTP/1.1\r\n\r\n', 'abc', '']) {
    assert.equal(JSON.parse((await connection.readResponse()).text).body, body)
  }
  assert.equal((await connection.readResponse()).text, 'last')
  connection.destroy()
})

test('a client that does not read its answers is not read from for ever', async () => {
  const connection = await connect(hornet)
  connection.pause()
  const batch = Buffer.concat(Array.from({ length: 32 }, () => message('GET', `/text/${'x'.repeat(4000)}`)))
  const limitBytes = 64 * 1024 * 1024
  let sentBytes = 0
  // Ends as soon as the server stops reading: then the socket takes no more, and that is the end of this test's patience.
  while (sentBytes < limitBytes && connection.socket.writableLength < 1024 * 1024) {
    connection.write(batch)
    sentBytes += batch.length
    await get(hornet, '/text/turn')
  }
  assert.ok(sentBytes < limitBytes, 'the server took 64 MiB of requests whose answers nobody read')
  connection.destroy()
  assert.equal((await get(hornet, '/text/after')).text, 'after')
})

async function release(name: string): Promise<void> {
  while ((await get(hornet, `/seen/release/${name}`)).text !== 'released');
}
