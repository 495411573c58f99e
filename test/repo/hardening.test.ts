/**
 * Promise: the addon carries what compiler and linker can do against an attacker: tables that are read-only once it is
 * loaded, a stack that is not executable and whose overflow is seen, checked copies. Read from the binary itself: a flag
 * that a build ignores would not be missed in the build file.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { root } from '../support/root.js'

const addon = join(root, 'build/Release/hornet.node')
const isSanitized = process.env.TEST_SANITIZER !== undefined
const hasReadelf = process.platform === 'linux' && spawnSync('readelf', ['--version']).status === 0
const skip = !hasReadelf ? 'it needs readelf' : isSanitized ? 'built for a sanitizer' : false

function readelf(...options: string[]): string {
  const { status, stdout, stderr } = spawnSync('readelf', [...options, '--wide', addon], { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  return stdout
}

describe('the built addon', { skip }, () => {
  test('is bound when it is loaded, and its tables are read-only then', () => {
    assert.match(readelf('--dynamic'), /\(FLAGS_1\).*\bNOW\b/)
    assert.match(readelf('--program-headers'), /\bGNU_RELRO\b/)
    assert.doesNotMatch(readelf('--dynamic'), /\(TEXTREL\)/)
  })

  test('has no memory that is both writable and executable, the stack included', () => {
    const segments = readelf('--program-headers')
    assert.match(segments, /\bGNU_STACK\b.*\bRW\b/)
    assert.doesNotMatch(segments, /^ +\w+ .*\bRWE\b/m)
  })

  test('guards its stack frames and its copies', () => {
    const symbols = readelf('--dyn-syms')
    assert.match(symbols, /\bUND __stack_chk_fail\b/)
    assert.match(symbols, /\bUND __\w+_chk\b/)
  })
})
