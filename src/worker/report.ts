import { inspect } from 'node:util'

/** An error as the log shows it: its stack, and what else it carries; any other value as inspected. */
export function describeError(error: unknown): string {
  return error instanceof Error && error.stack !== undefined && error.cause === undefined ? error.stack : inspect(error)
}
