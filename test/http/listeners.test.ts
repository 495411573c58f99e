/**
 * Promise: the same service on every kind of address: IPv4, IPv6, a unix socket, sockets inherited from the parent.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { runHornet, startHornet } from '../support/hornet.js'
import { connect, get, message, type Target } from '../support/http.js'

const app = 'test/http/fixtures/app.mjs'
const folder = mkdtempSync(join(tmpdir(), 'hornet-listeners-'))
after(() => rmSync(folder, { recursive: true }))

const hasIpv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ family }) => family === 'IPv6'))

async function servesAll(target: Target): Promise<void> {
  const connection = await connect(target)
  connection.write(Buffer.concat([message('GET', '/text/a'), message('GET', '/pieces')]))
  assert.equal((await connection.readResponse()).text, 'a')
  assert.equal((await connection.readResponse()).text, 'one,two,three')
  const body = Buffer.alloc(200_000, 'x')
  connection.write(message('POST', '/hash', {}, body))
  assert.equal(JSON.parse((await connection.readResponse()).text).bytes, body.length)
  connection.destroy()
}

test('IPv6', { skip: hasIpv6 ? false : 'this machine has no IPv6' }, async () => {
  await using hornet = await startHornet({ app, listeners: 0, args: ['--workers', '1', '--bind', '[::1]:0'] })
  const [, port] = await hornet.waitForLog(/http:\/\/\[::1\]:(\d+)\n/)
  await servesAll({ host: '::1', port: Number(port) })
  await assert.rejects(connect({ host: '127.0.0.1', port: Number(port) }), /ECONNREFUSED/, 'IPv6 alone')
})

test('a unix socket, in place of one that a dead server left', async () => {
  const path = join(folder, 'a.sock')
  // A process that ends without closing what it bound.
  const leave = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
  assert.throws(() => execFileSync(process.execPath, ['-e', leave]))
  assert.ok(existsSync(path))
  await using hornet = await startHornet({ app, listeners: 0, args: ['--workers', '1', '--bind', `unix:${path}`] })
  await hornet.waitForLog(/unix:.*\n/)
  await servesAll({ path })

  const second = await runHornet({ app, args: ['--workers', '1', '--bind', `unix:${path}`] })
  assert.equal(second.code, 1)
  assert.match(second.stderr, /EADDRINUSE/)
  await servesAll({ path })
  await hornet.stop()
  assert.ok(!existsSync(path))
})

test('a file that is no socket stays what it is', async () => {
  const path = join(folder, 'precious.txt')
  writeFileSync(path, 'precious')
  const { code } = await runHornet({ app, args: ['--workers', '1', '--bind', `unix:${path}`] })
  assert.equal(code, 1)
  assert.equal(readFileSync(path, 'utf8'), 'precious')
})

test('three inherited sockets over two I/O threads', async () => {
  await using hornet = await startHornet({ app, listeners: 3, args: ['--workers', '2', '--io-threads', '2'] })
  for (const port of hornet.ports) await servesAll({ port })
  // On many connections at once, so that both threads have some.
  const answers = await Promise.all(Array.from({ length: 60 }, (_, n) => get({ port: hornet.ports[n % 3] ?? 0 })))
  assert.ok(answers.every(({ text }) => text === 'hello'))
})

test('a descriptor that is not there is refused with its number', async () => {
  const { code, stderr } = await runHornet({ app, args: ['--workers', '1', '--bind', 'fd://9'] })
  assert.equal(code, 1)
  assert.match(stderr, /fd:\/\/9/)
})
