/**
 * Calls the operator's hooks as things happen. Once the server runs, what they throw is logged and stops nothing.
 */
import type { Hooks } from '../config/hooks.js'
import { formatDuration } from '../config/values.js'
import { HornetError } from '../errors.js'
import type { Logger } from '../log/logger.js'

type MasterHook = Exclude<keyof Hooks, 'workerInit' | 'workerExit'>
type EventOf<Name extends keyof Hooks> = Parameters<NonNullable<Hooks[Name]>>[0]

/** What a hook that is waited for may take: it must not keep the server from starting or ending. */
const hookMsMax = 10_000

export class HookRunner {
  hooks: Hooks
  readonly #logger: Logger

  constructor(hooks: Hooks, logger: Logger) {
    this.hooks = hooks
    this.#logger = logger
  }

  /** Calls one and does not wait for it. */
  call<Name extends MasterHook>(name: Name, event: EventOf<Name>): void {
    void this.finish(name, event)
  }

  /** Calls one and waits for its end, or for too long. Never rejects. */
  async finish<Name extends MasterHook>(name: Name, event: EventOf<Name>): Promise<void> {
    try {
      await this.#run(name, event)
    } catch (error) {
      this.#logger.error(`${name}: ${describe(error)}`)
    }
  }

  /** @throws HornetError `ERR_HORNET_CONFIG` when the hook throws or takes too long: nothing is served yet. */
  async demand<Name extends MasterHook>(name: Name, event: EventOf<Name>): Promise<void> {
    try {
      await this.#run(name, event)
    } catch (cause) {
      throw new HornetError('ERR_HORNET_CONFIG', `${name}: ${describe(cause)}`, { cause })
    }
  }

  async #run<Name extends MasterHook>(name: Name, event: EventOf<Name>): Promise<void> {
    const hook = this.hooks[name] as ((event: EventOf<Name>) => unknown) | undefined // the same name, the same event
    if (hook === undefined) return
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      const error = new Error(`not done within ${formatDuration(hookMsMax)}; going on without it`)
      timer = setTimeout(() => reject(error), hookMsMax)
    })
    try {
      await Promise.race([hook(event), late])
    } finally {
      clearTimeout(timer)
    }
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
