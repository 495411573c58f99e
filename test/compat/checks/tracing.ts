/**
 * What tracing agents hold on to: asynchronous contexts, diagnostics channels, performance entries.
 */
import assert from 'node:assert/strict'
import {
  AsyncLocalStorage,
  AsyncResource,
  createHook,
  executionAsyncId,
  executionAsyncResource,
  triggerAsyncId,
} from 'node:async_hooks'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks'
import { check, event, Fact, isSame, message, type Stage, same, textOf } from '../stage.js'

interface StartMessage {
  request: IncomingMessage
  response: ServerResponse
  socket: Socket
  server: Server
}

/** Listens to a channel until the check ends. */
function listenTo(stage: Stage, channel: string, listener: (message: StartMessage) => void): void {
  const handler = (message: unknown) => listener(message as StartMessage)
  subscribe(channel, handler)
  stage.defer(() => unsubscribe(channel, handler))
}

export const checks = [
  check('AsyncLocalStorage: a store runs through the handler and what it awaits', async (stage) => {
    const storage = new AsyncLocalStorage<string>()
    const served = await stage.serve((req, res) => {
      storage.run(String(req.url), async () => {
        await new Promise((settle) => setImmediate(settle))
        const body = await textOf(req)
        res.end(`${storage.getStore()} ${body}`)
      })
    })
    const texts = await Promise.all(
      ['/a', '/b', '/c'].map(async (path) => (await served.send(message('POST', path, {}, path))).text),
    )
    assert.deepEqual(texts, ['/a /a', '/b /b', '/c /c'])
  }),

  check('AsyncLocalStorage: events of req keep the store of the handler', async (stage) => {
    const storage = new AsyncLocalStorage<string>()
    const served = await stage.serve((req, res) => {
      storage.run(String(req.url), () => {
        const stores: unknown[] = []
        req.on('data', () => stores.push(storage.getStore()))
        req.on('end', () => {
          stores.push(storage.getStore())
          res.end(JSON.stringify(stores))
        })
      })
    })
    const reference = JSON.parse((await served.send(message('POST', '/x', {}, 'body'))).text)
    assert.equal(reference.length, 2)
  }),

  same('AsyncLocalStorage: the stores that events of req and res see', async (stage) => {
    const storage = new AsyncLocalStorage<string>()
    const seen: unknown[] = []
    const over = new Fact('close of res')
    const served = await stage.serve((req, res) => {
      storage.run('inside', () => {
        const look = (what: string) => () => seen.push([what, storage.getStore()])
        req.on('data', look('data'))
        req.on('end', look('end'))
        req.on('end', () => res.end('x', look('end callback')))
        res.on('finish', look('finish'))
        res.on('close', look('close'))
        res.on('close', () => over.is())
      })
    })
    await served.send(message('POST', '/x', {}, 'body'))
    await over.known
    return seen
  }),

  same('AsyncLocalStorage.enterWith of one request, as seen by the next of the connection', async (stage) => {
    const storage = new AsyncLocalStorage<string>()
    const served = await stage.serve((req, res) => {
      const before = storage.getStore()
      storage.enterWith(String(req.url))
      res.end(String(before))
    })
    const connection = await served.connect()
    const texts: string[] = []
    for (const path of ['/1', '/2', '/3']) {
      connection.write(message('GET', path))
      texts.push((await connection.readResponse()).text)
    }
    return texts
  }),

  check('AsyncLocalStorage.enterWith of one connection is not seen by the next', async (stage) => {
    const storage = new AsyncLocalStorage<string>()
    const served = await stage.serve((req, res) => {
      const before = storage.getStore()
      storage.enterWith(String(req.url))
      res.end(String(before))
    })
    for (const path of ['/1', '/2', '/3']) assert.equal((await served.get(path)).text, 'undefined')
  }),

  check(
    'AsyncLocalStorage around createServer and listen does not leak into requests that enter their own',
    async (stage) => {
      const storage = new AsyncLocalStorage<string>()
      const served = await storage.run('outside', () =>
        stage.serve((_req, res) => storage.run('inside', () => res.end(String(storage.getStore())))),
      )
      assert.equal((await served.get()).text, 'inside')
    },
  ),

  same('AsyncLocalStorage: the store a request sees of the code that called listen', async (stage) => {
    const storage = new AsyncLocalStorage<string>()
    const served = await storage.run('outside', () => stage.serve((_req, res) => res.end(String(storage.getStore()))))
    return (await served.get()).text
  }),

  check('AsyncResource.bind and AsyncLocalStorage.bind work in handlers', async (stage) => {
    const storage = new AsyncLocalStorage<string>()
    const served = await stage.serve((_req, res) => {
      const bound = storage.run('bound', () => AsyncResource.bind(() => storage.getStore()))
      setImmediate(() => res.end(String(bound())))
    })
    assert.equal((await served.get()).text, 'bound')
  }),

  check('requests of several connections have asynchronous ids of their own', async (stage) => {
    const ids: number[] = []
    const served = await stage.serve((_req, res) => {
      ids.push(executionAsyncId())
      res.end()
    })
    for (let round = 0; round < 3; round++) await served.get()
    assert.equal(new Set(ids).size, 3)
    assert.ok(ids.every((id) => id > 0))
  }),

  same('executionAsyncResource: a value put on it, as seen by the next request of the connection', async (stage) => {
    const key = Symbol('key')
    const served = await stage.serve((_req, res) => {
      const resource = executionAsyncResource() as Record<symbol, unknown>
      const before = resource[key]
      resource[key] = 'set'
      setImmediate(() => res.end(String(before)))
    })
    const connection = await served.connect()
    const texts: string[] = []
    for (let round = 0; round < 2; round++) {
      connection.write(message('GET', '/'))
      texts.push((await connection.readResponse()).text)
    }
    return texts
  }),

  check('async_hooks: an HTTPINCOMINGMESSAGE is made and entered for each request', async (stage) => {
    const made = new Set<number>()
    const hook = createHook({
      init(id, type) {
        if (type === 'HTTPINCOMINGMESSAGE') made.add(id)
      },
    }).enable()
    stage.defer(() => hook.disable())
    const entered = new Fact<boolean>('request')
    const served = await stage.serve((_req, res) => {
      entered.is(made.has(executionAsyncId()))
      res.end()
    })
    await served.get()
    assert.equal(await entered.known, true)
  }),

  check('triggerAsyncId is known in a handler', async (stage) => {
    const id = new Fact<number>('request')
    const served = await stage.serve((_req, res) => {
      id.is(triggerAsyncId())
      res.end()
    })
    await served.get()
    assert.ok((await id.known) >= 0)
  }),

  check('http.server.request.start: request, response, socket, server', async (stage) => {
    const served = await stage.serve((_req, res) => {
      log.push('handler')
      res.end()
    })
    const log: string[] = []
    const started = new Fact<StartMessage>('http.server.request.start')
    listenTo(stage, 'http.server.request.start', (about) => {
      if (about.server !== served.server) return
      log.push('start')
      started.is(about)
    })
    await served.get('/traced')
    const { request, response, socket } = await started.known
    assert.equal(request.url, '/traced')
    assert.ok(request instanceof stage.http.IncomingMessage)
    assert.ok(response instanceof stage.http.ServerResponse)
    assert.equal(response.req, request)
    isSame(socket, request.socket)
    assert.deepEqual(log, ['start', 'handler'])
  }),

  check('http.server.response.finish: at the end of the response, with its status', async (stage) => {
    const served = await stage.serve((_req, res) => {
      res.statusCode = 201
      res.on('finish', () => log.push('finish'))
      res.end('x')
    })
    const log: string[] = []
    const finished = new Fact<StartMessage>('http.server.response.finish')
    listenTo(stage, 'http.server.response.finish', (about) => {
      if (about.server !== served.server) return
      log.push('channel')
      finished.is(about)
    })
    await served.get('/traced')
    const { request, response, socket } = await finished.known
    assert.equal(request.url, '/traced')
    assert.equal(response.statusCode, 201)
    isSame(socket, request.socket)
    assert.deepEqual(log.sort(), ['channel', 'finish'])
  }),

  check('both channels, for responses in pieces and with pipelining too', async (stage) => {
    const served = await stage.serve((req, res) => {
      res.write('a')
      setImmediate(() => res.end(req.url))
    })
    const log: string[] = []
    const both = new Fact('finish of both')
    for (const name of ['http.server.request.start', 'http.server.response.finish']) {
      listenTo(stage, name, ({ server, request }) => {
        if (server !== served.server) return
        log.push(`${name.split('.').at(-1)} ${request.url}`)
        if (log.length === 4) both.is()
      })
    }
    const connection = await served.connect()
    connection.write(Buffer.concat([message('GET', '/1'), message('GET', '/2')]))
    await both.known
    assert.deepEqual(
      log.filter((entry) => entry.startsWith('start')),
      ['start /1', 'start /2'],
    )
    assert.deepEqual(
      log.filter((entry) => entry.startsWith('finish')),
      ['finish /1', 'finish /2'],
    )
  }),

  check('no finish on the channel for a client that left', async (stage) => {
    const { served, connection, res } = await stage.exchange(message('GET', '/'))
    let finishes = 0
    listenTo(stage, 'http.server.response.finish', ({ server }) => {
      if (server === served.server) finishes++
    })
    const closed = event(res, 'close')
    connection.destroy()
    await closed
    assert.equal(finishes, 0)
  }),

  check('a subscriber may enter a store that the handler sees', async (stage) => {
    const storage = new AsyncLocalStorage<string>()
    const served = await stage.serve((_req, res) => {
      setImmediate(() => res.end(String(storage.getStore())))
    })
    listenTo(stage, 'http.server.request.start', ({ server, request }) => {
      if (server === served.server) storage.enterWith(`trace of ${request.url}`)
    })
    const texts = await Promise.all(['/a', '/b'].map(async (path) => (await served.get(path)).text))
    assert.deepEqual(texts, ['trace of /a', 'trace of /b'])
  }),

  check('net.server.socket, the channel of new connections', async (stage) => {
    const served = await stage.serve((req, res) => {
      res.end(String(sockets.has(req.socket)))
    })
    const sockets = new Set<Socket>()
    listenTo(stage, 'net.server.socket', ({ socket }) => sockets.add(socket))
    assert.equal((await served.get()).text, 'true')
  }),

  check('perf_hooks: an http entry for each request', async (stage) => {
    const served = await stage.serve((_req, res) => {
      res.setHeader('x-a', 'b')
      res.end('x')
    })
    const seen = new Fact<PerformanceEntry & { detail?: unknown }>('entry of type http')
    const observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        const { detail } = entry as unknown as { detail: { req: { url: string } } }
        if (entry.name === 'HttpRequest' && detail.req.url === '/measured') seen.is(entry as never)
      }
    })
    observer.observe({ entryTypes: ['http'] })
    stage.defer(() => observer.disconnect())
    await served.get('/measured')
    const entry = await seen.known
    assert.equal(entry.entryType, 'http')
    assert.ok(entry.duration >= 0 && entry.startTime > 0)
    const { req, res } = entry.detail as {
      req: { method: string; url: string; headers: Record<string, string> }
      res: { statusCode: number; statusMessage: string; headers: Record<string, string> }
    }
    assert.deepEqual([req.method, req.url, req.headers.host], ['GET', '/measured', 'localhost'])
    assert.deepEqual([res.statusCode, res.statusMessage, res.headers['x-a']], [200, 'OK', 'b'])
  }),

  check('tracing by patching Server.prototype.emit, as OpenTelemetry does', async (stage) => {
    const { prototype } = stage.http.Server as unknown as { prototype: Server }
    const hadOwn = Object.hasOwn(prototype, 'emit')
    const { emit } = prototype
    const storage = new AsyncLocalStorage<string>()
    const served = await stage.serve((_req, res) => setImmediate(() => res.end(String(storage.getStore()))))
    prototype.emit = function (this: Server, name: string, ...args: unknown[]) {
      const call = () => emit.apply(this, [name, ...args] as never)
      return this === served.server && name === 'request' ? storage.run('span', call) : call()
    } as typeof emit
    stage.defer(() => {
      if (hadOwn) prototype.emit = emit
      else delete (prototype as { emit?: unknown }).emit
    })
    assert.equal((await served.get()).text, 'span')
  }),
]
