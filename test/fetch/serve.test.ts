/**
 * Promise: a fetch handler runs behind `(req, res)`, on node:http and on hornet alike, with a Request that is a Request
 * in every use and with any Response, and no failure of it takes more than its own request along.
 */
import assert from 'node:assert/strict'
import { connect, message, type RawResponse, request } from '../support/http.js'
import { answerOf, type Check, onServers, type RunningServer, sha256 } from '../support/servers.js'

function send(
  { target }: RunningServer,
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body?: string | Buffer,
): Promise<RawResponse> {
  // The true port, for the handlers that call themselves.
  return request(target, message(method, path, { Host: `localhost:${target.port}`, ...headers }, body), { method })
}

/** A GET whose status, chosen fields and body are these. A field set to '' must be absent. */
function gets(path: string, status: number, body: string, fields: Record<string, string> = {}): Check {
  return {
    name: `GET ${path}`,
    async run(server) {
      const response = await send(server, 'GET', path)
      assert.equal(response.status, status)
      assert.equal(response.text, body)
      for (const [name, value] of Object.entries(fields)) assert.equal(response.headers[name] ?? '', value, name)
      return answerOf(response)
    },
  }
}

/** A POST whose body comes back as these bytes. */
function posts(path: string, body: string | Buffer, expected: string, headers: Record<string, string> = {}): Check {
  return {
    name: `POST ${path} ${body.length > 20 ? '(multipart)' : JSON.stringify(body.toString())}`,
    async run(server) {
      const response = await send(server, 'POST', path, headers, body)
      assert.equal(response.text, expected)
      assert.equal(response.status, 200)
      return answerOf(response)
    },
  }
}

const responses: Check[] = [
  gets('/text', 200, 'hello', { 'content-type': 'text/plain;charset=UTF-8', 'content-length': '5' }),
  gets('/json', 201, '{"hello":"wörld"}', { 'content-type': 'application/json', 'x-extra': 'yes' }),
  gets('/bytes', 200, Buffer.from([0, 1, 254, 255]).toString(), { 'content-length': '4', 'content-type': '' }),
  gets('/blob', 200, 'blob', { 'content-type': 'text/x-blob', 'content-length': '4' }),
  gets('/search-params', 200, 'a=b+c', { 'content-type': 'application/x-www-form-urlencoded;charset=UTF-8' }),
  gets('/empty', 200, '', { 'content-length': '0', 'content-type': '' }),
  gets('/null-404', 404, '', { 'content-length': '0' }),
  gets('/204', 204, '', { 'content-length': '', 'transfer-encoding': '' }),
  gets('/304', 304, '', { etag: '"x"', 'content-length': '', 'transfer-encoding': '' }),
  gets('/headers-later', 200, 'later', { 'content-type': 'text/x-later', 'x-gone': '', 'x-kept': '2' }),
  gets('/wrong-framing', 200, 'hello', { 'content-length': '5', 'transfer-encoding': '' }),
  gets('/wrapped', 202, 'inner', { 'x-inner': '1', 'x-outer': '2', 'content-length': '5' }),
  gets('/clone', 200, 'twicetwice'),
  gets('/stream', 200, 'one two three', { 'transfer-encoding': 'chunked', 'content-length': '' }),
  gets('/slow-stream', 200, 'one two three', { 'transfer-encoding': 'chunked' }),
  gets('/one-chunk', 200, 'all at once', { 'content-length': '11' }),
  gets('/empty-stream', 200, '', { 'content-length': '0' }),
  gets('/sized-stream', 200, '12345', { 'content-length': '5', 'transfer-encoding': '' }),
  gets('/generator', 200, 'from a generator'),
  gets('/already-sent', 200, 'direct', { 'x-by': 'outgoing' }),
  gets('/fetched', 200, 'x'.repeat(1000), { 'content-encoding': '', 'content-type': 'text/plain' }),
  gets('/fetch-as-is?a=b', 200, 'inner GET a=b'),
  {
    name: 'GET /redirect',
    async run(server) {
      const response = await send(server, 'GET', '/redirect')
      assert.equal(response.status, 303)
      assert.equal(response.headers.location, `http://localhost:${server.target.port}/text`)
    },
  },
  {
    name: 'every Set-Cookie is a field of its own',
    async run(server) {
      const { rawHeaders } = await send(server, 'GET', '/cookies')
      const cookies = rawHeaders.filter(([name]) => name.toLowerCase() === 'set-cookie')
      assert.deepEqual(
        cookies.map(([, value]) => value),
        ['a=1; Path=/', 'b=2, comma'],
      )
    },
  },
  {
    name: 'a status text of its own goes out',
    async run(server) {
      assert.equal((await send(server, 'GET', '/null-404')).reason, 'Nowhere')
    },
  },
  {
    name: 'HEAD gets the fields of GET and no body',
    async run(server) {
      const answers = []
      for (const path of ['/text', '/stream', '/sized-stream', '/empty', '/204', '/blob']) {
        const response = await send(server, 'HEAD', path)
        answers.push([path, answerOf(response)])
      }
      assert.equal((await send(server, 'HEAD', '/text')).headers['content-length'], '5')
      assert.equal((await send(server, 'HEAD', '/sized-stream')).headers['content-length'], '5')
      return answers
    },
  },
  {
    name: '32 MiB go down whole',
    async run(server) {
      const bytes = 32 * 1024 * 1024
      const { body } = await send(server, 'GET', `/big?bytes=${bytes}`)
      assert.equal(body.length, bytes)
      return sha256(body)
    },
  },
]

