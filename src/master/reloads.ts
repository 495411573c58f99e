/**
 * Reloads that were asked for: reads the configuration again, one time after another, and settles the promises of those
 * who asked. What happens to workers is the pool's to decide.
 */
import { type ErrorCode, errorTable, HornetError } from '../errors.js'
import type { Reply } from './commands.js'
import type { Configuration } from './configuration.js'
import type { Failure } from './pool.js'

type Replies = Reply<{ generation: number }>[]

export type ReloadEvent =
  | { type: 'config-read'; attempt: ReloadAttempt }
  | { type: 'config-failed'; error: unknown; attempt: ReloadAttempt }

/** One reading of the configuration, and who waits for what comes of it. */
export interface ReloadAttempt {
  replies: Replies
  /** Present once it was read. */
  configuration?: Configuration
  /** Generation of workers that will have it; present once they are being started. */
  generation?: number
}

export class Reloads {
  readonly #read: () => Promise<Configuration>
  readonly #onEvent: (event: ReloadEvent) => void
  /** Those who ask while a file is being read may have changed it since: it is read once more for all of them. */
  #asked: Replies | undefined
  #isReading = false
  /** Read, and workers are being started. */
  #begun: ReloadAttempt[] = []

  constructor(read: () => Promise<Configuration>, onEvent: (event: ReloadEvent) => void) {
    this.#read = read
    this.#onEvent = onEvent
  }

  ask(reply?: Reply<{ generation: number }>): void {
    this.#asked ??= []
    if (reply) this.#asked.push(reply)
    if (!this.#isReading) void this.#readAll()
  }

  /** Workers of `generation` are being started with the configuration of this attempt. */
  begin(attempt: ReloadAttempt, generation: number): void {
    attempt.generation = generation
    this.#begun.push(attempt)
  }

  /** The configuration of workers of `generation` that are being started; undefined when that was given up. */
  configurationOf(generation: number): Configuration | undefined {
    return this.#begun.find((attempt) => attempt.generation === generation)?.configuration
  }

  /** @returns The configuration that holds from now on. */
  finish(generation: number): Configuration | undefined {
    const configuration = this.configurationOf(generation)
    // Those who asked for an earlier one have been given a later one.
    for (const { replies } of this.#begun) for (const reply of replies) reply.resolve({ generation })
    this.#begun = []
    return configuration
  }

  fail(failure: Failure): void {
    for (const attempt of this.#begun) rejectAll(attempt, failure)
    this.#begun = []
  }

  async #readAll(): Promise<void> {
    this.#isReading = true
    while (this.#asked) {
      const attempt: ReloadAttempt = { replies: this.#asked }
      this.#asked = undefined
      try {
        attempt.configuration = await this.#read()
        this.#onEvent({ type: 'config-read', attempt })
      } catch (error) {
        this.#onEvent({ type: 'config-failed', error, attempt })
      }
    }
    this.#isReading = false
  }
}

export function rejectAll({ replies }: ReloadAttempt, cause: { code: string; message: string; stack?: string }): void {
  const { code, message } = cause
  const error = new HornetError(isOurs(code) ? code : 'ERR_HORNET_APP_BOOT', message, { cause })
  for (const reply of replies) reply.reject(error)
}

function isOurs(code: string): code is ErrorCode {
  return Object.hasOwn(errorTable, code)
}
