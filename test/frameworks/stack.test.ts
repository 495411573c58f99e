/**
 * Promise: the middleware that most Express applications have does on hornet what it does on node:http: helmet, morgan,
 * pino-http, express-session, serve-static and http-proxy-middleware.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before } from 'node:test'
import { within } from '../support/deadline.js'
import { connect, get, message, request } from '../support/http.js'
import { root } from '../support/root.js'
import { answerOf, type Check, onServers, sha256 } from '../support/servers.js'

const folder = mkdtempSync(join(tmpdir(), 'hornet-sessions-'))

/** Who left the upstream's /hang, by the query of the request. */
const departures = new EventEmitter()

/** What the proxy stands before. */
const upstream = createServer(async (req, res) => {
  const url = new URL(req.url ?? '', 'http://upstream')
  if (url.pathname === '/echo') {
    const hash = createHash('sha256')
    for await (const chunk of req) hash.update(chunk)
    const { host, 'x-forwarded-for': client, 'x-forwarded-proto': protocol } = req.headers
    res.writeHead(201, { 'Content-Type': 'application/json', 'X-Upstream': 'yes', 'Set-Cookie': ['a=1', 'b=2'] })
    return res.end(
      JSON.stringify({ method: req.method, url: req.url, host, client, protocol, sha256: hash.digest('hex') }),
    )
  }
  if (url.pathname === '/big') return res.end(Buffer.alloc(4_000_000, 'from upstream '))
  if (url.pathname === '/hang') {
    res.on('close', () => departures.emit(url.search))
    return res.write('hanging')
  }
  res.writeHead(404).end('nothing upstream')
})
before(async () => {
  upstream.listen(0, '127.0.0.1')
  await once(upstream, 'listening')
})
after(() => {
  upstream.close()
  upstream.closeAllConnections()
  rmSync(folder, { recursive: true })
})

function cookieOf(headers: Record<string, string>): string {
  return (headers['set-cookie'] ?? '').split(';')[0]
}

