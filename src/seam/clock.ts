/**
 * The clock that I/O threads time requests with, as a worker reads it.
 */

/** Microseconds of the machine's monotonic clock, modulo 2^32. Costs less than a BigInt or an array from hrtime. */
export function clockUs(): number {
  return ((performance.now() + offsetMs) * 1000) >>> 0
}

// Both clocks count from an arbitrary moment, of the machine and of this thread. A thread that is suspended between the
// two readings gets too small a difference, so the largest of a few is the one to trust.
const offsetMs = Math.max(...Array.from({ length: 8 }, () => Number(process.hrtime.bigint()) / 1e6 - performance.now()))
