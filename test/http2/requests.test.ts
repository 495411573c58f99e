/**
 * Promise: a client of HTTP/2 gets what one of HTTP/1.1 gets, whatever it sends and however many requests it has at a
 * time; to the application all of them are requests of HTTP/1.1.
 */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { asked } from '../support/deadline.js'
import { type Hornet, startHornet } from '../support/hornet.js'
import { cert, configFolder, connectSecurely, pem, refusal, textOf } from '../tls/support.js'
import {
  type Answer,
  answerOf,
  app,
  ask,
  fieldBlock,
  flag,
  frame,
  frameType,
  getFrame,
  headOf,
  internalError,
  KiB,
  MiB,
  open,
  openFrames,
  protocolError,
  requestBlock,
  resetCode,
  type Session,
  startHttp2,
} from './support.js'

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
/** Of frames, of the window that clients give, and of those that the server gives. */
const edges = [16 * KiB, 64 * KiB - 1, 256 * KiB, MiB]
const sizes = [0, 1, ...edges.flatMap((edge) => [edge - 1, edge, edge + 1]), 3 * MiB + 7]

let hornet: Hornet
let session: Session
before(async () => {
  hornet = await startHttp2()
  session = await open(hornet)
})
after(async () => {
  session.destroy()
  await hornet.stop()
})

// biome-ignore lint/suspicious/noExplicitAny: the tests look at what came, whatever it is.
const seen = ({ text }: Answer): any => JSON.parse(text)

describe('bodies', () => {
  test('of any size come whole', async () => {
    for (const path of ['/bytes?', '/stream?piece=10000&']) {
      const answers = await Promise.all(sizes.map((length) => ask(session, `${path}length=${length}`)))
      for (const [index, { body, headers, code }] of answers.entries()) {
        assert.deepEqual([body.length, sha256(body), code], [sizes[index], headers['x-sha256'], 0])
      }
    }
  })

  test('of any size go whole, with a length and without', async () => {
    const bodies = sizes.map((length) => randomBytes(length))
    const fields = (length: number) => [{}, { 'content-length': length }]
    await Promise.all(
      bodies.flatMap((body) =>
        fields(body.length).map(async (headers) => {
          const { text } = await ask(session, '/hash', { ':method': 'POST', ...headers }, body)
          assert.deepEqual(JSON.parse(text), { count: body.length, hash: sha256(body) })
        }),
      ),
    )
  })

  test('go both ways at a time', async () => {
    const body = randomBytes(2 * MiB)
    const echoed = await ask(session, '/echo', { ':method': 'POST' }, body)
    assert.ok(echoed.body.equals(body))
  })

  test('are none with HEAD, 204 and 304', async () => {
    const head = await ask(session, '/bytes?length=70000', { ':method': 'HEAD' })
    assert.deepEqual([head.status, typeof head.headers['x-sha256'], head.body.length], [200, 'string', 0])
    for (const code of [204, 304]) {
      const { status, body } = await ask(session, `/status?code=${code}`)
      assert.deepEqual([status, body.length], [code, 0])
    }
  })

  test('that do not have the announced length are a fault of the stream', async () => {
    for (const length of [5, 20]) {
      const body = ask(session, '/hash', { ':method': 'POST', 'content-length': length }, '0123456789')
      assert.equal(await resetCode(body), protocolError)
    }
    assert.equal((await ask(session, '/')).status, 200)
  })
})

test('1,000 requests at once, more than may be open at a time', async () => {
  assert.equal(session.remoteSettings.maxConcurrentStreams, 128)
  const answers = await Promise.all(
    Array.from({ length: 1000 }, (_, index) => ask(session, index % 10 === 0 ? '/bytes?length=20000' : '/')),
  )
  assert.ok(answers.every(({ status, code }) => status === 200 && code === 0))
})

