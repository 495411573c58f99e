/**
 * Objects born with the prototype they will end up with. Express replaces the prototype of every `req` and `res`; V8
 * answers each replacement on Node 20 and 22 with a new hidden class, which costs microseconds there and then, and
 * unsettles every inline cache after it. So the prototype that requests leave the application with is noted, and once
 * it is seen to be the rule the next objects are made with it: the application's own `setPrototypeOf` then finds
 * nothing to do. (Measured on Node 20: 9.5 µs for an object with its prototype replaced, 0.7 µs for one born with it.)
 */

import type { Maker, Mould } from './mould.js'

/** So many objects in a row with the same foreign prototype make it the rule. */
const OBSERVATIONS = 8

export class Births<A, B, T extends object> {
  /** Makes an object with the prototype that is the rule now. */
  make: Maker<A, B, T>
  readonly #initialise: (target: T, a: A, b: B) => void
  readonly #root: object
  readonly #mould: Mould<A, B, T> | null
  #prototype: object
  #candidate: object | null = null
  #count = 0

  /**
   * @param type The class objects are made of as long as nobody replaces their prototype.
   * @param initialise What the class's constructor does, on an object of any prototype.
   * @param mould A faster way to the same objects, if there is one.
   */
  constructor(
    type: new (a: A, b: B) => T,
    initialise: (target: T, a: A, b: B) => void,
    mould: Mould<A, B, T> | null = null,
  ) {
    this.#initialise = initialise
    this.#mould = mould
    this.#prototype = type.prototype
    // Node's own class: prototypes that do not end in it are none of ours.
    this.#root = Object.getPrototypeOf(type.prototype)
    this.make = this.#maker((a, b) => new type(a, b))
  }

  #maker(maker: Maker<A, B, T>): Maker<A, B, T> {
    return this.#mould === null ? maker : this.#mould(this.#prototype, maker)
  }

  /**
   * Told of objects once the application has had its turn.
   *
   * @returns Whether this one has the prototype it was born with.
   */
  observe(object: T): boolean {
    const prototype = Object.getPrototypeOf(object)
    if (prototype === this.#prototype) return true
    if (prototype !== this.#candidate) {
      this.#candidate = prototype
      this.#count = 0
    }
    if (++this.#count === OBSERVATIONS && Object.prototype.isPrototypeOf.call(this.#root, prototype)) {
      this.#prototype = prototype
      this.make = this.#maker(bornWith(prototype, this.#initialise))
    }
    return false
  }
}

// Reflect.construct with a foreign new.target would do as well, and takes 37 µs on Node 20.
function bornWith<A, B, T extends object>(prototype: object, initialise: (target: T, a: A, b: B) => void) {
  const isNever: boolean = prototype === null
  function Born(this: Record<string, unknown>, a: A, b: B): void {
    // Never run. V8 gives the objects of a function room for as many properties as the function's text assigns to
    // `this`, and takes back what the first few did not use. Without that room the dozens of properties of `req` and
    // `res` lie outside the object, and the symbols among them turn it into a dictionary: 3.7 µs to make a `res`
    // on Node 20 against 0.8 (and 2.9 against 0.6 on Node 26), and slower at every use.
    if (isNever) {
      this.p0 = this.p1 = this.p2 = this.p3 = this.p4 = this.p5 = this.p6 = this.p7 = this.p8 = this.p9 = 0
      this.p10 = this.p11 = this.p12 = this.p13 = this.p14 = this.p15 = this.p16 = this.p17 = this.p18 = this.p19 = 0
      this.p20 = this.p21 = this.p22 = this.p23 = this.p24 = this.p25 = this.p26 = this.p27 = this.p28 = this.p29 = 0
      this.p30 = this.p31 = this.p32 = this.p33 = this.p34 = this.p35 = this.p36 = this.p37 = this.p38 = this.p39 = 0
    }
    initialise(this as T, a, b)
  }
  Born.prototype = prototype
  // A function called with `new` for the prototype it has: TypeScript has no type for that.
  const BornType = Born as unknown as new (a: A, b: B) => T
  return (a: A, b: B): T => new BornType(a, b)
}
