/**
 * Promise: workers that are replaced again and again, while bodies come and go, leave the process as big as it was.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ask, settled } from '../chaos/faults.js'
import { Ledger } from '../chaos/ledger.js'
import { Random } from '../chaos/random.js'
import { startTraffic } from '../chaos/traffic.js'
import { eventually } from '../support/deadline.js'
import { startHornet } from '../support/hornet.js'
import { arenaBytes, inMebibytes, mebibyte, skipArenas } from './process-memory.js'

const reloads = 8
/** About 7 MiB of it is in use. It was 26 MiB and more while each arena kept as much as glibc lets it. */
const arenaBytesMax = 20 * mebibyte

test(`${reloads} reloads of four workers`, { skip: skipArenas }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hornet-reloads-'))
  const control = join(folder, 'control')
  try {
    await using hornet = await startHornet({
      app: 'test/chaos/app.mjs',
      args: ['--workers', '4', '--control', `unix:${control}`],
      env: { CHAOS_JOURNAL: join(folder, 'journal') },
    })
    await hornet.waitForLog(/control API on/)
    await settled({ control })
    const ledger = new Ledger()
    const traffic = startTraffic(hornet.port, 16, ledger, new Random(1))
    for (let count = 0; count < reloads; count++) {
      const from = ledger.sent
      await eventually('100 more requests', () => ledger.sent >= from + 100 || undefined)
      const { status, text } = await ask({ control }, '/reload', {})
      assert.equal(status, 200, text)
    }
    await traffic.stop()
    assert.deepEqual(ledger.failures, [])
    await eventually(
      `${inMebibytes(arenaBytesMax)} of arenas`,
      () => arenaBytes(hornet.pid) <= arenaBytesMax || undefined,
      () => `they have ${inMebibytes(arenaBytes(hornet.pid))}`,
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
})
