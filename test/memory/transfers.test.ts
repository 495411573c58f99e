/**
 * Promise: a body passes through the server, it is never gathered there; and a side that does not read stops the other.
 * The extended test moves a gibibyte.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startHornet } from '../support/hornet.js'
import { connect, get, message } from '../support/http.js'
import { inMebibytes, mebibyte, peakGrowth, skip } from './process-memory.js'
import { app, checkTransfers } from './transfers.js'

// More than the bound, or a server that gathers it would pass.
test('160 MiB each way', { skip }, () => checkTransfers(160, 100 * mebibyte))

test('an application that does not read its body stops the client', { skip }, async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '1'] })
  const bytes = 64 * mebibyte
  // What loading the application takes is not to be measured.
  assert.equal((await get(hornet)).text, 'hello')
  const connection = await connect(hornet)
  try {
    let taken = 0
    const growth = await peakGrowth(hornet.pid, async () => {
      connection.write(message('POST', '/unread/body', { 'Content-Length': `${bytes}` }))
      for (let at = 0; at < bytes; at += 65_536) {
        connection.socket.write(Buffer.alloc(65_536), () => {
          taken += 65_536
        })
      }
      // Turns of the server, each of which could have read more.
      for (let turn = 0; turn < 300; turn++) await get(hornet)
    })
    assert.ok(taken < bytes / 2, `${inMebibytes(taken)} were taken`)
    assert.ok(growth < 32 * mebibyte, `the server grew by ${inMebibytes(growth)}`)
    assert.equal((await get(hornet, '/seen/release/body')).text, 'released')
    assert.equal(JSON.parse((await connection.readResponse()).text).bytes, bytes)
  } finally {
    connection.socket.resetAndDestroy()
  }
})

test('a client that does not read its answer stops the application', { skip }, async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '1'] })
  // What loading the application takes is not to be measured.
  assert.equal((await get(hornet)).text, 'hello')
  const connection = await connect(hornet)
  try {
    connection.pause()
    const growth = await peakGrowth(hornet.pid, async () => {
      connection.write(message('GET', '/download/64'))
      for (let turn = 0; turn < 300; turn++) await get(hornet)
    })
    const [made] = JSON.parse((await get(hornet, '/seen/now/download')).text)
    // The kernel's buffers on both sides hold some.
    assert.ok(Number(made) < 32, `the application made ${made} MiB that nobody read`)
    assert.ok(growth < 32 * mebibyte, `the server grew by ${inMebibytes(growth)}`)
    connection.resume()
    assert.equal((await connection.readResponse()).body.length, 64 * mebibyte)
  } finally {
    connection.socket.resetAndDestroy()
  }
})
