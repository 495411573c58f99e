/**
 * Promise: every application in examples/ runs as it is, on two workers, and answers as it does on node:http.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect, message, type RawResponse, request } from '../support/http.js'
import { root } from '../support/root.js'
import { answerOf, type Check, onServers, type RunningServer, sha256 } from '../support/servers.js'
import { filesUnder } from '../support/tree.js'

/** One request and what must come back; `expected` is the whole body, a pattern of it, or the value its JSON holds. */
interface Exchange {
  method?: string
  path: string
  headers?: Record<string, string>
  body?: string | Buffer
  status?: number
  expected: string | RegExp | object
  fields?: Record<string, string | RegExp>
  hornetOnly?: boolean
}

function send(server: RunningServer, { method = 'GET', path, headers, body }: Exchange): Promise<RawResponse> {
  return request(server.target, message(method, path, headers, body), { method })
}

function check(exchange: Exchange): Check {
  const { method = 'GET', path, status = 200, expected, fields = {}, hornetOnly } = exchange
  return {
    name: `${method} ${path}${exchange.headers?.Range ?? ''}`,
    hornetOnly,
    async run(server) {
      const response = await send(server, exchange)
      assert.equal(response.status, status, response.text)
      if (expected instanceof RegExp) assert.match(response.text, expected)
      else if (typeof expected === 'string') assert.equal(response.text, expected)
      else assert.deepEqual(JSON.parse(response.text), expected)
      for (const [name, value] of Object.entries(fields)) {
        if (value instanceof RegExp) assert.match(response.headers[name] ?? '', value)
        else assert.equal(response.headers[name] ?? '', value, name)
      }
      return comparable(response)
    },
  }
}

/** Some values differ each time. */
function comparable(response: RawResponse): unknown {
  const { 'x-response-time': time, 'x-request-id': id, ...headers } = response.headers
  return answerOf({ ...response, headers })
}

const json = { 'Content-Type': 'application/json' }
const say = { say: 'hï' }
const echo = (path: string, status: number): Exchange => {
  return { method: 'POST', path, headers: json, body: JSON.stringify(say), status, expected: say }
}

const file = Buffer.alloc(300_000, 'the bytes of a file ')
const form = Buffer.concat([
  Buffer.from('--edge\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n'),
  Buffer.from('Content-Type: application/x-bin\r\n\r\n'),
  file,
  Buffer.from('\r\n--edge--\r\n'),
])
const formType = { 'Content-Type': 'multipart/form-data; boundary=edge' }
const ownSource = (name: string) => readFileSync(join(root, 'examples', name), 'utf8')
const threeEvents = 'data: 1\n\ndata: 2\n\ndata: 3\n\n'

