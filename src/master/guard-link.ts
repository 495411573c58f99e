/**
 * With --guard: what the server and the process that guards it say to each other, and the server's end of it. They speak
 * over Node's own channel between a process and its child, which carries descriptors as well.
 *
 * An upgrade may bring a server of another version under the same guard: words may be added here, never changed.
 */
import type { SendHandle } from 'node:child_process'
import type { Addon } from '../seam/addon.js'
import type { AskedCommand } from './commands.js'
import type { GuardFacts } from './inheritance.js'
import { createHandle, type Handle } from './server-handle.js'
import { signalCommands } from './signals.js'
import type { SuccessorEvent } from './successor.js'

/** What the server says. */
export type ServerWord =
  /** A listening socket comes with it; all that are open follow one another, */
  | { type: 'listener'; key: string }
  /** and this says that those were all. The guard lets go of others, and answers `held`. */
  | { type: 'listeners-told' }
  /** Connections are accepted from now on. */
  | { type: 'serving' }
  /** It was started to take over, and is ready to. */
  | { type: 'succeeds' }
  /** Start another server that is to take over. */
  | { type: 'upgrade'; timeoutMs: number }
  /** That one is not wanted any more. */
  | { type: 'abandon' }

/** What the guard says. */
export type GuardWord = { type: 'signal'; signal: keyof typeof signalCommands } | { type: 'held' } | SuccessorEvent

/** The channel, as `process` has it in a child. */
export type Channel = Pick<NodeJS.Process, 'connected' | 'send' | 'on' | 'once'>

/** How long a change of addresses waits for a guard that does not answer. */
const heldMsMax = 1000

export class GuardLink {
  readonly facts: GuardFacts
  readonly #channel: Channel
  readonly #push: (command: AskedCommand | SuccessorEvent) => void
  /** Waiting to hear that the guard holds what it was told of last. */
  readonly #waiting = new Set<() => void>()
  /** Told to stop by a signal of its own, not by the guard. */
  #wasStopped = false
  #stopsByGuard = 0
  #telling: Promise<void> = Promise.resolve()
  #isTellingDue = false

  /** `push` is called for what the guard asks; also when the guard is gone. */
  constructor(facts: GuardFacts, channel: Channel, push: (command: AskedCommand | SuccessorEvent) => void) {
    this.facts = facts
    this.#channel = channel
    this.#push = push
    channel.on('message', (word: GuardWord) => this.#take(word))
    // Nobody is there to start this process again or to signal it by the name that people know: who keeps the guard
    // running starts another one.
    channel.once('disconnect', () => this.noteSignal(signalCommands.SIGTERM))
  }

  /**
   * A signal that came to this process itself. A terminal and a service manager send one to every process they know of,
   * so that this one has it twice, once from the guard: that is no second time.
   */
  noteSignal(command: AskedCommand): void {
    if (command.type === 'shutdown') {
      if (this.#wasStopped || this.#stopsByGuard > 0) return
      this.#wasStopped = true
    }
    this.#push(command)
  }

  serving(): void {
    this.#say({ type: 'serving' })
  }

  succeeds(): void {
    this.#say({ type: 'succeeds' })
  }

  /** A `SuccessorEvent` follows. */
  upgrade(timeoutMs: number): { abandon(): void } {
    this.#say({ type: 'upgrade', timeoutMs })
    return { abandon: () => this.#say({ type: 'abandon' }) }
  }

  /**
   * Has the guard hold these sockets, and no others.
   *
   * @param listeners Asked when their turn has come.
   * @returns Resolves when it does.
   */
  hold(addon: Pick<Addon, 'duplicateFd'>, listeners: () => [key: string, fd: number][]): Promise<void> {
    // Whoever waits for its turn tells of everything, so one is enough.
    if (this.#isTellingDue) return this.#telling
    this.#isTellingDue = true
    this.#telling = this.#telling.then(() => {
      this.#isTellingDue = false
      return this.#tell(addon, listeners())
    })
    return this.#telling
  }

  async #tell(addon: Pick<Addon, 'duplicateFd'>, listeners: [key: string, fd: number][]): Promise<void> {
    for (const [key, fd] of listeners) {
      // Of its own: sent in a later turn of the event loop, when this process may have closed the listener.
      const copy = addon.duplicateFd(fd)
      const handle = copy < 0 ? copy : createHandle(null, null, null, copy, undefined)
      // No descriptors left: the guard goes without, and the server serves.
      if (typeof handle === 'number') continue
      this.#say({ type: 'listener', key }, handle)
    }
    this.#say({ type: 'listeners-told' })
    if (!this.#channel.connected) return
    await new Promise<void>((resolve) => {
      const settle = () => {
        clearTimeout(timer)
        this.#waiting.delete(settle)
        resolve()
      }
      const timer = setTimeout(settle, heldMsMax)
      this.#waiting.add(settle)
    })
  }

  #take(word: GuardWord): void {
    switch (word.type) {
      case 'signal':
        this.#takeSignal(signalCommands[word.signal])
        return
      case 'held':
        for (const settle of this.#waiting) settle()
        return
      case 'succeeded':
        // It leaves from now on: the guard's first word to stop is for the new one.
        this.#wasStopped = true
        this.#push(word)
        return
      case 'succession-failed':
        this.#push(word)
        return
      default:
        word satisfies never // of a newer guard, which does not exist: it is older than this process
    }
  }

  #takeSignal(command: AskedCommand): void {
    if (command.type === 'shutdown') {
      this.#stopsByGuard += 1
      if (this.#wasStopped && this.#stopsByGuard === 1) return
    }
    this.#push(command)
  }

  #say(word: ServerWord, handle?: Handle): void {
    // Node sends what a `net.Server` holds as well as the server itself. If the guard is gone, the end of the channel has
    // been told, or will be.
    this.#channel.send?.(word, handle as SendHandle | undefined, {}, () => handle?.close())
  }
}
