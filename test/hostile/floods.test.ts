/**
 * Promise: what hostile clients send costs the application nothing and the server little: it is bounded, counted by its
 * reason, and others are served meanwhile.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { connect, message, type RawConnection } from '../support/http.js'
import { type Besieged, besiege, MiB, noise, processorMs, residentMiB, swarm } from './hostile.js'

let server: Besieged
before(async () => {
  server = await besiege('--keep-alive', '1h')
  await server.servesOthers()
})
after(() => server[Symbol.asyncDispose]())

/** For those that are to run out of time. */
let impatient: Besieged
before(async () => {
  impatient = await besiege('--header-timeout', '1s', '--body-timeout', '1s')
  await impatient.servesOthers()
})
after(() => impatient[Symbol.asyncDispose]())

/** Runs `attack` and fails when the application saw more of it than `requests`, or the server grew by more than `MiB`. */
async function withstands(
  { requests = 0, grownMiB = 30, besieged = server }: { requests?: number; grownMiB?: number; besieged?: Besieged },
  attack: () => Promise<RawConnection[]>,
): Promise<void> {
  const unseen = (await besieged.seen()) - besieged.others
  const before = residentMiB(besieged)
  const connections = await attack()
  await besieged.servesOthers()
  const grown = residentMiB(besieged) - before
  for (const connection of connections) connection.destroy()
  await besieged.isQuiet()
  assert.equal((await besieged.seen()) - besieged.others - unseen, requests)
  // The address sanitizer keeps what was freed.
  if (process.env.TEST_SANITIZER === undefined) assert.ok(grown < grownMiB, `${grown.toFixed(1)} MiB`)
}

const ended = async (connection: RawConnection) => (await connection.readToEnd()).toString('latin1', 0, 12)

test('500 heads that never end, and 500 connections that say nothing: 408 or a close, all in time', async () => {
  const timeouts = 'hornet_timeouts_total{reason="header"}'
  const before = await impatient.metric(timeouts)
  await withstands({ besieged: impatient }, async () => {
    const begun = await swarm(impatient, 500, (number) => `GET /text/${number} HTTP/1.1\r\nHost: a\r\nX-Slow: `)
    const silent = await swarm(impatient, 500, () => '')
    await impatient.servesOthers()
    for (const connection of begun) assert.equal(await ended(connection), 'HTTP/1.1 408')
    for (const connection of silent) assert.equal(await ended(connection), '')
    return [...begun, ...silent]
  })
  assert.equal((await impatient.metric(timeouts)) - before, 1000)
})

test('200 bodies that stop: 408, and the application hears of none', async () => {
  const before = await impatient.metric('hornet_timeouts_total{reason="body"}')
  await withstands({ besieged: impatient }, async () => {
    const begun = await swarm(impatient, 200, () =>
      message('POST', '/hash', { 'Content-Length': '60000' }, Buffer.alloc(20_000)),
    )
    for (const connection of begun) assert.equal(await ended(connection), 'HTTP/1.1 408')
    return begun
  })
  assert.equal((await impatient.metric('hornet_timeouts_total{reason="body"}')) - before, 200)
})

test('heads of many fields and of long ones are refused as soon as they are too much', async () => {
  const bombs: [string, number][] = [
    [`GET / HTTP/1.1\r\nHost: a\r\n${'A: b\r\n'.repeat(20_000)}`, 431],
    [`GET / HTTP/1.1\r\nHost: a\r\nA: ${'b'.repeat(MiB)}`, 431],
    [`GET / HTTP/1.1\r\nHost: a\r\n${'c'.repeat(MiB)}`, 431],
    [`GET /${'d'.repeat(MiB)}`, 414],
    ['e'.repeat(MiB), 414],
    ['\r\n'.repeat(MiB), 400],
  ]
  await withstands({}, async () => {
    const connections = await swarm(server, 10 * bombs.length, (number) => bombs[number % bombs.length][0])
    for (const [number, connection] of connections.entries()) {
      const [bytes, status] = bombs[number % bombs.length]
      const response = await connection.readResponse()
      assert.equal(response.status, status, bytes.slice(0, 40))
    }
    return connections
  })
})