const checks: Check[] = [
  {
    name: 'helmet sets its fields',
    async run({ target }) {
      const response = await get(target, '/helmet')
      assert.match(response.headers['content-security-policy'], /^default-src 'self'/)
      assert.match(response.headers['strict-transport-security'], /max-age=\d+/)
      assert.equal(response.headers['x-powered-by'], undefined)
      return answerOf(response)
    },
  },
  {
    name: 'morgan logs each request with its status, length, client and time',
    async run({ name, target, process }) {
      const id = encodeURIComponent(name)
      await get(target, `/morgan/${id}`)
      await process.waitForOutput(new RegExp(`^GET /morgan/${id} 200 5 127\\.0\\.0\\.1 \\d+\\.\\d{3} ms$`, 'm'))
      await get(target, `/morgan-late/${id}`)
      await process.waitForOutput(new RegExp(`^GET /morgan-late/${id} 200 - 127\\.0\\.0\\.1 \\d+\\.\\d{3} ms$`, 'm'))
    },
  },
  {
    name: 'morgan logs a client that left',
    async run({ target, process }) {
      const connection = await connect(target)
      connection.write(message('GET', '/morgan-missing'))
      await connection.readResponse()
      connection.destroy()
      await process.waitForOutput(/^GET \/morgan-missing 404 \d+ 127\.0\.0\.1 /m)
    },
  },
  {
    name: 'pino-http logs request and response, and gives the request a logger',
    async run({ target, process }) {
      const response = await get(target, '/pino/7', { 'User-Agent': 'a test' })
      assert.equal(response.status, 201)
      const [line] = await process.waitForOutput(/^\{.*"msg":"request completed"\}$/m)
      const { req, res, responseTime } = JSON.parse(line)
      assert.equal(req.method, 'GET')
      assert.equal(req.url, '/pino/7')
      assert.equal(req.headers['user-agent'], 'a test')
      assert.equal(req.remoteAddress, '127.0.0.1')
      assert.equal(typeof req.remotePort, 'number')
      assert.equal(res.statusCode, 201)
      assert.equal(typeof responseTime, 'number')
      const [own] = await process.waitForOutput(/^\{.*"msg":"from the handler"\}$/m)
      assert.equal(JSON.parse(own).id, '7')
      // One id per request, and the same in both lines.
      assert.equal(JSON.parse(own).req.id, req.id)
    },
  },
  {
    name: 'serve-static with its options',
    async run({ target }) {
      const text = readFileSync(join(root, 'test/frameworks/apps/stack.mjs'))
      const whole = await get(target, '/files/stack.mjs')
      assert.deepEqual(whole.body, text)
      assert.equal(whole.headers['cache-control'], 'public, max-age=3600, immutable')
      assert.equal(whole.headers['x-kind'], 'file')
      const part = await get(target, '/files/stack.mjs', { Range: 'bytes=0-9' })
      assert.equal(part.status, 206)
      const parts = await get(target, '/files/stack.mjs', { Range: 'bytes=0-1,4-5' })
      const stale = await get(target, '/files/stack.mjs', { Range: 'bytes=0-9', 'If-Range': '"other"' })
      assert.equal(stale.status, 200)
      const folder = await get(target, '/files')
      assert.equal(folder.headers.location, '/files/')
      return [whole, part, parts, stale, folder].map(answerOf)
    },
  },
  {
    name: 'express-session keeps a session, makes a new one and ends it',
    async run({ target }) {
      const first = await get(target, '/session/count')
      assert.deepEqual(JSON.parse(first.text), { count: 1 })
      assert.match(first.headers['set-cookie'], /^sid=s%3A.*; Path=\/session; HttpOnly; SameSite=Lax$/)
      const Cookie = cookieOf(first.headers)
      // One after the other, to whichever worker.
      for (let count = 2; count <= 12; count++) {
        const { text, headers } = await get(target, '/session/count', { Cookie })
        assert.deepEqual(JSON.parse(text), { count })
        assert.equal(headers['set-cookie'], undefined)
      }
      const renewed = await get(target, '/session/new', { Cookie })
      assert.deepEqual(JSON.parse(renewed.text), { count: 0 })
      const old = await get(target, '/session/count', { Cookie })
      assert.deepEqual(JSON.parse(old.text), { count: 1 })
      const left = await get(target, '/session/leave', { Cookie: cookieOf(old.headers) })
      assert.equal(left.status, 302)
      assert.match(left.headers['set-cookie'], /^sid=;/)
      const forged = await get(target, '/session/count', { Cookie: `${Cookie}x` })
      assert.deepEqual(JSON.parse(forged.text), { count: 1 })
    },
  },
  {
    name: 'http-proxy-middleware passes requests and responses on',
    async run({ target }) {
      const body = Buffer.alloc(3_000_000, 'through the proxy ')
      const sized = await request(target, message('POST', '/proxy/echo?q=1', {}, body))
      assert.equal(sized.status, 201)
      assert.equal(sized.headers['x-upstream'], 'yes')
      assert.equal(sized.headers['set-cookie'], 'a=1, b=2')
      const { port } = upstream.address() as AddressInfo
      assert.deepEqual(JSON.parse(sized.text), {
        method: 'POST',
        url: '/echo?q=1',
        host: `127.0.0.1:${port}`,
        client: '127.0.0.1',
        protocol: 'http',
        sha256: sha256(body),
      })
      const connection = await connect(target)
      connection.write(message('PUT', '/proxy/echo', { 'Transfer-Encoding': 'chunked' }))
      connection.write('5\r\nhello\r\n0\r\n\r\n')
      const chunked = await connection.readResponse({ method: 'PUT' })
      connection.destroy()
      assert.equal(JSON.parse(chunked.text).sha256, sha256('hello'))
      const big = await get(target, '/proxy/big')
      assert.equal(big.body.length, 4_000_000)
      const none = await get(target, '/proxy/none')
      assert.equal(none.text, 'nothing upstream')
      return [sized, chunked, big, none].map(answerOf)
    },
  },
  {
    name: 'http-proxy-middleware answers for an upstream that is not there',
    async run({ target }) {
      const missing = await get(target, '/broken-proxy/')
      assert.equal(missing.status, 504)
      return answerOf(missing)
    },
  },
  {
    name: 'http-proxy-middleware leaves the upstream when its client leaves',
    async run({ name, target }) {
      const query = `?${encodeURIComponent(name)}`
      const left = once(departures, query)
      const connection = await connect(target)
      connection.write(message('GET', `/proxy/hang${query}`))
      await connection.readUntil('hanging')
      connection.destroy()
      await within(left, 'departure from the upstream')
    },
  },
]

onServers('test/frameworks/apps/stack.mjs', checks, {
  env: () => ({
    SESSION_FOLDER: folder,
    UPSTREAM: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`,
  }),
})
