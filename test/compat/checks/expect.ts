/**
 * Expect: checkContinue, checkExpectation, and what happens without them.
 */
import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { bare, check, event, message, same, textOf } from '../stage.js'

const expecting = bare('POST /', ['Host: x', 'Content-Length: 4', 'Expect: 100-continue'])

export const checks = [
  check('without a listener 100 is sent, then the request is emitted', async (stage) => {
    const served = await stage.serve(async (req, res) => res.end(`${req.headers.expect} ${await textOf(req)}`))
    const connection = await served.connect()
    connection.write(expecting)
    assert.equal((await connection.readUntil('\r\n\r\n')).toString(), 'HTTP/1.1 100 Continue\r\n\r\n')
    connection.write('body')
    assert.equal((await connection.readResponse()).text, '100-continue body')
  }),

  check('checkContinue takes the place of request', async (stage) => {
    let requests = 0
    const served = await stage.serve(() => requests++)
    served.server.on('checkContinue', async (req: IncomingMessage, res: ServerResponse) => {
      res.writeContinue()
      res.end(`checked ${await textOf(req)}`)
    })
    const connection = await served.connect()
    connection.write(expecting)
    assert.equal((await connection.readUntil('\r\n\r\n')).toString(), 'HTTP/1.1 100 Continue\r\n\r\n')
    connection.write('body')
    assert.equal((await connection.readResponse()).text, 'checked body')
    assert.equal(requests, 0)
  }),

  check('checkContinue may refuse without 100', async (stage) => {
    const served = await stage.serve()
    served.server.on('checkContinue', (_req: IncomingMessage, res: ServerResponse) => {
      res.statusCode = 413
      res.end('too much')
    })
    const connection = await served.connect()
    connection.write(expecting)
    const response = await connection.readResponse()
    assert.deepEqual([response.status, response.text, response.informational], [413, 'too much', []])
  }),

  check('checkContinue may hand on to request', async (stage) => {
    const served = await stage.serve((_req, res) => res.end('by request'))
    served.server.on('checkContinue', (req, res) => {
      res.writeContinue()
      served.server.emit('request', req, res)
    })
    const connection = await served.connect()
    connection.write(`${expecting}body`)
    assert.equal((await connection.readResponse()).text, 'by request')
  }),

  check('Expect is matched in any case', async (stage) => {
    const served = await stage.serve((_req, res) => res.end('x'))
    const connection = await served.connect()
    connection.write(bare('POST /', ['Host: x', 'Content-Length: 0', 'Expect: 100-Continue']))
    assert.equal((await connection.readResponse()).informational[0]?.status, 100)
  }),

  check('an unknown expectation is answered with 417, and no request', async (stage) => {
    let requests = 0
    const served = await stage.serve((_req, res) => {
      requests++
      res.end()
    })
    const response = await served.get('/', { Expect: 'miracles' })
    assert.deepEqual([response.status, response.text, requests], [417, '', 0])
  }),

  check('checkExpectation takes its place', async (stage) => {
    const served = await stage.serve()
    served.server.on('checkExpectation', (req: IncomingMessage, res: ServerResponse) => {
      res.end(`expects ${req.headers.expect}`)
    })
    const response = await served.get('/', { Expect: 'miracles' })
    assert.deepEqual([response.status, response.text], [200, 'expects miracles'])
  }),

  same('Expect from HTTP/1.0', async (stage) => {
    const served = await stage.serve((_req, res) => res.end('x'))
    return (await served.all('GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n')).replace(/Date: .*\r\n/, '')
  }),

  same('Expect without a body', async (stage) => {
    const served = await stage.serve((_req, res) => res.end('x'))
    const { informational, status } = await served.get('/', { Expect: '100-continue' })
    return [informational, status]
  }),

  check('a body that is not waited for is read all the same', async (stage) => {
    const served = await stage.serve(async (req, res) => res.end(await textOf(req)))
    const connection = await served.connect()
    connection.write(`${expecting}body`)
    assert.equal((await connection.readResponse()).text, 'body')
    connection.write(message('POST', '/', {}, 'next'))
    assert.equal((await connection.readResponse()).text, 'next')
  }),

  check('the client half of node:http gets continue, then the answer', async (stage) => {
    const served = await stage.serve(async (req, res) => res.end(await textOf(req)))
    const request = stage.http.request({
      port: served.port,
      host: '127.0.0.1',
      method: 'POST',
      headers: { Expect: '100-continue', 'Content-Length': '5' },
    })
    const continued = event(request, 'continue')
    request.flushHeaders()
    await continued
    const answered = event<[IncomingMessage]>(request, 'response')
    request.end('later')
    const [response] = await answered
    assert.equal(await textOf(response), 'later')
  }),
]
