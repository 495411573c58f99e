/**
 * IncomingMessage: the head, and how its fields are presented.
 */
import assert from 'node:assert/strict'
import type { IncomingMessage, ServerOptions } from 'node:http'
import { bare, check, event, isSame, message, type Stage, same } from '../stage.js'

/** What `look` sees of a request with these fields, besides Host. */
async function seen<T>(
  stage: Stage,
  fields: string[],
  look: (req: IncomingMessage) => T,
  options: ServerOptions = {},
): Promise<T> {
  const { req, res, connection } = await stage.exchange(bare('GET /', ['Host: x', ...fields]), options)
  const result = look(req)
  res.end()
  await connection.readResponse()
  return result
}

async function urlOf(stage: Stage, target: string): Promise<string | undefined> {
  const { req, res } = await stage.exchange(bare(`GET ${target}`, ['Host: x']))
  res.end()
  return req.url
}

/** The first one counts, as Node's documentation lists. */
const firstOnly = [
  'age',
  'authorization',
  'content-type',
  'etag',
  'expires',
  'from',
  'if-modified-since',
  'if-unmodified-since',
  'last-modified',
  'location',
  'max-forwards',
  'proxy-authorization',
  'referer',
  'retry-after',
  'server',
  'user-agent',
]

const joined = [
  'accept',
  'accept-encoding',
  'accept-language',
  'cache-control',
  'if-match',
  'if-none-match',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'via',
  'warning',
  'pragma',
  'dnt',
  'vary',
  'origin',
  'sec-websocket-extensions',
  'sec-websocket-protocol',
  'trailer',
  'date',
  'x-custom',
]

