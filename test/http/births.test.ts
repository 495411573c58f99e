/**
 * Promise: objects whose prototype a framework replaces are made with it after a while, and are in all else the
 * objects they were.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { Births } from '../../src/http/births.js'

class Root {
  readonly isRoot = true
}
class Thing extends Root {
  a: number
  b: string
  constructor(a: number, b: string) {
    super()
    this.a = a
    this.b = b
  }
}

test('objects are made with the prototype that they are given', () => {
  const foreign = Object.create(Root.prototype, { greet: { value: () => 'hello' } })
  const births = new Births<number, string, Thing>(Thing, (target, a, b) =>
    Object.assign(target, { isRoot: true, a, b }),
  )
  for (let n = 0; n < 20; n++) {
    const thing = births.make(n, 'x')
    assert.deepEqual({ ...thing }, { isRoot: true, a: n, b: 'x' })
    assert.equal(Object.getPrototypeOf(thing), n < 8 ? Thing.prototype : foreign)
    Object.setPrototypeOf(thing, foreign)
    births.observe(thing)
  }
})

test('a prototype of another kind is not taken over', () => {
  const births = new Births<number, string, Thing>(Thing, (target, a, b) => Object.assign(target, { a, b }))
  for (let n = 0; n < 20; n++) {
    const thing = births.make(n, 'x')
    assert.equal(Object.getPrototypeOf(thing), Thing.prototype)
    Object.setPrototypeOf(thing, {})
    births.observe(thing)
  }
})

test('dozens of properties, many of them symbols, do not turn the objects into dictionaries', () => {
  setFlagsFromString('--allow-natives-syntax')
  const hasFastProperties = new Function('object', 'return %HasFastProperties(object)')
  const symbols = Array.from({ length: 12 }, (_, n) => Symbol(`s${n}`))
  const foreign = Object.create(Root.prototype)
  // One function for both, as in the server: only the way of making them differs.
  const births = new Births<number, string, Thing>(Thing, (target) => {
    const fields = target as unknown as Record<string | symbol, unknown>
    for (let n = 0; n < 24; n++) fields[`p${n}`] = n
    for (const symbol of symbols) fields[symbol] = 0
  })
  let thing: Thing | undefined
  for (let n = 0; n < 20; n++) {
    thing = births.make(n, 'x')
    Object.setPrototypeOf(thing, foreign)
    births.observe(thing)
  }
  assert.equal(hasFastProperties(thing), true)
})
