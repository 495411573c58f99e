/**
 * Promise: a native addon that is missing or does not fit is refused in words that say what to do; a prebuilt binary
 * goes first, a local build second.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { HornetError } from '../../src/errors.js'
import { loadAddon, loadFirst } from '../../src/seam/addon.js'
import { layoutFingerprint } from '../../src/seam/records.js'
import { root } from '../support/root.js'

const local = 'build/Release/hornet.node'
const prebuilt = `prebuilds/${process.platform}-${process.arch}/hornet.node`

describe('addon loader', () => {
  let folder = ''
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'hornet-loader-'))
  })
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true })
  })

  /** Lays a binary in the package under test: the real one, or a file that is none. */
  function lay(path: string, isReal: boolean): void {
    mkdirSync(join(folder, path, '..'), { recursive: true })
    if (isReal) cpSync(join(root, local), join(folder, path))
    else writeFileSync(join(folder, path), 'not a binary')
  }

  function refusal(expected = layoutFingerprint): HornetError {
    try {
      loadFirst(folder, expected)
    } catch (error) {
      assert.ok(error instanceof HornetError)
      assert.equal(error.code, 'ERR_HORNET_ADDON')
      assert.equal(error.exitCode, 1)
      assert.doesNotMatch(error.message, /\n/, 'one line')
      return error
    }
    assert.fail('the binary was accepted')
  }

  test('the addon of this repository fits', () => {
    assert.equal(loadAddon().layoutFingerprint, layoutFingerprint)
  })

  test('no binary at all: says so, and how to get one', () => {
    const { message } = refusal()
    assert.match(message, new RegExp(`no native addon for ${process.platform}-${process.arch} in ${folder}`))
    assert.match(message, /npm rebuild hornet/)
    mkdirSync(join(folder, 'src'))
    assert.match(refusal().message, /npm run build/)
  })

  test('a binary of another record layout: names both', () => {
    lay(local, true)
    const { message } = refusal('0123456789abcdef')
    assert.match(message, new RegExp(`has record layout ${layoutFingerprint}`))
    assert.match(message, /needs 0123456789abcdef/)
  })

  test('a prebuilt binary goes before a local build', () => {
    lay(prebuilt, true)
    lay(local, false)
    assert.equal(loadFirst(folder, layoutFingerprint).layoutFingerprint, layoutFingerprint)
  })

  test('a prebuilt binary that cannot be loaded gives way to a local build', () => {
    lay(prebuilt, false)
    lay(local, true)
    assert.equal(loadFirst(folder, layoutFingerprint).layoutFingerprint, layoutFingerprint)
  })

  test('none loads: names each, and keeps the cause', () => {
    lay(prebuilt, false)
    lay(local, false)
    const error = refusal()
    assert.match(error.message, new RegExp(`${prebuilt} cannot be loaded: .*; .*${local} cannot be loaded: `))
    assert.ok(error.cause instanceof Error)
  })

  test('a prebuilt binary for another platform or C library is not tried', () => {
    lay('prebuilds/plan9-x64/hornet.node', true)
    lay(prebuilt.replace('hornet.node', 'hornet.musl.node'), true)
    assert.match(refusal().message, /there is no prebuilt binary/)
  })

  test('a thread that is terminated while it loads the addon takes nothing with it', () => {
    const script = join(root, 'test/package/fixtures/terminate.mjs')
    const { status, signal, stdout, stderr } = spawnSync(process.execPath, [script, join(root, local), '200'])
    assert.deepEqual([status, signal], [0, null], stderr.toString())
    assert.ok(Number(stdout.toString()) > 0, 'none was terminated in time')
  })
})
