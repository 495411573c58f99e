/**
 * Promise: `hornet/http` in place of `node:http` is the only change a program needs. What a server does in detail is the
 * compatibility suite's (test/compat); here is what makes it a module of its own: how it is loaded, that a process ends
 * with it, and the ways past the native parser.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import nodeHttp from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { test } from 'node:test'
import { promisify } from 'node:util'
import http, { createServer, Server } from '../../src/http/index.js'
import { within } from '../support/deadline.js'
import { connect, get, message } from '../support/http.js'
import { root } from '../support/root.js'

const run = promisify(execFile)

/** Runs a module as the package's user would; it must end by itself. */
async function runModule(...args: string[]): Promise<string> {
  const { stdout, stderr } = await run(process.execPath, args, { cwd: root, timeout: 20_000 })
  assert.equal(stderr, '')
  return stdout
}

async function listen(server: nodeHttp.Server): Promise<{ port: number }> {
  server.listen(0, '127.0.0.1')
  await within(once(server, 'listening'), 'listening')
  return { port: (server.address() as AddressInfo).port }
}

test('import and require give the same module, which has all that node:http has', async () => {
  const script = `
    import http, * as all from 'hornet/http'
    import { createRequire } from 'node:module'
    import nodeHttp from 'node:http'
    const required = createRequire(import.meta.url)('hornet/http')
    const missing = Object.keys(nodeHttp).filter((name) => !(name in http))
    console.log(JSON.stringify([required === http, missing, all.Server === http.Server, all.Server !== nodeHttp.Server,
      all.STATUS_CODES === nodeHttp.STATUS_CODES, all.createServer === http.createServer]))`
  const output = await runModule('--no-warnings', '--input-type=module', '--eval', script)
  assert.deepEqual(JSON.parse(output), [true, [], true, true, true, true])
})

test('servers are made with and without new, and by inheriting in the old way', async () => {
  const Old = function (this: object) {
    ;(Server as unknown as (this: object) => void).call(this)
  } as unknown as { new (): nodeHttp.Server; prototype: object }
  Object.setPrototypeOf(Old.prototype, Server.prototype)
  class New extends Server {}
  const withoutNew = (Server as unknown as () => nodeHttp.Server)()
  for (const server of [new Server(), withoutNew, new Old(), new New(), createServer()]) {
    assert.ok(server instanceof http.Server && server instanceof nodeHttp.Server)
    server.on('request', (_req, res) => res.end('served'))
    assert.equal((await get(await listen(server))).text, 'served')
    server.closeAllConnections()
    server.close()
    await within(once(server, 'close'), 'close')
  }
})

test('a process ends when its server is closed, and when nothing but an unref server is left', async () => {
  const script = (rest: string) =>
    `import http from 'hornet/http'; const s = http.createServer().listen(0, () => {${rest}})`
  await runModule('--input-type=module', '--eval', script('s.close()'))
  await runModule('--input-type=module', '--eval', script('s.unref()'))
  await runModule('--input-type=module', '--eval', script('process.exit()'))
})

test("an error in a tick or in a listener is the process's, and costs no other request", async () => {
  const output = await runModule(join(root, 'test/module/fixtures/ticks.mjs'))
  assert.deepEqual(JSON.parse(output), {
    answers: ['ticked', 'thrown', 'ticked'],
    seen: ['from a tick', 'from the listener', 'from a tick'].map((text) => `uncaughtException: ${text}`),
  })
})

test('a thread may end with its server open', async () => {
  const output = await runModule(join(root, 'test/module/fixtures/in-thread.mjs'))
  assert.deepEqual(JSON.parse(output), ['from a thread', 1, 'from a thread', 3])
})

test('the address is free when close() returns', async () => {
  const first = createServer()
  const { port } = await listen(first)
  first.close()
  const second = createServer((_req, res) => res.end('second'))
  second.listen(port, '127.0.0.1')
  await within(once(second, 'listening'), 'listening on the same port')
  assert.equal((await get({ port })).text, 'second')
  second.close()
})

