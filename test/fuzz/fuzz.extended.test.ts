/**
 * A minute of each fuzzer finds nothing. Extended: `npm test -- fuzz`.
 */
import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { root } from '../support/root.js'

const seconds = 60
const suffix = '_fuzz.cc'
const names = readdirSync(join(root, 'test/fuzz'))
const native = names.filter((name) => name.endsWith(suffix)).map((name) => name.slice(0, -suffix.length))
const scripted = names.filter((name) => existsSync(join(root, 'test/fuzz', name, 'run.ts')))
const hasClang = spawnSync('clang++', ['--version']).status === 0
const skip = hasClang ? false : 'fuzzing needs clang++ (Debian: apt install clang)'

describe('fuzzers', { concurrency: 2 }, () => {
  for (const target of [...native, ...scripted]) {
    test(`${target} runs ${seconds} seconds clean`, { skip: native.includes(target) ? skip : false }, async () => {
      const { ok, output } = await fuzz(target)
      assert.ok(ok, output.slice(-8000))
    })
  }
})

function fuzz(target: string): Promise<{ ok: boolean; output: string }> {
  // The command would compile the scripted ones, among them what is running.
  const args = native.includes(target)
    ? [join(root, 'scripts/fuzz.mjs'), target, String(seconds)]
    : [join(root, 'build/test-out/test/fuzz', target, 'run.js'), 'seconds', String(seconds)]
  return new Promise((resolve) => {
    execFile(process.execPath, args, { maxBuffer: 256 * 1024 * 1024 }, (error, stdout, stderr) => {
      resolve({ ok: error === null, output: stdout + stderr })
    })
  })
}