test('a body in chunks of one byte reaches the application in pieces of many, and costs little', async () => {
  const bytes = 300_000
  const head = message('POST', '/count', { 'Transfer-Encoding': 'chunked' })
  const body = Buffer.from(`${'1\r\nx\r\n'.repeat(bytes)}0\r\n\r\n`)
  await withstands({ requests: 1 }, async () => {
    const before = processorMs(server)
    const connection = await connect(server.hornet)
    connection.write(Buffer.concat([head, body]))
    const told = JSON.parse((await connection.readResponse()).text)
    assert.equal(told.bytes, bytes)
    assert.ok(told.pieces < 500, `${told.pieces} pieces`)
    const spent = processorMs(server) - before
    assert.ok(spent < 500, `${spent} ms of processor time for ${body.length} bytes`)
    return [connection]
  })
})

test('chunk extensions and trailers are limited', async () => {
  const head = message('POST', '/hash', { 'Transfer-Encoding': 'chunked' })
  const bombs: [string, number][] = [
    [`1;${'a'.repeat(100_000)}\r\n`, 413],
    [`1;${'a'.repeat(100)}\r\nx\r\n`.repeat(1000), 413],
    [`0\r\n${'A: b\r\n'.repeat(10_000)}`, 431],
    [`0\r\nA: ${'b'.repeat(100_000)}`, 431],
    ['1'.repeat(100), 413],
  ]
  const before = await server.metric('hornet_parse_errors_total{fault="chunk_extension_too_long"}')
  await withstands({}, async () => {
    const connections = await swarm(server, 10 * bombs.length, (number) =>
      Buffer.concat([head, Buffer.from(bombs[number % bombs.length][0])]),
    )
    for (const [number, connection] of connections.entries()) {
      const [bytes, status] = bombs[number % bombs.length]
      assert.equal((await connection.readResponse()).status, status, bytes.slice(0, 20))
    }
    return connections
  })
  const after = await server.metric('hornet_parse_errors_total{fault="chunk_extension_too_long"}')
  assert.equal(after - before, 20)
})

test('a flood of pipelined requests: 32 at a time, the rest waits where it is', async () => {
  const flood = Buffer.concat(Array.from({ length: 5000 }, () => message('GET', '/text/flood')))
  await withstands({ requests: 5000 }, async () => {
    const connection = await connect(server.hornet)
    connection.write(flood)
    for (let number = 0; number < 20; number++) {
      await server.servesOthers()
      const { requestsInFlight } = (await server.ask('GET', '/status')).json
      assert.ok(requestsInFlight <= 33, `${requestsInFlight} in flight`)
    }
    for (let number = 0; number < 5000; number++) await connection.readResponse()
    return [connection]
  })
})

test('other protocols, and noise, on the plain port', async () => {
  const hello = Buffer.from(
    `16030100f8010000f403030123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef20${'00'.repeat(180)}`,
    'hex',
  )
  const first: (string | Buffer)[] = [
    hello,
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0',
    'SSH-2.0-OpenSSH_9.2\r\n',
    'EHLO mail.example\r\n',
    '\x05\x01\x00',
    'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n',
    '*1\r\n$4\r\nPING\r\n',
    '\0'.repeat(1000),
  ]
  await withstands({}, async () => {
    const connections = await swarm(server, 300, (number) =>
      number < first.length ? first[number] : noise(1 + ((number * 37) % 3000), number),
    )
    for (const connection of connections) {
      connection.end()
      assert.match(await ended(connection), /^(HTTP\/1\.1 (400|408|431|414|501|505))?$/)
    }
    return connections
  })
})