describe('the application sees', () => {
  test('a request of HTTP/1.1 with the fields as they were sent', async () => {
    const answer = await ask(session, '/seen?a=b%20c', { 'x-one': ['1', '2'], te: 'trailers', 'user-agent': 'tests' })
    const { method, url, httpVersion, rawHeaders } = seen(answer)
    assert.deepEqual([method, url, httpVersion], ['GET', '/seen?a=b%20c', '1.1'])
    assert.deepEqual(
      rawHeaders,
      ['host', 'localhost:443', 'x-one', '1', 'x-one', '2', 'te', 'trailers', 'user-agent', 'tests'].flat(),
    )
    assert.equal(answer.headers['content-type'], 'application/json')
    assert.ok(answer.headers.date)
    for (const name of ['connection', 'keep-alive', 'transfer-encoding']) assert.ok(!(name in answer.headers), name)
  })

  test('one cookie field, whatever its pieces', async () => {
    const { headers } = seen(await ask(session, '/seen', { cookie: ['a=1', 'b=2', 'c=3; d=4'] }))
    assert.equal(headers.cookie, 'a=1; b=2; c=3; d=4')
  })

  test(':authority as host; host where there is none, and no other beside it', async () => {
    assert.equal(seen(await ask(session, '/seen', { ':authority': 'a.test:8443' })).headers.host, 'a.test:8443')
    const both = seen(await ask(session, '/seen', { ':authority': 'a.test', host: 'b.test' }))
    assert.deepEqual(both.rawHeaders, ['host', 'a.test'])
    await using frames = await openFrames(hornet)
    const fields = [
      [':method', 'GET'],
      [':scheme', 'https'],
      [':path', '/seen'],
      ['host', 'only.test'],
    ] as const
    frames.send(frame(frameType.headers, flag.endHeaders | flag.endStream, 1, fieldBlock(fields)))
    const { payload } = await frames.readUntil(frameType.data)
    assert.equal(JSON.parse(payload.toString()).headers.host, 'only.test')
  })

  test('OPTIONS of all, and methods of all kinds', async () => {
    assert.equal(seen(await ask(session, '*', { ':method': 'OPTIONS' })).url, '*')
    for (const method of ['PUT', 'DELETE', 'PATCH', 'PROPFIND']) {
      assert.equal(seen(await ask(session, '/seen', { ':method': method })).method, method)
    }
  })

  test('trailers of requests, and sends those of responses', async () => {
    const stream = session.request({ ':path': '/seen', ':method': 'POST' }, { waitForTrailers: true, endStream: false })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': 'abc' }))
    stream.end('with trailers')
    const { trailers, rawTrailers } = seen(await answerOf(stream))
    assert.deepEqual([trailers, rawTrailers], [{ 'x-sum': 'abc' }, ['x-sum', 'abc']])
    const answer = await ask(session, '/trailers')
    assert.equal(answer.text, 'body with trailers')
    assert.deepEqual(Object.entries(answer.trailers ?? {}), Object.entries({ 'x-sum': 'abc', 'x-count': '2' }))
  })

  test('TLS on every socket, each of its own', async () => {
    const { socket } = seen(await ask(session, '/seen'))
    assert.deepEqual(socket, {
      ...{ remoteAddress: '127.0.0.1', alpnProtocol: 'h2', servername: 'localhost', encrypted: true },
      authorized: false,
    })
    assert.equal(JSON.parse((await ask(session, '/tls')).text).protocol, 'TLSv1.3')
  })
})

