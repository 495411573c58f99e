/**
 * Promise: with --sticky the requests of a client go to one worker while that worker lives, and wait for it, but not for
 * ever; other clients have other workers.
 */
import assert from 'node:assert/strict'
import { Agent } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { within } from '../support/deadline.js'
import { type Hornet, runHornet, startHornet } from '../support/hornet.js'
import { connect, get, message, request } from '../support/http.js'
import { root } from '../support/root.js'

const app = join(root, 'test/sticky/fixtures/app.cjs')

async function start(rule: string, workers: number, options: string[] = [], ...args: string[]): Promise<Hornet> {
  const hornet = await startHornet({ args: ['--sticky', rule, '-w', String(workers), ...options, app, '--', ...args] })
  for (let id = 1; id <= workers; id++) await hornet.waitForLog(new RegExp(`worker ${id} ready`))
  if (rule === 'ip') return hornet
  // The I/O thread may hear of the last one a moment later: all have it right once all have answered.
  const seen = new Set<string>()
  for (let i = 0; seen.size < workers; i++) {
    assert.ok(i < 1000, `only workers ${[...seen]} answer`)
    seen.add((await get(hornet, `/?client=${i}&c=${i}`, { 'X-Client': `${i}`, Cookie: `client=${i}` })).text)
  }
  return hornet
}

const clients = Array.from({ length: 24 }, (_, index) => `client-${index}`)

test('by header, cookie and query: a client stays, and the clients are spread', async () => {
  for (const rule of ['header:X-Client', 'cookie:client', 'query:client']) {
    await using hornet = await start(rule, 4)
    const ask = (client: string, body = '') => {
      const target = rule.startsWith('query') ? `/?a=1&client=${client}` : '/'
      const fields = { 'X-Client': client, Cookie: `a=1; client=${client}`, 'Content-Length': String(body.length) }
      return request(hornet, message('POST', target, fields, body)).then(({ text }) => text)
    }
    const workers = new Map<string, string>()
    for (const client of clients) workers.set(client, await ask(client))
    assert.ok(new Set(workers.values()).size >= 3, JSON.stringify([...workers]))
    // Each connection is another one, and some bodies come after the request was begun.
    for (const client of clients) assert.equal(await ask(client, 'x'.repeat(3)), workers.get(client))
    for (const client of clients.slice(0, 3)) assert.equal(await ask(client, 'x'.repeat(100_000)), workers.get(client))
  }
})

test('a client stays where it is when workers come', async () => {
  await using hornet = await start('query:c', 1)
  const workerOf = async (client: string) => (await get(hornet, `/?c=${client}`)).text
  for (const client of clients) assert.equal(await workerOf(client), '1')
  for (const id of [2, 3, 4]) {
    hornet.signal('SIGTTIN')
    await hornet.waitForLog(new RegExp(`worker ${id} ready`))
  }
  // The I/O thread may hear of them a moment later than the log.
  const spread = new Set<string>()
  for (let i = 0; spread.size < 4; i++) {
    assert.ok(i < 1000, `only workers ${[...spread]} answer`)
    spread.add(await workerOf(`new-${i}`))
  }
  for (const client of clients) assert.equal(await workerOf(client), '1')
})

test('when a worker dies its clients get another and stay there; those of the others stay where they are', async () => {
  await using hornet = await start('query:c', 3)
  const workerOf = async (client: string) => (await get(hornet, `/?c=${client}`)).text
  const before = new Map<string, string>()
  for (const client of clients) before.set(client, await workerOf(client))
  const [victim = '', gone = ''] = before.entries().next().value ?? []
  assert.equal((await get(hornet, `/exit?c=${victim}`)).status, 502)
  await hornet.waitForLog(/worker 4 ready/)
  for (const client of clients) {
    const now = await workerOf(client)
    if (before.get(client) === gone) assert.notEqual(now, gone, hornet.stderr)
    else assert.equal(now, before.get(client))
    assert.equal(await workerOf(client), now)
  }
})

test('a request waits for its busy worker as long as the queue allows, and no other client waits with it', async () => {
  await using hornet = await start('query:c', 2, ['--queue-timeout', '200ms'])
  const first = (await get(hornet, '/?c=a')).text
  const blocking = await connect(hornet)
  blocking.write(message('GET', '/block?c=a'))
  assert.equal((await get(hornet, '/?c=a')).status, 503)
  for (const client of clients) {
    const { status, text } = await get(hornet, `/?c=${client}`)
    if (status === 200 && text !== first) break
  }
  assert.equal((await blocking.readResponse()).text, first)
  assert.equal((await get(hornet, '/?c=a')).text, first)
  blocking.destroy()
})

test('Socket.IO by long polling works with four workers', async () => {
  const { io } = await import('socket.io-client')
  // A client that was closed as the server stops leaves its poll behind.
  await using hornet = await start('ip', 4, ['--graceful-timeout', '200ms'], 'socket.io')
  const seen = new Set<string>()
  for (let i = 1; i <= 6; i++) {
    const agent = new Agent({ localAddress: `127.0.0.${10 + i}`, keepAlive: false } as object)
    // Safe: the client hands it to node:http, as it does its own.
    const socket = io(hornet.url, {
      transports: ['polling'],
      agent: agent as never,
      forceNew: true,
      reconnection: false,
    })
    try {
      await within(
        new Promise((settle, fail) => socket.once('connect', () => settle(0)).once('connect_error', fail)),
        'connection',
      )
      for (let n = 0; n < 3; n++) {
        const answer: string = await within(socket.emitWithAck('ask', `question ${n}`), 'answer')
        assert.match(answer, new RegExp(`^question ${n} from [1-4]$`))
        seen.add(answer.slice(-1))
      }
    } finally {
      socket.close()
    }
  }
  assert.ok(seen.size >= 2, `workers ${[...seen]}`)
})

test('what is no rule is refused', async () => {
  const { code, stderr } = await runHornet({ args: ['--sticky', 'cookie', app] })
  assert.equal(code, 2)
  assert.match(stderr, /--sticky \(command line\): 'cookie' is not ip, cookie:NAME, header:NAME or query:NAME/)
})
