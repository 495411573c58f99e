/**
 * Promise: a handler that fails costs its own request and nothing else.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startHornet } from '../support/hornet.js'
import { connect, get, message } from '../support/http.js'

const app = 'test/http/fixtures/app.mjs'

test('a throw and a rejection give 500, the log has the stack, connection and worker go on', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '1'] })
  const connection = await connect(hornet)
  for (const route of ['throw', 'reject']) {
    connection.write(message('GET', `/${route}`))
    const response = await connection.readResponse()
    assert.deepEqual([response.status, response.text], [500, 'Internal Server Error\n'])
    assert.doesNotMatch(response.text, /handler/, 'nothing of the inside is told')
  }
  await hornet.waitForLog(/thrown by the handler\n\s+at .*app\.mjs/)
  await hornet.waitForLog(/rejected by the handler\n\s+at .*app\.mjs/)
  connection.write(message('GET', '/text/next'))
  assert.equal((await connection.readResponse()).text, 'next')
  connection.destroy()
  await hornet.stop()
  assert.doesNotMatch(hornet.stderr, /died/)
})

test('one that fails among pipelined requests takes none of them with it', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '1'] })
  const connection = await connect(hornet)
  const routes = ['text/a', 'throw', 'text/b', 'reject', 'pieces', 'throw', 'text/c']
  connection.write(Buffer.concat(routes.map((route) => message('GET', `/${route}`))))
  const answers: string[] = []
  for (const _ of routes) answers.push((await connection.readResponse()).text)
  const failed = 'Internal Server Error\n'
  assert.deepEqual(answers, ['a', failed, 'b', failed, 'one,two,three', failed, 'c'])
  connection.destroy()
})

test('a throw in the middle of a response: the client can tell that it is not whole', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '1'] })
  await assert.rejects(get(hornet, '/throw-late'), /the connection (ended|broke)/)
  await hornet.waitForLog(/thrown too late/)
  assert.equal((await get(hornet, '/text/well')).text, 'well')
})
