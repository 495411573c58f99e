/**
 * Promise: what every file has in common. Only what is cheap to read and plain to mend; the rest is for reviewers.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { filesUnder, linesOf, readText } from '../support/tree.js'

const widthMax = 120

/** Fails with every line that matches, as file:line. */
function refuseLines(files: string[], isFault: (line: string, file: string) => boolean, advice: string): void {
  const faults: string[] = []
  for (const file of files) {
    for (const [line, number] of linesOf(file))
      if (isFault(line, file)) faults.push(`${file}:${number}: ${line.trim()}`)
  }
  assert.deepEqual(faults, [], advice)
}

describe('style', () => {
  const native = [...filesUnder('native', '.h', '.cc'), ...filesUnder('test', '.h', '.cc')]
  const scripts = [...filesUnder('src', '.ts'), ...filesUnder('test', '.ts'), ...filesUnder('scripts', '.mjs')]
  const texts = [...native, ...scripts, ...filesUnder('docs', '.md'), ...filesUnder('examples', 's'), 'binding.gyp']

  test('C++ lines are at most 120 wide, without tabs or blanks at the end', () => {
    refuseLines(native, (line) => line.length > widthMax || /\t|\s$/.test(line), 'reformat these lines')
  })

  test('every native header has the guard of its path', () => {
    const wrong = filesUnder('native', '.h').filter((file) => {
      const guard = `HORNET_${file.replace('native/', '').replace(/[/.]/g, '_').toUpperCase()}_`
      const text = readText(file)
      return !text.includes(`#ifndef ${guard}\n#define ${guard}\n`) || !text.trimEnd().endsWith(`#endif  // ${guard}`)
    })
    assert.deepEqual(wrong, [])
  })

  test('no path of one machine', () => {
    refuseLines(texts, (line) => /(^|[\s"'`(=])\/(work|root|home|Users)\//.test(line), 'find the path at run time')
  })

  test('nothing is copied by hand from another table', () => {
    const phrase = ['keep', 'in', 'sync', 'with'].join(' ')
    refuseLines(texts, (line) => line.toLowerCase().includes(phrase), 'make the fifth table')
  })

  test('tests wait for facts, not for time', () => {
    const tests = filesUnder('test', '.test.ts').filter((file) => file !== 'test/repo/style.test.ts')
    refuseLines(tests, (line) => /timers\/promises|\bsetTimeout\(/.test(line), 'use test/support/deadline.ts')
  })
})
