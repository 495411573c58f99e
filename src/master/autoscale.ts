/**
 * How many workers there should be, from what is measured: a pure function from its state and one sample to a new state
 * and a count. arbiter.ts takes the samples and asks the pool for the workers.
 *
 * More workers help when requests wait or event loops are busy; fewer do when the others would not be busy with the work
 * of one less. Between the two lies a band in which nothing changes, and both must last: growing is quick, because clients
 * wait, and shrinking slow, because a pause is no end.
 */

export interface AutoscaleLimits {
  workersMin: number
  workersMax: number
}

export interface AutoscaleSample {
  nowMs: number
  /** Workers wanted at this moment. */
  wanted: number
  /** Workers that are ready. Fewer than wanted: some are booting, and what they will change is not known yet. */
  ready: number
  /** Mean part of the time that the event loops of ready workers were busy since the last sample, 0 to 1. */
  utilization: number
  /** Age of the request that waits longest for a worker; 0 when none does. */
  oldestWaitingMs: number
}

export interface AutoscaleState {
  /** Since when the pool has been too small, or too large; undefined when it is not. */
  strainedSinceMs: number | undefined
  idleSinceMs: number | undefined
}

export const autoscaleStart: AutoscaleState = { strainedSinceMs: undefined, idleSinceMs: undefined }

/** How often samples are taken. */
export const sampleMs = 1000

// A worker that is busy four fifths of the time makes requests wait for about four times their own length (M/M/1).
const busyMin = 0.8
const waitingMsMin = 100
// With one worker less the others would be less busy than this: far enough below `busyMin` that the pool does not swing.
const idleMax = 0.5
const growAfterMs = 2000
const shrinkAfterMs = 60_000

/** @returns The workers to have from now on; the same number when nothing is to change. */
export function autoscale(
  state: AutoscaleState,
  sample: AutoscaleSample,
  { workersMin, workersMax }: AutoscaleLimits,
): { state: AutoscaleState; wanted: number } {
  const { nowMs, wanted, ready, utilization, oldestWaitingMs } = sample
  const bounded = Math.min(Math.max(wanted, workersMin), workersMax)
  if (bounded !== wanted) return { state: autoscaleStart, wanted: bounded }
  if (ready < wanted) return { state: autoscaleStart, wanted }

  const isStrained = utilization >= busyMin || oldestWaitingMs >= waitingMsMin
  const isIdle = !isStrained && wanted > 1 && (utilization * wanted) / (wanted - 1) < idleMax
  const strainedSinceMs = isStrained ? (state.strainedSinceMs ?? nowMs) : undefined
  const idleSinceMs = isIdle ? (state.idleSinceMs ?? nowMs) : undefined
  if (strainedSinceMs !== undefined && nowMs - strainedSinceMs >= growAfterMs && wanted < workersMax) {
    // A quarter more, so that a large pool follows a rush as fast as a small one.
    return { state: autoscaleStart, wanted: Math.min(wanted + Math.ceil(wanted / 4), workersMax) }
  }
  if (idleSinceMs !== undefined && nowMs - idleSinceMs >= shrinkAfterMs && wanted > workersMin) {
    return { state: autoscaleStart, wanted: wanted - 1 }
  }
  return { state: { strainedSinceMs, idleSinceMs }, wanted }
}
