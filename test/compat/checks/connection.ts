/**
 * Connections: keep-alive, pipelining, and who closes.
 */
import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { bare, check, event, Fact, message, note, same } from '../stage.js'

const get = (path: string, headers: Record<string, string> = {}) => message('GET', path, headers)

export const checks = [
  check('keep-alive: many requests on one connection', async (stage) => {
    const served = await stage.serve((req, res) => res.end(req.url))
    const connection = await served.connect()
    for (let number = 0; number < 50; number++) {
      connection.write(get(`/${number}`))
      assert.equal((await connection.readResponse()).text, `/${number}`)
    }
  }),

  check('Connection: close of the client ends the connection after the answer', async (stage) => {
    const served = await stage.serve((_req, res) => res.end('x'))
    for (const value of ['close', 'Close', 'CLOSE', 'x, close']) {
      const raw = await served.all(bare('GET /', ['Host: x', `Connection: ${value}`]))
      assert.match(raw, /\r\nConnection: close\r\n/)
      assert.match(raw, /\r\n\r\nx$/)
    }
  }),

  same('what follows a request with Connection: close', async (stage) => {
    const seen: unknown[] = []
    const served = await stage.serve((req, res) => {
      seen.push(req.url)
      res.end(req.url)
    })
    const raw = await served.all(Buffer.concat([get('/last', { Connection: 'close' }), get('/never')]))
    return [raw.match(/HTTP\/1\.1/g)?.length, seen]
  }),

  check('HTTP/1.0 closes, unless it asks for keep-alive', async (stage) => {
    const served = await stage.serve((_req, res) => {
      res.setHeader('Content-Length', 1)
      res.end('x')
    })
    assert.match(await served.all('GET / HTTP/1.0\r\n\r\n'), /\r\nConnection: close\r\n/)
    const connection = await served.connect()
    for (let round = 0; round < 2; round++) {
      connection.write('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')
      const response = await connection.readResponse()
      assert.deepEqual([response.version, response.headers.connection, response.text], ['1.1', 'keep-alive', 'x'])
    }
  }),

  check('a body of unknown length for HTTP/1.0 ends with the connection', async (stage) => {
    const served = await stage.serve((_req, res) => {
      res.write('a')
      res.end('b')
    })
    const raw = await served.all('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')
    assert.match(raw, /\r\n\r\nab$/)
    assert.doesNotMatch(raw, /Transfer-Encoding/i)
  }),

  check('pipelined requests are all seen, in order, before the first is answered', async (stage) => {
    const seen: string[] = []
    const all = new Fact('third request')
    const responses: ServerResponse[] = []
    const served = await stage.serve((req, res) => {
      seen.push(String(req.url))
      responses.push(res)
      if (seen.length === 3) all.is()
    })
    const connection = await served.connect()
    connection.write(Buffer.concat([get('/1'), get('/2'), get('/3')]))
    await all.known
    assert.deepEqual(seen, ['/1', '/2', '/3'])
    for (const res of responses) res.end()
    for (let number = 0; number < 3; number++) await connection.readResponse()
  }),

  check('pipelined responses go out in the order of the requests', async (stage) => {
    const responses = new Map<string, ServerResponse>()
    const all = new Fact('third request')
    const served = await stage.serve((req, res) => {
      responses.set(String(req.url), res)
      if (responses.size === 3) all.is()
    })
    const connection = await served.connect()
    connection.write(Buffer.concat([get('/1'), get('/2'), get('/3')]))
    await all.known
    responses.get('/3')?.end('third')
    responses.get('/2')?.write('sec')
    responses.get('/2')?.end('ond')
    responses.get('/1')?.end('first')
    assert.equal((await connection.readResponse()).text, 'first')
    assert.equal((await connection.readResponse()).text, 'second')
    assert.equal((await connection.readResponse()).text, 'third')
  }),

  same('what a pipelined response that waits for its turn says of itself', async (stage) => {
    const { connection, first, second } = await stage.pipeline(Buffer.concat([get('/1'), get('/2')]))
    const log: string[] = []
    note(log, 'first', first, ['finish', 'close'])
    note(log, 'second', second, ['socket', 'finish', 'close'])
    const states: unknown[] = [first.socket === null, second.socket === null]
    second.write('early ')
    states.push(second.headersSent, second.writableLength > 0)
    second.end('bird')
    states.push(second.writableEnded, second.writableFinished, second.socket === null)
    const closed = event(second, 'close')
    first.end('first')
    await closed
    await connection.readResponse()
    states.push((await connection.readResponse()).text)
    return [states, log]
  }),

  check('pipelined bodies belong to their requests', async (stage) => {
    const served = await stage.serve((req, res) => {
      let body = ''
      req.setEncoding('utf8')
      req.on('data', (text) => {
        body += text
      })
      req.on('end', () => res.end(`${req.url}=${body}`))
    })
    const connection = await served.connect()
    connection.write(
      Buffer.concat([
        message('POST', '/a', {}, 'one'),
        Buffer.from(bare('POST /b', ['Host: x', 'Transfer-Encoding: chunked'], '3\r\ntwo\r\n0\r\n\r\n')),
        get('/c'),
        message('POST', '/d', {}, 'four'),
      ]),
    )
    const texts: string[] = []
    for (let number = 0; number < 4; number++) texts.push((await connection.readResponse()).text)
    assert.deepEqual(texts, ['/a=one', '/b=two', '/c=', '/d=four'])
  }),

  check('pipelined requests share one socket', async (stage) => {
    const sockets = new Set<Socket>()
    const served = await stage.serve((req, res) => {
      sockets.add(req.socket)
      res.end('x')
    })
    const connection = await served.connect()
    connection.write(Buffer.concat([get('/1'), get('/2'), get('/3')]))
    for (let number = 0; number < 3; number++) await connection.readResponse()
    assert.equal(sockets.size, 1)
  }),

  check('a hundred pipelined requests', async (stage) => {
    const served = await stage.serve((req, res) => res.end(req.url))
    const connection = await served.connect()
    connection.write(Buffer.concat(Array.from({ length: 100 }, (_, index) => get(`/${index}`))))
    for (let index = 0; index < 100; index++) assert.equal((await connection.readResponse()).text, `/${index}`)
  }),

  check('large pipelined responses stay whole and in order', async (stage) => {
    const served = await stage.serve((req, res) => res.end(Buffer.alloc(300_000, String(req.url?.slice(1)))))
    const connection = await served.connect()
    connection.write(Buffer.concat(['a', 'b', 'c', 'd'].map((letter) => get(`/${letter}`))))
    for (const letter of ['a', 'b', 'c', 'd']) {
      const { body } = await connection.readResponse()
      assert.equal(body.equals(Buffer.alloc(300_000, letter)), true)
    }
  }),

  same('the client leaves with pipelined requests under way: events of all', async (stage) => {
    const log: string[] = []
    const over = new Fact('close of both requests')
    let closed = 0
    const both = new Fact('second request')
    let seen = 0
    const served = await stage.serve((req, res) => {
      const name = String(req.url)
      note(log, `req ${name}`, req, ['aborted', 'error', 'close'])
      note(log, `res ${name}`, res, ['finish', 'error', 'close'])
      req.on('close', () => {
        if (++closed === 2) over.is()
      })
      if (++seen === 2) both.is()
    })
    const connection = await served.connect()
    connection.write(Buffer.concat([get('/1'), get('/2')]))
    await both.known
    connection.destroy()
    await over.known
    return log.sort()
  }),

  check('a response with Connection: close ends the connection', async (stage) => {
    const served = await stage.serve((_req, res) => {
      res.setHeader('Connection', 'close')
      res.end('bye')
    })
    const raw = await served.all(get('/'))
    assert.match(raw, /\r\nConnection: close\r\n/)
    assert.doesNotMatch(raw, /Keep-Alive/)
  }),

  check('shouldKeepAlive = false ends the connection', async (stage) => {
    const served = await stage.serve((_req, res) => {
      res.shouldKeepAlive = false
      res.end('bye')
    })
    assert.match(await served.all(get('/')), /\r\nConnection: close\r\n/)
  }),

  check('the socket of the connection is destroyed after a response that ends it', async (stage) => {
    const { req, res, connection } = await stage.exchange(get('/', { Connection: 'close' }))
    const { socket } = req
    const closed = event(socket, 'close')
    res.end('x')
    await connection.readResponse()
    assert.deepEqual(await closed, [false])
    assert.equal(socket.destroyed, true)
  }),

  check('a request of the next connection is not kept by a busy one', async (stage) => {
    const { served, res, connection } = await stage.exchange(get('/slow'))
    served.server.on('request', (_req, other) => other.end('quick'))
    assert.equal((await served.get('/quick')).text, 'quick')
    res.end('slow')
    assert.equal((await connection.readResponse()).text, 'slow')
  }),

  check('many clients at once, each answered its own', async (stage) => {
    const served = await stage.serve((req, res) => res.end(req.url))
    const texts = await Promise.all(
      Array.from({ length: 40 }, async (_, index) => (await served.get(`/${index}`)).text),
    )
    assert.deepEqual(
      texts,
      texts.map((_, index) => `/${index}`),
    )
  }),

  check('two listeners of request: both run, in order', async (stage) => {
    const log: string[] = []
    const served = await stage.serve((_req, res) => {
      log.push('first')
      res.setHeader('x-first', 'yes')
    })
    served.server.on('request', (_req: IncomingMessage, res: ServerResponse) => {
      log.push('second')
      res.end('by the second')
    })
    const { text, headers } = await served.get()
    assert.deepEqual([text, headers['x-first'], log], ['by the second', 'yes', ['first', 'second']])
  }),

  check('listeners added, prepended and removed while it serves', async (stage) => {
    const served = await stage.serve()
    const first = (_req: IncomingMessage, res: ServerResponse) => {
      res.end('first')
    }
    served.server.on('request', first)
    assert.equal((await served.get()).text, 'first')
    served.server.off('request', first)
    served.server.prependOnceListener('request', (_req, res) => res.end('once'))
    served.server.on('request', (_req, res) => {
      if (!res.writableEnded) res.end('after')
    })
    assert.equal((await served.get()).text, 'once')
    assert.equal((await served.get()).text, 'after')
  }),

  check('this of a request listener is the server', async (stage) => {
    const served = await stage.serve()
    const right = new Fact<boolean>('request')
    served.server.on('request', function (this: unknown, _req, res) {
      right.is(this === served.server)
      res.end()
    })
    await served.get()
    assert.equal(await right.known, true)
  }),

  check('server.emit may be wrapped, as tracing and sessions do', async (stage) => {
    const names: unknown[] = []
    const served = await stage.serve((_req, res) => res.end('x'))
    const { emit } = served.server
    served.server.emit = function (this: typeof served.server, name: string, ...args: unknown[]) {
      names.push(name)
      return emit.apply(this, [name, ...args] as never)
    } as typeof emit
    await served.get()
    assert.deepEqual(names, ['connection', 'request'])
  }),

  check('an exception in a listener is an uncaught exception', async (stage) => {
    const { code, stdout, stderr } = await stage.script(`
      import http from HTTP
      process.on('uncaughtException', (error, origin) => {
        console.log(error.message, origin)
        process.exit(7)
      })
      const server = http.createServer(() => { throw new Error('thrown') }).listen(0, '127.0.0.1', () => {
        http.get({ port: server.address().port, host: '127.0.0.1' }).on('error', () => {})
      })
    `)
    assert.deepEqual([stdout.trim(), code], ['thrown uncaughtException', 7], stderr)
  }),

  check('a rejection of an async listener is an unhandled rejection', async (stage) => {
    const { code, stdout, stderr } = await stage.script(`
      import http from HTTP
      process.on('unhandledRejection', (error) => {
        console.log(error.message)
        process.exit(7)
      })
      const server = http.createServer(async () => { throw new Error('rejected') }).listen(0, '127.0.0.1', () => {
        http.get({ port: server.address().port, host: '127.0.0.1' }).on('error', () => {})
      })
    `)
    assert.deepEqual([stdout.trim(), code], ['rejected', 7], stderr)
  }),

  check('captureRejections: a rejected listener is answered with 500', async (stage) => {
    const { EventEmitter } = await import('node:events')
    const before = EventEmitter.captureRejections
    EventEmitter.captureRejections = true
    let server: ReturnType<typeof stage.http.createServer>
    try {
      server = stage.http.createServer(async (_req, res) => {
        res.setHeader('x-dropped', 'yes')
        throw new Error('captured')
      })
    } finally {
      EventEmitter.captureRejections = before
    }
    const served = await stage.start(server)
    const response = await served.get()
    assert.deepEqual([response.status, response.headers['x-dropped']], [500, undefined])
  }),

  check('pipelined requests that have come are run, though the first destroys the connection', async (stage) => {
    const seen: string[] = []
    const all = new Fact('last of five requests')
    const served = await stage.serve((req, res) => {
      seen.push(req.url ?? '')
      if (seen.length === 5) all.is()
      process.nextTick(() => res.destroy())
    })
    const connection = await served.connect()
    connection.write(['/1', '/2', '/3', '/4', '/5'].map((path) => get(path)).join(''))
    await all.known
    assert.deepEqual(seen, ['/1', '/2', '/3', '/4', '/5'])
  }),
]
