/**
 * Promise: an answer that is cut short never looks whole. One in chunks lacks its last chunk, one of a known length some
 * of its bytes; one that only the end of the connection ends is cut by a reset, and no orderly end.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startHornet } from '../support/hornet.js'
import { connect, get, message, type RawConnection } from '../support/http.js'
import { app } from './client.js'

const framings: [name: string, request: string, isEndedByChunks: boolean][] = [
  ['HTTP/1.0', 'GET /begin?a HTTP/1.0\r\n\r\n', false],
  ['HTTP/1.0 that asks to be kept', 'GET /begin?a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n', false],
  ['HTTP/1.1 without chunks', 'GET /begin-bare?a HTTP/1.1\r\nHost: a\r\n\r\n', false],
  ['HTTP/1.1', 'GET /begin?a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', true],
]

type Server = Awaited<ReturnType<typeof startHornet>>

/** What cuts it, once the client has seen its beginning. */
const causes: [name: string, args: string[], cut: (hornet: Server, connection: RawConnection) => Promise<unknown>][] = [
  ['its worker dies', [], async (hornet) => assert.equal((await get(hornet, '/exit')).status, 502)],
  ['its worker is blocked', ['--timeout', '1s'], async (hornet) => get(hornet, '/spin')],
  ['it takes longer than --request-timeout', ['--request-timeout', '300ms'], async () => undefined],
  ['the application destroys it', [], async (hornet) => get(hornet, '/destroy?a')],
  ['its client has ended its side', [], async (_, connection) => connection.end()],
  ['the server is stopped at once', [], async (hornet) => hornet.signal('SIGINT')],
]

for (const [cause, args, cut] of causes) {
  test(`${cause}`, async () => {
    for (const [name, request, isEndedByChunks] of framings) {
      await using hornet = await startHornet({ app, args: ['--workers', '1', ...args] })
      const connection = await connect(hornet)
      connection.write(request)
      await connection.readUntil('begun;')
      await cut(hornet, connection)
      const rest = await connection.readToEnd().catch(() => undefined)
      if (isEndedByChunks) {
        assert.doesNotMatch(rest?.toString() ?? '', /0\r\n\r\n/, name)
      } else {
        assert.deepEqual(connection.state, { error: 'ECONNRESET' }, name)
      }
      connection.destroy()
    }
  })
}

test('a whole answer that its client has not taken when the server is stopped', async () => {
  const bytes = 64 << 20
  await using hornet = await startHornet({ app, args: ['--workers', '1'] })
  const connection = await connect(hornet)
  connection.pause()
  connection.write(`GET /large?${bytes} HTTP/1.0\r\n\r\n`)
  // Once this is answered the other one is written, as far as the kernel takes it.
  await get(hornet, '/')
  hornet.signal('SIGINT')
  await hornet.exited
  // Asked by a write, which an orderly end would let pass: to a reader libuv shows a reset behind bytes as an end.
  const error = await new Promise<NodeJS.ErrnoException | null | undefined>((told) => {
    connection.socket.write('x', told)
  })
  assert.equal(error?.code, 'ECONNRESET')
  connection.destroy()
})

test('what only the end of the connection ends, whole: an orderly end', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '1'] })
  const connection = await connect(hornet)
  connection.write('GET /begin?a HTTP/1.0\r\n\r\n')
  await connection.readUntil('begun;')
  await get(hornet, '/finish?a')
  assert.equal((await connection.readToEnd()).toString(), 'whole')
  // And an answer behind which nothing is kept, when the worker dies just then.
  const sized = await connect(hornet)
  sized.write(message('GET', '/large?5', { Connection: 'close' }))
  assert.equal((await sized.readResponse()).text, 'xxxxx')
  assert.equal((await sized.readToEnd()).length, 0)
})
