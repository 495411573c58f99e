/**
 * Chance that can be had again: the same seed gives the same numbers.
 */
import { Mulberry32 } from '../support/random.js'

export class Random extends Mulberry32 {
  /** From 0 up to, not including, 1. */
  next(): number {
    return this.draw() / 2 ** 32
  }

  /** From `min` to `max`, both included. */
  integer(min: number, max: number): number {
    return min + Math.floor(this.next() * (max - min + 1))
  }

  pick<T>(items: readonly T[]): T {
    return items[this.integer(0, items.length - 1)] as T // there is one
  }

  /** Each as often as its weight says. */
  weighted<T extends { weight: number }>(items: readonly T[]): T {
    let left = this.next() * items.reduce((sum, { weight }) => sum + weight, 0)
    for (const item of items) {
      left -= item.weight
      if (left < 0) return item
    }
    return items.at(-1) as T // rounding
  }

  bytes(count: number): Buffer {
    const bytes = Buffer.allocUnsafe(count)
    for (let at = 0; at < count; at++) bytes[at] = this.next() * 256
    return bytes
  }

  /** One of its own for somebody else, whose draws do not change what is drawn here. */
  fork(): Random {
    return new Random(this.integer(0, 2 ** 32 - 1))
  }
}
