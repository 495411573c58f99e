/**
 * Promise: dist/ is as the sources are. Bundling joins modules, and neither gives a class another name that people see in
 * logs and stacks, nor leaves a part behind that nothing loads.
 */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { test } from 'node:test'
import { root } from '../support/root.js'
import { filesUnder, linesOf } from '../support/tree.js'

const files = filesUnder('dist', '.js')

/** What package.json, scripts/install.mjs, new Worker() and register() name. */
const entries = [
  'dist/cli.js',
  'dist/hornetctl.js',
  'dist/index.js',
  'dist/http/index.js',
  'dist/seam/addon.js',
  'dist/worker/load-app.js',
  'dist/worker/main.js',
  'dist/worker/module-graph-hooks.js',
]

/** The name of this one is hidden behind that of Node's class. */
const hidden = ['LazyResponse']

test('every class has the name of its source', () => {
  const faults: string[] = []
  for (const file of files) {
    for (const [line, number] of linesOf(file)) {
      // The bundler adds a number where two modules have the name, and an underscore where a class names itself.
      const renamed = /\bclass _?(\w*[a-zA-Z]\d+)\b/.exec(line)?.[1] ?? /\bclass _(\w+)/.exec(line)?.[1]
      if (renamed !== undefined && !hidden.includes(renamed)) faults.push(`${file}:${number}: ${line.trim()}`)
    }
  }
  assert.deepEqual(faults, [])
})

test('every part is loaded by something, and is there', () => {
  const loaded = new Set(entries)
  for (const file of files) {
    for (const [line] of linesOf(file)) {
      for (const [, specifier = ''] of line.matchAll(/(?:from |import |import\()"(\.[^"]+)"/g)) {
        const path = posix.join(dirname(file), specifier)
        assert.ok(existsSync(join(root, path)), `${file} imports ${specifier}, which is not there`)
        loaded.add(path)
      }
    }
  }
  assert.deepEqual(
    files.filter((file) => !loaded.has(file)),
    [],
  )
})