describe('responses', () => {
  test('have each Set-Cookie of its own, and nothing that is of a connection', async () => {
    const { headers } = await ask(session, '/cookies')
    assert.deepEqual(headers['set-cookie'], ['a=1; Path=/', 'b=2'])
    assert.equal(headers['x-many'], '1, 2')
    assert.ok(!('connection' in headers))
  })

  test('have heads of any size', async () => {
    await using frames = await openFrames(hornet)
    for (const [index, length] of [60_000, 70_000, 900_000].entries()) {
      const stream = 1 + 2 * index
      // The window does not count heads.
      frames.send(getFrame(stream, `/head?length=${length}`))
      let bytes = 0
      for (;;) {
        const { type, payload, stream: of } = await frames.read()
        if (of !== stream) continue
        if (type === frameType.data) break
        assert.ok(type === frameType.headers || type === frameType.continuation, `frame of type ${type}`)
        bytes += payload.length
      }
      assert.ok(bytes > length / 2, String(bytes))
    }
  })

  test('with a head that is too large end with a fault of the stream alone', async () => {
    const other = ask(session, '/bytes?length=500000')
    assert.equal(await resetCode(ask(session, '/head?length=1200000')), internalError)
    assert.equal((await other).body.length, 500_000)
  })

  test('may have interim ones before them', async () => {
    const { informational, status, text } = await ask(session, '/interim')
    assert.deepEqual([status, text], [200, 'final'])
    assert.deepEqual(
      informational.map(({ status, headers }) => [status, headers.link]),
      [
        [102, undefined],
        [103, '</style.css>; rel=preload'],
        [103, '</app.js>; rel=preload'],
      ],
    )
  })

  test('to a client that waits for 100 (Continue)', async () => {
    const expecting = (path: string, length: number) =>
      session.request(
        { ':path': path, ':method': 'POST', expect: '100-continue', 'content-length': length },
        { endStream: false },
      )
    const stream = expecting('/hash', 8)
    stream.on('continue', () => stream.end('the body'))
    const { informational, text } = await answerOf(stream)
    assert.deepEqual([informational.map(({ status }) => status), JSON.parse(text).count], [[100], 8])
    // The application answers, and does not ask for the body.
    const early = await answerOf(expecting('/early', 1_000_000))
    assert.deepEqual([early.text, early.informational, early.code], ['early', [], 0])
  })

  test('that come before the end of a request end it without a fault', async () => {
    const stream = session.request({ ':path': '/early', ':method': 'POST' }, { endStream: false })
    stream.write(Buffer.alloc(100_000))
    const { text, code } = await answerOf(stream)
    assert.deepEqual([text, code], ['early', 0])
    assert.equal((await ask(session, '/')).status, 200)
  })

  test('are sent as they are written', async () => {
    const stream = session.request({ ':path': '/events' })
    assert.equal((await headOf(stream))['content-type'], 'text/event-stream')
    stream.setEncoding('utf8')
    for (const n of ['1', '2', '3']) {
      const came = new Promise((settle) => stream.once('data', settle))
      assert.equal((await ask(session, `/next?n=${n}`)).text, '1')
      assert.equal(await came, `data: ${n}\n\n`)
    }
    stream.close()
    assert.equal((await ask(session, '/noted?count=1')).text, '["events closed"]')
  })

  test('that the application cuts off look cut off', async () => {
    // Neither costs another request of the connection anything.
    const other = ask(session, '/bytes?length=500000')
    for (const path of ['/cut', '/destroy']) assert.equal(await resetCode(ask(session, path)), internalError)
    assert.equal((await other).body.length, 500_000)
  })
})

