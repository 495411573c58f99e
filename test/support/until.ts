/**
 * Waiting for a fact that nobody announces, and that is true or not: `eventually` for a condition.
 */
import { setImmediate } from 'node:timers/promises'
import { defaultDeadlineMs, eventually } from './deadline.js'

export async function until(isTrue: () => boolean, what: string, ms = defaultDeadlineMs): Promise<void> {
  await eventually(what, () => isTrue() || undefined, undefined, ms)
}

/** Lets the event loop turn this often. */
export async function turns(count: number): Promise<void> {
  for (let left = count; left > 0; left--) await setImmediate()
}

/** Whether a process is there, be it ended and not yet reaped. */
export function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
