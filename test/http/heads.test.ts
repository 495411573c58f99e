/**
 * Promise: a head is recalled only for just the fields it was made of, and those that never come again, or are large, are
 * not kept.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newHeaderTable } from '../../src/http/headers.js'
import { recallList, recallObject, recallTable, rememberHead } from '../../src/http/heads.js'

const names = ['X-A', 'Content-Length']

function remember(values: unknown[], times = 1, text = `HTTP/1.1 200 OK\r\n${values.join('\r\n')}\r\n`): void {
  for (let n = 0; n < times; n++) rememberHead(200, 'OK', names, values, text, 2, false)
}

/** Looks for it in each of the forms that fields come in, which must agree. */
function recallHead(status: number, reason: string, names: readonly string[], values: readonly unknown[]) {
  const table = newHeaderTable()
  for (const [at, name] of names.entries()) table[name.toLowerCase()] = [name, values[at]]
  const head = recallTable(status, reason, table)
  const list = names.flatMap((name, at) => [name, values[at]])
  assert.equal(recallList(status, reason, list), head)
  assert.equal(recallObject(status, reason, Object.fromEntries(names.map((name, at) => [name, values[at]]))), head)
  return head
}

test('a head comes back for the same fields, and for no others', () => {
  const values = ['one', 2]
  remember(values)
  const head = recallHead(200, 'OK', [...names], [...values])
  assert.equal(head?.text, 'HTTP/1.1 200 OK\r\none\r\n2\r\n')
  assert.equal(Buffer.from(head.bytes).toString(), head.text)
  assert.equal(head.length, 2)
  assert.equal(recallHead(200, 'Fine', names, values), null)
  assert.equal(recallHead(216, 'OK', names, values), null)
  assert.equal(recallHead(200, 'OK', ['x-a', 'Content-Length'], values), null)
  assert.equal(recallHead(200, 'OK', names, ['two', 2]), null)
  assert.equal(recallHead(200, 'OK', names, ['one', '2']), null)
  assert.equal(recallHead(200, 'OK', names.slice(1), values.slice(1)), null)
})

test('one that comes once in a while does not take the place of one that comes again', () => {
  // Both of the same place: all that differs is text of one length.
  remember(['aaa', 3])
  remember(['bbb', 3], 7)
  assert.notEqual(recallHead(200, 'OK', names, ['aaa', 3]), null)
  remember(['bbb', 3])
  assert.equal(recallHead(200, 'OK', names, ['aaa', 3]), null)
  assert.notEqual(recallHead(200, 'OK', names, ['bbb', 3]), null)
})

test('large heads are not kept', () => {
  remember(['large', 4], 20, 'x'.repeat(4097))
  assert.equal(recallHead(200, 'OK', names, ['large', 4]), null)
  remember(['large', 4], 20, 'x'.repeat(4096))
  assert.notEqual(recallHead(200, 'OK', names, ['large', 4]), null)
})

test('what an object inherits is not among its fields', () => {
  for (let n = 0; n < 8; n++)
    rememberHead(250, 'Own', ['X-Own'], ['yes'], 'HTTP/1.1 250 Own\r\nX-Own: yes\r\n', -1, false)
  assert.notEqual(recallObject(250, 'Own', { 'X-Own': 'yes' }), null)
  assert.equal(recallObject(250, 'Own', Object.create({ 'X-Own': 'yes' })), null)
  const everything = Object.prototype as { 'X-Own'?: string }
  everything['X-Own'] = 'yes'
  try {
    assert.equal(recallObject(250, 'Own', {}), null)
  } finally {
    delete everything['X-Own']
  }
})
