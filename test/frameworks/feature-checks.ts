/**
 * What people use a web framework for, as a list of checks over routes every application in apps/ has.
 */
import assert from 'node:assert/strict'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { connect, message, type RawResponse, request } from '../support/http.js'
import { root } from '../support/root.js'
import { answerOf, type Check, type RunningServer, sha256 } from '../support/servers.js'

export interface FeatureOptions {
  /** Name of a file in test/frameworks/apps. */
  file: string
  /** What the application does not do: names of checks, or of a part of one. */
  lacks?: string[]
}

/** Parts of checks that some frameworks leave out. */
const parts = ['client address', 'range errors']

const mebibyte = 1024 * 1024

function send(
  { target }: RunningServer,
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body?: string | Buffer,
): Promise<RawResponse> {
  return request(target, message(method, path, headers, body), { method })
}

function connectionFacts(lacks: string[]): Check {
  return {
    name: 'parameters, query and what the connection says',
    async run(server) {
      const response = await send(server, 'GET', '/route/a%20b?q=1&r=%C3%A9')
      assert.deepEqual(JSON.parse(response.text), {
        id: 'a b',
        query: { q: '1', r: 'é' },
        ...(lacks.includes('client address') ? {} : { ip: '127.0.0.1' }),
        host: 'localhost',
        protocol: 'http',
      })
      assert.match(response.headers['content-type'], /^application\/json/)
      return answerOf(response)
    },
  }
}

const routing: Check[] = [
  {
    name: 'HEAD of a GET route',
    async run(server) {
      const response = await send(server, 'HEAD', '/route/1')
      assert.equal(response.status, 200)
      assert.equal(response.body.length, 0)
      return answerOf(response)
    },
  },
  {
    name: 'unknown route and method',
    async run(server) {
      const responses = [await send(server, 'GET', '/nowhere'), await send(server, 'DELETE', '/route/1')]
      assert.equal(responses[0].status, 404)
      assert.ok([404, 405].includes(responses[1].status))
      return responses.map(answerOf)
    },
  },
  {
    name: 'OPTIONS',
    async run(server) {
      return answerOf(await send(server, 'OPTIONS', '/route/1'))
    },
  },
  {
    name: 'redirect',
    async run(server) {
      const response = await send(server, 'GET', '/redirect')
      assert.equal(response.status, 302)
      assert.equal(response.headers.location, '/route/1')
      return answerOf(response)
    },
  },
  {
    name: '204 and 304',
    async run(server) {
      const empty = await send(server, 'GET', '/empty')
      assert.equal(empty.status, 204)
      const full = await send(server, 'GET', '/etag')
      assert.equal(full.text, 'the first version')
      assert.equal(full.headers.etag, '"v1"')
      const same = await send(server, 'GET', '/etag', { 'If-None-Match': '"v1"' })
      assert.equal(same.status, 304)
      const other = await send(server, 'GET', '/etag', { 'If-None-Match': '"v2"' })
      assert.equal(other.status, 200)
      return [empty, full, same, other].map(answerOf)
    },
  },
  {
    name: 'cookies',
    async run(server) {
      const response = await send(server, 'GET', '/cookies', { Cookie: 'a=1; b=x' })
      assert.deepEqual(JSON.parse(response.text), { a: '1', b: 'x' })
      const set = response.rawHeaders.filter(([name]) => name.toLowerCase() === 'set-cookie').map(([, value]) => value)
      assert.equal(set.length, 2)
      assert.match(set[0], /^first=1;.*HttpOnly/i)
      assert.match(set[1], /^second=two%20words; path=\/cookies/i)
      return set
    },
  },
]

