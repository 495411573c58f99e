/**
 * Waiting for a fact that nobody announces: asked for again and again, under a deadline.
 */
import { setImmediate } from 'node:timers/promises'
import { defaultDeadlineMs } from './deadline.js'

export async function until(isTrue: () => boolean, what: string, ms = defaultDeadlineMs): Promise<void> {
  const deadlineMs = performance.now() + ms
  while (!isTrue()) {
    if (performance.now() > deadlineMs) throw new Error(`no ${what} within ${ms} ms`)
    await setImmediate()
  }
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
