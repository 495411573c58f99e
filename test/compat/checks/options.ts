/**
 * Server: options, limits and timeouts.
 */
import assert from 'node:assert/strict'
import type { IncomingMessage, ServerOptions, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { bare, check, event, Fact, isSame, loose, message, same, thrownBy } from '../stage.js'

const hello = (_req: IncomingMessage, res: ServerResponse) => {
  res.end('hello')
}

export const checks = [
  same('defaults', ({ http }) => {
    const server = loose(http.createServer())
    return [
      'timeout',
      'keepAliveTimeout',
      'keepAliveTimeoutBuffer',
      'headersTimeout',
      'requestTimeout',
      'maxHeadersCount',
      'maxRequestsPerSocket',
      'connectionsCheckingInterval',
      'joinDuplicateHeaders',
      'rejectNonStandardBodyWrites',
      'insecureHTTPParser',
      'requireHostHeader',
      'maxHeaderSize',
      'httpAllowHalfOpen',
      'allowHalfOpen',
      'noDelay',
      'keepAlive',
      'keepAliveInitialDelay',
      'pauseOnConnect',
      'highWaterMark',
      'listening',
      'maxConnections',
    ].map((name) => `${name} ${String(server[name])}`)
  }),

  same('options become properties', ({ http }) => {
    const server = loose(
      http.createServer({
        keepAliveTimeout: 11_000,
        headersTimeout: 12_000,
        requestTimeout: 13_000,
        maxHeaderSize: 9999,
        connectionsCheckingInterval: 5000,
        joinDuplicateHeaders: true,
        requireHostHeader: false,
        rejectNonStandardBodyWrites: true,
        noDelay: false,
        keepAlive: true,
        keepAliveInitialDelay: 7,
        highWaterMark: 1000,
      } as ServerOptions),
    )
    return [
      'keepAliveTimeout',
      'headersTimeout',
      'requestTimeout',
      'maxHeaderSize',
      'connectionsCheckingInterval',
      'joinDuplicateHeaders',
      'requireHostHeader',
      'rejectNonStandardBodyWrites',
      'noDelay',
      'keepAlive',
      'keepAliveInitialDelay',
      'highWaterMark',
    ].map((name) => `${name} ${String(server[name])}`)
  }),

  same('options that are refused', ({ http }) =>
    [
      { requestTimeout: -1 },
      { requestTimeout: 'x' },
      { headersTimeout: -1 },
      { headersTimeout: 1.5 },
      { requestTimeout: 1000, headersTimeout: 2000 },
      { keepAliveTimeout: -1 },
      { keepAliveTimeout: 'x' },
      { connectionsCheckingInterval: -1 },
      { maxHeaderSize: -1 },
      { maxHeaderSize: 'x' },
      { insecureHTTPParser: 'x' },
      { requireHostHeader: 1 },
      { joinDuplicateHeaders: 'x' },
      { rejectNonStandardBodyWrites: 'x' },
      { noDelay: 'x' },
      { keepAlive: 'x' },
      { keepAliveInitialDelay: 'x' },
      { highWaterMark: 'x' },
    ].map((options) => `${JSON.stringify(options)} ${thrownBy(() => http.createServer(options as never))}`),
  ),

  check('setTimeout sets timeout, adds the listener and gives the server', ({ http }) => {
    const server = http.createServer()
    const listener = () => {}
    isSame(server.setTimeout(1234, listener), server)
    assert.equal(server.timeout, 1234)
    assert.deepEqual(server.listeners('timeout'), [listener])
    server.setTimeout(0)
    assert.equal(server.timeout, 0)
  }),

  check('timeout: an idle socket is destroyed when nobody listens', async (stage) => {
    const served = await stage.serve(() => {})
    served.server.setTimeout(30)
    const connection = await served.connect()
    connection.write(message('GET', '/'))
    // A reset, if the request was not even read by then.
    const answer = await connection.readToEnd().catch(() => Buffer.alloc(0))
    assert.equal(answer.length, 0)
  }),

  check('timeout: the listener of the server gets the socket, which stays', async (stage) => {
    const served = await stage.serve(() => {})
    const timedOut = event<[Socket]>(served.server, 'timeout')
    served.server.setTimeout(30)
    const request = event<[IncomingMessage, ServerResponse]>(served.server, 'request')
    const connection = await served.connect()
    connection.write(message('GET', '/'))
    const [req, res] = await request
    const [socket] = await timedOut
    isSame(socket, req.socket)
    assert.equal(socket.destroyed, false)
    res.end('late')
    assert.equal((await connection.readResponse()).text, 'late')
  }),

  check('req.setTimeout: its listener while the message is incomplete, and no destruction', async (stage) => {
    const { req, res, connection } = await stage.exchange(bare('POST /', ['Host: x', 'Content-Length: 5'], 'ab'))
    const timedOut = new Fact('timeout of req')
    isSame(
      req.setTimeout(20, () => timedOut.is()),
      req,
    )
    await timedOut.known
    assert.equal(req.destroyed, false)
    res.end('x')
    await connection.readResponse()
  }),

  check('res.setTimeout: its listener with the socket, and no destruction', async (stage) => {
    const { res, connection } = await stage.exchange(message('GET', '/'))
    const timedOut = new Fact<Socket>('timeout of res')
    isSame(res.setTimeout(20, timedOut.is as never), res)
    await timedOut.known
    assert.equal(res.destroyed, false)
    res.end('x')
    assert.equal((await connection.readResponse()).text, 'x')
  }),

  check('res.setTimeout without a listener destroys the socket', async (stage) => {
    const { res, connection } = await stage.exchange(message('GET', '/'))
    const gone = event(res, 'close')
    res.setTimeout(20)
    await gone
    await connection.readToEnd()
  }),

  check('a timeout is told to req, res and the server', async (stage) => {
    const { served, req, res, connection } = await stage.exchange(
      bare('POST /', ['Host: x', 'Content-Length: 5'], 'ab'),
    )
    const log: string[] = []
    req.on('timeout', () => log.push('req'))
    res.on('timeout', () => log.push('res'))
    served.server.on('timeout', () => log.push('server'))
    const timedOut = event(served.server, 'timeout')
    req.setTimeout(20)
    await timedOut
    assert.deepEqual(log, ['req', 'res', 'server'])
    res.end('x')
    await connection.readResponse()
  }),

  check('a timeout set for one request is none of the next', async (stage) => {
    const timeouts: unknown[] = []
    const served = await stage.serve((req, res) => {
      timeouts.push(req.socket.timeout)
      if (req.url === '/req') req.setTimeout(60_000)
      else if (req.url === '/res') res.setTimeout(60_000)
      else if (req.url === '/socket') req.socket.setTimeout(60_000)
      if (req.url === '/socket') res.write('in ')
      res.end('pieces')
    })
    const connection = await served.connect()
    for (const path of ['/req', '/res', '/socket', '/']) {
      connection.write(message('GET', path))
      await connection.readResponse()
    }
    assert.deepEqual(timeouts.slice(1), [0, 0, 0])
  }),

  check('a timeout set for one request is still there for one that came with it', async (stage) => {
    const timeouts: unknown[] = []
    const served = await stage.serve((req, res) => {
      if (req.url === '/first') res.setTimeout(60_000)
      timeouts.push(req.socket.timeout)
      res.end(req.url)
    })
    const connection = await served.connect()
    connection.write(Buffer.concat([message('GET', '/first'), message('GET', '/second')]))
    for (const path of ['/first', '/second']) assert.equal((await connection.readResponse()).text, path)
    connection.write(message('GET', '/third'))
    await connection.readResponse()
    assert.deepEqual(timeouts, [60_000, 60_000, 0])
  }),

  check('a socket that is destroyed tells of no timeout any more', async (stage) => {
    const { req } = await stage.exchange(message('GET', '/'))
    let count = 0
    const { socket } = req
    socket.setTimeout(1, () => count++)
    const closed = event(socket, 'close')
    socket.destroy()
    await closed
    // Set behind it, and so due behind it.
    const due = new Fact('a timer of the same length')
    setTimeout(() => due.is(), 2)
    await due.known
    assert.equal(count, 0)
  }),

  check('keepAliveTimeout: an idle connection is closed', async (stage) => {
    const served = await stage.serve(hello, { keepAliveTimeout: 50 })
    const connection = await served.connect()
    connection.write(message('GET', '/'))
    const response = await connection.readResponse()
    assert.equal(response.headers.connection, 'keep-alive')
    assert.equal((await connection.readToEnd()).length, 0)
  }),

  check('Keep-Alive says the timeout in whole seconds', async (stage) => {
    for (const [ms, said] of [
      [5000, 'timeout=5'],
      [7999, 'timeout=7'],
      [61_000, 'timeout=61'],
    ] as const) {
      const served = await stage.serve(hello, { keepAliveTimeout: ms })
      assert.equal((await served.get()).headers['keep-alive'], said)
    }
  }),

  same('keepAliveTimeout 0', async (stage) => {
    const served = await stage.serve(hello, { keepAliveTimeout: 0 })
    const { headers } = await served.get()
    return [headers.connection, headers['keep-alive']]
  }),

  check('keepAliveTimeout may change while it listens', async (stage) => {
    const served = await stage.serve(hello)
    served.server.keepAliveTimeout = 9000
    assert.equal((await served.get()).headers['keep-alive'], 'timeout=9')
  }),

  check('headersTimeout: 408 for a head that does not end', async (stage) => {
    const served = await stage.serve(hello, {
      headersTimeout: 200,
      requestTimeout: 0,
      connectionsCheckingInterval: 20,
    } as ServerOptions)
    assert.equal(
      await served.all('GET / HTTP/1.1\r\nHost: x\r\n'),
      'HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n',
    )
  }),

  check('headersTimeout: clientError ERR_HTTP_REQUEST_TIMEOUT', async (stage) => {
    const served = await stage.serve(hello, {
      headersTimeout: 200,
      requestTimeout: 0,
      connectionsCheckingInterval: 20,
    } as ServerOptions)
    const failed = event<[NodeJS.ErrnoException, Socket]>(served.server, 'clientError')
    const connection = await served.connect()
    connection.write('GET / HTTP/1.1\r\nHost: x\r\n')
    const [error, socket] = await failed
    socket.destroy()
    assert.deepEqual([error.code, error.message], ['ERR_HTTP_REQUEST_TIMEOUT', 'Request timeout'])
  }),

  check('requestTimeout: 408 for a body that does not end, unanswered', async (stage) => {
    const served = await stage.serve(() => {}, {
      headersTimeout: 200,
      requestTimeout: 210,
      connectionsCheckingInterval: 20,
    } as ServerOptions)
    assert.equal(
      await served.all('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab'),
      'HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n',
    )
  }),

  check('a connection that sent nothing is under headersTimeout as well', async (stage) => {
    const served = await stage.serve(hello, {
      headersTimeout: 200,
      requestTimeout: 0,
      connectionsCheckingInterval: 20,
    } as ServerOptions)
    assert.equal(await served.all(''), 'HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n')
  }),

  check('a handler may take longer than requestTimeout', async (stage) => {
    const { connection, res, served } = await stage.exchange(message('GET', '/'), {
      headersTimeout: 400,
      requestTimeout: 400,
      connectionsCheckingInterval: 10,
    } as ServerOptions)
    // Another connection runs into the deadline meanwhile: by then this one would have.
    await served.all('')
    await served.all('')
    res.end('in my own time')
    assert.equal((await connection.readResponse()).text, 'in my own time')
  }),

  check('maxHeaderSize: 431 above it, served below', async (stage) => {
    const served = await stage.serve(hello, { maxHeaderSize: 1000 })
    assert.equal((await served.get('/', { a: 'x'.repeat(700) })).status, 200)
    assert.equal(
      await served.all(message('GET', '/', { a: 'x'.repeat(1200) })),
      'HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n\r\n',
    )
  }),

  check('maxHeaderSize: larger heads when it is raised', async (stage) => {
    const served = await stage.serve((req, res) => res.end(String(String(req.headers.a).length)), {
      maxHeaderSize: 100_000,
    })
    assert.equal((await served.get('/', { a: 'x'.repeat(80_000) })).text, '80000')
  }),

  check('the default limit of a head is http.maxHeaderSize', async (stage) => {
    const served = await stage.serve(hello)
    const { maxHeaderSize } = stage.http
    assert.equal((await served.get('/', { a: 'x'.repeat(maxHeaderSize - 200) })).status, 200)
    assert.match(await served.all(message('GET', '/', { a: 'x'.repeat(maxHeaderSize + 200) })), /^HTTP\/1.1 431 /)
  }),

  check('a long URL counts too: 431', async (stage) => {
    const served = await stage.serve(hello, { maxHeaderSize: 1000 })
    assert.match(await served.all(message('GET', `/${'a'.repeat(2000)}`)), /^HTTP\/1.1 431 /)
  }),

  same('maxHeadersCount and the fields beyond it', async (stage) => {
    const served = await stage.serve((req, res) => res.end(JSON.stringify(Object.keys(req.headers))))
    served.server.maxHeadersCount = 3
    const { status, text } = await served.get('/', { a: '1', b: '2', c: '3', d: '4' })
    return [status, text]
  }),

  check('maxHeadersCount 0: no limit', async (stage) => {
    const served = await stage.serve((req, res) => res.end(String(req.rawHeaders.length / 2)))
    served.server.maxHeadersCount = 0
    const fields = Array.from({ length: 2500 }, (_, index) => `${index.toString(36)}:`)
    assert.equal((await served.send(bare('GET /', ['Host: x', ...fields]))).text, '2501')
  }),

  same('maxHeadersCount null: how many fields of 2500 are seen', async (stage) => {
    const served = await stage.serve((req, res) => res.end(String(req.rawHeaders.length / 2)))
    const fields = Array.from({ length: 2499 }, (_, index) => `${index.toString(36)}:`)
    return (await served.send(bare('GET /', ['Host: x', ...fields]))).text
  }),

  check('maxRequestsPerSocket: says how many, and closes with the last', async (stage) => {
    const served = await stage.serve(hello)
    served.server.maxRequestsPerSocket = 2
    const connection = await served.connect()
    connection.write(message('GET', '/'))
    const first = await connection.readResponse()
    assert.deepEqual([first.headers.connection, first.headers['keep-alive']], ['keep-alive', 'timeout=5, max=2'])
    connection.write(message('GET', '/'))
    const second = await connection.readResponse()
    assert.deepEqual([second.headers.connection, second.text], ['close', 'hello'])
  }),

  check('maxRequestsPerSocket: what is pipelined beyond it is dropped with 503', async (stage) => {
    const served = await stage.serve(hello)
    served.server.maxRequestsPerSocket = 1
    const dropped = event<[IncomingMessage, Socket]>(served.server, 'dropRequest')
    const connection = await served.connect()
    connection.write(Buffer.concat([message('GET', '/first'), message('GET', '/second')]))
    const [req, socket] = await dropped
    assert.equal(req.url, '/second')
    isSame(req.socket, socket)
    assert.equal((await connection.readResponse()).text, 'hello')
  }),

  check('requireHostHeader: HTTP/1.1 without Host is 400, and no request', async (stage) => {
    let requests = 0
    const served = await stage.serve((_req, res) => {
      requests++
      res.end()
    })
    const answer = await served.all(bare('GET /'))
    assert.match(answer, /^HTTP\/1\.1 400 Bad Request\r\n/)
    assert.match(answer, /\r\nConnection: close\r\n/)
    assert.equal(requests, 0)
  }),

  check('requireHostHeader: HTTP/1.0 needs none', async (stage) => {
    const served = await stage.serve(hello)
    assert.match(await served.all('GET / HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 200 OK\r\n/)
  }),

  check('requireHostHeader: false serves HTTP/1.1 without Host', async (stage) => {
    const served = await stage.serve((req, res) => res.end(String(req.headers.host)), { requireHostHeader: false })
    assert.equal((await served.send(bare('GET /'))).text, 'undefined')
  }),

  check('joinDuplicateHeaders joins what is dropped otherwise', async (stage) => {
    const fields = ['Host: x', 'Authorization: a', 'Authorization: b', 'Age: 1', 'Age: 2']
    const show = (req: IncomingMessage, res: ServerResponse) => {
      res.end(JSON.stringify([req.headers.authorization, req.headers.age]))
    }
    const plain = await stage.serve(show)
    assert.deepEqual(JSON.parse((await plain.send(bare('GET /', fields))).text), ['a', '1'])
    const joining = await stage.serve(show, { joinDuplicateHeaders: true })
    assert.deepEqual(JSON.parse((await joining.send(bare('GET /', fields))).text), ['a, b', '1, 2'])
  }),

  check('uniqueHeaders joins values that were given as an array', async (stage) => {
    const served = await stage.serve(
      (_req, res) => {
        res.setHeader('X-One', ['a', 'b'])
        res.setHeader('X-Two', ['a', 'b'])
        res.end()
      },
      { uniqueHeaders: ['x-one'] },
    )
    const { rawHeaders } = await served.get()
    assert.deepEqual(
      rawHeaders.filter(([name]) => name.startsWith('X-')),
      [
        ['X-One', 'a; b'],
        ['X-Two', 'a'],
        ['X-Two', 'b'],
      ],
    )
  }),

  check('rejectNonStandardBodyWrites: writing a body to 204 throws', async (stage) => {
    const { res, connection } = await stage.exchange(message('GET', '/'), { rejectNonStandardBodyWrites: true })
    res.statusCode = 204
    assert.throws(() => res.write('no'), { code: 'ERR_HTTP_BODY_NOT_ALLOWED' })
    res.end()
    assert.equal((await connection.readResponse()).status, 204)
  }),

  check('without it, a body of 204 or HEAD is dropped silently', async (stage) => {
    const { res, connection } = await stage.exchange(message('HEAD', '/'))
    assert.equal(res.write('no'), true)
    res.end('nor this')
    assert.equal((await connection.readResponse({ method: 'HEAD' })).status, 200)
    assert.equal(connection.buffered.length, 0)
  }),

  check('highWaterMark is the one of req and of the socket', async (stage) => {
    const { req, res } = await stage.exchange(message('POST', '/', {}, 'x'), { highWaterMark: 4096 })
    assert.equal(req.readableHighWaterMark, 4096)
    assert.equal(res.socket?.readableHighWaterMark, 4096)
    assert.equal(res.writableHighWaterMark, 4096)
    res.end()
  }),

  same('highWaterMark by default', async (stage) => {
    const { req, res } = await stage.exchange(message('POST', '/', {}, 'x'))
    res.end()
    return [req.readableHighWaterMark, res.writableHighWaterMark, req.socket.writableHighWaterMark]
  }),

  check('insecureHTTPParser: false is accepted', async (stage) => {
    const served = await stage.serve(hello, { insecureHTTPParser: false })
    assert.equal((await served.get()).text, 'hello')
  }),

  check('insecureHTTPParser: true lets a control character through', async (stage) => {
    const served = await stage.serve((req, res) => res.end(JSON.stringify(req.headers.a)), { insecureHTTPParser: true })
    assert.equal((await served.send(bare('GET /', ['Host: x', 'A: b\x01c']))).text, '"b\\u0001c"')
  }),

  check('noDelay, keepAlive and keepAliveInitialDelay serve as usual', async (stage) => {
    const served = await stage.serve(hello, { noDelay: false, keepAlive: true, keepAliveInitialDelay: 1000 })
    assert.equal((await served.get()).text, 'hello')
  }),
]
