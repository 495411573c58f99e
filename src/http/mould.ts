/**
 * Makes objects as a constructor of Node's makes them, without a call of it. Node's message classes are functions that
 * call each other four deep, each sharing its inline caches with everything else in the process that is a stream or an
 * emitter; half of the time a request and its response take to be made goes there. What they make is known from a
 * specimen: fields with the same plain values each time. A function made for just these fields assigns them, in the
 * same order, in a third of the time.
 *
 * A field that holds anything but what is plain, empty or known is a reason to leave it to Node (null): a Node that is
 * to come may do as it likes.
 */
import { EventEmitter } from 'node:events'
import * as stream from 'node:stream'

export type Maker<A, B, T> = (a: A, b: B) => T

export interface MouldOptions<A, B, T> {
  /** An object as Node's constructor left it. */
  specimen: object
  /** Fields that `fill` adds. */
  added: readonly PropertyKey[]
  /** Gives the fields their values where they are not always the same, on what is as the specimen was. */
  fill: (target: T, a: A, b: B) => void
  /** Whether Node's constructor would make one like the specimen now. */
  isUsual: (a: A, b: B) => boolean
}

/** Makes makers of objects of one prototype; `otherwise` makes those that are unusual. */
export type Mould<A, B, T> = (prototype: object, otherwise: Maker<A, B, T>) => Maker<A, B, T>

/** Types of node:stream that its declarations leave out. */
const { ReadableState } = stream.Readable as unknown as { ReadableState: { prototype: object } }
const getDefaultHighWaterMark: unknown = stream.getDefaultHighWaterMark

/** Properties of an object that are assigned to `this` in the text of a function, and what the text refers to. */
class Text {
  readonly references: unknown[] = []
  readonly lines: string[] = []

  refer(value: unknown): string {
    let at = this.references.indexOf(value)
    if (at === -1) at = this.references.push(value) - 1
    return `r${at}`
  }

  /** False when one of them holds what is not known. */
  assign(specimen: object): boolean {
    for (const key of Reflect.ownKeys(specimen)) {
      const { value, enumerable, writable, configurable } = Object.getOwnPropertyDescriptor(specimen, key) ?? {}
      if (!enumerable || !writable || !configurable) return false
      const expression = this.#expression(key, value)
      if (expression === null) return false
      this.lines.push(`this${this.property(key)} = ${expression}`)
    }
    return true
  }

  property(key: PropertyKey): string {
    return typeof key === 'string' ? `[${JSON.stringify(key)}]` : `[${this.refer(key)}]`
  }

  #expression(key: PropertyKey, value: unknown): string | null {
    const name = typeof key === 'symbol' ? key.description : String(key)
    // What the application can change, by a setting of Node's.
    if (name === 'kCapture') return `${this.refer(EventEmitter.prototype)}[${this.refer(key)}]`
    if (name === 'highWaterMark' || name === 'kHighWaterMark') {
      if (value !== stream.getDefaultHighWaterMark(false)) return null
      return `${this.refer(getDefaultHighWaterMark)}(false)`
    }
    switch (typeof value) {
      case 'undefined':
      case 'boolean':
      case 'number':
        return String(value)
      case 'string':
        return JSON.stringify(value)
      case 'function':
        return this.refer(value)
      case 'object':
        return this.#objectExpression(value)
      default:
        return null
    }
  }

  #objectExpression(value: object | null): string | null {
    if (value === null) return 'null'
    const keys = Reflect.ownKeys(value)
    if (Array.isArray(value)) return value.length === 0 && keys.length === 1 ? '[]' : null
    switch (Object.getPrototypeOf(value)) {
      case null:
        return keys.length === 0 ? '{ __proto__: null }' : null
      case Object.prototype: {
        const fields = value as Record<PropertyKey, unknown>
        if (keys.some((key) => typeof key !== 'string' || fields[key] !== undefined)) return null
        return `{ ${keys.map((key) => `${JSON.stringify(key)}: undefined`).join(', ')} }`
      }
      case ReadableState.prototype: {
        const made = compile(value, [], ReadableState.prototype)
        return made === null ? null : `new ${this.refer(made)}()`
      }
      default:
        return null
    }
  }
}

/**
 * A constructor of objects of `prototype` with the fields of `specimen`, or null. Its text is put together here, since
 * V8 gives a shape only to what a function's text assigns, and the fields are another Node's every year.
 */
function compile(specimen: object, added: readonly PropertyKey[], prototype: object): (new () => object) | null {
  const text = new Text()
  if (!text.assign(specimen)) return null
  for (const key of added) text.lines.push(`this${text.property(key)} = undefined`)
  const names = text.references.map((_, n) => `r${n}`)
  // Never run: see `bornWith` in births.ts.
  const room = text.lines.map((_, n) => `this.p${n} = 0`)
  const source = `return function Made() { if (isNever) { ${room.join('; ')} } ${text.lines.join('; ')} }`
  const Made = build(['isNever', ...names], source, [false, ...text.references])
  if (Made === null) return null
  Made.prototype = prototype
  return Made as unknown as new () => object
}

/** A function out of its text; null where Node was told to allow no such thing. */
function build(names: string[], source: string, values: unknown[]): { prototype: object } | null {
  try {
    return new Function(...names, source)(...values)
  } catch (error) {
    if (error instanceof EvalError) return null
    throw error
  }
}

/** Null when Node's constructor does more than is known here. */
export function mouldOf<A, B, T extends object>(options: MouldOptions<A, B, T>): Mould<A, B, T> | null {
  const { specimen, added, fill, isUsual } = options
  if (compile(specimen, added, {}) === null) return null
  const keys = [...Reflect.ownKeys(specimen), ...added]
  return (prototype, otherwise) => {
    // Where the fields would not become the object's own.
    if (keys.some((key) => isTaken(prototype, key))) return otherwise
    const Made = compile(specimen, added, prototype)
    // A text of its own as well: makers of several classes in one function would share its inline caches.
    const source = `return function make(a, b) {
      if (!isUsual(a, b)) return otherwise(a, b)
      const made = new Made()
      fill(made, a, b)
      return made
    }`
    const maker = build(['Made', 'fill', 'isUsual', 'otherwise'], source, [Made, fill, isUsual, otherwise])
    return maker as unknown as Maker<A, B, T>
  }
}

/** An assignment of `key` to an object of `prototype` does not make a field. */
function isTaken(prototype: object, key: PropertyKey): boolean {
  for (let at: object | null = prototype; at !== null; at = Object.getPrototypeOf(at)) {
    const found = Object.getOwnPropertyDescriptor(at, key)
    if (found !== undefined) return found.writable !== true
  }
  return false
}

const emitter = EventEmitter as unknown as { init: unknown }
const init = emitter.init

/** Nobody gives emitters more than Node does (node:domain does). */
export function areEmittersUsual(): boolean {
  return emitter.init === init
}
