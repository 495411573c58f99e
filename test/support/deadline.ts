/**
 * Waiting for a fact, never for a time: every wait in the tests ends by the fact or by a deadline that names it.
 */

/** Long enough for a busy two-core machine; a test that needs it all is a failing test. */
export const defaultDeadlineMs = 20_000

/** Sanitizers make everything slower: then each deadline is so many times longer (scripts/check-asan.mjs). */
const deadlineFactor = Number(process.env.TEST_DEADLINE_FACTOR ?? 1)

const lookAgainMs = 3

/**
 * @param what Says what is waited for, so that the failure reads: "no answer to the second request within 5000 ms".
 * @param detail Asked at the failure for what was seen instead (a log, the bytes so far).
 * @returns What `promise` gives; rejects when it has given nothing within `ms`.
 */
export async function within<T>(
  promise: Promise<T>,
  what: string,
  ms = defaultDeadlineMs,
  detail?: () => string,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const seen = detail?.()
      reject(new Error(`no ${what} within ${ms} ms${seen ? `\n${seen}` : ''}`))
    }, ms * deadlineFactor)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/**
 * For what can only be looked at, such as a file or a counter: looks until there is something to see.
 *
 * @param look Gives undefined as long as there is nothing.
 */
export async function eventually<T>(
  what: string,
  look: () => T | undefined,
  detail?: () => string,
  ms = defaultDeadlineMs,
): Promise<T> {
  const deadline = performance.now() + ms * deadlineFactor
  for (;;) {
    const seen = look()
    if (seen !== undefined) return seen
    if (performance.now() > deadline) throw new Error(`no ${what} within ${ms} ms${detail ? `\n${detail()}` : ''}`)
    await new Promise((next) => setTimeout(next, lookAgainMs))
  }
}

/** The same for what has to be asked for. */
export async function asked(
  what: string,
  isSo: () => Promise<boolean>,
  detail?: () => string,
  ms = defaultDeadlineMs,
): Promise<void> {
  const deadline = performance.now() + ms * deadlineFactor
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`no ${what} within ${ms} ms${detail ? `\n${detail()}` : ''}`)
  }
}
