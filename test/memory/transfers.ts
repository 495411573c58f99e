/**
 * Large bodies in either direction, checked by their hash while the server's memory is watched.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectSocket, type Socket } from 'node:net'
import { within } from '../support/deadline.js'
import { type Hornet, startHornet } from '../support/hornet.js'
import { connect, get, message } from '../support/http.js'
import { inMebibytes, mebibyte, peakGrowth } from './process-memory.js'

export const app = 'test/http/fixtures/app.mjs'
const transferMs = 120_000

/** One piece of what is sent: the n-th MiB holds the low byte of n. */
const piece = (number: number) => Buffer.alloc(mebibyte, number & 255)

function digest(mebibytes: number): string {
  const hash = createHash('sha256')
  for (let number = 0; number < mebibytes; number++) hash.update(piece(number))
  return hash.digest('hex')
}

async function send(socket: Socket, mebibytes: number, frame: (piece: Buffer) => Buffer): Promise<void> {
  for (let number = 0; number < mebibytes; number++) {
    if (!socket.write(frame(piece(number)))) await once(socket, 'drain')
  }
}

export async function upload(hornet: Hornet, mebibytes: number, framing: 'length' | 'chunks'): Promise<void> {
  const connection = await connect(hornet)
  const isChunked = framing === 'chunks'
  const field: Record<string, string> = isChunked
    ? { 'Transfer-Encoding': 'chunked' }
    : { 'Content-Length': `${mebibytes * mebibyte}` }
  connection.write(message('POST', '/hash', field))
  const frame = (data: Buffer) =>
    isChunked ? Buffer.concat([Buffer.from(`${data.length.toString(16)}\r\n`), data, Buffer.from('\r\n')]) : data
  await within(send(connection.socket, mebibytes, frame), 'end of the upload', transferMs)
  if (isChunked) connection.write('0\r\n\r\n')
  const { bytes, sha256 } = JSON.parse((await connection.readResponse({ ms: transferMs })).text)
  assert.deepEqual({ bytes, sha256 }, { bytes: mebibytes * mebibyte, sha256: digest(mebibytes) })
  connection.destroy()
}

/** Hashes as it reads: the raw client would hold it all. */
export async function download(hornet: Hornet, mebibytes: number): Promise<void> {
  const socket = connectSocket({ port: hornet.port, host: hornet.host })
  socket.write(message('GET', `/download/${mebibytes}`, { Connection: 'close' }))
  const hash = createHash('sha256')
  let head = Buffer.alloc(0)
  let isBody = false
  let bytes = 0
  const take = (data: Buffer) => {
    hash.update(data)
    bytes += data.length
  }
  socket.on('data', (data: Buffer) => {
    if (isBody) return take(data)
    head = Buffer.concat([head, data])
    const end = head.indexOf('\r\n\r\n')
    if (end === -1) return
    isBody = true
    take(head.subarray(end + 4))
  })
  await within(once(socket, 'close'), 'end of the download', transferMs, () => `${bytes} bytes so far`)
  assert.deepEqual({ bytes, sha256: hash.digest('hex') }, { bytes: mebibytes * mebibyte, sha256: digest(mebibytes) })
}

/**
 * Runs each kind of transfer on a server of its own that has done a small one before, and holds the growth of its
 * memory against `boundBytes`.
 */
export async function checkTransfers(mebibytes: number, boundBytes: number): Promise<void> {
  for (const [name, transfer] of [
    ['upload by length', (hornet: Hornet, size: number) => upload(hornet, size, 'length')],
    ['upload in chunks', (hornet: Hornet, size: number) => upload(hornet, size, 'chunks')],
    ['download', download],
  ] as const) {
    await using hornet = await startHornet({ app, args: ['--workers', '1'] })
    await transfer(hornet, 1)
    const growth = await peakGrowth(hornet.pid, () => transfer(hornet, mebibytes))
    console.log(`${mebibytes} MiB ${name}: ${inMebibytes(growth)} of extra memory at most`)
    assert.ok(growth < boundBytes, `${name}: the server grew by ${inMebibytes(growth)}`)
    assert.equal((await get(hornet)).text, 'hello')
  }
}