describe('requests that are refused', () => {
  test('with fields of a connection, without a path, or with a foreign one', async () => {
    await using frames = await openFrames(hornet)
    const block = (fields: readonly (readonly [string, string])[]) => requestBlock('/', fields)
    const get = [':method', 'GET'] as const
    const https = [':scheme', 'https'] as const
    const bad: Record<string, Buffer> = {
      connection: block([['connection', 'close']]),
      'transfer-encoding': block([['transfer-encoding', 'chunked']]),
      upgrade: block([['upgrade', 'h2c']]),
      'te that is not trailers': block([['te', 'gzip']]),
      'upper case': block([['X-A', 'b']]),
      'a line end': block([['x-a', 'b\r\nx-c: d']]),
      'two lengths': block([
        ['content-length', '1'],
        ['content-length', '2'],
      ]),
      'no path': fieldBlock([get, https]),
      'an empty path': fieldBlock([get, https, [':path', '']]),
      'a path without a slash': fieldBlock([get, https, [':path', 'seen']]),
      'a blank in the path': requestBlock('/ HTTP/1.1\r\nx: y'),
      'a blank in the authority': fieldBlock([get, https, [':path', '/'], [':authority', 'a b']]),
      'no method': fieldBlock([https, [':path', '/']]),
      'a method of two words': fieldBlock([[':method', 'GET /a'], https, [':path', '/']]),
      'an unknown pseudo-header': fieldBlock([get, https, [':path', '/'], [':x', 'y']]),
      'pseudo-headers last': fieldBlock([get, https, ['a', 'b'], [':path', '/']]),
    }
    let stream = -1
    for (const [name, payload] of Object.entries(bad)) {
      stream += 2
      frames.send(frame(frameType.headers, flag.endHeaders | flag.endStream, stream, payload))
      const answer = await frames.readUntil(frameType.rstStream, stream)
      assert.equal(answer.payload.readUInt32BE(0), protocolError, name)
    }
    frames.send(getFrame(stream + 2, '/'))
    assert.equal((await frames.readUntil(frameType.data, stream + 2)).payload.toString(), 'hello\n')
  })

  test('with CONNECT, an unknown method, or too much of a head', async () => {
    const connect = session.request({ ':method': 'CONNECT', ':authority': 'a.test:443' })
    assert.equal((await answerOf(connect)).status, 501)
    assert.equal((await ask(session, '/', { ':method': 'BREW' })).status, 501)
    assert.equal((await ask(session, `/${'a'.repeat(9000)}`)).status, 414)
    assert.equal((await ask(session, '/', { 'x-large': 'a'.repeat(9000) })).status, 431)
    const many = Object.fromEntries(Array.from({ length: 120 }, (_, index) => [`x-${index}`, 'a']))
    assert.equal((await ask(session, '/', many)).status, 431)
    assert.equal((await ask(session, '/')).status, 200)
  })

  test('beyond --limit-request-body: 413', async () => {
    await using small = await startHttp2(['--limit-request-body', '100k'])
    await using other = await open(small)
    for (const headers of [{}, { 'content-length': 200_000 }]) {
      const { status, code } = await ask(other, '/hash', { ':method': 'POST', ...headers }, Buffer.alloc(200_000))
      assert.deepEqual([status, code], [413, 0])
    }
    assert.equal((await ask(other, '/hash', { ':method': 'POST' }, Buffer.alloc(100 * KiB))).status, 200)
  })
})

describe('what the client speaks', () => {
  test('is its choice, and HTTP/1.1 when it does not care', async () => {
    for (const [offered, chosen] of [
      [['h2', 'http/1.1'], 'h2'],
      [['http/1.1', 'h2'], 'h2'],
      [['http/1.1'], 'http/1.1'],
      [undefined, false],
    ] as const) {
      const connection = await connectSecurely(hornet, { ALPNProtocols: offered?.slice() })
      assert.equal(connection.tls.alpnProtocol, chosen, String(offered))
      if (chosen !== 'h2') assert.equal(await textOf(connection), 'hello\n')
      connection.destroy()
    }
  })

  test('is HTTP/1.1 with --no-http2', async () => {
    await using without = await startHttp2(['--no-http2'])
    const connection = await connectSecurely(without, { ALPNProtocols: ['h2', 'http/1.1'] })
    assert.equal(connection.tls.alpnProtocol, 'http/1.1')
    assert.equal(await textOf(connection), 'hello\n')
    connection.destroy()
    assert.equal(await refusal(without, { ALPNProtocols: ['h2'] }), 'ALERT_NO_APPLICATION_PROTOCOL')
  })

  test('changes with a reload, for connections from then on', async () => {
    const { path, write } = configFolder()
    write({})
    await using reloaded = await startHornet({ app, args: ['--config', path] })
    await using old = await open(reloaded)
    write({ http2: false })
    reloaded.signal('SIGHUP')
    await reloaded.waitForLog(/reloaded: generation 2\n/)
    assert.equal((await ask(old, '/')).status, 200)
    assert.equal(await refusal(reloaded, { ALPNProtocols: ['h2'] }), 'ALERT_NO_APPLICATION_PROTOCOL')
  })

  test('over TLS 1.2 as well, and with a certificate of its own', async () => {
    await using strict = await startHttp2(['--cert-reqs', 'required', '--ca-certs', cert('ca.pem')])
    const client = { cert: pem('client.pem'), key: pem('client.key') }
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      await using other = await open(strict, { ...client, maxVersion })
      const answers = await Promise.all([ask(other, '/seen'), ask(other, '/seen')])
      for (const answer of answers) {
        const { peer, socket } = seen(answer)
        assert.deepEqual([peer, socket.authorized], ['client', true])
      }
    }
    await asked('refusal', async () => (await refusal(strict, { ALPNProtocols: ['h2'] })) !== 'served: 200')
  })
})
