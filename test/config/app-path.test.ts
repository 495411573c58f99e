/**
 * Promise: the application is found as it was meant, with or without extension and export, and a wrong name is answered
 * with the nearest one.
 */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { findApp } from '../../src/config/app-path.js'
import { HornetError } from '../../src/errors.js'

const folder = mkdtempSync(join(tmpdir(), 'hornet-app-path-'))
after(() => rmSync(folder, { recursive: true }))
mkdirSync(join(folder, 'site'))
mkdirSync(join(folder, 'empty'))
for (const name of ['app.mjs', 'both.js', 'both.ts', 'odd:name.cjs', 'odd:name', 'site/index.cjs', 'shop.ts']) {
  writeFileSync(join(folder, name), '')
}

const find = (text: string) => findApp(text, false, folder)

function missing(text: string): string {
  try {
    find(text)
  } catch (error) {
    assert.ok(error instanceof HornetError)
    assert.equal(error.code, 'ERR_HORNET_APP_NOT_FOUND')
    assert.equal(error.exitCode, 3)
    return error.message
  }
  return assert.fail(`${text} was found`)
}

test('a file, with and without its extension, absolute and relative', () => {
  const app = { path: join(folder, 'app.mjs'), factory: false }
  assert.deepEqual(find('app.mjs'), app)
  assert.deepEqual(find('app'), app)
  assert.deepEqual(find('./site/../app.mjs'), app)
  assert.deepEqual(find(join(folder, 'app')), app)
  assert.equal(find('both').path, join(folder, 'both.js'), 'in the order of extensions')
  assert.equal(find('both.ts').path, join(folder, 'both.ts'))
})

test('a folder means its index', () => {
  assert.equal(find('site').path, join(folder, 'site/index.cjs'))
  assert.equal(find('site/').path, join(folder, 'site/index.cjs'))
  assert.equal(findApp('.', true, join(folder, 'site')).path, join(folder, 'site/index.cjs'))
})

test('an export follows the last colon, unless the whole is a file', () => {
  assert.deepEqual(find('app.mjs:make'), { path: join(folder, 'app.mjs'), exportName: 'make', factory: false })
  assert.deepEqual(find('app:$äpp'), { path: join(folder, 'app.mjs'), exportName: '$äpp', factory: false })
  assert.deepEqual(find('site:default').exportName, 'default')
  assert.deepEqual(find('odd:name'), { path: join(folder, 'odd:name'), factory: false })
  assert.deepEqual(find('odd:name.cjs:x'), { path: join(folder, 'odd:name.cjs'), exportName: 'x', factory: false })
})

test('a missing file is answered with the nearest', () => {
  assert.match(missing('ap.mjs'), /'ap\.mjs' \(did you mean 'app\.mjs'\?\)/)
  assert.match(missing('ap:make'), /'ap' \(did you mean 'app\.mjs'\?\)/)
  assert.match(missing('shpo'), /did you mean 'shop\.ts'\?/)
  assert.match(missing('sit/index'), /there is no folder 'sit'/)
  assert.match(missing('site/idnex.cjs'), /did you mean 'site\/index\.cjs'\?/)
  assert.match(missing('empty'), /'empty' is a folder without an index file/)
  assert.match(missing('zebra.mjs'), /^no such application: 'zebra\.mjs'$/)
  assert.match(missing('app.mjs:not-a-name'), /'app\.mjs:not-a-name'/)
})
