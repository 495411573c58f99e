/**
 * Promise: what a server holds for hostile connections is bounded: by what each has sent, and for heads together.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { message } from '../support/http.js'
import { besiege, residentMiB, swarm } from './hostile.js'

const kinds: [name: string, count: number, bytes: string | Buffer, mostMiB: number][] = [
  ['say nothing', 2000, '', 20],
  ['are within a head of 1 KB', 2000, `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(1000)}`, 25],
  // 120 MiB are sent; they may hold 64 MiB together.
  ['are within a head of 240 KB', 500, `GET / HTTP/1.1\r\nHost: a\r\n${`X: ${'x'.repeat(8000)}\r\n`.repeat(30)}`, 110],
  [
    'are within a body of 60 KB',
    1000,
    message('POST', '/hash', { 'Content-Length': '60001' }, Buffer.alloc(60_000)),
    110,
  ],
]

for (const [name, count, bytes, mostMiB] of kinds) {
  test(`${count} connections that ${name}`, async (t) => {
    await using server = await besiege('--keep-alive', '1h')
    for (let number = 0; number < 20; number++) await server.servesOthers()
    const before = residentMiB(server)
    const connections = await swarm(server, count, () => bytes)
    // What was sent before is read before this is answered, as far as it is read at all.
    for (let number = 0; number < 20; number++) await server.servesOthers()
    const grown = residentMiB(server) - before
    t.diagnostic(`${grown.toFixed(1)} MiB, ${((grown * 1024) / count).toFixed(1)} KiB for each`)
    assert.ok(grown < mostMiB, `${grown.toFixed(1)} MiB`)
    for (const connection of connections) connection.destroy()
    await server.isQuiet()
  })
}
