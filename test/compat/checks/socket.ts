/**
 * The connection's socket, as req.socket and res.socket show it.
 */
import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { type AddressInfo, Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { bare, check, codeOf, event, Fact, isSame, loose, message, note, same, textOf, thrownBy } from '../stage.js'

const get = message('GET', '/')

export const checks = [
  check('it is a Duplex', async (stage) => {
    const { req, res } = await stage.exchange(get)
    assert.ok(req.socket instanceof Duplex)
    res.end()
  }),

  check('it is a net.Socket, for code that asks', async (stage) => {
    const { req, res } = await stage.exchange(get)
    assert.ok(req.socket instanceof Socket)
    res.end()
  }),

  check('addresses of both ends', async (stage) => {
    const { req, res, served, connection } = await stage.exchange(get)
    const { socket } = req
    assert.deepEqual(
      [socket.remoteAddress, socket.remotePort, socket.remoteFamily],
      ['127.0.0.1', connection.socket.localPort, 'IPv4'],
    )
    assert.deepEqual(
      [socket.localAddress, socket.localPort, loose(socket).localFamily],
      ['127.0.0.1', served.port, 'IPv4'],
    )
    assert.deepEqual(socket.address(), { address: '127.0.0.1', family: 'IPv4', port: served.port })
    res.end()
  }),

  check('IPv6 addresses', async (stage) => {
    const server = stage.owns(stage.http.createServer())
    server.listen(0, '::1')
    await event(server, 'listening')
    const requested = event<[IncomingMessage]>(server, 'request')
    const { connect } = await import('../../support/http.js')
    const connection = await connect({ host: '::1', port: (server.address() as AddressInfo).port })
    stage.defer(() => connection.destroy())
    connection.write(get)
    const [req] = await requested
    assert.deepEqual([req.socket.remoteAddress, req.socket.remoteFamily], ['::1', 'IPv6'])
  }),

  check('an IPv4 client of a server on :: has a mapped address', async (stage) => {
    const server = stage.owns(stage.http.createServer())
    server.listen(0, '::')
    await event(server, 'listening')
    const requested = event<[IncomingMessage]>(server, 'request')
    const connection = await stage.socketTo((server.address() as AddressInfo).port)
    connection.write(get)
    const [req] = await requested
    assert.deepEqual([req.socket.remoteAddress, req.socket.remoteFamily], ['::ffff:127.0.0.1', 'IPv6'])
  }),

  check('remoteAddress is still known when the response is closed', async (stage) => {
    const { req, res, connection } = await stage.exchange(get)
    const { socket } = req
    const address = socket.remoteAddress
    const closed = event(res, 'close')
    res.end('x')
    await closed
    isSame(req.socket, socket)
    assert.equal(socket.remoteAddress, address)
    await connection.readResponse()
  }),

  same('addresses asked for only after the client has gone', async (stage) => {
    const { req, res, connection } = await stage.exchange(get)
    const { socket } = req
    const closed = event(res, 'close')
    connection.destroy()
    await closed
    return [socket.remoteAddress, socket.localAddress]
  }),

  check('one object for the life of the connection', async (stage) => {
    const sockets: Socket[] = []
    const served = await stage.serve((req, res) => {
      sockets.push(req.socket)
      res.end('x')
    })
    const connection = await served.connect()
    for (let round = 0; round < 3; round++) {
      connection.write(get)
      await connection.readResponse()
    }
    assert.equal(new Set(sockets).size, 1)
    const other = await served.connect()
    other.write(get)
    await other.readResponse()
    assert.equal(new Set(sockets).size, 2)
  }),

  check('values kept on it are there for the next request', async (stage) => {
    const served = await stage.serve((req, res) => {
      const socket = loose(req.socket) as Record<string, unknown>
      socket.count = ((socket.count as number) ?? 0) + 1
      res.end(String(socket.count))
    })
    const connection = await served.connect()
    const texts: string[] = []
    for (let round = 0; round < 3; round++) {
      connection.write(get)
      texts.push((await connection.readResponse()).text)
    }
    assert.deepEqual(texts, ['1', '2', '3'])
  }),

  check('res.socket is null once the response is closed; req.socket stays', async (stage) => {
    const { req, res, connection } = await stage.exchange(get)
    isSame(res.socket, req.socket)
    const closed = event(res, 'close')
    res.end('x')
    await closed
    await connection.readResponse()
    isSame(res.socket, null)
    assert.ok(req.socket)
  }),

  check('bytesRead counts what came', async (stage) => {
    const { req, res, connection } = await stage.exchange(get)
    assert.equal(req.socket.bytesRead, get.length)
    const { socket } = req
    const closed = event(res, 'close')
    res.end('x')
    await closed
    await connection.readResponse()
    const second = new Fact<number>('second request')
    const server = loose(socket).server as unknown as import('node:http').Server
    server.once('request', (req: IncomingMessage, res) => {
      second.is(req.socket.bytesRead)
      res.end()
    })
    connection.write(get)
    assert.equal(await second.known, 2 * get.length)
  }),

  check('bytesWritten counts what went', async (stage) => {
    const { req, res, connection } = await stage.exchange(get)
    const { socket } = req
    assert.equal(socket.bytesWritten, 0)
    res.sendDate = false
    const finish = event(res, 'finish')
    res.end('x'.repeat(1000))
    await finish
    const { rawHeaders } = await connection.readResponse()
    const head = `HTTP/1.1 200 OK\r\n${rawHeaders.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
    assert.equal(socket.bytesWritten, head.length + 1000)
  }),

  same('simple properties', async (stage) => {
    const { req, res } = await stage.exchange(get)
    const socket = loose(req.socket)
    const values = [
      'readyState',
      'connecting',
      'pending',
      'destroyed',
      'closed',
      'errored',
      'readable',
      'writable',
      'readableEnded',
      'writableEnded',
      'writableFinished',
      'allowHalfOpen',
      'encrypted',
      'timeout',
      'readableObjectMode',
      'writableObjectMode',
      'writableLength',
      'bufferSize',
      'autoSelectFamilyAttemptedAddresses',
    ].map((name) => `${name} ${String(socket[name])}`)
    res.end()
    return values
  }),

  check('socket.server is the server', async (stage) => {
    const { req, res, served } = await stage.exchange(get)
    isSame(loose(req.socket).server, served.server)
    res.end()
  }),

  check('methods give the socket, so that calls can be chained', async (stage) => {
    const { req, res } = await stage.exchange(get)
    const { socket } = req
    isSame(socket.setNoDelay(true), socket)
    isSame(socket.setNoDelay(), socket)
    isSame(socket.setKeepAlive(true, 1000), socket)
    isSame(socket.setTimeout(0), socket)
    isSame(socket.ref(), socket)
    isSame(socket.unref(), socket)
    socket.ref()
    res.end()
  }),

  same('methods there are', async (stage) => {
    const { req, res } = await stage.exchange(get)
    const socket = loose(req.socket)
    const names = [
      'address',
      'connect',
      'cork',
      'destroy',
      'destroySoon',
      'end',
      'getTypeOfService',
      'isPaused',
      'pause',
      'pipe',
      'ref',
      'resetAndDestroy',
      'resume',
      'setEncoding',
      'setKeepAlive',
      'setNoDelay',
      'setTimeout',
      'uncork',
      'unref',
      'write',
    ].filter((name) => typeof socket[name] !== 'function')
    res.end()
    return names
  }),

  check('setTimeout emits timeout, and does nothing else', async (stage) => {
    const { req, res, connection } = await stage.exchange(get)
    const { socket } = req
    const timedOut = new Fact('timeout')
    socket.setTimeout(20, timedOut.is)
    assert.equal(socket.timeout, 20)
    await timedOut.known
    assert.equal(socket.destroyed, true, 'as nobody of req, res and server listens, the server destroys it')
    await connection.readToEnd().catch(() => {})
    res.destroy()
  }),

  check('setTimeout with a listener of res: the socket stays', async (stage) => {
    const { req, res, connection } = await stage.exchange(get)
    const timedOut = event(res, 'timeout')
    req.socket.setTimeout(20)
    await timedOut
    assert.equal(req.socket.destroyed, false)
    res.end('x')
    assert.equal((await connection.readResponse()).text, 'x')
  }),

  check('setTimeout(0) turns it off', async (stage) => {
    const { req, res, served, connection } = await stage.exchange(get)
    req.socket.setTimeout(1)
    req.socket.setTimeout(0)
    assert.equal(req.socket.timeout, 0)
    served.server.once('request', (_req, other) => other.end())
    await served.get()
    assert.equal(req.socket.destroyed, false)
    res.end('x')
    assert.equal((await connection.readResponse()).text, 'x')
  }),

  check('destroy() closes the connection', async (stage) => {
    const { req, res, connection } = await stage.exchange(get)
    const { socket } = req
    const closed = Promise.all([event(socket, 'close'), event(res, 'close')])
    isSame(socket.destroy(), socket)
    assert.equal(socket.destroyed, true)
    const [[hadError]] = await closed
    assert.equal(hadError, false)
    await connection.readToEnd().catch(() => {})
    assert.notEqual(connection.state, 'open')
  }),

  same('destroy(error): events', async (stage) => {
    const { req, res } = await stage.exchange(get)
    const log: string[] = []
    const { socket } = req
    note(log, 'req', req, ['aborted', 'error', 'close'])
    note(log, 'res', res, ['error', 'close'])
    socket.on('error', (error) => log.push(`socket:error ${codeOf(error)}`))
    socket.on('close', (hadError) => log.push(`socket:close ${hadError}`))
    const closed = Promise.all([event(socket, 'close'), event(res, 'close')])
    socket.destroy(new Error('mine'))
    await closed
    return log
  }),

  same('events of req.socket when the client leaves', async (stage) => {
    const { req, res, connection } = await stage.exchange(get)
    const log: string[] = []
    const { socket } = req
    socket.on('end', () => log.push('end'))
    socket.on('close', (hadError) => log.push(`close ${hadError}`))
    const closed = Promise.all([event(socket, 'close'), event(res, 'close')])
    connection.end()
    await closed
    return [log, socket.readyState, socket.destroyed]
  }),

  check('end() ends the connection from our side', async (stage) => {
    const { req, res, connection } = await stage.exchange(get)
    const closed = event(res, 'close')
    req.socket.end()
    assert.equal((await connection.readToEnd()).length, 0)
    connection.end()
    await closed
  }),

  check('end() within a response sends what was written of it, and ends the connection', async (stage) => {
    const { req, res, connection } = await stage.exchange(get)
    const closed = event(res, 'close')
    res.write('some')
    // Newer versions of Node hold the head and the first bytes back for so long.
    await new Promise(process.nextTick)
    req.socket.end()
    res.write('more')
    res.end()
    const raw = (await connection.readToEnd()).toString()
    assert.equal(raw.slice(raw.indexOf('\r\n\r\n')), '\r\n\r\n4\r\nsome\r\n')
    connection.end()
    await closed
    assert.deepEqual([res.writableFinished, req.aborted], [false, true])
  }),

  check('end() behind the last byte of a response ends the connection', async (stage) => {
    const { req, res, connection } = await stage.exchange(get)
    res.setHeader('Content-Length', 4)
    res.write('done')
    req.socket.end()
    res.end()
    const raw = (await connection.readToEnd()).toString()
    assert.equal(raw.slice(raw.indexOf('\r\n\r\n')), '\r\n\r\ndone')
    connection.end()
  }),

  check('end() behind an interim response ends the connection', async (stage) => {
    const { req, res, connection } = await stage.exchange(get)
    const closed = event(res, 'close')
    res.writeProcessing()
    req.socket.end()
    assert.equal((await connection.readToEnd()).toString(), 'HTTP/1.1 102 Processing\r\n\r\n')
    connection.end()
    await closed
  }),

  check('end() within a large response sends all that was written of it', async (stage) => {
    const { req, res, connection } = await stage.exchange(get)
    res.setHeader('Content-Length', 5_000_000)
    res.write(Buffer.alloc(3_000_000, 'x'))
    req.socket.end()
    const raw = await connection.readToEnd()
    assert.equal(raw.length - raw.indexOf('\r\n\r\n') - 4, 3_000_000)
    connection.end()
  }),

  check('end(bytes) sends them first', async (stage) => {
    const { req, connection } = await stage.exchange(get)
    req.socket.end('HTTP/1.1 418 By Hand\r\nContent-Length: 0\r\n\r\n')
    const raw = (await connection.readToEnd()).toString()
    assert.equal(raw, 'HTTP/1.1 418 By Hand\r\nContent-Length: 0\r\n\r\n')
    connection.end()
  }),

  check('a response that lets go of its socket leaves it to the application', async (stage) => {
    const { req, res, connection } = await stage.exchange(get)
    res.detachSocket(req.socket)
    req.socket.end('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhand')
    const raw = (await connection.readToEnd()).toString()
    assert.equal(raw, 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhand')
    connection.end()
  }),

  check('write() by hand goes out as it is', async (stage) => {
    const { req, res, connection } = await stage.exchange(get)
    const written = new Fact('callback of write')
    req.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhand', () => written.is())
    await written.known
    assert.equal((await connection.readResponse()).text, 'hand')
    res.destroy()
  }),

  same('destroySoon() sends what is written first', async (stage) => {
    const { req, res, connection } = await stage.exchange(get)
    res.write('before')
    ;(req.socket as Socket & { destroySoon(): void }).destroySoon()
    const raw = (await connection.readToEnd()).toString()
    return raw.includes('before')
  }),

  check('resetAndDestroy() resets', async (stage) => {
    const { req, connection } = await stage.exchange(get)
    const failed = event<[NodeJS.ErrnoException]>(connection.socket, 'error')
    req.socket.resetAndDestroy()
    assert.equal((await failed)[0].code, 'ECONNRESET')
  }),

  check('pause() and resume() do a body no harm', async (stage) => {
    const { req, res, connection } = await stage.exchange(bare('POST /', ['Host: x', 'Content-Length: 4']))
    req.socket.pause()
    connection.write('body')
    req.socket.resume()
    assert.equal(await textOf(req), 'body')
    res.end('x')
    assert.equal((await connection.readResponse()).text, 'x')
  }),

  same('setEncoding is refused', async (stage) => {
    const { req, res } = await stage.exchange(get)
    const thrown = thrownBy(() => req.socket.setEncoding('utf8'))
    res.end()
    return thrown
  }),

  check('a closed connection is known by its socket', async (stage) => {
    const { req, res, connection } = await stage.exchange(get)
    const { socket } = req
    const closed = event(socket, 'close')
    connection.destroy()
    await closed
    assert.deepEqual([socket.destroyed, socket.writable, socket.readyState], [true, false, 'closed'])
    res.destroy()
  }),

  same('it is read by the server: readableFlowing', async (stage) => {
    const { req, res } = await stage.exchange(get)
    const { readableFlowing } = req.socket
    res.end()
    return [readableFlowing]
  }),

  check('an error listener of its own may be added and removed', async (stage) => {
    const { req, res, connection } = await stage.exchange(get)
    const listener = () => {}
    req.socket.on('error', listener)
    req.socket.off('error', listener)
    res.end('x')
    assert.equal((await connection.readResponse()).text, 'x')
  }),

  check("a 'data' listener of the socket hears the body as it comes", async (stage) => {
    const { req, res, connection } = await stage.exchange(bare('POST /', ['Host: x', 'Content-Length: 5']))
    assert.equal(req.socket.listenerCount('data'), 1)
    const heard = event(req.socket, 'data')
    connection.write('hello')
    assert.equal(String((await heard)[0]), 'hello')
    assert.equal(await textOf(req), 'hello')
    res.end()
  }),

  check('the socket pauses while nobody takes the body, and goes on when someone does', async (stage) => {
    const { req, res, connection } = await stage.exchange(bare('POST /', ['Host: x', 'Content-Length: 1000000']))
    const paused = event(req.socket, 'pause')
    connection.write('x'.repeat(1_000_000))
    await paused
    const resumed = event(req.socket, 'resume')
    assert.equal((await textOf(req)).length, 1_000_000)
    await resumed
    res.end()
    assert.equal((await connection.readResponse()).status, 200)
  }),

  same('socket.parser: whose message is under way, and that it is let go of', async (stage) => {
    const { req, res, connection } = await stage.exchange(bare('POST /', ['Host: x', 'Content-Length: 2']))
    const { parser } = loose(req.socket) as unknown as { parser: Record<string, unknown> & { free: () => void } }
    const isMine = parser.incoming === req
    const free = parser.free.bind(parser)
    let freed = 0
    parser.free = () => {
      freed++
      free()
    }
    connection.write('ab')
    await textOf(req)
    await new Promise(setImmediate)
    const isStillMine = parser.incoming === req
    const closed = event(req.socket, 'close')
    res.setHeader('Connection', 'close')
    res.end()
    await connection.readToEnd()
    await closed
    return [isMine, isStillMine, freed, parser.incoming === null, parser.onIncoming === null]
  }),

  check('socket.parser knows each request of a connection', async (stage) => {
    const seen: boolean[] = []
    const served = await stage.serve((req, res) => {
      seen.push((loose(req.socket) as unknown as { parser: { incoming: unknown } }).parser.incoming === req)
      res.end()
    })
    const connection = await served.connect()
    for (let count = 0; count < 2; count++) {
      connection.write(get)
      await connection.readResponse()
    }
    assert.deepEqual(seen, [true, true])
  }),
]
