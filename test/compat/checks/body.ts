/**
 * IncomingMessage: the body as a Readable, its end, and its breaking off.
 */
import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { finished, PassThrough, pipeline, Readable, Transform, Writable } from 'node:stream'
import { buffer, json, text } from 'node:stream/consumers'
import { pipeline as piped } from 'node:stream/promises'
import { bare, check, codeOf, event, Fact, isSame, loose, message, note, type Served, same, textOf } from '../stage.js'

const post = (body: string | Buffer, path = '/') => message('POST', path, {}, body)
/** A body of five bytes of which two are sent. */
const partial = bare('POST /', ['Host: x', 'Content-Length: 5'], 'ab')
const chunkedPartial = bare('POST /', ['Host: x', 'Transfer-Encoding: chunked'], '2\r\nab\r\n')

function echo(req: IncomingMessage, res: ServerResponse): void {
  req.pipe(res)
}

async function answerOf(served: Served, body: string | Buffer): Promise<string> {
  return (await served.send(post(body))).text
}

export const checks = [
  check('data and end', async (stage) => {
    const served = await stage.serve((req, res) => {
      const chunks: Buffer[] = []
      req.on('data', (chunk) => chunks.push(chunk))
      req.on('end', () => res.end(`${chunks.every(Buffer.isBuffer)} ${Buffer.concat(chunks)}`))
    })
    assert.equal(await answerOf(served, 'hello'), 'true hello')
  }),

  check('end comes without data when there is no body, once it is read', async (stage) => {
    const served = await stage.serve((req, res) => {
      let chunks = 0
      req.on('data', () => chunks++)
      req.on('end', () => res.end(`${chunks} ${req.complete}`))
    })
    assert.equal((await served.get()).text, '0 true')
  }),

  check('setEncoding gives strings, and never cuts a character', async (stage) => {
    const served = await stage.serve((req, res) => {
      let all = ''
      const types = new Set<string>()
      req.setEncoding('utf8')
      req.on('data', (chunk) => {
        types.add(typeof chunk)
        all += chunk
      })
      req.on('end', () => res.end(JSON.stringify([[...types], all])))
    })
    const connection = await served.connect()
    const body = Buffer.from('aé€😀b')
    connection.write(bare('POST /', ['Host: x', `Content-Length: ${body.length}`]))
    for (const byte of body) connection.write(Buffer.from([byte]))
    assert.deepEqual(JSON.parse((await connection.readResponse()).text), [['string'], 'aé€😀b'])
  }),

  check('setEncoding: hex and base64', async (stage) => {
    const served = await stage.serve(async (req, res) => {
      req.setEncoding(req.url === '/hex' ? 'hex' : 'base64')
      res.end(await textOf(req))
    })
    assert.equal((await served.send(post('abc', '/hex'))).text, '616263')
    assert.equal((await served.send(post('abc', '/base64'))).text, 'YWJj')
  }),

  check('async iteration', async (stage) => {
    const served = await stage.serve(async (req, res) => res.end(await textOf(req)))
    assert.equal(await answerOf(served, 'iterated'), 'iterated')
    assert.equal((await served.get()).text, '')
  }),

  check('async iteration left early destroys the request, which can still be answered', async (stage) => {
    const { req, res, connection } = await stage.exchange(partial)
    for await (const chunk of req) {
      assert.equal(String(chunk), 'ab')
      break
    }
    assert.equal(req.destroyed, true)
    res.end('enough')
    assert.equal((await connection.readResponse()).text, 'enough')
  }),

  check('async iteration of a request that breaks off throws ECONNRESET', async (stage) => {
    const { req, connection } = await stage.exchange(partial)
    const failed = new Fact<unknown>('failure of the iteration')
    void (async () => {
      try {
        for await (const _ of req) connection.destroy()
        failed.is('ended')
      } catch (error) {
        failed.is(error)
      }
    })()
    const error = await failed.known
    assert.equal(codeOf(error), 'ECONNRESET')
    assert.equal((error as Error).message, 'aborted')
  }),

  check('pipe', async (stage) => {
    const served = await stage.serve(echo)
    assert.equal(await answerOf(served, 'through'), 'through')
  }),

  check('pipe of a large body through a transform', async (stage) => {
    const served = await stage.serve((req, res) => {
      req
        .pipe(
          new Transform({
            transform(chunk, _encoding, callback) {
              callback(null, chunk)
            },
          }),
        )
        .pipe(res)
    })
    const body = Buffer.alloc(1_000_000, 'abcdefghij')
    assert.equal((await served.send(post(body))).body.equals(body), true)
  }),

  check('stream.pipeline, with callback and as a promise', async (stage) => {
    const ended = new Fact<unknown>('callback of pipeline')
    const served = await stage.serve((req, res) => {
      if (req.url === '/callback') pipeline(req, new PassThrough(), res, (error) => ended.is(error))
      else void piped(req, new PassThrough(), res)
    })
    assert.equal((await served.send(post('one', '/callback'))).text, 'one')
    assert.equal(await ended.known, undefined)
    assert.equal((await served.send(post('two', '/promise'))).text, 'two')
  }),

  check('stream.finished of req', async (stage) => {
    const ended = new Fact<unknown>('callback of finished')
    const served = await stage.serve((req, res) => {
      finished(req, (error) => ended.is(error))
      req.resume()
      res.end()
    })
    await served.send(post('x'))
    assert.equal(await ended.known, undefined)
  }),

  check('stream.finished of a request that breaks off', async (stage) => {
    const { req, connection } = await stage.exchange(partial)
    const ended = new Fact<unknown>('callback of finished')
    finished(req, ended.is)
    req.resume()
    connection.destroy()
    assert.equal(codeOf(await ended.known), 'ECONNRESET')
  }),

  check('stream/consumers: text, json, buffer', async (stage) => {
    const served = await stage.serve(async (req, res) => {
      if (req.url === '/json') res.end(String(((await json(req)) as { a: number }).a))
      else if (req.url === '/buffer') res.end(String((await buffer(req)).length))
      else res.end(await text(req))
    })
    assert.equal((await served.send(post('{"a":5}', '/json'))).text, '5')
    assert.equal((await served.send(post('1234', '/buffer'))).text, '4')
    assert.equal((await served.send(post('words', '/text'))).text, 'words')
  }),

  check('Readable.toWeb', async (stage) => {
    const served = await stage.serve(async (req, res) => {
      const body = new Response(Readable.toWeb(req) as never)
      res.end(await body.text())
    })
    assert.equal(await answerOf(served, 'web'), 'web')
  }),

  check('paused mode: readable and read()', async (stage) => {
    const served = await stage.serve((req, res) => {
      const parts: string[] = []
      req.on('readable', () => {
        for (let chunk = req.read(2); chunk !== null; chunk = req.read(2)) parts.push(String(chunk))
        const rest = req.read()
        if (rest !== null) parts.push(String(rest))
      })
      req.on('end', () => res.end(parts.join('|')))
    })
    assert.equal(await answerOf(served, 'abcde'), 'ab|cd|e')
  }),

  check('read() gives null before anything came, and after the end', async (stage) => {
    const { req, res, connection } = await stage.exchange(bare('POST /', ['Host: x', 'Content-Length: 1']))
    assert.equal(req.read(), null)
    const came = event(req, 'readable')
    connection.write('z')
    await came
    assert.equal(String(req.read()), 'z')
    assert.equal(req.read(), null)
    res.end()
  }),

  check('unshift puts back', async (stage) => {
    const served = await stage.serve((req, res) => {
      req.once('data', (chunk: Buffer) => {
        req.pause()
        req.unshift(Buffer.concat([Buffer.from('back:'), chunk]))
        void textOf(req).then((all) => res.end(all))
      })
    })
    assert.equal(await answerOf(served, 'x'), 'back:x')
  }),

  check('pause stops data until resume', async (stage) => {
    const { served, req, res, connection } = await stage.exchange(
      bare('POST /', ['Host: x', 'Content-Length: 4'], 'ab'),
    )
    const log: string[] = []
    req.on('data', (chunk) => log.push(String(chunk)))
    req.on('end', () => log.push('end'))
    await event(req, 'data')
    req.pause()
    assert.equal(req.isPaused(), true)
    connection.write('cd')
    // A round trip on another connection: by then data would have come.
    served.server.once('request', (_req, res) => res.end())
    await served.get()
    assert.deepEqual(log, ['ab'])
    const ended = event(req, 'end')
    req.resume()
    await ended
    assert.deepEqual(log, ['ab', 'cd', 'end'])
    res.end()
  }),

  check('a body nobody reads holds the client up', async (stage) => {
    const size = 100_000_000
    const { served, req, res, connection } = await stage.exchange(
      bare('POST /', ['Host: x', `Content-Length: ${size}`]),
    )
    const { socket } = connection
    for (let sent = 0; sent < size; sent += 1_000_000) socket.write(Buffer.alloc(1_000_000))
    const taken = () => socket.bytesWritten - socket.writableLength
    // Until a round trip on another connection moves nothing any more.
    for (let before = -1; before !== taken(); ) {
      before = taken()
      served.server.once('request', (_req, res) => res.end())
      await served.get()
    }
    assert.ok(taken() < size / 2, `the server took ${taken()} bytes`)
    assert.ok(req.readableLength < 4_000_000)
    req.destroy()
    res.destroy()
  }),

  check('backpressure: a slow reader gets all of a large body', async (stage) => {
    const served = await stage.serve((req, res) => {
      let bytes = 0
      const slow = new Writable({
        highWaterMark: 1000,
        write(chunk, _encoding, callback) {
          bytes += chunk.length
          setImmediate(callback)
        },
        final(callback) {
          res.end(String(bytes))
          callback()
        },
      })
      req.pipe(slow)
    })
    assert.equal(await answerOf(served, Buffer.alloc(2_000_000)), '2000000')
  }),

  check('chunked bodies arrive without their framing', async (stage) => {
    const served = await stage.serve(echo)
    const body = '5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\n\r\n'
    const { text } = await served.send(bare('POST /', ['Host: x', 'Transfer-Encoding: chunked'], body))
    assert.equal(text, 'hello world')
  }),

  check('a body that comes byte by byte', async (stage) => {
    const served = await stage.serve(echo)
    const connection = await served.connect()
    for (const byte of bare('POST /', ['Host: x', 'Transfer-Encoding: chunked'], '3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n')) {
      connection.write(byte)
    }
    assert.equal((await connection.readResponse()).text, 'abcde')
  }),

  check('GET, HEAD and DELETE may have bodies', async (stage) => {
    const served = await stage.serve(async (req, res) => {
      res.setHeader('x-body', await textOf(req))
      res.end()
    })
    for (const method of ['GET', 'HEAD', 'DELETE', 'OPTIONS']) {
      const response = await served.send(message(method, '/', {}, 'inside'), { method })
      assert.equal(response.headers['x-body'], 'inside')
    }
  }),

  check('complete: false until the whole message came', async (stage) => {
    const { req, res, connection } = await stage.exchange(partial)
    assert.equal(req.complete, false)
    req.resume()
    connection.write('cde')
    await event(req, 'end')
    assert.equal(req.complete, true)
    res.end()
  }),

  check('complete at the request event of a message without body', async (stage) => {
    const complete = new Fact<boolean>('request')
    const served = await stage.serve((req, res) => {
      complete.is(req.complete)
      res.end()
    })
    await served.get()
    assert.equal(await complete.known, false, "the parser's end comes after the head")
  }),

  check('events of a body that is read, then answered', async (stage) => {
    const { req, res, connection } = await stage.exchange(post('body'))
    const log: string[] = []
    note(log, 'req', req, ['resume', 'end', 'aborted', 'error', 'close'])
    note(log, 'res', res, ['prefinish', 'finish', 'error', 'close'])
    req.on('end', () => res.end('done'))
    const closed = Promise.all([event(req, 'close'), event(res, 'close')])
    req.resume()
    await closed
    await connection.readResponse()
    assert.deepEqual(log.slice(0, 4), ['req:resume', 'req:end', 'res:prefinish', 'res:finish'])
  }),

  same('events of a body that is read, then answered, in full', async (stage) => {
    const { req, res, connection } = await stage.exchange(post('body'))
    const log: string[] = []
    note(log, 'req', req, ['resume', 'data', 'end', 'aborted', 'error', 'close'])
    note(log, 'res', res, ['prefinish', 'finish', 'error', 'close'])
    req.on('end', () => res.end('done'))
    await Promise.all([event(req, 'close'), event(res, 'close')])
    await connection.readResponse()
    return log
  }),

  same('events of a request without body that is answered at once', async (stage) => {
    const log: string[] = []
    const over = new Fact('close of res')
    const served = await stage.serve((req, res) => {
      note(log, 'req', req, ['resume', 'data', 'end', 'aborted', 'error', 'close'])
      note(log, 'res', res, ['prefinish', 'finish', 'error', 'close'])
      res.on('close', () => over.is())
      res.end('done')
      log.push('ended')
    })
    await served.get()
    await over.known
    return log
  }),

  same('events of a request without body that is answered in pieces', async (stage) => {
    const log: string[] = []
    const over = new Fact('close of res')
    const served = await stage.serve((req, res) => {
      note(log, 'req', req, ['resume', 'data', 'end', 'aborted', 'error', 'close'])
      note(log, 'res', res, ['prefinish', 'finish', 'error', 'close'])
      res.on('close', () => over.is())
      res.write('a')
      res.write('b')
      res.end('done')
      log.push('ended')
    })
    await served.get()
    await over.known
    return log
  }),

  same('events of a request whose body is left unread', async (stage) => {
    const log: string[] = []
    const over = new Fact('close of res')
    const served = await stage.serve((req, res) => {
      note(log, 'req', req, ['resume', 'end', 'aborted', 'error', 'close'])
      note(log, 'res', res, ['prefinish', 'finish', 'error', 'close'])
      res.on('close', () => over.is())
      res.end('done')
    })
    await served.send(post('unread'))
    await over.known
    return log
  }),

  same('events when the client leaves before the answer', async (stage) => {
    const { req, res, connection } = await stage.exchange(message('GET', '/'))
    const log: string[] = []
    note(log, 'req', req, ['end', 'aborted', 'error', 'close'])
    note(log, 'res', res, ['prefinish', 'finish', 'error', 'close'])
    req.resume()
    await event(req, 'end')
    const closed = event(res, 'close')
    connection.destroy()
    await closed
    return [log, req.destroyed, req.aborted, req.complete, res.destroyed, res.writableEnded, res.writableFinished]
  }),

  same('events when the client leaves in the middle of its body', async (stage) => {
    const { req, res, connection } = await stage.exchange(partial)
    const log: string[] = []
    note(log, 'req', req, ['end', 'aborted', 'error', 'close'])
    note(log, 'res', res, ['prefinish', 'finish', 'error', 'close'])
    req.resume()
    const closed = Promise.all([event(req, 'close'), event(res, 'close')])
    connection.destroy()
    await closed
    return [log, req.destroyed, req.aborted, req.complete, req.readableEnded, codeOf(req.errored)]
  }),

  same('events when the client leaves in the middle of a chunked body', async (stage) => {
    const { req, res, connection } = await stage.exchange(chunkedPartial)
    const log: string[] = []
    note(log, 'req', req, ['end', 'aborted', 'error', 'close'])
    note(log, 'res', res, ['prefinish', 'finish', 'error', 'close'])
    req.resume()
    const closed = Promise.all([event(req, 'close'), event(res, 'close')])
    connection.destroy()
    await closed
    return [log, req.complete]
  }),

  same('events when the client leaves and nobody listens to error', async (stage) => {
    const { req, res, connection } = await stage.exchange(partial)
    const log: string[] = []
    note(log, 'req', req, ['end', 'aborted', 'close'])
    note(log, 'res', res, ['prefinish', 'finish', 'close'])
    const closed = Promise.all([event(req, 'close'), event(res, 'close')])
    connection.destroy()
    await closed
    return [log, codeOf(req.errored)]
  }),

  same('events when the client leaves in the middle of the response', async (stage) => {
    const { req, res, connection } = await stage.exchange(message('GET', '/'))
    const log: string[] = []
    note(log, 'req', req, ['end', 'aborted', 'error', 'close'])
    note(log, 'res', res, ['prefinish', 'finish', 'error', 'close'])
    res.write('partial')
    await connection.readUntil('partial')
    const closed = event(res, 'close')
    connection.destroy()
    await closed
    return [log, res.writableEnded, res.writableFinished, res.destroyed]
  }),

  check('the client half-closes after its request: it is answered all the same', async (stage) => {
    const { res, connection, req } = await stage.exchange(message('GET', '/'))
    connection.end()
    req.resume()
    await event(req, 'end')
    res.end('still')
    assert.equal((await connection.readResponse()).text, 'still')
  }),

  check('the client half-closes right behind its body: the body comes before its end', async (stage) => {
    const served = await stage.serve(async (req, res) => res.end(`${(await textOf(req)).length}`))
    const connection = await served.connectHalfOpen()
    const bytes = bare('POST /', ['Host: x', 'Content-Length: 100000'], 'x'.repeat(100_000))
    connection.socket.end(bytes)
    assert.equal((await connection.readResponse()).text, '100000')
  }),

  same('a body nobody reads, answered before it has come: events of the request', async (stage) => {
    const { req, res, connection } = await stage.exchange(partial)
    const log: string[] = []
    note(log, 'req', req, ['resume', 'end', 'close'])
    const closed = event(req, 'close')
    res.end('early')
    assert.equal((await connection.readResponse()).text, 'early')
    connection.write('llo')
    await closed
    return log
  }),

  same('the client half-closes in the middle of its body', async (stage) => {
    const { res, connection, req } = await stage.exchange(partial)
    const log: string[] = []
    note(log, 'req', req, ['end', 'aborted', 'error', 'close'])
    note(log, 'res', res, ['finish', 'error', 'close'])
    req.resume()
    const closed = event(res, 'close')
    connection.end()
    await closed
    return [log, req.aborted, req.destroyed]
  }),

  check('req.destroy() closes the connection', async (stage) => {
    const { req, res, connection } = await stage.exchange(partial)
    const closed = Promise.all([event(req, 'close'), event(res, 'close')])
    isSame(req.destroy(), req)
    assert.equal(req.destroyed, true)
    await closed
    assert.equal(res.destroyed, true)
    await connection.readToEnd().catch(() => {})
    assert.notEqual(connection.state, 'open')
  }),

  same('req.destroy(error)', async (stage) => {
    const { req, res, connection } = await stage.exchange(partial)
    const log: string[] = []
    note(log, 'req', req, ['end', 'aborted', 'error', 'close'])
    note(log, 'res', res, ['finish', 'error', 'close'])
    const socket = req.socket
    note(log, 'socket', socket, ['error', 'close'])
    const closed = Promise.all([event(req, 'close'), event(res, 'close'), event(socket, 'close')])
    req.destroy(new Error('mine'))
    await closed
    await connection.readToEnd().catch(() => {})
    return [log.sort(), codeOf(req.errored)]
  }),

  same('events of req.destroy() before the body ended', async (stage) => {
    const { req, res } = await stage.exchange(partial)
    const log: string[] = []
    note(log, 'req', req, ['end', 'aborted', 'error', 'close'])
    const closed = Promise.all([event(req, 'close'), event(res, 'close')])
    req.destroy()
    await closed
    return [log, req.aborted, req.readableAborted]
  }),

  check('a request whose body ended is destroyed, and can be answered', async (stage) => {
    const { req, res, connection } = await stage.exchange(post('all'))
    const log: string[] = []
    note(log, 'req', req, ['aborted', 'error', 'close'])
    const closed = event(req, 'close')
    req.resume()
    await closed
    req.destroy()
    assert.deepEqual([log, req.aborted], [['req:close'], false])
    res.end('all the same')
    assert.equal((await connection.readResponse()).text, 'all the same')
  }),

  check('the connection goes on after a body was left unread', async (stage) => {
    const served = await stage.serve((req, res) => res.end(req.url))
    const connection = await served.connect()
    connection.write(post('x'.repeat(200_000), '/one'))
    assert.equal((await connection.readResponse()).text, '/one')
    connection.write(post('y'.repeat(200_000), '/two'))
    assert.equal((await connection.readResponse()).text, '/two')
    connection.write(message('GET', '/three'))
    assert.equal((await connection.readResponse()).text, '/three')
  }),

  check('req.readableEnded and destroyed after a normal end', async (stage) => {
    const { req, res, connection } = await stage.exchange(post('x'))
    req.resume()
    await event(req, 'end')
    assert.equal(req.readableEnded, true)
    const closed = event(res, 'close')
    res.end()
    await closed
    await connection.readResponse()
    assert.equal(req.aborted, false)
    assert.equal(req.errored, null)
  }),

  check('data may be asked for long after the request came', async (stage) => {
    const served = await stage.serve((req, res) => {
      setImmediate(() => setImmediate(() => void textOf(req).then((all) => res.end(all))))
    })
    assert.equal(await answerOf(served, 'patient'), 'patient')
    assert.equal((await served.get()).text, '')
  }),

  check('the body may still be read after the response ended', async (stage) => {
    const { req, res, connection } = await stage.exchange(partial)
    const all = textOf(req)
    res.end('early')
    assert.equal((await connection.readResponse()).text, 'early')
    connection.write('cde')
    assert.equal(await all, 'abcde')
  }),

  check('a stream method put on req is used: _read, push', async (stage) => {
    const { req, res } = await stage.exchange(post('x'))
    assert.equal(typeof loose(req)._read, 'function')
    assert.equal(typeof req.push, 'function')
    res.end()
  }),

  check('readable operators: map, take, toArray', async (stage) => {
    const served = await stage.serve(async (req, res) => {
      const parts = await req.map((chunk: Buffer) => String(chunk).toUpperCase()).toArray()
      res.end(parts.join(''))
    })
    assert.equal(await answerOf(served, 'mapped'), 'MAPPED')
  }),

  same('req.signal, where Node has one', async (stage) => {
    const { req, res, connection } = await stage.exchange(message('GET', '/'))
    const { signal } = req as unknown as { signal?: AbortSignal }
    if (signal === undefined) {
      res.end()
      return 'none'
    }
    const aborted = new Fact('abort of req.signal')
    signal.addEventListener('abort', () => aborted.is())
    const before = signal.aborted
    connection.destroy()
    await aborted.known
    return [before, signal.aborted]
  }),

  check('Expect: 100-continue is answered before the body is asked for', async (stage) => {
    const served = await stage.serve(async (req, res) => res.end(await textOf(req)))
    const connection = await served.connect()
    connection.write(bare('POST /', ['Host: x', 'Content-Length: 4', 'Expect: 100-continue']))
    assert.equal((await connection.readUntil('\r\n\r\n')).toString(), 'HTTP/1.1 100 Continue\r\n\r\n')
    connection.write('body')
    assert.equal((await connection.readResponse()).text, 'body')
  }),
]
