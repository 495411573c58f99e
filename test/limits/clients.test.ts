/**
 * Promise: no client can have more connections, or send more requests a second, than it was allowed; others notice
 * nothing of it, and neither does the application.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectSocket } from 'node:net'
import { afterEach, test } from 'node:test'
import { type Controlled, startControlled } from '../control/fixtures/control.js'
import { asked } from '../support/deadline.js'
import { type Hornet, runHornet } from '../support/hornet.js'
import { message, RawConnection } from '../support/http.js'

const app = 'test/http/fixtures/app.mjs'
/** Loopback addresses stand for clients; this one for a proxy. */
const proxy = '127.0.0.3'

let server: Controlled | undefined
const open: RawConnection[] = []
afterEach(async () => {
  for (const connection of open.splice(0)) connection.destroy()
  await server?.[Symbol.asyncDispose]()
  server = undefined
})

async function start(...args: string[]): Promise<Controlled> {
  server = await startControlled({ app, workers: 1, args: ['--keep-alive', '1h', ...args] })
  return server
}

async function from(localAddress: string, { port }: Hornet, first: string | Buffer = ''): Promise<RawConnection> {
  const socket = connectSocket({ host: '127.0.0.1', port, localAddress })
  await once(socket, 'connect')
  const connection = new RawConnection(socket)
  open.push(connection)
  if (first.length > 0) connection.write(first)
  return connection
}

const text = message('GET', '/text/a')

async function isServed(connection: RawConnection): Promise<boolean> {
  connection.write(text)
  return (await connection.readResponse()).text === 'a'
}

const isTurnedAway = async (connection: RawConnection) => (await connection.readToEnd()).length === 0

async function counter({ ask }: Controlled, name: string): Promise<number> {
  const { text } = await ask('GET', '/metrics')
  const line = text.split('\n').find((each) => each.startsWith(`${name} `))
  return Number(line?.slice(name.length + 1))
}

test('--max-connections-per-ip: one too many of a client is closed at once; other clients and proxies are not', async () => {
  const controlled = await start('--max-connections-per-ip', '2', '--forwarded-allow-ips', proxy)
  const { hornet } = controlled
  const first = await from('127.0.0.1', hornet)
  assert.ok(await isServed(first))
  // One that has said nothing counts as well.
  await from('127.0.0.1', hornet)
  assert.ok(await isTurnedAway(await from('127.0.0.1', hornet)))
  assert.ok(await isServed(await from('127.0.0.2', hornet)))
  for (let count = 0; count < 4; count++) assert.ok(await isServed(await from(proxy, hornet)))
  assert.equal(await counter(controlled, 'hornet_connections_closed_total{reason="client_limit"}'), 1)
  assert.ok(await isServed(first))
  // One leaves, one comes in.
  first.end()
  await first.readToEnd()
  assert.ok(await isServed(await from('127.0.0.1', hornet)))
  assert.ok(await isTurnedAway(await from('127.0.0.1', hornet)))
})

test('behind the PROXY protocol it is the address that the header names, an IPv6 network as a whole', async () => {
  const { hornet } = await start('--max-connections-per-ip', '2', '--proxy-protocol', 'v1')
  const named = (address: string, family = 'TCP4') =>
    from('127.0.0.1', hornet, `PROXY ${family} ${address} ${family === 'TCP4' ? '192.0.2.1' : '::1'} 5000 80\r\n`)
  for (let count = 0; count < 2; count++) assert.ok(await isServed(await named('198.51.100.1')))
  assert.ok(await isTurnedAway(await named('198.51.100.1')))
  assert.ok(await isServed(await named('198.51.100.2')))
  for (const host of ['1', '2']) assert.ok(await isServed(await named(`2001:db8::${host}`, 'TCP6')))
  assert.ok(await isTurnedAway(await named('2001:db8::3', 'TCP6')))
  assert.ok(await isServed(await named('2001:db8:0:1::1', 'TCP6')))
})

