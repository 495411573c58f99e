/**
 * Promise: whatever clients ask for, in whatever order, however slowly they read and whenever they leave, each byte that
 * they get is the right one, and nothing stays open. Extended: `npm test -- static/`.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { connect, get, message } from '../support/http.js'
import { startServer } from '../support/native-server.js'

const clients = 24
const rounds = 20

const folder = mkdtempSync(join(tmpdir(), 'hornet-churn-'))
after(() => rmSync(folder, { recursive: true }))

const files = [10, 20_000, 200_000, 3_000_000].map((bytes) => {
  const content = randomBytes(bytes)
  writeFileSync(join(folder, `${bytes}.bin`), content)
  return { path: `/${bytes}.bin`, content }
})

const below = (count: number) => Math.floor(Math.random() * count)

/** A request, and what its answer must be. */
function ask(): { bytes: Buffer; status: number; body: Buffer } {
  const { path, content } = files[below(files.length)]
  switch (below(6)) {
    case 0: {
      const first = below(content.length)
      const last = first + below(content.length)
      const bytes = message('GET', path, { Range: `bytes=${first}-${last}` })
      return { bytes, status: 206, body: content.subarray(first, last + 1) }
    }
    case 1:
      return { bytes: message('GET', `/none/${below(5)}`), status: 200, body: Buffer.from('app') }
    case 2: {
      const bytes = message('GET', path, { 'If-Modified-Since': 'Sun, 06 Nov 2094 08:49:37 GMT' })
      return { bytes, status: 304, body: Buffer.alloc(0) }
    }
    default:
      return { bytes: message('GET', path), status: 200, body: content }
  }
}

async function visit(port: number): Promise<void> {
  const connection = await connect({ port })
  const asked = Array.from({ length: 1 + below(6) }, ask)
  connection.write(Buffer.concat(asked.map(({ bytes }) => bytes)))
  const stays = below(asked.length + 2)
  for (const { status, body } of asked.slice(0, stays)) {
    if (below(5) === 0) {
      connection.pause()
      // As long as others take.
      await get({ port }, files[below(2)].path)
      connection.resume()
    }
    const response = await connection.readResponse()
    assert.equal(response.status, status)
    assert.ok(response.body.equals(body), 'the right bytes')
  }
  if (below(2) === 0) connection.socket.resetAndDestroy()
  else connection.destroy()
}

for (const mayLookUp of [true, false]) {
  test(mayLookUp ? 'at once where that is possible' : 'by threads alone', async () => {
    const server = startServer({ handle: (request) => request.answer('app') })
    server.server.serveFiles({ mounts: [{ prefix: '', folder }], maxAgeSeconds: 0, transfersMax: 3, mayLookUp })
    try {
      const client = async () => {
        for (let i = 0; i < rounds; i++) await visit(server.port)
      }
      await Promise.all(Array.from({ length: clients }, client))
      await server.until('nothing in flight', ({ requestsInFlight }) => requestsInFlight === 0)
      const open = readdirSync('/proc/self/fd').filter((fd) => pointsTo(fd).startsWith(folder))
      assert.deepEqual(open, [])
    } finally {
      server.close()
    }
  })
}

function pointsTo(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    return '' // the descriptor of the listing itself
  }
}