const bodies: Check[] = [
  {
    name: 'a JSON body, its errors and its limit',
    async run(server) {
      const type = { 'Content-Type': 'application/json' }
      const value = { text: 'grüße', list: [1, null, true] }
      const good = await send(server, 'POST', '/json', type, JSON.stringify(value))
      assert.equal(good.status, 201)
      assert.deepEqual(JSON.parse(good.text), value)
      const bad = await send(server, 'POST', '/json', type, '{"text":')
      assert.equal(bad.status, 400)
      const large = await send(server, 'POST', '/json', type, JSON.stringify('x'.repeat(2 * mebibyte)))
      assert.equal(large.status, 413)
      return [answerOf(good), bad.status, large.status]
    },
  },
  {
    name: 'a JSON body in chunks',
    async run(server) {
      const connection = await connect(server.target)
      connection.write('POST /json HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n')
      connection.write('Transfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\n')
      connection.write('2\r\n1}\r\n0\r\n\r\n')
      const response = await connection.readResponse()
      assert.equal(response.text, '{"a":1}')
      connection.destroy()
      return answerOf(response)
    },
  },
  {
    name: 'an urlencoded form',
    async run(server) {
      const type = { 'Content-Type': 'application/x-www-form-urlencoded' }
      const response = await send(server, 'POST', '/form', type, 'a=1&b=two+words&c=%C3%A9')
      assert.deepEqual(JSON.parse(response.text), { a: '1', b: 'two words', c: 'é' })
      return answerOf(response)
    },
  },
  {
    name: 'a text body',
    async run(server) {
      const response = await send(server, 'POST', '/text', { 'Content-Type': 'text/plain' }, 'plain text')
      assert.equal(response.text, 'plain text')
      return answerOf(response)
    },
  },
  {
    name: 'a multipart upload',
    async run(server) {
      const answers = []
      for (const size of [10, 3 * mebibyte]) {
        const file = Buffer.alloc(size, 'file bytes ')
        const form = Buffer.concat([
          Buffer.from('--edge\r\nContent-Disposition: form-data; name="field"\r\n\r\nvälue\r\n'),
          Buffer.from('--edge\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n'),
          Buffer.from('Content-Type: application/x-bin\r\n\r\n'),
          file,
          Buffer.from('\r\n--edge--\r\n'),
        ])
        const type = { 'Content-Type': 'multipart/form-data; boundary=edge' }
        const response = await send(server, 'POST', '/upload', type, form)
        assert.deepEqual(JSON.parse(response.text), {
          field: 'välue',
          name: 'a.bin',
          type: 'application/x-bin',
          bytes: size,
          sha256: sha256(file),
        })
        answers.push(answerOf(response))
      }
      return answers
    },
  },
  {
    name: '4 MiB up, sized and in chunks',
    async run(server) {
      const body = Buffer.alloc(4 * mebibyte, 'a body that is larger than any buffer on its way ')
      const type = { 'Content-Type': 'application/octet-stream' }
      const sized = await send(server, 'POST', '/hash', type, body)
      assert.equal(sized.text, sha256(body))

      const connection = await connect(server.target)
      connection.write(message('POST', '/hash', { ...type, 'Transfer-Encoding': 'chunked' }))
      for (let at = 0; at < body.length; at += 100_000) {
        const chunk = body.subarray(at, at + 100_000)
        connection.write(Buffer.concat([Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n')]))
      }
      connection.write('0\r\n\r\n')
      assert.equal((await connection.readResponse({ method: 'POST' })).text, sha256(body))
      connection.destroy()
    },
  },
  {
    name: '8 MiB down, in pieces and at once',
    async run(server) {
      const bytes = 8 * mebibyte
      const pieces = await send(server, 'GET', `/big?bytes=${bytes}`)
      assert.equal(pieces.body.length, bytes)
      const whole = await send(server, 'GET', `/big-at-once?bytes=${bytes}`)
      assert.equal(sha256(whole.body), sha256(pieces.body))
      return [answerOf(pieces), answerOf(whole)]
    },
  },
  {
    name: 'Expect: 100-continue',
    async run(server) {
      const connection = await connect(server.target)
      const fields = { 'Content-Type': 'text/plain', 'Content-Length': '5', Expect: '100-continue' }
      connection.write(message('POST', '/text', fields))
      await connection.readUntil('HTTP/1.1 100 Continue\r\n\r\n')
      connection.write('hello')
      assert.equal((await connection.readResponse()).text, 'hello')
      connection.destroy()
    },
  },
]

const streams: Check[] = [
  {
    name: 'a streamed response',
    async run(server) {
      const response = await send(server, 'GET', '/stream')
      assert.equal(response.text, 'one two three')
      assert.equal(response.framing, 'chunked')
      return answerOf(response)
    },
  },
  {
    name: 'server-sent events',
    async run(server) {
      const response = await send(server, 'GET', '/events', { Accept: 'text/event-stream' })
      assert.match(response.headers['content-type'], /^text\/event-stream/)
      const events = response.text.trim().split('\n\n')
      assert.equal(events.length, 3)
      for (const [index, event] of events.entries()) assert.match(event, new RegExp(`data: event ${index + 1}\\b`))
      return answerOf(response)
    },
  },
  {
    name: 'compression',
    async run(server) {
      const plain = await send(server, 'GET', '/compressed')
      const packed = await send(server, 'GET', '/compressed', { 'Accept-Encoding': 'gzip' })
      assert.equal(packed.headers['content-encoding'], 'gzip')
      assert.equal(packed.headers['content-length'], undefined)
      assert.ok(packed.body.length < plain.body.length / 10)
      assert.equal(gunzipSync(packed.body).toString(), plain.text)
      const head = await send(server, 'HEAD', '/compressed', { 'Accept-Encoding': 'gzip' })
      assert.equal(head.body.length, 0)
      return [answerOf(plain), answerOf(packed), answerOf(head)]
    },
  },
  {
    name: 'a client that leaves is noticed',
    async run(server) {
      const connection = await connect(server.target)
      connection.write(message('GET', '/hang?id=1'))
      await connection.readUntil('hanging')
      connection.destroy()
      assert.equal((await send(server, 'GET', '/departure?id=1')).text, 'left')
    },
  },
]

const failures: Check[] = [
  {
    name: 'errors give 500 and leave the connection open',
    async run(server) {
      const connection = await connect(server.target)
      const answers = []
      for (const path of ['/sync-error', '/async-error']) {
        connection.write(message('GET', path))
        const response = await connection.readResponse()
        assert.equal(response.status, 500)
        // A stack in the body holds paths, which are the same, and line numbers of internals, which need not be.
        answers.push([response.status, response.headers['content-type']])
      }
      connection.write(message('GET', '/empty'))
      assert.equal((await connection.readResponse()).status, 204)
      connection.destroy()
      return answers
    },
  },
  {
    name: 'an error after the head cuts the connection short of the end',
    async run(server) {
      const connection = await connect(server.target)
      connection.write(message('GET', '/late-error'))
      await connection.readUntil('begun')
      await assert.rejects(connection.readUntil('\r\n0\r\n\r\n'), /ended|broke/)
      connection.destroy()
      assert.equal((await send(server, 'GET', '/empty')).status, 204)
    },
  },
]

function staticFiles({ file, lacks = [] }: FeatureOptions): Check[] {
  const path = `/static/${file}`
  const local = join(root, 'test/frameworks/apps', file)
  const text = readFileSync(local, 'utf8')
  return [
    {
      name: 'a static file',
      async run(server) {
        const get = await send(server, 'GET', path)
        assert.equal(get.status, 200)
        assert.equal(get.text, text)
        const head = await send(server, 'HEAD', path)
        assert.equal(head.headers['content-length'], String(statSync(local).size))
        assert.equal(head.body.length, 0)
        const missing = await send(server, 'GET', '/static/none.txt')
        assert.equal(missing.status, 404)
        const outside = await send(server, 'GET', '/static/..%2ffeature-checks.ts')
        assert.ok(outside.status >= 400)
        return [get, head].map(answerOf).concat(missing.status, outside.status)
      },
    },
    {
      name: 'ranges of a static file',
      async run(server) {
        const part = await send(server, 'GET', path, { Range: 'bytes=10-19' })
        assert.equal(part.status, 206)
        assert.equal(part.text, text.slice(10, 20))
        assert.equal(part.headers['content-range'], `bytes 10-19/${text.length}`)
        if (lacks.includes('range errors')) return answerOf(part)
        const tail = await send(server, 'GET', path, { Range: 'bytes=-5' })
        assert.equal(tail.text, text.slice(-5))
        const beyond = await send(server, 'GET', path, { Range: `bytes=${text.length}-` })
        assert.equal(beyond.status, 416)
        return [part, tail, beyond].map(answerOf)
      },
    },
    {
      name: 'a static file the client has',
      async run(server) {
        const { headers } = await send(server, 'GET', path)
        const byTag = await send(server, 'GET', path, { 'If-None-Match': headers.etag })
        assert.equal(byTag.status, 304)
        const byDate = await send(server, 'GET', path, { 'If-Modified-Since': headers['last-modified'] })
        assert.equal(byDate.status, 304)
        return [byTag, byDate].map(answerOf)
      },
    },
  ]
}

export function featureChecks(options: FeatureOptions): Check[] {
  const { lacks = [] } = options
  const checks = [connectionFacts(lacks), ...routing, ...bodies, ...streams, ...failures, ...staticFiles(options)]
  const unknown = lacks.filter((name) => !parts.includes(name) && !checks.some((check) => check.name === name))
  assert.deepEqual(unknown, [], 'lacks names no check')
  return checks.filter(({ name }) => !lacks.includes(name))
}
