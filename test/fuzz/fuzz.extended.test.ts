/**
 * A minute of each fuzzer finds nothing. Extended: `npm test -- fuzz`.
 */
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { root } from '../support/root.js'

const seconds = 60
const suffix = '_fuzz.cc'
const targets = readdirSync(join(root, 'test/fuzz'))
  .filter((name) => name.endsWith(suffix))
  .map((name) => name.slice(0, -suffix.length))
const hasClang = spawnSync('clang++', ['--version']).status === 0
const skip = hasClang ? false : 'fuzzing needs clang++ (Debian: apt install clang)'

describe('fuzzers', { concurrency: 2, skip }, () => {
  for (const target of targets) {
    test(`${target} runs ${seconds} seconds clean`, async () => {
      const { ok, output } = await fuzz(target)
      assert.ok(ok, output.slice(-8000))
    })
  }
})

function fuzz(target: string): Promise<{ ok: boolean; output: string }> {
  const args = [join(root, 'scripts/fuzz.mjs'), target, String(seconds)]
  return new Promise((resolve) => {
    execFile(process.execPath, args, { maxBuffer: 256 * 1024 * 1024 }, (error, stdout, stderr) => {
      resolve({ ok: error === null, output: stdout + stderr })
    })
  })
}
