/**
 * What is not HTTP: the answers nobody wrote, and the clientError event.
 */
import assert from 'node:assert/strict'
import type { ServerOptions } from 'node:http'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { bare, check, event, message, note, type Stage, same } from '../stage.js'

interface ClientError extends NodeJS.ErrnoException {
  bytesParsed?: number
  rawPacket?: Buffer
  reason?: string
}

/** Requests that Node's parser refuses, each with a byte of its own to be refused for. */
const faulty: [what: string, bytes: string, options?: ServerOptions][] = [
  ['nonsense', 'nonsense\r\n\r\n'],
  ['a TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
  ['an unknown method', bare('BREW /', ['Host: x'])],
  ['a method in lower case', bare('get /', ['Host: x'])],
  ['no target', 'GET\r\n\r\n'],
  ['a blank in the target', 'GET /a b HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['another protocol', 'GET / FTP/1.1\r\nHost: x\r\n\r\n'],
  ['HTTP/2 by prior knowledge', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['HTTP/3.7', 'GET / HTTP/3.7\r\nHost: x\r\n\r\n'],
  ['HTTP/1.', 'GET / HTTP/1.\r\nHost: x\r\n\r\n'],
  ['a field name with a blank', bare('GET /', ['Host: x', 'A B: c'])],
  ['a blank before the colon', bare('GET /', ['Host: x', 'A : c'])],
  ['an empty field name', bare('GET /', ['Host: x', ': c'])],
  ['a field without a colon', bare('GET /', ['Host: x', 'abc'])],
  ['a control character in a value', bare('GET /', ['Host: x', 'A: b\x01'])],
  ['NUL in a value', bare('GET /', ['Host: x', 'A: b\0c'])],
  ['a bare CR in a value', 'GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n'],
  ['lines that end in LF', 'GET / HTTP/1.1\nHost: x\n\n'],
  ['a folded value', bare('GET /', ['Host: x', 'A: b\r\n c'])],
  ['a Content-Length that is no number', bare('POST /', ['Host: x', 'Content-Length: a'])],
  ['a negative Content-Length', bare('POST /', ['Host: x', 'Content-Length: -1'])],
  ['an empty Content-Length', bare('POST /', ['Host: x', 'Content-Length:'])],
  ['a Content-Length beyond all bounds', bare('POST /', ['Host: x', 'Content-Length: 99999999999999999999999'])],
  ['two different Content-Length', bare('POST /', ['Host: x', 'Content-Length: 1', 'Content-Length: 2'])],
  [
    'Content-Length and Transfer-Encoding',
    bare('POST /', ['Host: x', 'Content-Length: 1', 'Transfer-Encoding: chunked']),
  ],
  [
    'Transfer-Encoding and Content-Length',
    bare('POST /', ['Host: x', 'Transfer-Encoding: chunked', 'Content-Length: 1']),
  ],
  ['a transfer coding that is not chunked', bare('POST /', ['Host: x', 'Transfer-Encoding: gzip'])],
  ['chunked, not as the last coding', bare('POST /', ['Host: x', 'Transfer-Encoding: chunked, gzip'])],
  ['a head that is too large', bare('GET /', ['Host: x', `A: ${'a'.repeat(2000)}`]), { maxHeaderSize: 1000 }],
  ['a target that is too long', bare(`GET /${'a'.repeat(2000)}`, ['Host: x']), { maxHeaderSize: 1000 }],
]

/** What is wrong within a body in chunks, when the application has begun with the request. */
const brokenBodies: [what: string, bytes: string][] = [
  ['a chunk size that is no number', 'xyz\r\n'],
  ['a chunk size beyond all bounds', 'fffffffffffffffff\r\n'],
  ['a negative chunk size', '-1\r\n'],
  ['an empty chunk size', '\r\n'],
  ['a second chunk whose size is no number', '2\r\nab\r\nxyz\r\n'],
  ['a chunk longer than its size', '1\r\nab\r\n'],
  ['a chunk extension that is too long', `2;${'a'.repeat(17_000)}\r\nab\r\n`],
]

async function clientErrorOf(
  stage: Stage,
  bytes: string | Buffer,
  options: ServerOptions = {},
): Promise<{ error: ClientError; socket: Socket; requests: number }> {
  let requests = 0
  const served = await stage.serve((_req, res) => {
    requests++
    res.end()
  }, options)
  const failed = event<[ClientError, Socket]>(served.server, 'clientError')
  const connection = await served.connect()
  connection.write(bytes)
  const [error, socket] = await failed
  stage.defer(() => socket.destroy())
  return { error, socket, requests }
}

export const checks = [
  ...faulty.map(([what, bytes, options]) =>
    same(`default answer, byte for byte: ${what}`, async (stage) => {
      const served = await stage.serve((_req, res) => res.end(), options)
      return stage.refusalOf(served, bytes)
    }),
  ),

  ...faulty.map(([what, bytes, options]) =>
    same(`clientError: code and message for ${what}`, async (stage) => {
      const served = await stage.serve((_req, res) => res.end(), options)
      const errors: unknown[] = []
      served.server.on('clientError', (error: ClientError, socket) => {
        errors.push([error.name, error.code, error.message, error.reason])
        socket.destroy()
      })
      const answer = await stage.refusalOf(served, bytes)
      return [errors, answer]
    }),
  ),

  ...brokenBodies.map(([what, bytes]) =>
    same(`a broken body: ${what}`, async (stage) => {
      const { served, connection, req, res } = await stage.exchange(
        bare('POST /', ['Host: x', 'Transfer-Encoding: chunked']),
      )
      const log: string[] = []
      note(log, 'req', req, ['aborted', 'error', 'close'])
      served.server.on('clientError', (error: ClientError, socket) => {
        log.push(`clientError ${error.code} ${error.message}`)
        socket.end('HTTP/1.1 400 Mine\r\n\r\n')
      })
      const closed = Promise.all([event(req, 'close'), event(res, 'close')])
      req.resume()
      connection.write(bytes)
      const raw = (await connection.readToEnd()).toString()
      await closed
      return [raw, log.sort()]
    }),
  ),

  ...brokenBodies.map(([what, bytes]) =>
    same(`a broken body, default answer: ${what}`, async (stage) => {
      const { connection, req } = await stage.exchange(bare('POST /', ['Host: x', 'Transfer-Encoding: chunked']))
      req.on('error', () => {})
      connection.write(bytes)
      return (await connection.readToEnd()).toString()
    }),
  ),

  ...(['a chunk size that is no number', 'the end of the client', 'a client that is gone'] as const).map((what) =>
    same(`a body breaks off by ${what}: events of the socket, the request and the response`, async (stage) => {
      const { connection, req, res } = await stage.exchange(bare('POST /', ['Host: x', 'Transfer-Encoding: chunked']))
      const log: string[] = []
      note(log, 'socket', req.socket, ['error', 'close'])
      note(log, 'req', req, ['aborted', 'error', 'close'])
      note(log, 'res', res, ['error', 'close'])
      const closed = Promise.all([event(req.socket, 'close'), event(req, 'close'), event(res, 'close')])
      if (what === 'the end of the client') connection.end()
      else if (what === 'a client that is gone') connection.destroy()
      else connection.write('xyz\r\n')
      await closed
      return log
    }),
  ),

  same('a broken body that came along with its head', async (stage) => {
    let requests = 0
    const served = await stage.serve(() => requests++)
    const raw = await served.all(bare('POST /', ['Host: x', 'Transfer-Encoding: chunked'], 'xyz\r\n'))
    return [raw, requests]
  }),

  same('what follows a request is no request: both answers', async (stage) => {
    const served = await stage.serve((_req, res) => res.end('x'))
    const raw = await served.all(`${bare('GET /', ['Host: x'])}nonsense\r\n\r\n`)
    return raw.replace(/Date: .*\r\n/, '')
  }),

  check('clientError gives the error and the Duplex, and leaves the answer to the listener', async (stage) => {
    const served = await stage.serve()
    served.server.on('clientError', (error: ClientError, socket) => {
      assert.ok(error instanceof Error)
      assert.ok(socket instanceof Duplex)
      assert.equal(socket.writable, true)
      socket.end('HTTP/1.1 400 Mine\r\n\r\n')
    })
    assert.equal(await served.all('nonsense\r\n\r\n'), 'HTTP/1.1 400 Mine\r\n\r\n')
  }),

  check('clientError: rawPacket is what came, bytesParsed how far it went', async (stage) => {
    const bytes = bare('GET /', ['Host: x', 'A\x01: b'])
    const { error } = await clientErrorOf(stage, bytes)
    assert.ok(Buffer.isBuffer(error.rawPacket))
    assert.equal(error.rawPacket.toString('latin1'), bytes)
    assert.equal(typeof error.bytesParsed, 'number')
    assert.equal(bytes[error.bytesParsed as number], '\x01')
  }),

  same('clientError: bytesParsed of each', async (stage) => {
    const parsed: unknown[] = []
    for (const [what, bytes] of faulty.filter(([name]) => /nonsense|field name|lower case/.test(name))) {
      const { error } = await clientErrorOf(stage, bytes)
      parsed.push([what, error.bytesParsed, error.rawPacket?.length])
    }
    return parsed
  }),

  check('clientError: HPE_HEADER_OVERFLOW for a head that is too large', async (stage) => {
    const { error } = await clientErrorOf(stage, message('GET', '/', { a: 'x'.repeat(2000) }), { maxHeaderSize: 1000 })
    assert.equal(error.code, 'HPE_HEADER_OVERFLOW')
  }),

  check('clientError: no request is emitted for what is none', async (stage) => {
    const { requests } = await clientErrorOf(stage, bare('GET /', ['Host: x', 'A B: c']))
    assert.equal(requests, 0)
  }),

  check('clientError: a request before it on the connection is answered first', async (stage) => {
    const served = await stage.serve((_req, res) => res.end('fine'))
    served.server.on('clientError', (_error, socket) => socket.end('HTTP/1.1 400 Mine\r\n\r\n'))
    const connection = await served.connect()
    connection.write(message('GET', '/'))
    assert.equal((await connection.readResponse()).text, 'fine')
    connection.write('nonsense\r\n\r\n')
    assert.equal((await connection.readToEnd()).toString(), 'HTTP/1.1 400 Mine\r\n\r\n')
  }),

  same('a fault while a response is under way', async (stage) => {
    const { served, connection, res } = await stage.exchange(message('GET', '/'))
    const log: string[] = []
    note(log, 'res', res, ['finish', 'error', 'close'])
    const failed = event<[ClientError, Socket]>(served.server, 'clientError')
    const closed = event(res, 'close')
    connection.write('nonsense\r\n\r\n')
    const [error, socket] = await failed
    socket.destroy()
    await closed
    return [error.code, log]
  }),

  check('clientError: the connection ends in the middle of a head', async (stage) => {
    const served = await stage.serve((_req, res) => res.end())
    const failed = event<[ClientError, Socket]>(served.server, 'clientError')
    const connection = await served.connect()
    connection.write('GET / HTTP/1.1\r\nHo')
    connection.end()
    const [error, socket] = await failed
    stage.defer(() => socket.destroy())
    assert.equal(error.code, 'HPE_INVALID_EOF_STATE')
  }),

  same('the connection ends in the middle of a head: default answer', async (stage) => {
    const served = await stage.serve((_req, res) => res.end())
    const connection = await served.connect()
    connection.write('GET / HTTP/1.1\r\nHo')
    connection.end()
    return (await connection.readToEnd()).toString()
  }),

  check('a client that resets: clientError ECONNRESET', async (stage) => {
    const { served, connection, res } = await stage.exchange(message('GET', '/'))
    const failed = event<[ClientError, Socket]>(served.server, 'clientError')
    connection.socket.resetAndDestroy()
    const [error] = await failed
    assert.equal(error.code, 'ECONNRESET')
    res.destroy()
  }),

  same('an idle client that resets: clientError ECONNRESET', async (stage) => {
    const { served, connection, req, res } = await stage.exchange(message('GET', '/'))
    const log: unknown[] = []
    served.server.on('clientError', (error: ClientError) => log.push(error.code))
    const closed = event(req.socket, 'close')
    res.end()
    await connection.readResponse()
    connection.socket.resetAndDestroy()
    await closed
    return log
  }),

  check('a client that connects and leaves says nothing to anyone', async (stage) => {
    const served = await stage.serve((_req, res) => res.end('x'))
    const log: string[] = []
    note(log, 'server', served.server, ['request', 'clientError', 'error'])
    const opened = event<[Socket]>(served.server, 'connection')
    const connection = await served.connect()
    const [socket] = await opened
    const closed = event(socket, 'close')
    connection.end()
    await closed
    assert.deepEqual(log, [])
  }),

  check('several clientError listeners all run', async (stage) => {
    const served = await stage.serve()
    const log: string[] = []
    served.server.on('clientError', () => log.push('first'))
    served.server.on('clientError', (_error, socket) => {
      log.push('second')
      socket.end()
    })
    assert.equal(await served.all('nonsense\r\n\r\n'), '')
    assert.deepEqual(log, ['first', 'second'])
  }),

  check('the server goes on after faults', async (stage) => {
    const served = await stage.serve((_req, res) => res.end('still here'))
    for (const bytes of ['nonsense\r\n\r\n', bare('BREW /'), '\0\0\0\0']) await served.all(bytes)
    assert.equal((await served.get()).text, 'still here')
  }),
]
