/**
 * Promise: WINCH lets all workers go while the addresses stay open; requests wait for the workers that HUP or TTIN bring.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startHornet } from '../support/hornet.js'
import { connect, get, message } from '../support/http.js'
import { app, holdRequest } from './held-request.js'

test('requests in flight finish, new ones wait for HUP, which brings as many workers as before', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '2'] })
  await hornet.waitForLog(/worker [12] ready[\s\S]*worker [12] ready/)
  const held = await holdRequest(hornet)
  hornet.signal('SIGWINCH')
  await hornet.waitForLog(/degraded: 0 of 0 workers are ready/)
  held.release()
  assert.match((await held.connection.readUntil('0\r\n\r\n')).toString(), /done/)
  held.connection.destroy()
  await hornet.waitForLog(/worker [12] ended[\s\S]*worker [12] ended/)
  const waiting = await connect(hornet)
  waiting.write(message('GET', '/'))
  hornet.signal('SIGHUP')
  await hornet.waitForLog(/workers: 0 -> 2\n[\s\S]*reloaded: generation 2\n/)
  assert.equal((await waiting.readResponse()).text, 'first')
  waiting.destroy()
})

test('TTIN brings one worker back', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '3'] })
  await hornet.waitForLog(/worker \d ready/)
  hornet.signal('SIGWINCH')
  await hornet.waitForLog(/suspended/)
  hornet.signal('SIGTTIN')
  await hornet.waitForLog(/workers: 0 -> 1\n/)
  assert.equal((await get(hornet)).text, 'first')
})
