/**
 * Promise: a value of a header field is judged for what it is, whatever values the field had before.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fieldInfo, isPlainFieldValue } from '../../src/http/headers.js'

test('a value that comes again is known, and others are judged', () => {
  const info = fieldInfo('X-Known')
  assert.ok(info !== undefined)
  for (let n = 0; n < 20; n++) {
    assert.equal(isPlainFieldValue(info, 'plain\ttext'), true)
    assert.equal(isPlainFieldValue(info, 'plain\ntext'), false)
    assert.equal(isPlainFieldValue(info, 'caf\u00e9'), false)
    assert.equal(isPlainFieldValue(info, `other ${n}`), true)
    assert.equal(isPlainFieldValue(info, ''), true)
  }
})

test('one that comes once in a while does not take the place of one that comes again', () => {
  const info = fieldInfo('X-Again')
  assert.ok(info !== undefined)
  isPlainFieldValue(info, 'again')
  assert.equal(info.plain, 'again')
  for (let n = 0; n < 7; n++) isPlainFieldValue(info, `once ${n}`)
  assert.equal(info.plain, 'again')
  isPlainFieldValue(info, 'once more')
  assert.equal(info.plain, 'once more')
})

test('long values are not kept', () => {
  const info = fieldInfo('X-Long')
  assert.ok(info !== undefined)
  for (let n = 0; n < 20; n++) assert.equal(isPlainFieldValue(info, 'x'.repeat(257)), true)
  assert.equal(info.plain, '')
})