export const checks = [
  check('method: every one of http.METHODS arrives as it was sent', async (stage) => {
    const served = await stage.serve((req, res) => {
      res.setHeader('x-method', String(req.method))
      res.end()
    })
    const connection = await served.connect()
    // CONNECT has an event of its own.
    for (const method of stage.http.METHODS.filter((name) => name !== 'CONNECT')) {
      connection.write(message(method, '/', { 'Content-Length': '0' }))
      const response = await connection.readResponse({ method })
      assert.equal(response.headers['x-method'], method)
    }
  }),

  check('an unknown method is refused', async (stage) => {
    const served = await stage.serve((_req, res) => res.end())
    assert.match(await served.all(bare('NONSENSE /', ['Host: x'])), /^HTTP\/1\.1 400 Bad Request\r\n/)
    assert.match(await served.all(bare('get /', ['Host: x'])), /^HTTP\/1\.1 400 Bad Request\r\n/)
  }),

  check('url is the target as it was sent', async (stage) => {
    for (const target of [
      '/',
      '/a/b/../c',
      '/a?b=c&d',
      '/%20%C3%A9',
      '//double//slash',
      '/?',
      '/a;b=c',
      "/!$&'()*+,;=:@-._~",
      'http://example.com/path?q',
      'https://example.com:8443/',
    ]) {
      assert.equal(await urlOf(stage, target), target)
    }
  }),

  check('url: * for OPTIONS', async (stage) => {
    const { req, res } = await stage.exchange(bare('OPTIONS *', ['Host: x']))
    res.end()
    assert.deepEqual([req.url, req.method], ['*', 'OPTIONS'])
  }),

  same('url: characters that should be encoded', async (stage) => {
    const served = await stage.serve((req, res) => res.end(req.url, 'latin1'))
    const answers: unknown[] = []
    for (const target of ['/<>"', '/{}|\\^`', '/[]', '/a"b', '/a#b', '/\xe9\xff', '/\x7f', 'relative', '?query', '']) {
      const { status, body } = await served.send(bare(`GET ${target}`, ['Host: x']), { method: 'GET' })
      answers.push([target, status, body.toString('latin1')])
    }
    return answers
  }),

  check('url may be changed by the application', async (stage) => {
    const { req, res } = await stage.exchange(message('GET', '/before'))
    req.url = '/after'
    assert.equal(req.url, '/after')
    res.end()
  }),

  check('httpVersion, Major and Minor', async (stage) => {
    const one = await stage.exchange(message('GET', '/'))
    assert.deepEqual([one.req.httpVersion, one.req.httpVersionMajor, one.req.httpVersionMinor], ['1.1', 1, 1])
    one.res.end()
    const zero = await stage.exchange('GET / HTTP/1.0\r\n\r\n')
    assert.deepEqual([zero.req.httpVersion, zero.req.httpVersionMajor, zero.req.httpVersionMinor], ['1.0', 1, 0])
    zero.res.end()
  }),

  check('headers have lower-case names; rawHeaders are as sent', async (stage) => {
    const [headers, raw] = await seen(stage, ['X-MiXeD: Value', 'x-lower: b', 'X-MiXeD: again'], (req) => [
      req.headers,
      req.rawHeaders,
    ])
    assert.deepEqual({ ...headers }, { host: 'x', 'x-mixed': 'Value, again', 'x-lower': 'b' })
    assert.deepEqual(raw, ['Host', 'x', 'X-MiXeD', 'Value', 'x-lower', 'b', 'X-MiXeD', 'again'])
  }),

  check('headers keep the order of arrival', async (stage) => {
    const names = await seen(stage, ['zz: 1', 'aa: 2', 'mm: 3', 'aa: 4'], (req) => Object.keys(req.headers))
    assert.deepEqual(names, ['host', 'zz', 'aa', 'mm'])
  }),

  ...firstOnly.map((name) =>
    check(`headers: of several ${name} the first counts`, async (stage) => {
      const fields = [`${name}: one`, `${name.toUpperCase()}: two`]
      assert.equal(await seen(stage, fields, (req) => req.headers[name]), 'one')
      assert.deepEqual(await seen(stage, fields, (req) => req.headersDistinct[name]), ['one', 'two'])
    }),
  ),

  ...joined.map((name) =>
    check(`headers: several ${name} are joined by a comma`, async (stage) => {
      const fields = [`${name}: one`, `${name}: two`, `${name.toUpperCase()}: three`]
      assert.equal(await seen(stage, fields, (req) => req.headers[name]), 'one, two, three')
    }),
  ),

  check('headers: set-cookie is always an array', async (stage) => {
    assert.deepEqual(await seen(stage, ['Set-Cookie: a'], (req) => req.headers['set-cookie']), ['a'])
    assert.deepEqual(await seen(stage, ['Set-Cookie: a', 'set-cookie: b'], (req) => req.headers['set-cookie']), [
      'a',
      'b',
    ])
  }),

  check('headers: several cookie are joined by a semicolon', async (stage) => {
    assert.equal(await seen(stage, ['Cookie: a=1', 'cookie: b=2'], (req) => req.headers.cookie), 'a=1; b=2')
  }),

  same('two Host fields', async (stage) => {
    const served = await stage.serve((req, res) => res.end(req.headers.host))
    const { status, text } = await served.send(bare('GET /', ['Host: a', 'Host: b']))
    return [status, text]
  }),

  same('two equal Content-Length fields', async (stage) => {
    const served = await stage.serve((_req, res) => res.end('x'))
    return (await served.send(bare('POST /', ['Host: a', 'Content-Length: 1', 'Content-Length: 1'], 'x'))).status
  }),

  check('a value is stripped of blanks around it, not within', async (stage) => {
    const [value, raw] = await seen(stage, ['A: \t  b  c \t '], (req) => [req.headers.a, req.rawHeaders])
    assert.equal(value, 'b  c')
    assert.deepEqual(raw?.slice(2), ['A', 'b  c'])
  }),

  check('empty values are empty strings', async (stage) => {
    const headers = await seen(stage, ['A:', 'B: ', 'C: x', 'C:'], (req) => req.headers)
    assert.deepEqual([headers.a, headers.b, headers.c], ['', '', 'x, '])
  }),

  check('values are latin1: one byte, one character', async (stage) => {
    assert.equal(await seen(stage, ['A: \xe9\xff\x80'], (req) => req.headers.a), '\xe9\xff\x80')
  }),

  check('a tab is part of a value', async (stage) => {
    assert.equal(await seen(stage, ['A: b\tc'], (req) => req.headers.a), 'b\tc')
  }),

  check('field names may have every token character', async (stage) => {
    const name = "a!#$%&'*+-.^_`|~9"
    assert.equal(await seen(stage, [`${name}: 1`], (req) => req.headers[name]), '1')
  }),

  check('numeric names stay names', async (stage) => {
    assert.equal(await seen(stage, ['10: ten', '9: nine'], (req) => req.headers['10']), 'ten')
  }),

  same('__proto__, constructor and hasOwnProperty as names', async (stage) =>
    seen(stage, ['__proto__: a', 'constructor: b', 'hasOwnProperty: c'], (req) => [
      Object.keys(req.headers),
      Object.keys(req.headersDistinct),
      req.headers.constructor,
      req.rawHeaders,
    ]),
  ),

  same('prototypes of headers, headersDistinct, trailers and trailersDistinct', async (stage) =>
    seen(stage, [], (req) =>
      [req.headers, req.headersDistinct, req.trailers, req.trailersDistinct].map(
        (object) => Object.getPrototypeOf(object) === null,
      ),
    ),
  ),

  check('headersDistinct: every field an array, not joined', async (stage) => {
    const distinct = await seen(
      stage,
      ['A: 1', 'a: 2', 'Cookie: x', 'Cookie: y', 'Set-Cookie: z'],
      (req) => req.headersDistinct,
    )
    assert.deepEqual({ ...distinct }, { host: ['x'], a: ['1', '2'], cookie: ['x', 'y'], 'set-cookie': ['z'] })
  }),

  check('headers, headersDistinct and rawHeaders are made once', async (stage) => {
    await seen(stage, ['a: 1'], (req) => {
      assert.equal(req.headers, req.headers)
      assert.equal(req.headersDistinct, req.headersDistinct)
      assert.equal(req.rawHeaders, req.rawHeaders)
    })
  }),

  check('headers may be changed, deleted from and replaced', async (stage) => {
    await seen(stage, ['a: 1', 'b: 2'], (req) => {
      req.headers.a = 'changed'
      delete req.headers.b
      assert.deepEqual([req.headers.a, 'b' in req.headers], ['changed', false])
      req.headers = { only: 'this' }
      assert.deepEqual({ ...req.headers }, { only: 'this' })
    })
  }),

  check('many fields', async (stage) => {
    const fields = Array.from({ length: 500 }, (_, index) => `x-${index}: ${index}`)
    const headers = await seen(stage, fields, (req) => req.headers)
    assert.equal(Object.keys(headers).length, 501)
    assert.equal(headers['x-499'], '499')
  }),

  check('a long value', async (stage) => {
    const value = 'v'.repeat(12_000)
    assert.equal(await seen(stage, [`long: ${value}`], (req) => req.headers.long), value)
  }),

  check('a head that arrives byte by byte', async (stage) => {
    const served = await stage.serve((req, res) => res.end(JSON.stringify([req.method, req.url, req.headers.a])))
    const connection = await served.connect()
    for (const byte of bare('GET /slowly?x', ['Host: x', 'A: b'])) connection.write(byte)
    assert.deepEqual(JSON.parse((await connection.readResponse()).text), ['GET', '/slowly?x', 'b'])
  }),

  same('empty lines before a request', async (stage) => {
    const served = await stage.serve((req, res) => res.end(req.url))
    return (await served.send(`\r\n\r\n${bare('GET /after', ['Host: x'])}`, { method: 'GET' })).text
  }),

  check('trailers are empty until the end, and filled at it', async (stage) => {
    const { req, res } = await stage.exchange(
      bare(
        'POST /',
        ['Host: x', 'Transfer-Encoding: chunked', 'Trailer: A'],
        '3\r\nabc\r\n0\r\nA: one\r\nA: two\r\nX-B: c\r\n\r\n',
      ),
    )
    const trailersBefore = Object.keys(req.trailers)
    req.resume()
    await event(req, 'end')
    assert.deepEqual(trailersBefore, [])
    assert.deepEqual({ ...req.trailers }, { a: 'one, two', 'x-b': 'c' })
    assert.deepEqual(req.rawTrailers, ['A', 'one', 'A', 'two', 'X-B', 'c'])
    assert.deepEqual({ ...req.trailersDistinct }, { a: ['one', 'two'], 'x-b': ['c'] })
    res.end()
  }),

  check('without trailers rawTrailers is an empty array', async (stage) => {
    const { req, res } = await stage.exchange(message('GET', '/'))
    assert.deepEqual([req.rawTrailers, { ...req.trailers }, { ...req.trailersDistinct }], [[], {}, {}])
    res.end()
  }),

  check('statusCode and statusMessage are null on a request', async (stage) => {
    const { req, res } = await stage.exchange(message('GET', '/'))
    assert.deepEqual([req.statusCode, req.statusMessage], [null, null])
    res.end()
  }),

  check('req.socket, req.connection, res.socket and res.connection are one', async (stage) => {
    const { req, res } = await stage.exchange(message('GET', '/'))
    assert.ok(req.socket)
    isSame(req.socket, req.connection)
    isSame(req.socket, res.socket)
    isSame((req as unknown as { client: unknown }).client, req.socket)
    isSame(res.socket, res.connection)
    isSame(res.req, req)
    res.end()
  }),

  check('fields of its own stay on req and res', async (stage) => {
    const { req, res } = await stage.exchange(message('GET', '/'))
    Object.assign(req, { user: 'someone' })
    Object.assign(res, { locals: { a: 1 } })
    assert.equal((req as unknown as { user: string }).user, 'someone')
    res.end()
  }),

  same('req printed in full shows no surprise', async (stage) => {
    const { inspect } = await import('node:util')
    const { req, res } = await stage.exchange(message('GET', '/'))
    const text = inspect(req, { depth: 0 })
    res.end()
    return text.startsWith('IncomingMessage {')
  }),
]
