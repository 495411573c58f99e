/** What generators of input draw. */
import { Mulberry32 } from '../support/random.js'

export class Random extends Mulberry32 {
  /** From 0 up to 2 ** 32 - 1. */
  next(): number {
    return this.draw()
  }

  /** From 0 up to, and without, `end`. */
  below(end: number): number {
    return this.next() % end
  }

  chance(probability: number): boolean {
    return this.next() < probability * 2 ** 32
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]
  }
}
