/**
 * The long forms: 10,000 idle connections, 100,000 short ones. Transfers of 1 GiB: test/memory.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startHornet } from '../support/hornet.js'
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