const examples: Record<string, Exchange[]> = {
  'hello.mjs': [
    { path: '/', expected: 'Hello, world!\n', fields: { 'content-type': 'text/plain' } },
    { path: '/hello/Ad%C3%A9', expected: 'Hello, Adé!\n' },
    echo('/echo', 200),
    { path: '/countdown', expected: '3\n2\n1\nLift-off!\n', fields: { 'transfer-encoding': 'chunked' } },
    { path: '/lines', expected: /^line 1\n(line \d+\n)+line 100000\n$/ },
    { path: '/nowhere', status: 404, expected: { error: 'There is nothing at /nowhere' } },
    // On node:http this ends the process.
    { path: '/error', status: 500, expected: /.*/, hornetOnly: true },
    { path: '/?after', expected: 'Hello, world!\n' },
  ],
  'express.mjs': [
    { path: '/', expected: 'Hello from Express', fields: { etag: /^W\/"/, 'x-powered-by': 'Express' } },
    { path: '/users/7', expected: { id: 7 } },
    echo('/echo', 201),
    { method: 'POST', path: '/echo', headers: json, body: '{', status: 400, expected: /JSON/ },
    { path: '/events', expected: threeEvents, fields: { 'content-type': /^text\/event-stream/ } },
    { path: '/files/express.mjs', expected: ownSource('express.mjs'), fields: { 'accept-ranges': 'bytes' } },
    {
      path: '/files/express.mjs',
      headers: { Range: 'bytes=3-9' },
      status: 206,
      expected: ownSource('express.mjs').slice(3, 10),
      fields: { 'content-range': /^bytes 3-9\// },
    },
    { path: '/error', status: 500, expected: { error: 'This route fails on purpose' } },
    { path: '/nowhere', status: 404, expected: /Cannot GET/ },
  ],
  'koa.mjs': [
    { path: '/hello/Ada', expected: 'Hello, Ada!', fields: { 'x-response-time': /^[\d.]+ms$/ } },
    echo('/echo', 200),
    { path: '/source', expected: ownSource('koa.mjs') },
    { path: '/countdown', expected: '3\n2\n1\n' },
    { path: '/error', status: 418, expected: { error: 'This route fails on purpose' } },
    { path: '/nowhere', status: 404, expected: 'Not Found' },
  ],
  'fastify.mjs': [
    { path: '/', expected: 'Hello from Fastify' },
    { path: '/users/7', expected: { id: 7 } },
    { path: '/users/x', status: 400, expected: /must be integer/ },
    echo('/echo', 201),
    {
      method: 'POST',
      path: '/upload',
      headers: { 'Content-Type': 'application/octet-stream' },
      body: file,
      expected: { bytes: file.length, sha256: sha256(file) },
    },
    { path: '/numbers', expected: /^0\n1\n(\d+\n)+9999\n$/ },
    { path: '/error', status: 500, expected: /This route fails on purpose/ },
    { path: '/nowhere', status: 404, expected: /not found/ },
  ],
  'hono.mjs': [
    { path: '/', expected: 'Hello from Hono', fields: { 'x-request-id': /^[\w-]+$/ } },
    { path: '/hello/Ada', expected: { hello: 'Ada' } },
    echo('/echo', 201),
    {
      method: 'POST',
      path: '/upload',
      headers: formType,
      body: form,
      expected: { name: 'a.bin', type: 'application/x-bin', bytes: file.length },
    },
    { method: 'POST', path: '/upload', status: 400, body: '', expected: /Send a form/ },
    { path: '/events', expected: threeEvents, fields: { 'content-type': /^text\/event-stream/ } },
    { path: '/error', status: 500, expected: { error: 'This route fails on purpose' } },
    { path: '/nowhere', status: 404, expected: '404 Not Found' },
  ],
  'fetch.mjs': [
    { path: '/', expected: 'Hello from fetch\n' },
    { path: '/greet?name=Ada', expected: { hello: 'Ada' } },
    echo('/echo', 201),
    { method: 'POST', path: '/shout', body: 'say it löuder', expected: 'SAY IT LÖUDER' },
    {
      method: 'POST',
      path: '/upload',
      headers: formType,
      body: form,
      expected: { name: 'a.bin', bytes: file.length },
    },
    { path: '/clock', expected: threeEvents, fields: { 'transfer-encoding': 'chunked' } },
    { path: '/error', status: 500, expected: /.*/ },
    { path: '/nowhere', status: 404, expected: 'Not found\n' },
  ],
}

for (const [name, exchanges] of Object.entries(examples)) onServers(`examples/${name}`, exchanges.map(check))

const [major, minor] = process.versions.node.split('.').map(Number)
const stripsTypes = major > 22 || (major === 22 && minor >= 18)
onServers(
  'examples/typescript.ts',
  [
    check({ path: '/tasks/4', expected: { title: 'Task 4', isDone: false } }),
    check({
      method: 'POST',
      path: '/tasks',
      headers: json,
      body: '{"title":"Read"}',
      status: 201,
      expected: { title: 'Read', isDone: false },
    }),
    check({ method: 'POST', path: '/tasks', headers: json, body: '{}', status: 400, expected: /needs a title/ }),
    check({ path: '/tasks.txt', expected: 'Task 1\nTask 2\nTask 3\n' }),
    check({ path: '/error', status: 500, expected: /.*/, hornetOnly: true }),
  ],
  // tsx starts esbuild.
  stripsTypes ? {} : { nodeArgs: ['--import=tsx'], hasHelperProcess: true },
)

test('every example is tested', () => {
  const tested = [...Object.keys(examples), 'typescript.ts'].map((name) => `examples/${name}`)
  assert.deepEqual(filesUnder('examples', 'js', 'ts'), tested.sort())
})

onServers('examples/hello.mjs', [
  {
    name: 'both workers serve one connection after the other, and pipelined requests come back in order',
    async run(server) {
      const connection = await connect(server.target)
      const names = Array.from({ length: 50 }, (_, index) => `n${index}`)
      connection.write(Buffer.concat(names.map((name) => message('GET', `/hello/${name}`))))
      for (const name of names) assert.equal((await connection.readResponse()).text, `Hello, ${name}!\n`)
      connection.destroy()
    },
  },
  {
    name: 'a client that leaves in the middle of a stream stops nobody else',
    async run(server) {
      const connection = await connect(server.target)
      connection.write(message('GET', '/lines'))
      await connection.readUntil('line 1\n')
      connection.destroy()
      assert.equal((await send(server, { path: '/', expected: '' })).text, 'Hello, world!\n')
    },
  },
])
