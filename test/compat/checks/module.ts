/**
 * The module itself: what it exports, and the classes as programs old and new use them.
 */
import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import nodeHttp, { type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import net from 'node:net'
import { Readable, Stream, Writable } from 'node:stream'
import { inherits } from 'node:util'
import { check, event, isSame, loose, message, plain, same } from '../stage.js'

export const checks = [
  check('exports every name that node:http exports', ({ http }) => {
    const names = Object.keys(nodeHttp).sort()
    assert.deepEqual(
      names.filter((name) => !(name in http)),
      [],
    )
  }),

  check('METHODS and STATUS_CODES are those of node:http', ({ http }) => {
    assert.deepEqual(http.METHODS, nodeHttp.METHODS)
    assert.deepEqual(http.STATUS_CODES, nodeHttp.STATUS_CODES)
    assert.equal(http.maxHeaderSize, nodeHttp.maxHeaderSize)
  }),

  check('the client half works: request, get, Agent, globalAgent', async (stage) => {
    const { http } = stage
    const served = await stage.serve((req, res) => res.end(`${req.method} ${req.url}`))
    const agent = new http.Agent({ keepAlive: true })
    stage.defer(() => agent.destroy())
    const answer = event<[IncomingMessage]>(http.get({ port: served.port, path: '/a?b', agent }), 'response')
    const [response] = await answer
    assert.equal(response.statusCode, 200)
    assert.ok(response instanceof http.IncomingMessage)
    response.setEncoding('utf8')
    const [text] = await event(response, 'data')
    assert.equal(text, 'GET /a?b')
    assert.ok(http.globalAgent instanceof http.Agent)
    assert.equal(typeof http.request, 'function')
  }),

  check('validateHeaderName and validateHeaderValue', ({ http }) => {
    http.validateHeaderName('X-Name')
    http.validateHeaderValue('X-Name', 'value')
    assert.throws(() => http.validateHeaderName('a b'), { code: 'ERR_INVALID_HTTP_TOKEN', name: 'TypeError' })
    assert.throws(() => http.validateHeaderName(''), { code: 'ERR_INVALID_HTTP_TOKEN' })
    assert.throws(() => http.validateHeaderValue('x', undefined as never), { code: 'ERR_HTTP_INVALID_HEADER_VALUE' })
    assert.throws(() => http.validateHeaderValue('x', 'é€'), { code: 'ERR_INVALID_CHAR' })
  }),

  check('createServer makes a Server of net and of events', async (stage) => {
    const server = stage.http.createServer()
    assert.ok(server instanceof stage.http.Server)
    assert.ok(server instanceof net.Server)
    assert.ok(server instanceof EventEmitter)
    assert.equal(server.constructor.name, 'Server')
    assert.equal(server.listening, false)
  }),

  check('createServer takes a listener alone, options alone, or both', async (stage) => {
    const listener = () => {}
    assert.deepEqual(stage.http.createServer(listener).listeners('request'), [listener])
    assert.deepEqual(stage.http.createServer({}, listener).listeners('request'), [listener])
    assert.deepEqual(stage.http.createServer({}).listeners('request'), [])
    assert.deepEqual(stage.http.createServer().listeners('request'), [])
  }),

  same('createServer of something else', ({ http }) => {
    const outcomes: string[] = []
    for (const value of ['text', 1, true, null, undefined, Symbol('s')]) {
      try {
        http.createServer(value as never)
        outcomes.push('made')
      } catch (error) {
        outcomes.push((error as NodeJS.ErrnoException).code ?? 'thrown')
      }
    }
    return outcomes
  }),

  check('Server is callable without new', async (stage) => {
    const server = plain(stage.http.Server)((_req: IncomingMessage, res: ServerResponse) => res.end('plain')) as Server
    assert.ok(server instanceof stage.http.Server)
    const served = await stage.start(server)
    assert.equal((await served.get()).text, 'plain')
  }),

  check('Server is inherited by util.inherits and Server.call(this)', async (stage) => {
    const { http } = stage
    function Old(this: Server, greeting: string): void {
      plain(http.Server).call(this, { keepAliveTimeout: 1234 }, (_req: unknown, res: ServerResponse) =>
        res.end(greeting),
      )
    }
    inherits(Old, http.Server)
    const server = new (Old as unknown as new (greeting: string) => Server)('inherited')
    assert.ok(server instanceof http.Server)
    assert.equal(server.keepAliveTimeout, 1234)
    const served = await stage.start(server)
    assert.equal((await served.get()).text, 'inherited')
  }),

  check('Server is inherited by class extends', async (stage) => {
    class Counting extends stage.http.Server {
      count = 0
      constructor() {
        super({ keepAliveTimeout: 4321 })
        this.on('request', (_req, res) => res.end(String(++this.count)))
      }
    }
    const server = new Counting()
    assert.equal(server.keepAliveTimeout, 4321)
    const served = await stage.start(server)
    await served.get()
    assert.equal((await served.get()).text, '2')
  }),

  check('req and res are of the exported classes, and of the streams', async (stage) => {
    const { req, res } = await stage.exchange(message('GET', '/'))
    assert.ok(req instanceof stage.http.IncomingMessage)
    assert.ok(req instanceof Readable)
    assert.ok(res instanceof stage.http.ServerResponse)
    assert.ok(res instanceof stage.http.OutgoingMessage)
    assert.ok(res instanceof Stream)
    assert.equal((res as unknown) instanceof Writable, false)
    assert.equal(req instanceof nodeHttp.IncomingMessage, true, 'what libraries import from node:http recognises them')
    assert.equal(res instanceof nodeHttp.ServerResponse, true)
    res.end()
  }),

  check('class names read as on Node', async (stage) => {
    const { http } = stage
    assert.equal(http.Server.name, 'Server')
    assert.equal(http.IncomingMessage.name, 'IncomingMessage')
    assert.equal(http.ServerResponse.name, 'ServerResponse')
    const { req, res } = await stage.exchange(message('GET', '/'))
    assert.equal(Object.prototype.toString.call(req), '[object Object]')
    assert.equal(res.constructor.name, 'ServerResponse')
    assert.equal(req.constructor.name, 'IncomingMessage')
    res.end()
  }),

  check('options IncomingMessage and ServerResponse: subclasses are made for each request', async (stage) => {
    class Question extends stage.http.IncomingMessage {
      get path() {
        return this.url?.split('?')[0]
      }
    }
    class Answer<R extends IncomingMessage = IncomingMessage> extends stage.http.ServerResponse<R> {
      json(value: unknown) {
        this.setHeader('content-type', 'application/json')
        this.end(JSON.stringify(value))
      }
    }
    const server = stage.http.createServer(
      { IncomingMessage: Question, ServerResponse: Answer as typeof ServerResponse },
      (req, res) => {
        ;(res as unknown as Answer).json({
          path: (req as Question).path,
          types: [req instanceof Question, res instanceof Answer],
        })
      },
    )
    const served = await stage.start(server)
    const { text, headers } = await served.get('/x?y')
    assert.deepEqual(JSON.parse(text), { path: '/x', types: [true, true] })
    assert.equal(headers['content-type'], 'application/json')
  }),

  check('a ServerResponse subclass may override end and write', async (stage) => {
    class Shouting extends stage.http.ServerResponse {
      override end(...args: unknown[]): this {
        return super.end(String(args[0]).toUpperCase())
      }
    }
    const server = stage.http.createServer({ ServerResponse: Shouting as typeof ServerResponse }, (_req, res) =>
      res.end('hello'),
    )
    const served = await stage.start(server)
    assert.equal((await served.get()).text, 'HELLO')
  }),

  check('a method patched on ServerResponse.prototype is the one that is called', async (stage) => {
    const { prototype } = stage.http.ServerResponse
    const calls: string[] = []
    const original = prototype.writeHead
    function patched(this: ServerResponse, ...args: unknown[]) {
      if (this.req.url === '/patched') calls.push('writeHead')
      return (original as (...args: unknown[]) => unknown).apply(this, args)
    }
    prototype.writeHead = patched as never
    stage.defer(() => {
      if (prototype.writeHead === (patched as never)) prototype.writeHead = original
    })
    const served = await stage.serve((_req, res) => res.end('x'))
    await served.get('/patched')
    assert.deepEqual(calls, ['writeHead'], 'end() makes its head by writeHead()')
  }),

  check("methods patched on an instance are the ones Node's code calls", async (stage) => {
    const seen: string[] = []
    const served = await stage.serve((_req, res) => {
      const { writeHead, setHeader } = res
      res.writeHead = function (this: ServerResponse, ...args: unknown[]) {
        seen.push(`writeHead ${args[0]}`)
        return (writeHead as (...args: unknown[]) => unknown).apply(this, args)
      } as never
      res.setHeader = function (this: ServerResponse, name: string, value: string) {
        seen.push(`setHeader ${name}`)
        return setHeader.call(this, name, value)
      } as never
      res.setHeader('x-a', '1')
      res.end('x')
    })
    await served.get()
    assert.deepEqual(seen, ['setHeader x-a', 'writeHead 200'])
  }),

  check('an object between res and its prototype, as frameworks put one', async (stage) => {
    const served = await stage.serve((req, res) => {
      const proto = Object.create(stage.http.ServerResponse.prototype, {
        send: {
          value(this: ServerResponse, text: string) {
            this.setHeader('x-by', 'send')
            this.end(text)
          },
        },
      })
      Object.setPrototypeOf(res, proto)
      Object.setPrototypeOf(req, Object.create(stage.http.IncomingMessage.prototype))
      ;(res as unknown as { send(text: string): void }).send(`${req.method} ${req.headers.host}`)
    })
    const { text, headers } = await served.get()
    assert.equal(text, 'GET localhost')
    assert.equal(headers['x-by'], 'send')
  }),

  check('IncomingMessage can be made by hand', ({ http }) => {
    const socket = new net.Socket()
    const req = new http.IncomingMessage(socket)
    isSame(req.socket, socket)
    assert.deepEqual(req.headers, {})
    assert.deepEqual(req.rawHeaders, [])
    assert.equal(req.httpVersion, null)
    assert.equal(req.complete, false)
    assert.equal(req.url, '')
    assert.equal(req.method, null)
  }),

  check('ServerResponse can be made by hand and written to any stream', async ({ http }) => {
    const written: Buffer[] = []
    const sink = new Writable({
      write(chunk, _encoding, callback) {
        written.push(chunk)
        callback()
      },
    })
    const res = new http.ServerResponse({ method: 'GET', httpVersionMajor: 1, httpVersionMinor: 1 } as never)
    res.assignSocket(sink as never)
    res.sendDate = false
    res.setHeader('x-a', 'b')
    const finished = event(res, 'finish')
    res.end('body')
    await finished
    const text = Buffer.concat(written).toString('latin1')
    assert.match(text, /^HTTP\/1\.1 200 OK\r\nx-a: b\r\n/)
    assert.match(text, /\r\nContent-Length: 4\r\n\r\nbody$/)
    res.detachSocket(sink as never)
    isSame(res.socket, null)
  }),

  check('ServerResponse is callable without new, as old mocks do', ({ http }) => {
    function Mock(this: ServerResponse, req: unknown): void {
      plain(http.ServerResponse).call(this, req)
    }
    inherits(Mock, http.ServerResponse)
    const res = new (Mock as unknown as new (req: unknown) => ServerResponse)({ method: 'HEAD' })
    res.setHeader('a', 'b')
    assert.equal(res.getHeader('A'), 'b')
    assert.equal(res.statusCode, 200)
  }),

  check('OutgoingMessage can be made by hand', ({ http }) => {
    const out = new http.OutgoingMessage()
    out.setHeader('X-Y', ['1', '2'])
    assert.deepEqual(out.getHeaders(), Object.assign(Object.create(null), { 'x-y': ['1', '2'] }))
    assert.equal(out.headersSent, false)
    assert.equal(out.writable, true)
  }),

  check('a request event may be emitted by hand, as probes and mocks do', async (stage) => {
    const { http } = stage
    const seen: unknown[] = []
    const server = http.createServer((req, res) => {
      seen.push(req.url)
      res.end('made')
    })
    const req = new http.IncomingMessage(new net.Socket())
    req.url = '/by-hand'
    const res = new http.ServerResponse(req)
    server.emit('request', req, res)
    assert.deepEqual(seen, ['/by-hand'])
    assert.equal(res.writableEnded, true)
  }),

  check("a connection event may be emitted by hand: another server's socket is served", async (stage) => {
    const inner = stage.http.createServer((req, res) => {
      res.setHeader('Connection', 'close')
      res.end(`inner ${req.url}`)
    })
    const outer = net.createServer((socket) => inner.emit('connection', socket))
    stage.defer(() => outer.close())
    outer.listen(0, '127.0.0.1')
    await event(outer, 'listening')
    const client = await stage.socketTo((outer.address() as net.AddressInfo).port)
    client.write(message('GET', '/handed'))
    let text = ''
    client.setEncoding('latin1').on('data', (chunk: string) => {
      text += chunk
    })
    await event(client, 'end')
    assert.match(text, /^HTTP\/1\.1 200 OK\r\n/)
    assert.match(text, /inner \/handed/)
  }),

  same('own enumerable fields of a fresh server', ({ http }) => Object.keys(http.createServer()).sort()),

  same('own enumerable fields of req', async (stage) => {
    const { req, res } = await stage.exchange(message('GET', '/'))
    res.end()
    return Object.keys(req)
      .filter((name) => !name.startsWith('_'))
      .sort()
  }),

  same('fields of a fresh res by value', async (stage) => {
    const { res } = await stage.exchange(message('GET', '/'))
    const names = [
      'statusCode',
      'statusMessage',
      'headersSent',
      'sendDate',
      'strictContentLength',
      'shouldKeepAlive',
      'chunkedEncoding',
      'useChunkedEncodingByDefault',
      'finished',
      'writable',
      'writableEnded',
      'writableFinished',
      'writableLength',
      'writableHighWaterMark',
      'writableObjectMode',
      'writableCorked',
      'writableNeedDrain',
      'destroyed',
      'closed',
      'errored',
      'maxRequestsOnConnectionReached',
    ]
    const values = Object.fromEntries(names.map((name) => [name, loose(res)[name]]))
    res.end()
    return values
  }),

  same('fields of a fresh req by value', async (stage) => {
    const { req, res } = await stage.exchange(message('GET', '/'))
    const names = [
      'httpVersion',
      'httpVersionMajor',
      'httpVersionMinor',
      'complete',
      'aborted',
      'upgrade',
      'url',
      'method',
      'statusCode',
      'statusMessage',
      'joinDuplicateHeaders',
      'readable',
      'readableFlowing',
      'readableEnded',
      'readableLength',
      'readableHighWaterMark',
      'readableObjectMode',
      'readableEncoding',
      'readableDidRead',
      'readableAborted',
      'destroyed',
      'closed',
      'errored',
    ]
    const values = Object.fromEntries(names.map((name) => [name, loose(req)[name]]))
    res.end()
    return values
  }),

  check('everything on the prototypes of node:http is on those of the module', ({ http }) => {
    for (const name of ['Server', 'IncomingMessage', 'OutgoingMessage', 'ServerResponse'] as const) {
      const missing = Object.getOwnPropertyNames(nodeHttp[name].prototype).filter(
        (member) => !(member in http[name].prototype),
      )
      assert.deepEqual(missing, [], name)
    }
  }),

  check('require gives the same module as import', async (stage) => {
    const { stdout, code, stderr } = await stage.script(`
      import { createRequire } from 'node:module'
      import * as imported from HTTP
      const required = createRequire(process.cwd() + '/x.js')
      let module
      try { module = required(HTTP.replace(/^file:\\/\\//, '')) } catch (error) { module = { error } }
      if (module.error && module.error.code !== 'ERR_REQUIRE_ESM') throw module.error
      console.log(module.error ? 'esm only' : module.createServer === imported.createServer && module.Server === imported.default.Server)
    `)
    assert.equal(code, 0, stderr)
    assert.equal(stdout.trim(), 'true')
  }),
]
