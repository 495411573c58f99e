/**
 * Objects born with the prototype they will end up with. Express replaces the prototype of every `req` and `res`; V8
 * answers each replacement on Node 20 and 22 with a new hidden class, which costs microseconds there and then, and
 * unsettles every inline cache after it. So the prototype that requests leave the application with is noted, and once
 * it is seen to be the rule the next objects are made with it: the application's own `setPrototypeOf` then finds
 * nothing to do. (Measured on Node 20: 9.5 µs for an object with its prototype replaced, 0.7 µs for one born with it.)
 */

/** So many objects in a row with the same foreign prototype make it the rule. */
const OBSERVATIONS = 8

// Reflect.construct with a foreign new.target: fast from V8 12 on (Node 22), three times slower than the replacement it
// is to avoid before. A plain function that calls Node's constructor: the other way round on Node 26.
const constructsFast = Number.parseInt(process.versions.v8, 10) >= 12

// Two arguments and no rest: a spread call costs as much as the object.
type Maker<A, B, T> = (a: A, b: B) => T

export class Births<A, B, T extends object> {
  /** Makes an object with the prototype that is the rule now. */
  make: Maker<A, B, T>
  readonly #type: new (
    a: A,
    b: B,
  ) => T
  readonly #initialise: (target: T, a: A, b: B) => void
  readonly #root: object
  readonly #constructs: boolean
  #prototype: object
  #candidate: object | null = null
  #count = 0

  /**
   * @param type The class objects are made of as long as nobody replaces their prototype.
   * @param initialise What the class's constructor does, on an object of any prototype.
   * @param constructs Which of the two ways to make them; the running V8's faster one unless given.
   */
  constructor(type: new (a: A, b: B) => T, initialise: (target: T, a: A, b: B) => void, constructs = constructsFast) {
    this.#constructs = constructs
    this.#type = type
    this.#initialise = initialise
    this.#prototype = type.prototype
    // Node's own class: prototypes that do not end in it are none of ours.
    this.#root = Object.getPrototypeOf(type.prototype)
    this.make = (a, b) => new type(a, b)
  }

  /** Told of each object once the application has had its turn. */
  observe(object: T): void {
    const prototype = Object.getPrototypeOf(object)
    if (prototype === this.#prototype) return
    if (prototype !== this.#candidate) {
      this.#candidate = prototype
      this.#count = 0
    }
    if (++this.#count === OBSERVATIONS && Object.prototype.isPrototypeOf.call(this.#root, prototype)) {
      this.#prototype = prototype
      this.make = this.#makerFor(prototype)
    }
  }

  #makerFor(prototype: object): Maker<A, B, T> {
    if (this.#constructs) {
      const type = this.#type
      // A declaration: an arrow function is no constructor.
      function Target(): void {}
      Target.prototype = prototype
      return (a, b) => Reflect.construct(type, [a, b], Target)
    }
    const initialise = this.#initialise
    const Born = function (this: T, a: A, b: B) {
      initialise(this, a, b)
    }
    Born.prototype = prototype
    // A function called with `new` for the prototype it has: TypeScript has no type for that.
    const BornType = Born as unknown as new (a: A, b: B) => T
    return (a, b) => new BornType(a, b)
  }
}