const multipart = [
  '--edge',
  'Content-Disposition: form-data; name="field"',
  '',
  'välue',
  '--edge',
  'Content-Disposition: form-data; name="file"; filename="a.txt"',
  'Content-Type: text/x-file',
  '',
  'file text',
  '--edge--',
  '',
].join('\r\n')

const requests: Check[] = [
  {
    name: 'the Request says what the client sent',
    async run(server) {
      const bytes =
        'GET /info?x=%20y HTTP/1.1\r\nHost: Example.com:81\r\nX-Two: 1\r\nx-two: 2\r\nConnection: close\r\n\r\n'
      const response = await request(server.target, bytes)
      const info = JSON.parse(response.text)
      assert.deepEqual(info, {
        method: 'GET',
        path: '/info?x=%20y',
        host: 'Example.com:81',
        has: [true, false],
        two: '1, 2',
        names: ['connection', 'host', 'x-two'],
        isRequest: true,
        isHeaders: true,
        tag: '[object Request]',
        name: 'Request',
        body: null,
        bodyUsed: false,
        mode: 'cors',
        redirect: 'follow',
      })
      return info
    },
  },
  {
    name: 'the URL is the one the parser would give',
    async run(server) {
      const cases = [
        ['/none', 'a.example', 'http://a.example/none'],
        ['/none?q=1', 'A.Example:80', 'http://a.example/none?q=1'],
        ['/none', 'a.example:8080', 'http://a.example:8080/none'],
        ['/none', '[::1]:81', 'http://[::1]:81/none'],
        ['//other.example/none', 'a.example', 'http://a.example//other.example/none'],
        ['/a/../none', 'a.example', 'http://a.example/none'],
        ['/a/%2e%2e/none', 'a.example', 'http://a.example/none'],
        ["/none/it's?it's", 'a.example', "http://a.example/none/it's?it%27s"],
        ['/none/@:;=,', 'a.example', 'http://a.example/none/@:;=,'],
        ['http://b.example/none', 'a.example', 'http://b.example/none'],
      ]
      for (const [target, host, url] of cases) {
        const bytes = `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`
        assert.equal((await request(server.target, bytes)).text, url, `${target} at ${host}`)
      }
    },
  },
  {
    name: 'a Host no URL can have gets 400',
    async run(server) {
      for (const host of ['a@b', 'a/b', 'a?b', 'a#b', 'a:b', '[::1', 'a b', 'a:99999']) {
        const bytes = `GET /text HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`
        assert.equal((await request(server.target, bytes)).status, 400, host)
      }
    },
  },
  {
    name: 'HTTP/1.0 without Host is served under the address of the socket',
    async run({ target }) {
      const response = await request(target, 'GET /none HTTP/1.0\r\n\r\n')
      assert.equal(response.text, `http://127.0.0.1:${target.port}/none`)
    },
  },
  posts('/echo', 'grüße', 'grüße'),
  posts('/echo', '\ufeffwithout the mark', 'without the mark'),
  posts('/echo', Buffer.from([0x61, 0xff, 0x62]), 'a\ufffdb'),
  posts('/echo', '', ''),
  posts('/echo-json', '{"a":[1,2]}', '{"a":[1,2]}'),
  posts('/echo-bytes', 'bytes', 'bytes'),
  posts('/echo-blob', 'blob', 'blob', { 'content-type': 'text/x-mine' }),
  posts('/echo-stream', 'streamed', 'streamed'),
  posts('/echo-form', 'a=1&b=2+3', '[["a","1"],["b","2 3"]]', { 'content-type': 'application/x-www-form-urlencoded' }),
  posts('/echo-form', multipart, '[["field","välue"],["file","a.txt","text/x-file","file text"]]', {
    'content-type': 'multipart/form-data; boundary=edge',
  }),
  posts('/echo-clone', 'text', 'text|text'),
  posts('/echo-new-request', 'text', '["POST","before","yes","text"]'),
  posts('/echo-byob', 'abcdefghij', 'abcd|efgh|ij|'),
  posts('/read-twice', 'text', '["TypeError","TypeError","TypeError"]'),
  posts('/fetch-elsewhere', 'forwarded', 'forwarded'),
  {
    name: 'a body in chunks, with a fetch handler reading it each way',
    async run(server) {
      for (const path of ['/echo', '/echo-stream', '/echo-bytes', '/echo-clone']) {
        const connection = await connect(server.target)
        connection.write(`POST ${path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`)
        connection.write('4\r\ndefg\r\n0\r\n\r\n')
        const { text } = await connection.readResponse()
        assert.equal(text, path === '/echo-clone' ? 'abcdefg|abcdefg' : 'abcdefg')
        connection.destroy()
      }
    },
  },
  {
    name: 'bad JSON rejects with a SyntaxError',
    async run(server) {
      const response = await send(server, 'POST', '/bad-json', {}, '{')
      assert.equal(response.text, 'SyntaxError')
      return answerOf(response)
    },
  },
  {
    name: '16 MiB come up whole',
    async run(server) {
      const body = Buffer.alloc(16 * 1024 * 1024, 'some text that repeats ')
      for (const path of ['/hash', '/echo-bytes', '/echo-stream']) {
        const response = await send(server, 'POST', path, {}, body)
        assert.equal(path === '/hash' ? response.text : sha256(response.body), sha256(body), path)
      }
    },
  },
  {
    name: 'a body that is not read does not disturb the next request of the connection',
    async run(server) {
      const body = Buffer.alloc(300_000, 'x')
      for (const path of ['/unread', '/partial', '/cancelled', '/throw']) {
        const connection = await connect(server.target)
        connection.write(message('POST', path, {}, body))
        await connection.readResponse()
        connection.write(message('GET', '/text'))
        assert.equal((await connection.readResponse()).text, 'hello', path)
        connection.destroy()
      }
    },
  },
  {
    name: 'the Node objects are there as env',
    async run(server) {
      assert.deepEqual(JSON.parse((await send(server, 'GET', '/env')).text), ['GET', '127.0.0.1', 'function'])
    },
  },
]

