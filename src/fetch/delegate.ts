/**
 * Completes a stand-in for a Web class: every accessor and method of the real prototype that the stand-in does not
 * have itself is answered by the real object. Doing this by walking the prototype keeps us right on Node versions that
 * add members, and keeps brand checks inside the real class from ever seeing the stand-in.
 */
export function delegateRest<T extends object, R extends object>(
  standIn: T,
  realPrototype: R,
  realOf: (self: T) => R,
): void {
  for (const key of Reflect.ownKeys(realPrototype)) {
    if (Object.hasOwn(standIn, key)) continue
    const member = Object.getOwnPropertyDescriptor(realPrototype, key)
    if (member === undefined) continue
    if (member.get !== undefined) {
      Object.defineProperty(standIn, key, {
        configurable: true,
        enumerable: member.enumerable,
        get(this: T) {
          return Reflect.get(realOf(this), key)
        },
      })
    } else if (typeof member.value === 'function') {
      Object.defineProperty(standIn, key, {
        configurable: true,
        enumerable: member.enumerable,
        writable: true,
        value(this: T, ...args: unknown[]) {
          const real = realOf(this)
          // Not the member found above: an application may have replaced it since.
          const method = Reflect.get(real, key) as (...args: unknown[]) => unknown
          return Reflect.apply(method, real, args)
        },
      })
    }
  }
}
