/**
 * The memory of lanes, used again by later workers. V8 does not count shared memory when it considers collecting garbage,
 * and this thread makes little else: what dead workers had used to stay, a megabyte each, for hundreds of workers.
 */
import { type Addon, LANE_RINGS_OFFSET } from '../seam/addon.js'

export class LaneMemory {
  readonly #bytes: number
  readonly #addon: Pick<Addon, 'discardMemory'>
  /** No more than there were workers at once. */
  readonly #free: SharedArrayBuffer[] = []

  /** @param bytes Of one lane. */
  constructor(bytes: number, addon: Pick<Addon, 'discardMemory'>) {
    this.#bytes = bytes
    this.#addon = addon
  }

  take(): SharedArrayBuffer {
    const memory = this.#free.pop()
    if (memory === undefined) return new SharedArrayBuffer(this.#bytes)
    // Positions and flags begin at zero; what lies in the rings is not looked at before it is written.
    new Uint8Array(memory, 0, LANE_RINGS_OFFSET).fill(0)
    return memory
  }

  /** Neither the worker's thread nor an I/O thread will touch it again. */
  giveBack(memory: SharedArrayBuffer): void {
    // There may have been many more workers for a moment than there are again.
    this.#addon.discardMemory(new Uint8Array(memory))
    this.#free.push(memory)
  }
}
