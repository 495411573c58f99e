/**
 * The arbiter's inbox: whoever has something to say pushes, the arbiter takes one at a time.
 */

// setTimeout takes no more; a longer wait wakes once in between and finds nothing to do.
const timerMsMax = 2 ** 31 - 1

export class CommandQueue<Command> {
  readonly #commands: Command[] = []
  #wake: (() => void) | undefined
  #next: ((command: Command) => void) | undefined

  /** Never blocks and never throws, so that signal handlers may call it. */
  push(command: Command): void {
    if (this.#next !== undefined) {
      this.#next(command)
      return
    }
    this.#commands.push(command)
    this.#wake?.()
  }

  /** What waits here goes on to `push`, and so does what comes: another queue takes its place. */
  passOn(push: (command: Command) => void): void {
    this.#next = push
    for (const command of this.#commands.splice(0)) push(command)
  }

  /** Waits for the next command; undefined when `timeoutMs` (may be infinite) passes first. One caller at a time. */
  async take(timeoutMs: number): Promise<Command | undefined> {
    if (this.#commands.length === 0 && timeoutMs > 0) await this.#wait(timeoutMs)
    return this.#commands.shift()
  }

  #wait(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const settle = () => {
        clearTimeout(timer)
        this.#wake = undefined
        resolve()
      }
      // An endless wait sets one too: a pending promise alone would not keep the process running.
      const timer = setTimeout(settle, Math.min(timeoutMs, timerMsMax))
      this.#wake = settle
    })
  }
}
