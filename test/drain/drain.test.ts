/**
 * Promise: from SIGTERM on, what a client has already asked is answered, it is told not to ask again here, and nobody is
 * left hanging.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Hornet, startHornet } from '../support/hornet.js'
import { connect, get, message, type RawConnection, type RawResponse } from '../support/http.js'

const app = 'test/http/fixtures/app.mjs'
const body = Buffer.alloc(200_000, 'x')

/** A request that is in flight until `finish` sends the rest of its body. */
async function beginUpload(hornet: Hornet): Promise<{ connection: RawConnection; finish: () => Promise<RawResponse> }> {
  const before = Number((await get(hornet, '/seen/count')).text)
  const connection = await connect(hornet)
  connection.write(message('POST', '/hash', { 'Content-Length': `${body.length}` }))
  connection.write(body.subarray(0, 100_000))
  while (Number((await get(hornet, '/seen/count')).text) === before);
  const finish = () => {
    connection.write(body.subarray(100_000))
    return connection.readResponse()
  }
  return { connection, finish }
}

/** Resolves when the I/O thread drains: from then on it closes what is idle. */
async function startDraining(hornet: Hornet): Promise<void> {
  const idle = await connect(hornet)
  idle.write(message('GET', '/text/idle'))
  await idle.readResponse()
  hornet.signal('SIGTERM')
  assert.equal((await idle.readToEnd()).length, 0)
}

async function endsWell(hornet: Hornet): Promise<void> {
  assert.deepEqual(await hornet.exited, { code: 0, signal: null })
}

test('a request in flight is answered with Connection: close, and no new connection is taken', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '1'] })
  const upload = await beginUpload(hornet)
  await startDraining(hornet)
  await assert.rejects(connect(hornet), /ECONNREFUSED/)
  const response = await upload.finish()
  assert.equal(JSON.parse(response.text).bytes, body.length)
  assert.equal(response.headers.connection, 'close')
  assert.equal((await upload.connection.readToEnd()).length, 0)
  await endsWell(hornet)
})

test('connections that wait to be accepted are served', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '1'] })
  await get(hornet)
  const connections = await Promise.all(Array.from({ length: 100 }, () => connect(hornet)))
  for (const connection of connections) connection.write(message('GET', '/text/waiting'))
  hornet.signal('SIGTERM')
  for (const connection of connections) assert.equal((await connection.readResponse()).text, 'waiting')
  for (const connection of connections) assert.equal((await connection.readToEnd()).length, 0)
  await endsWell(hornet)
})

test('pipelined requests in flight are all answered', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '1'] })
  const connection = await connect(hornet)
  const tools = await connect(hornet)
  connection.write(Buffer.concat(['/hold/a', '/hold/b', '/pieces', '/sized/c'].map((path) => message('GET', path))))
  const begun = async () => {
    tools.write(message('GET', '/seen/journal'))
    return JSON.parse((await tools.readResponse()).text) as string[]
  }
  for (let events: string[] = []; !events.includes('begin b'); ) events = events.concat(await begun())
  // Asked before the drain, answered within it: no other way in is left then.
  tools.write(message('POST', '/release-after-body/a,b', { 'Content-Length': `${body.length}` }))
  tools.write(body.subarray(0, 100_000))
  await startDraining(hornet)
  tools.write(body.subarray(100_000))
  assert.equal((await tools.readResponse()).text, 'released')
  const responses: RawResponse[] = []
  for (let number = 0; number < 4; number++) responses.push(await connection.readResponse())
  assert.deepEqual(
    responses.map(({ text }) => text),
    ['a', 'b', 'one,two,three', 'c'],
  )
  assert.equal((await connection.readToEnd()).length, 0)
  await endsWell(hornet)
})

test('a connection that has not asked anything yet may still ask once, and is told to close', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '1'] })
  await get(hornet)
  const silent = await connect(hornet)
  const asking = await connect(hornet)
  await startDraining(hornet)
  asking.write(message('GET', '/text/last'))
  const response = await asking.readResponse()
  assert.deepEqual([response.text, response.headers.connection], ['last', 'close'])
  assert.equal((await asking.readToEnd()).length, 0)
  assert.equal((await silent.readToEnd()).length, 0, 'the one that says nothing is closed')
  await endsWell(hornet)
})
