/**
 * Promise: a response on the wire is as long as it says. An application that announces another length than it writes
 * does not put the connection out of step: what is too much is not sent, and what is too little ends the connection.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type Hornet, startHornet } from '../support/hornet.js'
import { connect, message } from '../support/http.js'

const big = 200_000

describe('a wrong Content-Length', () => {
  let hornet: Hornet
  before(async () => {
    hornet = await startHornet({ app: 'test/http/fixtures/wrong-length-app.mjs', args: ['--workers', '1'] })
  })
  after(() => hornet.stop())

  /** The bytes of the whole connection, on which a second request follows the first. */
  async function answerTo(target: string, method = 'GET'): Promise<string> {
    const connection = await connect(hornet)
    try {
      connection.write(Buffer.concat([message(method, target), message('GET', '/next', { Connection: 'close' })]))
      return (await connection.readToEnd()).toString('latin1')
    } finally {
      connection.destroy()
    }
  }

  for (const [what, target] of [
    ['at once', '/short'],
    ['in pieces', '/short-pieces'],
  ]) {
    test(`too little ${what}: the connection ends with it`, async () => {
      const answer = await answerTo(target)
      assert.match(answer, /^HTTP\/1\.1 200 OK\r\nContent-Length: 10\r\n[\s\S]*\r\n\r\nshort$/i)
    })
  }

  for (const [what, target] of [
    ['at once', '/long'],
    ['in pieces', '/long-pieces'],
  ]) {
    test(`too much ${what}: it is cut, and the connection ends`, async () => {
      const answer = await answerTo(target)
      assert.match(answer, /^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nlong$/)
    })
  }

  test('far too much: the application can write it all', async () => {
    const answer = await answerTo(`/flood?${big}`)
    assert.match(answer, /\r\n\r\nxxxx$/)
  })

  test('no number, two framings, or a status that is not final: 500, and the connection ends', async () => {
    for (const target of ['/nonsense', '/negative', '/empty', '/power', '/both', '/interim']) {
      assert.match(
        await answerTo(target),
        /^HTTP\/1\.1 500 Internal Server Error\r\n[\s\S]*\r\nInternal Server Error\n$/i,
      )
    }
  })

  test('a failing handler that tried a status without a body: 500 with its body', async () => {
    assert.match(
      await answerTo('/failing'),
      /^HTTP\/1\.1 500 [\s\S]*\r\n\r\nInternal Server Error\nHTTP\/1\.1 200 OK[\s\S]*next$/,
    )
  })

  test('of a response to HEAD it says what it likes, and the connection goes on', async () => {
    assert.match(await answerTo('/short', 'HEAD'), /Content-Length: 10[\s\S]*\r\n\r\nHTTP\/1\.1 200 OK[\s\S]*next$/i)
  })
})
