/**
 * Promise: objects whose prototype a framework replaces are made with it after a while, by either way of making them,
 * and are in all else the objects they were.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
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

for (const constructs of [true, false]) {
  test(`${constructs ? 'constructed' : 'born of a function'}`, () => {
    const foreign = Object.create(Root.prototype, { greet: { value: () => 'hello' } })
    const births = new Births<number, string, Thing>(
      Thing,
      (target, a, b) => Object.assign(target, { isRoot: true, a, b }),
      constructs,
    )
    for (let n = 0; n < 20; n++) {
      const thing = births.make(n, 'x')
      assert.deepEqual({ ...thing }, { isRoot: true, a: n, b: 'x' })
      assert.equal(Object.getPrototypeOf(thing), n < 8 ? Thing.prototype : foreign)
      Object.setPrototypeOf(thing, foreign)
      births.observe(thing)
    }
  })

  test(`a prototype of another kind is not taken over (${constructs})`, () => {
    const births = new Births<number, string, Thing>(
      Thing,
      (target, a, b) => Object.assign(target, { a, b }),
      constructs,
    )
    for (let n = 0; n < 20; n++) {
      const thing = births.make(n, 'x')
      assert.equal(Object.getPrototypeOf(thing), Thing.prototype)
      Object.setPrototypeOf(thing, {})
      births.observe(thing)
    }
  })
}
