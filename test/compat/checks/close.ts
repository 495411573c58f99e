/**
 * Server: close, closing connections, counting them.
 */
import assert from 'node:assert/strict'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { connect as openSocket, type Socket } from 'node:net'
import { check, codeOf, event, Fact, message, note, same } from '../stage.js'

function count(server: Server): Promise<number> {
  const counted = new Fact<number>('answer of getConnections')
  server.getConnections((error, connections) => (error ? counted.failed(error) : counted.is(connections)))
  return counted.known
}

export const checks = [
  check('close() calls back and emits close once', async ({ http }) => {
    const server = http.createServer().listen(0)
    await event(server, 'listening')
    const log: string[] = []
    note(log, 'server', server, ['close'])
    const closed = new Fact('callback of close')
    const given = server.close(function (this: unknown, error?: Error) {
      log.push(`callback ${error} ${this === server}`)
      closed.is()
    })
    log.push(`returned ${given === server} ${server.listening} ${server.address()}`)
    await closed.known
    assert.deepEqual(log, ['returned true false null', 'server:close', 'callback undefined true'])
  }),

  check('close() of a server that does not listen: ERR_SERVER_NOT_RUNNING for the callback', async ({ http }) => {
    const server = http.createServer()
    const closed = new Fact<Error | undefined>('callback of close')
    server.close(closed.is)
    assert.equal(codeOf(await closed.known), 'ERR_SERVER_NOT_RUNNING')
    server.close()
  }),

  check('a second close() calls back with ERR_SERVER_NOT_RUNNING', async (stage) => {
    const { server } = await stage.serve()
    const first = new Fact<Error | undefined>('first callback')
    const second = new Fact<Error | undefined>('second callback')
    server.close(first.is)
    server.close(second.is)
    assert.equal(await first.known, undefined)
    assert.equal(codeOf(await second.known), 'ERR_SERVER_NOT_RUNNING')
  }),

  check('after close() nobody can connect', async (stage) => {
    const { server, port } = await stage.serve()
    const closed = event(server, 'close')
    server.close()
    await closed
    const socket = openSocket(port, '127.0.0.1')
    const [error] = await event<[NodeJS.ErrnoException]>(socket, 'error')
    assert.equal(error.code, 'ECONNREFUSED')
  }),

  check('close() closes idle keep-alive connections', async (stage) => {
    const served = await stage.serve((_req, res) => res.end('x'))
    const connection = await served.connect()
    connection.write(message('GET', '/'))
    await connection.readResponse()
    const closed = event(served.server, 'close')
    served.server.close()
    assert.equal((await connection.readToEnd()).length, 0)
    await closed
  }),

  check('close() closes connections that never sent anything', async (stage) => {
    const served = await stage.serve((_req, res) => res.end('x'))
    const accepted = event(served.server, 'connection')
    const connection = await served.connect()
    await accepted
    const closed = event(served.server, 'close')
    served.server.close()
    served.server.closeAllConnections()
    await closed
    await connection.readToEnd().catch(() => {})
  }),

  check('close() waits for the request that runs, which is answered whole', async (stage) => {
    const { served, connection, res } = await stage.exchange(message('GET', '/'), { keepAliveTimeout: 1 })
    const log: string[] = []
    note(log, 'res', res, ['finish'])
    note(log, 'server', served.server, ['close'])
    const closed = event(served.server, 'close')
    served.server.close()
    assert.equal(served.server.listening, false)
    res.end('still here')
    const response = await connection.readResponse()
    assert.equal(response.text, 'still here')
    await connection.readToEnd()
    await closed
    assert.deepEqual(log, ['res:finish', 'server:close'])
  }),

  check('close() inside a request: that response is the last of its connection', async (stage) => {
    const served = await stage.serve(
      (_req, res) => {
        served.server.close()
        res.end('last')
      },
      { keepAliveTimeout: 1 },
    )
    const connection = await served.connect()
    const closed = event(served.server, 'close')
    connection.write(message('GET', '/'))
    assert.equal((await connection.readResponse()).text, 'last')
    assert.equal((await connection.readToEnd()).length, 0)
    await closed
  }),

  same('what a response says of its connection after close()', async (stage) => {
    const { served, connection, res } = await stage.exchange(message('GET', '/'), { keepAliveTimeout: 1 })
    served.server.close()
    res.end('x')
    return (await connection.readResponse()).headers.connection
  }),

  check('a response headed before close() still ends its connection', async (stage) => {
    const { served, connection, res } = await stage.exchange(message('GET', '/'), { keepAliveTimeout: 1 })
    res.write('one ')
    const closed = event(served.server, 'close')
    served.server.close()
    res.end('two')
    const response = await connection.readResponse()
    assert.equal(response.text, 'one two')
    assert.equal((await connection.readToEnd()).length, 0)
    await closed
  }),

  check('closeAllConnections() cuts a request that runs', async (stage) => {
    const { served, connection, req, res } = await stage.exchange(message('GET', '/'))
    const gone = event(res, 'close')
    const closed = event(served.server, 'close')
    served.server.close()
    served.server.closeAllConnections()
    await gone
    await closed
    assert.equal(req.destroyed, true)
    assert.equal(res.writableEnded, false)
    await connection.readToEnd().catch(() => {})
    assert.notEqual(connection.state, 'open')
  }),

  check('closeAllConnections() leaves the server listening', async (stage) => {
    const { served, connection, res } = await stage.exchange(message('GET', '/'))
    const gone = event(res, 'close')
    served.server.closeAllConnections()
    await gone
    assert.equal(served.server.listening, true)
    served.server.once('request', (_req, res) => res.end('next'))
    assert.equal((await served.get()).text, 'next')
    await connection.readToEnd().catch(() => {})
  }),

  check('closeIdleConnections() spares what runs and closes what waits', async (stage) => {
    const running = new Fact<ServerResponse>('the slow request')
    const served = await stage.serve((req, res) => {
      if (req.url === '/slow') running.is(res)
      else res.end('quick')
    })
    const idle = await served.connect()
    idle.write(message('GET', '/quick'))
    await idle.readResponse()
    const busy = await served.connect()
    busy.write(message('GET', '/slow'))
    const res = await running.known
    served.server.closeIdleConnections()
    assert.equal((await idle.readToEnd()).length, 0)
    assert.equal(busy.state, 'open')
    res.end('slow')
    assert.equal((await busy.readResponse()).text, 'slow')
    busy.write(message('GET', '/quick'))
    assert.equal((await busy.readResponse()).text, 'quick', 'and that one lives on')
  }),

  check('getConnections counts open connections', async (stage) => {
    const served = await stage.serve((_req, res) => res.end('x'))
    assert.equal(await count(served.server), 0)
    const connections = []
    for (let number = 1; number <= 3; number++) {
      const connection = await served.connect()
      connection.write(message('GET', '/'))
      await connection.readResponse()
      connections.push(connection)
      assert.equal(await count(served.server), number)
    }
    const gone = new Fact('the closing of a connection')
    served.server.once('request', (req) => req.socket.once('close', () => gone.is()))
    connections[0]?.write(message('GET', '/', { Connection: 'close' }))
    await connections[0]?.readToEnd()
    await gone.known
    assert.equal(await count(served.server), 2)
  }),

  check('getConnections gives the server and answers later', async (stage) => {
    const { server } = await stage.serve()
    const log: string[] = []
    const answered = new Fact('answer of getConnections')
    const given = server.getConnections((error, number) => {
      log.push(`answer ${error} ${number}`)
      answered.is()
    })
    log.push(`returned ${(given as unknown) === server}`)
    await answered.known
    assert.deepEqual(log, ['returned true', 'answer null 0'])
  }),

  check('Symbol.asyncDispose closes', async (stage) => {
    const { server } = await stage.serve()
    const log: string[] = []
    note(log, 'server', server, ['close'])
    await server[Symbol.asyncDispose]()
    assert.equal(server.listening, false)
    assert.deepEqual(log, ['server:close'])
  }),

  same('Symbol.asyncDispose of a server that never listened', async ({ http }) => {
    const disposed = http.createServer()[Symbol.asyncDispose]()
    return disposed.then(() => 'fine', codeOf)
  }),

  check('the connection event comes first, with the socket of the requests that follow', async (stage) => {
    const sockets: Socket[] = []
    const served = await stage.serve((req, res) => {
      sockets.push(req.socket)
      res.end('x')
    })
    const opened = event<[Socket]>(served.server, 'connection')
    const connection = await served.connect()
    const [socket] = await opened
    for (let number = 0; number < 2; number++) {
      connection.write(message('GET', '/'))
      await connection.readResponse()
    }
    assert.deepEqual(
      sockets.map((one) => one === socket),
      [true, true],
    )
  }),

  check('the connection event comes before any byte', async (stage) => {
    const served = await stage.serve()
    const opened = event<[Socket]>(served.server, 'connection')
    await served.connect()
    const [socket] = await opened
    assert.equal(socket.bytesRead, 0)
    assert.equal(socket.remoteAddress, '127.0.0.1')
  }),

  check('a socket destroyed at the connection event is closed unanswered', async (stage) => {
    const served = await stage.serve((_req, res) => res.end('never'))
    served.server.on('connection', (socket) => socket.destroy())
    const connection = await served.connect()
    connection.write(message('GET', '/'))
    const answer = await connection.readToEnd().catch(() => Buffer.alloc(0))
    assert.equal(answer.length, 0)
  }),

  check('close waits for an upgraded connection', async (stage) => {
    const served = await stage.serve()
    const upgraded = event<[IncomingMessage, Socket]>(served.server, 'upgrade')
    const connection = await served.connect()
    connection.write(message('GET', '/', { Connection: 'upgrade', Upgrade: 'x' }))
    const [, socket] = await upgraded
    stage.defer(() => socket.destroy())
    let isGone = false
    const gone = event(socket, 'close')
    const closed = new Fact<boolean>('end of the server')
    served.server.close(() => closed.is(isGone))
    isGone = true
    socket.end('bye')
    assert.equal((await connection.readToEnd()).toString(), 'bye')
    connection.end()
    assert.equal(await closed.known, true)
    await gone
  }),

  same('closeAllConnections and upgraded connections', async (stage) => {
    const served = await stage.serve()
    const upgraded = event<[IncomingMessage, Socket]>(served.server, 'upgrade')
    const connection = await served.connect()
    connection.write(message('GET', '/', { Connection: 'upgrade', Upgrade: 'x' }))
    const [, socket] = await upgraded
    stage.defer(() => socket.destroy())
    served.server.closeAllConnections()
    return socket.destroyed
  }),

  check('events of a server over its life, in order', async (stage) => {
    const log: string[] = []
    const server = stage.http.createServer((_req, res) => {
      log.push('request')
      res.end('x')
    })
    note(log, 'server', server, ['listening', 'connection', 'close', 'error'])
    const served = await stage.start(server)
    await served.get()
    const closed = event(server, 'close')
    server.close()
    await closed
    assert.deepEqual(log, ['server:listening', 'server:connection', 'request', 'server:close'])
  }),
]