test('--limit-request-rate: 429 beyond it, on a connection that goes on', async () => {
  const rate = ['--limit-request-rate', '1', '--limit-request-burst', '3']
  const controlled = await start(...rate, '--forwarded-allow-ips', proxy, '--health', '/health')
  const { hornet } = controlled
  const count = async () => {
    const asking = await from('127.0.0.9', hornet, message('GET', '/seen/count'))
    return Number((await asking.readResponse()).text)
  }
  // All in one piece, so in one moment. Bodies go the way of their requests.
  const post = message('POST', '/hash', {}, 'x'.repeat(20_000))
  const chunked = message('POST', '/hash', { 'Transfer-Encoding': 'chunked' }, '3\r\nabc\r\n0\r\n\r\n')
  const live = message('GET', '/health/live')
  const connection = await from('127.0.0.1', hornet, Buffer.concat([text, text, text, post, chunked, text, live]))
  for (let number = 0; number < 3; number++) assert.equal((await connection.readResponse()).text, 'a')
  for (let number = 0; number < 3; number++) {
    const response = await connection.readResponse()
    assert.deepEqual(
      [response.status, response.headers['retry-after'], response.headers.connection],
      [429, '1', 'keep-alive'],
    )
  }
  assert.equal((await connection.readResponse()).status, 200, 'health checks are never refused')
  assert.equal(await count(), 3)
  assert.equal(await counter(controlled, 'hornet_requests_rejected_total{status="429"}'), 3)

  // A large body is not read for an answer that is no.
  const large = await from('127.0.0.1', hornet, Buffer.concat([text, text, text, text]))
  for (let number = 0; number < 4; number++) await large.readResponse()
  large.write(message('POST', '/hash', { 'Content-Length': '10000000', Expect: '100-continue' }))
  const refused = await large.readResponse()
  assert.deepEqual([refused.status, refused.informational.length, refused.headers.connection], [429, 0, 'close'])

  // It may go on as soon as it was told.
  await asked('answer after a second', async () => {
    connection.write(text)
    return (await connection.readResponse()).status === 200
  })
  // Others were never refused: not by address, nor behind a proxy that names them, nor the proxy's own.
  const named = [
    ['X-Forwarded-For', '192.0.2.1'],
    ['Forwarded', 'for=192.0.2.2'],
  ] as const
  for (const [name, value] of named) {
    const burst = Buffer.concat(Array.from({ length: 4 }, () => message('GET', '/text/a', { [name]: value })))
    const proxied = await from(proxy, hornet, burst)
    const statuses: number[] = []
    for (let number = 0; number < 4; number++) statuses.push((await proxied.readResponse()).status)
    assert.deepEqual(statuses, [200, 200, 200, 429])
  }
  const own = await from(proxy, hornet)
  for (let number = 0; number < 10; number++) assert.ok(await isServed(own))
})

test('an upgrade counts as any other request', async () => {
  const { hornet } = await start('--limit-request-rate', '1', '--forwarded-allow-ips', proxy)
  const upgrade = message('GET', '/text/a', { Connection: 'upgrade', Upgrade: 'websocket' })
  const connection = await from('127.0.0.1', hornet, Buffer.concat([text, upgrade]))
  assert.equal((await connection.readResponse()).status, 200)
  assert.equal((await connection.readResponse()).status, 429)
})

test('what means nothing is refused', async () => {
  const everybody = await runHornet({ app, args: ['--max-connections-per-ip', '1', '--forwarded-allow-ips', '*'] })
  assert.equal(everybody.code, 1)
  assert.match(everybody.stderr, /--max-connections-per-ip leaves trusted proxies out/)
  const burst = await runHornet({ app, args: ['--limit-request-burst', '5'] })
  assert.match(burst.stderr, /--limit-request-burst means nothing without --limit-request-rate/)
})