test('a port in use is an error event, and no other port is taken instead', async () => {
  const first = createServer()
  const { port } = await listen(first)
  const second = createServer()
  second.listen(port, '127.0.0.1')
  const [error] = await within(once(second, 'error'), 'error')
  assert.equal(error.code, 'EADDRINUSE')
  assert.equal(second.listening, false)
  first.close()
})

test('an upgraded connection carries bytes both ways, more than any window, and each side ends by itself', async () => {
  const server = createServer()
  server.on('upgrade', (_req, socket: Duplex, head: Buffer) => {
    assert.ok(socket instanceof Duplex)
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')
    socket.unshift(head)
    socket.pipe(socket)
  })
  const target = await listen(server)
  const client = await connect(target)
  const fields = { Connection: 'Upgrade', Upgrade: 'echo' }
  const sent = randomBytes(3 * 1024 * 1024)
  // The first bytes come right behind the head.
  client.write(Buffer.concat([message('GET', '/', fields), sent.subarray(0, 1000)]))
  client.write(sent.subarray(1000))
  client.end()
  const received = await client.readToEnd()
  const head = received.indexOf('\r\n\r\n') + 4
  assert.match(received.toString('latin1', 0, head), /^HTTP\/1\.1 101 /)
  const hash = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
  assert.equal(hash(received.subarray(head)), hash(sent))
  server.close()
  await within(once(server, 'close'), 'close')
})

test('CONNECT goes to its event, and to nobody without one', async () => {
  const server = createServer()
  const target = await listen(server)
  const refused = await connect(target)
  refused.write('CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n')
  assert.equal((await refused.readToEnd()).length, 0)
  server.on('connect', (req, socket: Socket) => socket.end(`HTTP/1.1 200 OK\r\n\r\n${req.url}`))
  const taken = await connect(target)
  taken.write('CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n')
  assert.match((await taken.readToEnd()).toString(), /^HTTP\/1\.1 200 OK\r\n\r\nexample\.org:443$/)
  server.close()
})

test('what is malformed is refused in the words of Node, or by who listens for clientError', async () => {
  const server = createServer((_req, res) => res.end('fine'))
  const target = await listen(server)
  const client = await connect(target)
  // A good request first: its answer comes before the refusal.
  client.write(Buffer.concat([message('GET', '/'), Buffer.from('GET / HTTP/1.1\r\nBad Name: x\r\n\r\n')]))
  const answers = (await client.readToEnd()).toString()
  assert.match(answers, /^HTTP\/1\.1 200 OK\r\n.*fineHTTP\/1\.1 400 Bad Request\r\nConnection: close\r\n\r\n$/s)

  const errors: NodeJS.ErrnoException[] = []
  const seen: (string | undefined)[] = []
  server.on('request', (req) => seen.push(req.method))
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    errors.push(error)
    socket.end('HTTP/1.1 400 Ours\r\n\r\n')
  })
  for (const bytes of [
    'GET / HTTP/1.1\r\nBad Name: x\r\n\r\n',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nnot a size\r\n',
  ]) {
    const other = await connect(target)
    other.write(bytes)
    assert.equal((await other.readToEnd()).toString(), 'HTTP/1.1 400 Ours\r\n\r\n')
  }
  assert.deepEqual(
    errors.map(({ code }) => code),
    ['HPE_INVALID_HEADER_TOKEN', 'HPE_INVALID_CHUNK_SIZE'],
  )
  // Of a fault in the body one hears after the request.
  assert.deepEqual(seen, ['POST'])
  server.close()
})

test('a body that nobody reads to its end does not keep an answered connection', async () => {
  const server = createServer((req, res) => {
    req.once('data', () => {
      req.pause()
      res.writeHead(413)
      res.write('too ')
      res.end('large')
    })
  })
  server.keepAliveTimeout = 100
  const target = await listen(server)
  const client = await connect(target)
  client.write(message('POST', '/', { 'Content-Length': '2097152' }, Buffer.alloc(1_048_576)))
  assert.match((await client.readToEnd()).toString(), /^HTTP\/1\.1 413 .*too .*large/s)
  server.close()
  await within(once(server, 'close'), 'close')
})
