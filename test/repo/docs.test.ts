/**
 * Promise: what the documents name exists: files they link to, npm scripts they tell people to run, options they list.
 */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { settingEntries } from '../../src/config/settings.js'
import { packageJson } from '../support/package.js'
import { root } from '../support/root.js'
import { filesUnder, linesOf, readText } from '../support/tree.js'

/** npm's own, that need no entry in package.json. */
const builtInScripts = ['ci', 'start', 'test', 'install', 'pack', 'rebuild']

describe('documents', () => {
  const documents = filesUnder('', '.md')

  test('every relative link leads to a file', () => {
    const faults: string[] = []
    for (const file of documents) {
      for (const [line, number] of linesOf(file)) {
        for (const [, target = ''] of line.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
          const isLocal = !/^[a-z]+:/.test(target)
          if (isLocal && !existsSync(join(root, dirname(file), target))) faults.push(`${file}:${number}: ${target}`)
        }
      }
    }
    assert.deepEqual(faults, [])
  })

  test('every npm script they mention exists', () => {
    const scripts = Object.keys(packageJson().scripts)
    const faults: string[] = []
    for (const file of documents) {
      for (const [line, number] of linesOf(file)) {
        for (const [, run, name = ''] of line.matchAll(/\bnpm (run )?([a-z][a-z:-]*)/g)) {
          const isKnown = scripts.includes(name) || (run === undefined && builtInScripts.includes(name))
          if (!isKnown && (run !== undefined || /`[^`]*\bnpm /.test(line))) faults.push(`${file}:${number}: ${name}`)
        }
      }
    }
    assert.deepEqual(faults, [])
  })

  test("README's options are in the settings table, with its defaults", () => {
    const rows = readText('README.md').matchAll(/^\| `(--[a-z-]+)`[^|]*\| ([^|]*?) *\|/gm)
    const known = new Map(settingEntries.map(([, setting]) => [setting.flag as string, setting.defaultText]))
    const listed = [...rows].map(([, flag = '', text = '']) => ({ flag, text }))
    assert.ok(listed.length >= 10, 'the table was found')
    for (const { flag, text } of listed) {
      const expected = known.get(flag)
      assert.notEqual(expected, undefined, `${flag} is no option`)
      // "10000" may be told with more words, never with another number.
      const number = /^\d+[a-z]*$/.exec(expected ?? '')?.[0]
      if (number !== undefined) assert.ok(text.split(' ').includes(number), `${flag}: ${text} is not ${number}`)
    }
  })
})
