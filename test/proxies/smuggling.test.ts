/**
 * Promise: behind a real nginx or HAProxy no client can make a request out of a part of another: the application sees
 * what the proxy meant to send, and each client gets its own answers.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { setStage, vectors } from './smuggling.js'

// The extended tests have HAProxy at its strictest too.
for (const name of ['nginx', 'haproxy, lenient'] as const) {
  const command = name.split(',')[0] as string
  const isMissing = spawnSync(command, ['-v']).error !== undefined && `${command} is not installed`
  test(`${vectors.length} ways to smuggle a request through ${name}`, { skip: isMissing }, async (t) => {
    const stage = await setStage(name)
    try {
      for (const vector of vectors) await stage.attack(vector)
      const { attacks, seen } = await stage.judge()
      assert.equal(attacks, vectors.length)
      t.diagnostic(`${seen} requests reached the application, each as ${command} sent it`)
    } finally {
      await stage.close()
    }
  })
}
