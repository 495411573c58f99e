/**
 * What workers leave behind is given back to the system soon after they have ended: this thread's garbage about them, and
 * what the allocator keeps of theirs.
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Addon } from '../seam/addon.js'

/** A thread that has ended gives the last of its memory back a moment later; workers that leave together count once. */
const afterMs = 1000
/**
 * This thread makes so little garbage that V8 does not collect it for hours, and its young generation grows to 16 MiB
 * meanwhile. It is collected when the heap has grown by this much, which takes five milliseconds or so.
 */
const growthBytes = 2 * 1024 * 1024
/** A program that does other things in this thread has a larger heap, which takes longer, and which V8 looks after. */
const collectedBytesMax = 64 * 1024 * 1024

export class SpareMemory {
  readonly #addon: Pick<Addon, 'limitSpareMemory' | 'trimMemory'>
  readonly #collect = collector()
  #timer: NodeJS.Timeout | undefined
  /** What the heap took when it had been collected. */
  #heapBytes = 0

  /** To be made before workers are: what the allocator keeps is bounded from now on. */
  constructor(addon: Pick<Addon, 'limitSpareMemory' | 'trimMemory'>) {
    this.#addon = addon
    addon.limitSpareMemory()
  }

  /** A worker's thread has ended. */
  noteEnd(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#giveBack()
    }, afterMs)
  }

  close(): void {
    clearTimeout(this.#timer)
  }

  #giveBack(): void {
    // First: buffers that nobody holds are memory of the allocator.
    const heapBytes = getHeapStatistics().total_heap_size
    if (heapBytes <= collectedBytesMax && heapBytes >= this.#heapBytes + growthBytes) {
      this.#collect()
      this.#heapBytes = getHeapStatistics().total_heap_size
    }
    this.#addon.trimMemory()
  }
}

/** V8 shows it to contexts that are made while the flag is set: neither to this one, nor to those of workers. */
function collector(): () => void {
  if (globalThis.gc !== undefined) return globalThis.gc
  setFlagsFromString('--expose-gc')
  try {
    const collect: unknown = runInNewContext('gc')
    return typeof collect === 'function' ? () => collect() : () => {}
  } finally {
    setFlagsFromString('--no-expose-gc')
  }
}
