/**
 * Promise: a command does what its name says. npm runs `preX` and `postX` with every `X`: one that is called so by chance
 * is run when nobody asked for it.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readText } from '../support/tree.js'

test('no script of package.json is run by another one', () => {
  const { scripts } = JSON.parse(readText('package.json')) as { scripts: Record<string, string> }
  const names = Object.keys(scripts)
  assert.ok(names.includes('build'))
  const hooks = names.filter((name) => /^(?:pre|post)/.test(name) && names.includes(name.replace(/^(?:pre|post)/, '')))
  assert.deepEqual(hooks, [])
})
