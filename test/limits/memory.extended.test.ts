/**
 * The long forms: 10,000 idle connections, 100,000 short ones, 1 GiB each way.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startHornet } from '../support/hornet.js'
import { connect, get, message } from '../support/http.js'
import { churn, descriptors, holdIdle, residentBytes } from './memory.js'

const app = 'test/http/fixtures/by-path.mjs'
const MiB = 1024 * 1024

test('10,000 idle keep-alive connections', async (t) => {
  const args = ['-w', '1', '--keep-alive', '10m', '--max-connections', '12000']
  await using hornet = await startHornet({ app, args })
  const { bytes, connections } = await holdIdle(hornet, 10_000)
  t.diagnostic(`${Math.round(bytes)} bytes of the server's memory per idle connection (10,000 of them)`)
  assert.ok(bytes < 4096, `${bytes} bytes`)
  for (const connection of connections) connection.destroy()
  await hornet.stop()
})

test('100,000 short connections leak no descriptor and no memory', async (t) => {
  await using hornet = await startHornet({ app, args: ['-w', '1'] })
  await churn(hornet, 20_000)
  const before = { bytes: residentBytes(hornet.pid), descriptors: descriptors(hornet.pid) }
  await churn(hornet, 100_000)
  const grown = (residentBytes(hornet.pid) - before.bytes) / MiB
  t.diagnostic(`${grown.toFixed(1)} MiB and ${descriptors(hornet.pid) - before.descriptors} descriptors more`)
  assert.ok(grown < 20, `${grown} MiB`)
  assert.ok(descriptors(hornet.pid) - before.descriptors < 60)
  await hornet.stop()
})

test('1 GiB up and 1 GiB down in less than 100 MiB', async (t) => {
  await using hornet = await startHornet({ app, args: ['-w', '1'] })
  const size = 1024 * MiB
  // Measured once the worker is there: what it loads is no part of an upload.
  await get(hornet, '/')
  const before = residentBytes(hornet.pid)
  let peak = before
  const watch = setInterval(() => {
    peak = Math.max(peak, residentBytes(hornet.pid))
  }, 50)
  try {
    const up = await connect(hornet)
    const piece = Buffer.alloc(MiB, 'up')
    up.write(`POST /hash HTTP/1.1\r\nHost: x\r\nContent-Length: ${size}\r\n\r\n`)
    for (let sent = 0; sent < size; sent += piece.length) {
      if (!up.socket.write(piece)) await new Promise((go) => up.socket.once('drain', go))
    }
    assert.equal(JSON.parse((await up.readResponse({ ms: 60_000 })).text).bytes, size)
    t.diagnostic(`upload: peak growth ${Math.round((peak - before) / MiB)} MiB`)
    up.destroy()
    const down = await connect(hornet)
    down.write(message('GET', `/bytes?count=${size}`))
    await down.readUntil('\r\n\r\n')
    for (let read = 0; read < size; read += MiB) await down.readBytes(MiB, 60_000)
    t.diagnostic(`both: peak growth ${Math.round((peak - before) / MiB)} MiB`)
    down.destroy()
  } finally {
    clearInterval(watch)
  }
  assert.ok(peak - before < 100 * MiB, `${(peak - before) / MiB} MiB`)
  await hornet.stop()
})
