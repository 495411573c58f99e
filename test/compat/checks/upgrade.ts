/**
 * Upgrade and CONNECT: the connection handed over.
 */
import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { RawConnection } from '../../support/http.js'
import {
  bare,
  check,
  event,
  Fact,
  isSame,
  message,
  note,
  type Served,
  type Stage,
  same,
  textOf,
  thrownBy,
} from '../stage.js'

const upgrade = message('GET', '/chat', { Connection: 'Upgrade', Upgrade: 'x-protocol' })
const tunnel = bare('CONNECT example.com:443', ['Host: example.com:443'])
const switching = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x-protocol\r\n\r\n'

interface Tunnel {
  served: Served
  connection: RawConnection
  req: IncomingMessage
  socket: Socket
  head: Buffer
}

/** Has a connection handed over by the event. */
async function opened(stage: Stage, name: 'upgrade' | 'connect', bytes: string | Buffer): Promise<Tunnel> {
  const served = await stage.serve()
  const handed = event<[IncomingMessage, Socket, Buffer]>(served.server, name)
  const connection = await served.connectHalfOpen()
  connection.write(bytes)
  const [req, socket, head] = await handed
  stage.defer(() => socket.destroy())
  return { served, connection, req, socket, head }
}

/** The same for both ways of handing over. */
function both(name: string, run: (tunnel: Tunnel, stage: Stage) => Promise<unknown>, isCompared = false) {
  const kinds = [
    ['upgrade', upgrade],
    ['connect', tunnel],
  ] as const
  return kinds.map(([kind, bytes]) => {
    const act = async (stage: Stage) => run(await opened(stage, kind, bytes), stage)
    return isCompared
      ? same(`${kind}: ${name}`, act)
      : check(`${kind}: ${name}`, act as (stage: Stage) => Promise<void>)
  })
}

