/**
 * Promise: what is no request is answered with the status of its fault and a closed connection, the client can read that
 * answer even while it goes on sending, and the application never hears of it.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Hornet, startHornet } from '../support/hornet.js'
import { connect, get, message } from '../support/http.js'
import { root } from '../support/root.js'
import { type NodeAnswer, startNode } from './probes/node-side.js'
import { post, probes } from './probes/probes.js'

let hornet: Hornet
before(async () => {
  const args = ['--workers', '1', '--limit-request-body', '100k']
  hornet = await startHornet({ app: 'test/http/fixtures/app.mjs', args })
})
after(() => hornet.stop())

test('each fault has its status, and none reaches the application', async () => {
  const before = await count()
  for (const [name, status, bytes] of probes) {
    const connection = await connect(hornet)
    connection.write(bytes)
    const response = await connection.readResponse().catch((cause: Error) => {
      throw new Error(`${name}: ${cause.message}`)
    })
    assert.equal(response.status, status, name)
    assert.equal(response.headers.connection, 'close', name)
    assert.equal(response.headers['content-type'], 'text/plain; charset=utf-8', name)
    assert.ok(response.body.length > 0 && response.body.length < 100, name)
    assert.equal((await connection.readToEnd()).length, 0, name)
    assert.equal(connection.state, 'ended', `${name}: an orderly end, no reset`)
    connection.destroy()
  }
  assert.equal(await count(), before)
})

test('node:http answers each of them the same, or the difference is known', async () => {
  const file = join(root, 'test/http/probes/differences.json')
  const differences: { probe: string; hornet: number; node: NodeAnswer }[] = JSON.parse(readFileSync(file, 'utf8'))
  const known = new Map(differences.map((difference) => [difference.probe, difference]))
  // Later ones are stricter than the oldest that is supported, whose answers are those listed.
  const isOldest = process.versions.node.startsWith('20.')
  const node = await startNode()
  try {
    for (const [name, status, bytes] of probes) {
      const answer = await node.ask(bytes)
      const difference = known.get(name)
      known.delete(name)
      if (difference === undefined) {
        assert.equal(answer, status, `${name}: node:http`)
        continue
      }
      assert.equal(difference.hornet, status, name)
      assert.notEqual(difference.hornet, difference.node, `${name} is no difference`)
      const allowed: NodeAnswer[] = isOldest ? [difference.node] : [difference.node, 400, status]
      assert.ok(allowed.includes(answer), `${name}: node:http answers ${answer}`)
    }
  } finally {
    node.stop()
  }
  assert.deepEqual([...known.keys()], [], 'differences of probes that there are not')
})

test('a fault behind good requests: they are answered, then it is, then nothing', async () => {
  const before = await count()
  const connection = await connect(hornet)
  connection.write(
    Buffer.concat([
      message('GET', '/pieces'),
      message('POST', '/echo', {}, 'body'),
      Buffer.from('GET / HTTP/1.1\r\nBad Field: x\r\n\r\n'),
      message('GET', '/text/never'),
    ]),
  )
  assert.equal((await connection.readResponse()).text, 'one,two,three')
  assert.equal(JSON.parse((await connection.readResponse()).text).body, 'body')
  assert.equal((await connection.readResponse()).status, 400)
  assert.equal((await connection.readToEnd()).length, 0)
  assert.equal(await count(), before + 2)
})

test('a client that goes on sending can still read the answer', async () => {
  for (const [first, status] of [
    ['GET / HTTP/1.1\r\nBad Field: x\r\n\r\n', 400],
    [`${post}Content-Length: 900000\r\n\r\n`, 413],
  ] as const) {
    const connection = await connect(hornet)
    connection.pause()
    connection.write(first)
    // The server has answered long before the last of these is taken.
    for (let piece = 0; piece < 100; piece++) {
      await new Promise((taken) => connection.socket.write(Buffer.alloc(8192), taken))
      await get(hornet, '/text/turn')
    }
    connection.resume()
    assert.equal((await connection.readResponse()).status, status)
    assert.equal((await connection.readToEnd()).length, 0)
    assert.equal(connection.state, 'ended')
    connection.destroy()
  }
})

test('a client that goes on sending for ever is cut off', async () => {
  const connection = await connect(hornet)
  // It never looks at the answer, nor at the end of the server's side.
  connection.pause()
  connection.write('GET / HTTP/1.1\r\nBad Field: x\r\n\r\n')
  const piece = Buffer.alloc(65_536)
  let pieces = 0
  while (connection.state === 'open') {
    pieces += 1
    assert.ok(pieces < 1000, 'still open after 64 MB of noise')
    await new Promise((taken) => connection.socket.write(piece, taken))
  }
  connection.destroy()
})

test('a body over the limit is answered 413, also when its length was never told', async () => {
  const before = await count()
  const exact = await connect(hornet)
  exact.write(message('POST', '/hash', {}, Buffer.alloc(102_400)))
  assert.equal(JSON.parse((await exact.readResponse()).text).bytes, 102_400)
  exact.destroy()
  const connection = await connect(hornet)
  connection.write(message('POST', '/hash', { 'Transfer-Encoding': 'chunked' }))
  for (let piece = 0; piece < 10; piece++) {
    connection.write(Buffer.concat([Buffer.from('5000\r\n'), Buffer.alloc(0x5000), Buffer.from('\r\n')]))
  }
  const response = await connection.readResponse()
  assert.deepEqual([response.status, response.headers.connection], [413, 'close'])
  assert.equal((await connection.readToEnd()).length, 0)
  assert.ok((await count()) <= before + 2)
  connection.destroy()
})

async function count(): Promise<number> {
  return Number((await get(hornet, '/seen/count')).text)
}