const failures: Check[] = [
  ...['/throw', '/reject', '/nothing', '/network-error', '/used-body', '/bad-status'].map((path) => ({
    name: `GET ${path} gives 500 and the connection lives on`,
    async run(server: RunningServer) {
      const connection = await connect(server.target)
      connection.write(message('GET', path))
      const response = await connection.readResponse()
      assert.equal(response.status, 500)
      connection.write(message('GET', '/text'))
      assert.equal((await connection.readResponse()).text, 'hello')
      connection.destroy()
      return response.status
    },
  })),
  {
    name: 'a stream that breaks cuts the connection before the last chunk',
    async run(server) {
      const connection = await connect(server.target)
      connection.write(message('GET', '/broken-stream'))
      await connection.readUntil('first')
      await assert.rejects(connection.readUntil('\r\n0\r\n\r\n'), /ended|broke/)
      connection.destroy()
    },
  },
  {
    name: 'the signal is aborted when the client leaves',
    async run(server) {
      const connection = await connect(server.target)
      connection.write(message('GET', '/wait?id=waiting'))
      // A request whose client left before a worker started it need not run at all.
      assert.equal((await send(server, 'GET', '/left?id=start%20of%20waiting')).text, 'started')
      connection.destroy()
      assert.equal((await send(server, 'GET', '/left?id=waiting')).text, 'AbortError')
    },
  },
  {
    name: 'the signal is not aborted by the end of a response',
    async run(server) {
      for (const query of ['id=whole', 'id=pieces&stream']) {
        assert.equal((await send(server, 'GET', `/signal?${query}`)).text, 'stayed')
        assert.equal((await send(server, 'GET', `/left?${query}`)).text, 'aborted: false')
      }
    },
  },
  {
    name: 'a stream is cancelled when the client leaves',
    async run(server) {
      const connection = await connect(server.target)
      connection.write(message('GET', '/endless?id=endless'))
      await connection.readUntil('\r\n\r\n')
      connection.destroy()
      assert.equal((await send(server, 'GET', '/left?id=endless')).text, 'cancelled')
    },
  },
]

// One worker: `/left` must meet the request it asks about.
onServers('test/fetch/app.mjs', [...responses, ...requests, ...failures], { args: ['--workers', '1'] })