export const checks = [
  ...both('gives the request, a Duplex and what came behind the head', async ({ req, socket, head }, stage) => {
    assert.ok(req instanceof stage.http.IncomingMessage)
    assert.ok(socket instanceof Duplex)
    assert.ok(Buffer.isBuffer(head))
    assert.equal(head.length, 0)
    isSame(req.socket, socket)
    assert.equal(typeof req.headers.host, 'string')
  }),

  check('upgrade: method, url and headers', async (stage) => {
    const { req } = await opened(stage, 'upgrade', upgrade)
    assert.deepEqual(
      [req.method, req.url, req.headers.upgrade, req.headers.connection],
      ['GET', '/chat', 'x-protocol', 'Upgrade'],
    )
    assert.equal((req as unknown as { upgrade: boolean }).upgrade, true)
  }),

  check('connect: method and url', async (stage) => {
    const { req } = await opened(stage, 'connect', tunnel)
    assert.deepEqual([req.method, req.url], ['CONNECT', 'example.com:443'])
  }),

  check('head holds the bytes that came with the request', async (stage) => {
    const { head } = await opened(stage, 'upgrade', Buffer.concat([upgrade, Buffer.from('early bytes')]))
    assert.equal(head.toString(), 'early bytes')
    const { head: behindConnect } = await opened(stage, 'connect', `${tunnel}early bytes`)
    assert.equal(behindConnect.toString(), 'early bytes')
  }),

  ...both('bytes go both ways', async ({ socket, connection }) => {
    socket.write(switching)
    assert.equal((await connection.readUntil('\r\n\r\n')).toString(), switching)
    const came = event<[Buffer]>(socket, 'data')
    connection.write('ping')
    assert.equal(String((await came)[0]), 'ping')
    socket.write(Buffer.from([0, 1, 2, 255]))
    assert.deepEqual([...(await connection.readBytes(4))], [0, 1, 2, 255])
  }),

  ...both('nothing is added to what is written', async ({ socket, connection }) => {
    socket.end('raw')
    assert.equal((await connection.readToEnd()).toString(), 'raw')
  }),

  ...both('an echo of much data, by pipe', async ({ socket, connection }) => {
    socket.pipe(socket)
    const block = Buffer.alloc(1_000_000, '0123456789')
    connection.write(block)
    assert.equal((await connection.readBytes(block.length)).equals(block), true)
  }),

  ...both('write returns false when the client reads nothing, then drain', async ({ socket, connection }) => {
    connection.pause()
    const drained = event(socket, 'drain')
    const block = Buffer.alloc(1_000_000)
    let writes = 1
    while (socket.write(block)) {
      writes++
      assert.ok(writes < 100, 'write() never says to wait')
    }
    connection.resume()
    await drained
    await connection.readBytes(writes * block.length)
  }),

  ...both('what nobody reads holds the client up', async ({ socket, connection, served }) => {
    const client = connection.socket
    const size = 100_000_000
    for (let sent = 0; sent < size; sent += 1_000_000) client.write(Buffer.alloc(1_000_000))
    const taken = () => client.bytesWritten - client.writableLength
    for (let before = -1; before !== taken(); ) {
      before = taken()
      served.server.once('request', (_req, res) => res.end())
      await served.get()
    }
    assert.ok(taken() < size / 2, `the server took ${taken()} bytes`)
    socket.destroy()
  }),

  ...both('the client half-closes: end, and we can still write', async ({ socket, connection }) => {
    const ended = event(socket, 'end')
    socket.resume()
    connection.end()
    await ended
    assert.equal(socket.writable, true)
    socket.end('after your end')
    assert.equal((await connection.readToEnd()).toString(), 'after your end')
  }),

  ...both('we half-close: the client sees the end, and we still read', async ({ socket, connection }) => {
    socket.end('bye')
    assert.equal((await connection.readToEnd()).toString(), 'bye')
    const came = event<[Buffer]>(socket, 'data')
    connection.write('one more')
    assert.equal(String((await came)[0]), 'one more')
  }),

  ...both('both ends closed: end, finish, close', async ({ socket, connection }) => {
    const log: string[] = []
    note(log, 'socket', socket, ['end', 'finish', 'close', 'error'])
    const closed = event(socket, 'close')
    socket.resume()
    connection.end()
    await event(socket, 'end')
    socket.end()
    assert.deepEqual(await closed, [false])
    assert.deepEqual(log, ['socket:end', 'socket:finish', 'socket:close'])
  }),

  ...both('destroy() closes the connection', async ({ socket, connection }) => {
    const closed = event(socket, 'close')
    socket.destroy()
    await closed
    await connection.readToEnd().catch(() => {})
    assert.notEqual(connection.state, 'open')
  }),

  ...both('a reset is an ECONNRESET error, then close', async ({ socket, connection }) => {
    const failed = event<[NodeJS.ErrnoException]>(socket, 'error')
    const closed = event(socket, 'close')
    socket.resume()
    connection.socket.resetAndDestroy()
    const [error] = await failed
    assert.equal(error.code, 'ECONNRESET')
    assert.equal(error.syscall, 'read')
    assert.deepEqual(await closed, [true])
  }),

  ...both('setTimeout, setNoDelay and setKeepAlive', async ({ socket }) => {
    isSame(socket.setNoDelay(true), socket)
    isSame(socket.setKeepAlive(true, 5000), socket)
    const timedOut = new Fact('timeout')
    socket.setTimeout(20, timedOut.is)
    await timedOut.known
    assert.equal(socket.destroyed, false, 'the server has nothing to do with it any more')
  }),

  ...both('bytesRead and bytesWritten go on', async ({ socket, connection }) => {
    const before = [socket.bytesRead, socket.bytesWritten]
    const came = event(socket, 'data')
    connection.write('12345')
    await came
    const written = new Fact('callback of write')
    socket.write('123', () => written.is())
    await written.known
    assert.deepEqual([socket.bytesRead - Number(before[0]), socket.bytesWritten - Number(before[1])], [5, 3])
  }),

  ...both('addresses', async ({ socket, served, connection }) => {
    assert.deepEqual(
      [socket.remoteAddress, socket.remotePort, socket.localPort],
      ['127.0.0.1', connection.socket.localPort, served.port],
    )
  }),

  ...both(
    'listeners of the server are taken off the socket',
    async ({ socket }) =>
      ['data', 'end', 'close', 'drain', 'timeout', 'error'].map((name) => [name, socket.listenerCount(name)]),
    true,
  ),

  ...both('setEncoding is refused', async ({ socket }) => thrownBy(() => socket.setEncoding('utf8')), true),

  ...both('async iteration', async ({ socket, connection }) => {
    connection.write('abc')
    connection.end()
    assert.equal(await textOf(socket), 'abc')
  }),

  ...both('pause and resume', async ({ socket, connection, served }) => {
    let came = ''
    socket.on('data', (chunk) => {
      came += chunk
    })
    socket.pause()
    connection.write('held')
    served.server.once('request', (_req, res) => res.end())
    await served.get()
    assert.equal(came, '')
    const data = event(socket, 'data')
    socket.resume()
    await data
    assert.equal(came, 'held')
  }),

  ...both('unshift puts the head back, as ws and proxies do', async ({ socket, connection }) => {
    socket.unshift(Buffer.from('head '))
    const chunks: string[] = []
    const all = new Fact('both pieces')
    socket.on('data', (chunk) => {
      chunks.push(String(chunk))
      if (chunks.join('') === 'head tail') all.is()
    })
    connection.write('tail')
    await all.known
  }),

  check('a response may be written to a handed-over socket by ServerResponse', async (stage) => {
    const { req, socket, connection } = await opened(stage, 'upgrade', upgrade)
    const res = new stage.http.ServerResponse(req)
    res.assignSocket(socket)
    res.setHeader('Connection', 'close')
    res.statusCode = 426
    res.on('finish', () => {
      res.detachSocket(socket)
      socket.end()
    })
    res.end('no')
    const response = await connection.readResponse()
    assert.deepEqual([response.status, response.text], [426, 'no'])
  }),

  check('without a listener of upgrade it is an ordinary request', async (stage) => {
    const served = await stage.serve((req, res) => res.end(`ordinary ${req.headers.upgrade}`))
    const connection = await served.connect()
    connection.write(upgrade)
    assert.equal((await connection.readResponse()).text, 'ordinary x-protocol')
    connection.write(message('GET', '/'))
    assert.equal((await connection.readResponse()).text, 'ordinary undefined', 'and the connection goes on')
  }),

  check('without a listener of connect the connection is closed', async (stage) => {
    let requests = 0
    const served = await stage.serve((_req, res) => {
      requests++
      res.end()
    })
    assert.equal(await served.all(tunnel), '')
    assert.equal(requests, 0)
  }),

  check('with a listener of upgrade no request is emitted', async (stage) => {
    let requests = 0
    const served = await stage.serve((_req, res) => {
      requests++
      res.end()
    })
    const handed = event<[IncomingMessage, Socket]>(served.server, 'upgrade')
    const connection = await served.connect()
    connection.write(upgrade)
    const [, socket] = await handed
    stage.defer(() => socket.destroy())
    assert.equal(requests, 0)
  }),

  check('Connection: upgrade without Upgrade is an ordinary request', async (stage) => {
    const served = await stage.serve((_req, res) => res.end('ordinary'))
    served.server.on('upgrade', (_req, socket) => socket.destroy())
    assert.equal((await served.get('/', { Connection: 'upgrade' })).text, 'ordinary')
  }),

  check('Upgrade without Connection: upgrade is an ordinary request', async (stage) => {
    const served = await stage.serve((_req, res) => res.end('ordinary'))
    served.server.on('upgrade', (_req, socket) => socket.destroy())
    assert.equal((await served.get('/', { Upgrade: 'h2c' })).text, 'ordinary')
  }),

  check('an upgrade after ordinary requests on the same connection', async (stage) => {
    const served = await stage.serve((_req, res) => res.end('ordinary'))
    const handed = event<[IncomingMessage, Socket]>(served.server, 'upgrade')
    const connection = await served.connect()
    connection.write(message('GET', '/'))
    await connection.readResponse()
    connection.write(upgrade)
    const [, socket] = await handed
    stage.defer(() => socket.destroy())
    socket.write('switched')
    await connection.readUntil('switched')
  }),

  check('the socket handed over is the one of the requests before', async (stage) => {
    const sockets: unknown[] = []
    const served = await stage.serve((req, res) => {
      sockets.push(req.socket)
      res.end('x')
    })
    served.server.on('upgrade', (_req, socket) => {
      sockets.push(socket)
      socket.end('over')
    })
    const connection = await served.connect()
    connection.write(message('GET', '/'))
    await connection.readResponse()
    connection.write(upgrade)
    await connection.readUntil('over')
    isSame(sockets[0], sockets[1])
  }),

  same('upgrade with a body', async (stage) => {
    const served = await stage.serve()
    const handed = event<[IncomingMessage, Socket, Buffer]>(served.server, 'upgrade')
    const connection = await served.connect()
    connection.write(message('POST', '/', { Connection: 'Upgrade', Upgrade: 'x', 'Content-Length': '4' }, 'bodyhead'))
    const [req, socket, head] = await handed
    stage.defer(() => socket.destroy())
    return [req.method, head.toString()]
  }),

  check('an upgrade refused by writing a response to the socket', async (stage) => {
    const served = await stage.serve()
    served.server.on('upgrade', (_req, socket) => {
      socket.end('HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
    })
    const connection = await served.connect()
    connection.write(upgrade)
    assert.equal((await connection.readResponse()).status, 401)
    assert.equal((await connection.readToEnd()).length, 0)
  }),

  check('the client half of node:http speaks to it: upgrade', async (stage) => {
    const served = await stage.serve()
    served.server.on('upgrade', (_req, socket) => {
      socket.write(switching)
      socket.pipe(socket)
      socket.on('end', () => socket.end())
    })
    const request = stage.http.request({
      port: served.port,
      host: '127.0.0.1',
      headers: { Connection: 'Upgrade', Upgrade: 'x-protocol' },
    })
    const answered = event<[IncomingMessage, Socket, Buffer]>(request, 'upgrade')
    request.end()
    const [response, socket] = await answered
    stage.defer(() => socket.destroy())
    assert.equal(response.statusCode, 101)
    const came = event<[Buffer]>(socket, 'data')
    socket.write('echo me')
    assert.equal(String((await came)[0]), 'echo me')
    const closed = event(socket, 'close')
    socket.end()
    await closed
  }),

  check('the client half of node:http speaks to it: CONNECT', async (stage) => {
    const served = await stage.serve()
    served.server.on('connect', (_req, socket) => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n')
      socket.pipe(socket)
    })
    const request = stage.http.request({ port: served.port, host: '127.0.0.1', method: 'CONNECT', path: 'a:1' })
    const answered = event<[IncomingMessage, Socket, Buffer]>(request, 'connect')
    request.end()
    const [response, socket] = await answered
    stage.defer(() => socket.destroy())
    assert.equal(response.statusCode, 200)
    const came = event<[Buffer]>(socket, 'data')
    socket.write('through')
    assert.equal(String((await came)[0]), 'through')
  }),

  check('101 by writeHead in an ordinary request, then the socket by hand', async (stage) => {
    const served = await stage.serve((_req: IncomingMessage, res: ServerResponse) => {
      res.writeHead(101, { Connection: 'Upgrade', Upgrade: 'x' })
      res.flushHeaders()
      res.socket?.write('by hand')
    })
    const connection = await served.connect()
    connection.write(upgrade)
    const head = (await connection.readUntil('\r\n\r\n')).toString()
    assert.match(head, /^HTTP\/1\.1 101 Switching Protocols\r\n/)
    await connection.readUntil('by hand')
  }),
]
