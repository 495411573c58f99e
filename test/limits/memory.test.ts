/**
 * Promises about memory and descriptors, in their short form; memory.extended.test.ts has the figures of the docs.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startHornet } from '../support/hornet.js'
import { connect, get, message } from '../support/http.js'
import { churn, descriptors, holdIdle, residentBytes } from './memory.js'

const app = 'test/http/fixtures/by-path.mjs'
const MiB = 1024 * 1024

test('idle keep-alive connections cost little', async (t) => {
  await using hornet = await startHornet({ app, args: ['-w', '1', '--keep-alive', '60'] })
  const { bytes, connections } = await holdIdle(hornet, 1000)
  t.diagnostic(`${Math.round(bytes)} bytes of the server's memory per idle connection (1,000 of them)`)
  // Loose for so few: the JavaScript heap moves by more than they take.
  assert.ok(bytes < 16 * 1024, `${bytes} bytes`)
  for (const connection of connections) connection.destroy()
  await hornet.stop()
})

test('short connections leave no descriptor behind', async () => {
  await using hornet = await startHornet({ app, args: ['-w', '1'] })
  await churn(hornet, 200)
  const before = descriptors(hornet.pid)
  await churn(hornet, 3000)
  await settled(hornet.pid, before)
  await hornet.stop()
})

test('a reader that is slow holds its writer back and costs bounded memory', async () => {
  await using hornet = await startHornet({ app, args: ['-w', '1'] })
  // Measured once the worker is there: what it loads is no part of a download.
  await get(hornet, '/')
  const before = residentBytes(hornet.pid)
  const slow = await connect(hornet)
  try {
    slow.pause()
    slow.write(message('GET', `/bytes?count=${512 * MiB}`))
    // Others are served meanwhile, and the server's memory stays where it is.
    for (let n = 0; n < 200; n++) assert.equal((await get(hornet, `/${n}`)).status, 200)
    const grown = (residentBytes(hornet.pid) - before) / MiB
    assert.ok(grown < 60, `${grown} MiB`)
  } finally {
    slow.destroy()
  }
  await hornet.stop()
})

/** The server closes its end when it has seen ours: a moment later. */
async function settled(pid: number, most: number): Promise<void> {
  const deadline = performance.now() + 10_000
  while (descriptors(pid) > most) {
    assert.ok(performance.now() < deadline, `${descriptors(pid)} descriptors, ${most} before`)
    await new Promise((go) => setImmediate(go))
  }
}
