/**
 * ServerResponse: writing the body, its end and its events.
 */
import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { finished, PassThrough, pipeline, Readable } from 'node:stream'
import { bare, check, codeOf, codeThrownBy, event, Fact, isSame, message, note, same, thrownBy } from '../stage.js'

const get = message('GET', '/')

/** Calls end or write and gives the error its callback had. */
function callback(what: string): { fact: Fact<unknown>; call: (error?: unknown) => void } {
  const fact = new Fact<unknown>(`callback of ${what}`)
  return { fact, call: (error) => fact.is(error) }
}

export const checks = [
  check('write takes strings, buffers and typed arrays', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    res.write('string ')
    res.write(Buffer.from('buffer '))
    res.write(new Uint8Array([97, 114, 114, 97, 121]))
    res.end()
    assert.equal((await connection.readResponse()).text, 'string buffer array')
  }),

  check('write and end with encodings', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    res.write('68656c6c6f', 'hex')
    res.write('IHdvcmxk', 'base64')
    res.write('\xe9', 'latin1')
    res.end('é', 'utf8')
    const { body } = await connection.readResponse()
    assert.equal(body.toString('latin1'), 'hello world\xe9\xc3\xa9')
  }),

  check('end alone with an encoding', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    res.end('ÿ', 'utf16le')
    const response = await connection.readResponse()
    assert.deepEqual([...response.body], [0xff, 0])
    assert.equal(response.headers['content-length'], '2')
  }),

  check('end(text) counts bytes, not characters', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    res.end('€😀')
    const response = await connection.readResponse()
    assert.deepEqual([response.headers['content-length'], response.text], ['7', '€😀'])
  }),

  check('end gives the response', async (stage) => {
    const { res } = await stage.exchange(get)
    isSame(res.end('x'), res)
    isSame(res.end(), res)
  }),

  same('callbacks of write come in order, end calls back at finish', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    const log: string[] = []
    note(log, 'res', res, ['finish', 'close'])
    const ended = callback('end')
    res.write('a', () => log.push('a'))
    res.write('b', 'utf8', () => log.push('b'))
    res.end('c', () => {
      log.push('end')
      ended.call()
    })
    await ended.fact.known
    await connection.readResponse()
    return log.filter((entry) => entry !== 'res:close')
  }),

  check('end(callback), end(text, callback), end(text, encoding, callback)', async (stage) => {
    const forms: ((res: ServerResponse, done: () => void) => unknown)[] = [
      (res, done) => res.end(done),
      (res, done) => res.end('x', done),
      (res, done) => res.end('x', 'utf8', done),
    ]
    for (const form of forms) {
      const { res } = await stage.exchange(get)
      const ended = callback('end')
      form(res, ended.call)
      assert.ok(!(await ended.fact.known), 'no error')
      assert.equal(res.writableFinished, true)
    }
  }),

  same('write of what cannot be written', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    const thrown = [null, undefined, 5, true, {}, [], Symbol('s')].map((chunk) =>
      thrownBy(() => res.write(chunk as never)),
    )
    res.end()
    await connection.readResponse()
    return thrown
  }),

  same('end with what cannot be written', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    const thrown = [5, true, {}, []].map((chunk) => thrownBy(() => res.end(chunk as never)))
    res.end()
    await connection.readResponse()
    return thrown
  }),

  check('end(null) and end(undefined) are end()', async (stage) => {
    for (const nothing of [null, undefined]) {
      const { res, connection } = await stage.exchange(get)
      res.end(nothing)
      const response = await connection.readResponse()
      assert.deepEqual([response.text, response.headers['content-length']], ['', '0'])
    }
  }),

  same('an unknown encoding', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    const thrown = codeThrownBy(() => res.write('x', 'nonsense' as never))
    connection.destroy()
    await event(res, 'close')
    return thrown
  }),

  check('write after end: ERR_STREAM_WRITE_AFTER_END for callback and event, not thrown', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    const failed = event(res, 'error')
    const called = callback('write')
    res.end('done')
    res.write('more', called.call)
    const [error] = await failed
    assert.equal(codeOf(error), 'ERR_STREAM_WRITE_AFTER_END')
    assert.equal(codeOf(await called.fact.known), 'ERR_STREAM_WRITE_AFTER_END')
    assert.equal((await connection.readResponse()).text, 'done')
  }),

  same('what write after end returns, and the events after it', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    const log: string[] = []
    note(log, 'res', res, ['finish', 'error', 'close'])
    const failed = event(res, 'error')
    res.end('done')
    const returned = res.write('more')
    await failed
    await connection.readResponse()
    return [returned, log.filter((entry) => entry !== 'res:close'), res.writableEnded]
  }),

  check('end after end: ERR_STREAM_ALREADY_FINISHED for the callback', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    const finish = event(res, 'finish')
    res.end('done')
    await finish
    const called = callback('end')
    res.end(called.call)
    assert.equal(codeOf(await called.fact.known), 'ERR_STREAM_ALREADY_FINISHED')
    assert.equal((await connection.readResponse()).text, 'done')
  }),

  same('end twice in a row, both with callbacks', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    const log: string[] = []
    const one = callback('first end')
    const two = callback('second end')
    res.end('done', (error?: Error) => {
      log.push(`one ${error === undefined ? 'fine' : codeOf(error)}`)
      one.call()
    })
    res.end((error?: Error) => {
      log.push(`two ${error === undefined ? 'fine' : codeOf(error)}`)
      two.call()
    })
    await one.fact.known
    await two.fact.known
    await connection.readResponse()
    return log
  }),

  same('end with a chunk after end', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    const log: string[] = []
    note(log, 'res', res, ['error'])
    res.end('done')
    const called = callback('end')
    res.end('more', called.call)
    const error = codeOf(await called.fact.known)
    await connection.readResponse()
    return [error, log]
  }),

  check('write and end after destroy: ERR_STREAM_DESTROYED for the callback', async (stage) => {
    const { res } = await stage.exchange(get)
    const closed = event(res, 'close')
    res.on('error', () => {})
    res.destroy()
    await closed
    const written = callback('write')
    res.write('x', written.call)
    assert.equal(codeOf(await written.fact.known), 'ERR_STREAM_DESTROYED')
  }),

  same('state over the life of a response', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    const states: unknown[] = []
    const look = () => {
      states.push([
        res.headersSent,
        res.finished,
        res.writableEnded,
        res.writableFinished,
        res.destroyed,
        res.closed,
        res.writable,
        res.errored,
        res.socket === null,
      ])
    }
    look()
    res.writeHead(200)
    look()
    res.write('x')
    look()
    const closed = event(res, 'close')
    res.on('prefinish', look)
    res.on('finish', look)
    res.on('close', look)
    res.end()
    look()
    await closed
    await connection.readResponse()
    look()
    return states
  }),

  same('state over the life of a response that is ended at once', async (stage) => {
    const states: unknown[] = []
    const over = new Fact('close')
    const served = await stage.serve((_req, res) => {
      const look = () => {
        states.push([
          res.headersSent,
          res.finished,
          res.writableEnded,
          res.writableFinished,
          res.destroyed,
          res.closed,
          res.writable,
          res.socket === null,
        ])
      }
      res.on('prefinish', look)
      res.on('finish', look)
      res.on('close', () => {
        look()
        over.is()
      })
      res.end('x')
      look()
    })
    await served.get()
    await over.known
    return states
  }),

  check('write returns false beyond the high-water mark, then drain', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    connection.pause()
    const drained = event(res, 'drain')
    const block = Buffer.alloc(1_000_000, 'x')
    let writes = 1
    while (res.write(block)) {
      writes++
      assert.ok(writes < 100, 'write() never says to wait')
    }
    assert.equal(res.writableNeedDrain, true)
    assert.ok(res.writableLength > 0)
    connection.resume()
    await drained
    assert.equal(res.writableNeedDrain, false)
    res.end()
    assert.equal((await connection.readResponse()).body.length, writes * block.length)
  }),

  check('a client that reads nothing stops the writer', async (stage) => {
    const { res, served, connection } = await stage.exchange(get)
    connection.pause()
    const block = Buffer.alloc(1_000_000, 'x')
    const roundTrip = async () => {
      served.server.once('request', (_req, other) => other.end())
      await served.get()
    }
    let isStopped = false
    for (let writes = 0; !isStopped; ) {
      while (res.write(block)) assert.ok(++writes < 100, 'all was taken')
      // Still refused after two round trips on other connections: the socket's buffers are full.
      await roundTrip()
      isStopped = res.writableNeedDrain
      await roundTrip()
      isStopped &&= res.writableNeedDrain
    }
    const closed = event(res, 'close')
    connection.destroy()
    await closed
  }),

  check('a large buffer arrives whole, and may be reused at finish', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    const body = Buffer.alloc(3_000_000, 'abc')
    res.end(body)
    assert.equal((await connection.readResponse()).body.equals(body), true)
  }),

  check('a large string arrives whole', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    const body = 'é'.repeat(600_000)
    res.end(body)
    const response = await connection.readResponse()
    assert.equal(response.headers['content-length'], '1200000')
    assert.equal(response.text === body, true)
  }),

  check('many small writes', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    for (let index = 0; index < 5000; index++) res.write(`${index},`)
    res.end('end')
    const { text } = await connection.readResponse()
    assert.equal(text.split(',').length, 5001)
  }),

  check('cork holds back, uncork sends in one piece', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    res.cork()
    assert.equal(res.writableCorked, 1)
    res.write('a')
    res.write('b')
    res.uncork()
    assert.equal(res.writableCorked, 0)
    res.end('c')
    const response = await connection.readResponse()
    assert.equal(response.text, 'abc')
  }),

  same('chunks of corked writes', async (stage) => {
    const served = await stage.serve((_req, res) => {
      res.cork()
      res.write('one')
      res.write('two')
      res.uncork()
      res.write('three')
      res.end()
    })
    const raw = await served.all(bare('GET /', ['Host: x', 'Connection: close']))
    return raw.slice(raw.indexOf('\r\n\r\n'))
  }),

  same('chunks on the wire', async (stage) => {
    const served = await stage.serve((_req, res) => {
      res.write('one')
      res.write('')
      res.write(Buffer.from('two'))
      res.end('three')
    })
    const raw = await served.all(bare('GET /', ['Host: x', 'Connection: close']))
    return raw.slice(raw.indexOf('\r\n\r\n'))
  }),

  check('end() flushes what is corked', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    res.cork()
    res.write('held')
    res.end()
    assert.equal((await connection.readResponse()).text, 'held')
  }),

  check('a response that was corked and ended holds nothing of the next one back', async (stage) => {
    const { served, res, connection } = await stage.exchange(get)
    res.cork()
    res.end('corked')
    assert.equal((await connection.readResponse()).text, 'corked')
    const request = event<[IncomingMessage, ServerResponse]>(served.server, 'request')
    connection.write(get)
    const [, next] = await request
    next.write('piece')
    await connection.readUntil('piece')
    next.end()
  }),

  check('a corked response that waits for its turn holds nothing of the one before it back', async (stage) => {
    const { connection, first, second } = await stage.pipeline(Buffer.concat([get, get]))
    first.write('piece')
    second.cork()
    second.cork()
    second.uncork()
    await connection.readUntil('piece')
    first.cork()
    first.write('held')
    // Which is its own alone.
    second.uncork()
    second.cork()
    second.write('sec')
    assert.deepEqual([first.writableCorked, second.writableCorked], [1, 1])
    first.end()
    await connection.readUntil('held')
    second.uncork()
    await connection.readUntil('sec')
    assert.deepEqual([first.writableCorked, second.writableCorked], [0, 0])
    second.end('ond')
    await connection.readUntil('ond')
  }),

  check('a corked response whose turn never comes can be uncorked', async (stage) => {
    const { connection, first, second } = await stage.pipeline(Buffer.concat([get, get]))
    second.cork()
    const closed = event(first.socket as Socket, 'close')
    first.writeHead(200, { Connection: 'close' }).end('last')
    assert.match(String(await connection.readToEnd()), /last/)
    await closed
    // As whoever has corked it does at last: it must come to an end.
    second.uncork()
    assert.equal(second.writableCorked, 0)
  }),

  same('interim responses of a corked response', async (stage) => {
    const served = await stage.serve((_req, res) => {
      res.cork()
      res.writeProcessing()
      res.writeEarlyHints({ link: '</style.css>; rel=preload' })
      res.write('one')
      res.end('two')
    })
    const raw = await served.all(bare('GET /', ['Host: x', 'Connection: close']))
    return raw.replace(/^Date: .*\r\n/m, '')
  }),

  check('the first write sends the head', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    res.write('now')
    assert.equal(res.headersSent, true)
    const bytes = await connection.readUntil('now')
    assert.match(bytes.toString(), /^HTTP\/1\.1 200 OK\r\n/)
    res.end()
  }),

  check('each write is sent while the response goes on', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    for (const piece of ['first', 'second', 'third']) {
      res.write(piece)
      await connection.readUntil(piece)
    }
    res.end()
  }),

  check('pipe from a stream ends the response', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    Readable.from(['a', 'b', 'c']).pipe(res)
    assert.equal((await connection.readResponse()).text, 'abc')
  }),

  check('pipe emits pipe and unpipe', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    const log: string[] = []
    res.on('pipe', () => log.push('pipe'))
    res.on('unpipe', () => log.push('unpipe'))
    const source = new PassThrough()
    source.pipe(res)
    source.end('x')
    await connection.readResponse()
    assert.deepEqual(log, ['pipe', 'unpipe'])
  }),

  check('pipeline into a response', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    const done = callback('pipeline')
    pipeline(Readable.from(['x', 'y']), res, done.call)
    assert.equal((await connection.readResponse()).text, 'xy')
    assert.equal(await done.fact.known, undefined)
  }),

  check('pipeline whose source fails destroys the response', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    const done = callback('pipeline')
    const source = new PassThrough()
    pipeline(source, res, done.call)
    source.write('part')
    await connection.readUntil('part')
    source.destroy(new Error('source failed'))
    assert.equal(codeOf(await done.fact.known), 'Error: source failed')
    assert.equal(res.destroyed, true)
    await connection.readToEnd().catch(() => {})
    assert.notEqual(connection.state, 'open')
  }),

  check('pipeline whose client leaves calls back with ERR_STREAM_PREMATURE_CLOSE', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    const done = callback('pipeline')
    const source = new PassThrough()
    pipeline(source, res, done.call)
    source.write('part')
    await connection.readUntil('part')
    connection.destroy()
    assert.equal(codeOf(await done.fact.known), 'ERR_STREAM_PREMATURE_CLOSE')
    assert.equal(source.destroyed, true)
  }),

  check('stream.finished of a response', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    const done = callback('finished')
    finished(res, done.call)
    res.end('x')
    assert.equal(await done.fact.known, undefined)
    await connection.readResponse()
  }),

  check('stream.finished of a response whose client leaves', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    const done = callback('finished')
    finished(res, done.call)
    connection.destroy()
    assert.equal(codeOf(await done.fact.known), 'ERR_STREAM_PREMATURE_CLOSE')
  }),

  check('events: prefinish, finish, close, once each', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    const log: string[] = []
    note(log, 'res', res, ['prefinish', 'finish', 'close', 'error'])
    const closed = event(res, 'close')
    res.end('x')
    log.push('end returned')
    await closed
    await connection.readResponse()
    assert.deepEqual(log, ['res:prefinish', 'end returned', 'res:finish', 'res:close'])
  }),

  check('finish is emitted to listeners added after end()', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    res.end('x')
    await event(res, 'finish')
    await connection.readResponse()
  }),

  check('close of res comes although nobody asked for its socket', async (stage) => {
    const closed = new Fact('close of res')
    const served = await stage.serve((_req, res) => {
      res.on('close', () => closed.is())
      res.end('x')
    })
    await served.get()
    await closed.known
  }),

  same('destroy() before anything is sent', async (stage) => {
    const { req, res, connection } = await stage.exchange(get)
    const log: string[] = []
    note(log, 'req', req, ['aborted', 'error', 'close'])
    note(log, 'res', res, ['finish', 'error', 'close'])
    req.resume()
    const closed = Promise.all([event(res, 'close'), event(req, 'close')])
    const returned = res.destroy() === res
    log.push(`destroyed ${res.destroyed}`)
    await closed
    const bytes = (await connection.readToEnd()).length
    return [returned, log, bytes, res.writableFinished]
  }),

  same('destroy(error) of a response', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    const log: string[] = []
    note(log, 'res', res, ['finish', 'error', 'close'])
    const closed = event(res, 'close')
    res.destroy(new Error('mine'))
    await closed
    await connection.readToEnd().catch(() => {})
    return [log, codeOf(res.errored)]
  }),

  same('destroy() after end()', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    const log: string[] = []
    note(log, 'res', res, ['finish', 'error'])
    const closed = event(res, 'close')
    res.end('x')
    await connection.readResponse()
    await closed
    res.destroy()
    return [log, res.writableFinished]
  }),

  check('HEAD: fields of the body, no body', async (stage) => {
    const served = await stage.serve((_req, res) => {
      res.setHeader('Content-Length', 5)
      res.end('hello')
    })
    const connection = await served.connect()
    connection.write(message('HEAD', '/'))
    const response = await connection.readResponse({ method: 'HEAD' })
    assert.equal(response.headers['content-length'], '5')
    connection.write(get)
    assert.equal((await connection.readResponse()).text, 'hello', 'and the connection is in step')
  }),

  check('204 and 304 have no body, and the connection is in step', async (stage) => {
    const served = await stage.serve((req, res) => {
      res.statusCode = Number(req.url?.slice(1))
      res.end(res.statusCode === 200 ? 'next' : 'dropped')
    })
    const connection = await served.connect()
    for (const status of [204, 304]) {
      connection.write(message('GET', `/${status}`))
      assert.equal((await connection.readResponse()).status, status)
      connection.write(message('GET', '/200'))
      assert.equal((await connection.readResponse()).text, 'next')
    }
  }),

  check('write to HEAD and 204 calls back all the same', async (stage) => {
    const { res, connection } = await stage.exchange(message('HEAD', '/'))
    const written = callback('write')
    assert.equal(res.write('dropped', written.call), true)
    res.end()
    await written.fact.known
    await connection.readResponse({ method: 'HEAD' })
  }),

  check('addTrailers after a chunked body', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    res.writeHead(200, { Trailer: 'X-Sum' })
    res.write('body')
    res.addTrailers({ 'X-Sum': '42', 'X-More': 'yes' })
    res.end()
    const response = await connection.readResponse()
    assert.equal(response.text, 'body')
    assert.deepEqual(response.rawTrailers, [
      ['X-Sum', '42'],
      ['X-More', 'yes'],
    ])
  }),

  check('addTrailers with pairs', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    res.write('body')
    res.addTrailers([
      ['A', '1'],
      ['A', '2'],
    ])
    res.end()
    assert.deepEqual((await connection.readResponse()).rawTrailers, [
      ['A', '1'],
      ['A', '2'],
    ])
  }),

  check('trailers are dropped when the body is not chunked', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    res.setHeader('Content-Length', 4)
    res.write('body')
    res.addTrailers({ 'X-Sum': '42' })
    res.end()
    const response = await connection.readResponse()
    assert.deepEqual([response.text, response.rawTrailers], ['body', []])
  }),

  same('bad trailers', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    res.write('x')
    const thrown = [
      codeThrownBy(() => res.addTrailers({ 'a b': 'x' })),
      codeThrownBy(() => res.addTrailers({ a: 'x\n' })),
      codeThrownBy(() => res.addTrailers({ a: undefined } as never)),
    ]
    res.end()
    await connection.readResponse()
    return thrown
  }),

  same('Trailer with Content-Length', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    const thrown = codeThrownBy(() => res.writeHead(200, { Trailer: 'x', 'Content-Length': 1 }))
    if (!res.headersSent) res.removeHeader('x')
    const closed = event(res, 'close')
    res.destroy()
    await closed
    await connection.readToEnd().catch(() => {})
    return thrown
  }),

  check('strictContentLength: more than announced throws', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    res.strictContentLength = true
    res.writeHead(200, { 'Content-Length': 2 })
    assert.throws(() => res.write('abc'), { code: 'ERR_HTTP_CONTENT_LENGTH_MISMATCH' })
    res.end('ab')
    assert.equal((await connection.readResponse()).text, 'ab')
  }),

  check('strictContentLength: less than announced throws at the end', async (stage) => {
    const { res } = await stage.exchange(get)
    res.strictContentLength = true
    res.setHeader('Content-Length', 5)
    res.write('ab')
    assert.throws(() => res.end('c'), { code: 'ERR_HTTP_CONTENT_LENGTH_MISMATCH' })
    res.destroy()
  }),

  check('strictContentLength: exactly what was announced', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    res.strictContentLength = true
    res.setHeader('Content-Length', 4)
    res.write('ab')
    res.end('cd')
    assert.equal((await connection.readResponse()).text, 'abcd')
  }),

  check('writeContinue and writeProcessing are sent at once', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    const sent = callback('writeContinue')
    ;(res.writeContinue as (callback: () => void) => void)(sent.call)
    await sent.fact.known
    assert.equal((await connection.readUntil('\r\n\r\n')).toString(), 'HTTP/1.1 100 Continue\r\n\r\n')
    res.writeProcessing()
    assert.equal((await connection.readUntil('\r\n\r\n')).toString(), 'HTTP/1.1 102 Processing\r\n\r\n')
    assert.equal(res.headersSent, false)
    res.end('final')
    assert.equal((await connection.readResponse()).text, 'final')
  }),

  check('writeEarlyHints: one link, several, and other fields', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    const sent = callback('writeEarlyHints')
    res.writeEarlyHints({ link: '</a.css>; rel=preload; as=style', 'x-trace': 'id' }, sent.call as () => void)
    await sent.fact.known
    res.writeEarlyHints({ link: ['</b.css>; rel=preload', '</c.js>; rel=preload'] })
    res.end('final')
    const { informational, text } = await connection.readResponse()
    assert.deepEqual(informational, [
      {
        status: 103,
        rawHeaders: [
          ['Link', '</a.css>; rel=preload; as=style'],
          ['x-trace', 'id'],
        ],
      },
      { status: 103, rawHeaders: [['Link', '</b.css>; rel=preload, </c.js>; rel=preload']] },
    ])
    assert.equal(text, 'final')
  }),

  same('writeEarlyHints with what is no link', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    const thrown = [
      codeThrownBy(() => res.writeEarlyHints({ link: 'nonsense' })),
      codeThrownBy(() => res.writeEarlyHints({ link: ['</a>', 5 as never] })),
      codeThrownBy(() => res.writeEarlyHints('link' as never)),
      codeThrownBy(() => res.writeEarlyHints(undefined as never)),
    ]
    res.writeEarlyHints({})
    res.writeEarlyHints({ link: [] })
    res.end()
    return [thrown, (await connection.readResponse()).informational.length]
  }),

  same('interim responses after the head', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    res.writeHead(200)
    const thrown = codeThrownBy(() => res.writeContinue())
    const closed = event(res, 'close')
    res.end()
    await closed
    connection.destroy()
    return thrown
  }),

  check('writableLength counts what is not sent, and falls to 0', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    assert.equal(res.writableLength, 0)
    res.end('x')
    await event(res, 'finish')
    assert.equal(res.writableLength, 0)
    await connection.readResponse()
  }),

  check('setDefaultEncoding-less streams: end in another turn', async (stage) => {
    const served = await stage.serve((_req, res) => {
      setImmediate(() => {
        res.write('later ')
        process.nextTick(() => void Promise.resolve().then(() => res.end('still')))
      })
    })
    assert.equal((await served.get()).text, 'later still')
  }),

  check('a response may be ended after its client has gone', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    const closed = event(res, 'close')
    connection.destroy()
    await closed
    res.end('into the void')
    assert.equal(res.writableEnded, true)
  }),

  same('events of writes after the client has gone', async (stage) => {
    const { res, connection } = await stage.exchange(get)
    const log: string[] = []
    note(log, 'res', res, ['finish', 'error', 'drain'])
    const closed = event(res, 'close')
    connection.destroy()
    await closed
    const written = callback('write')
    const returned = res.write('x', written.call)
    const error = codeOf(await written.fact.known)
    return [returned, error, log, res.writable, res.destroyed]
  }),

  check('AbortSignal: addAbortSignal destroys a response', async (stage) => {
    const { addAbortSignal } = await import('node:stream')
    const { res, req } = await stage.exchange(get)
    const controller = new AbortController()
    const failed = new Fact<unknown>('error of req')
    req.on('error', failed.is)
    const closed = event(req, 'close')
    addAbortSignal(controller.signal, req)
    controller.abort()
    await closed
    assert.equal(((await failed.known) as Error).name, 'AbortError')
    assert.equal(req.destroyed, true)
    res.destroy()
  }),
]
