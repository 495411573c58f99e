/**
 * USR2: a new Hornet, of whatever version the files have by now, on the same listening sockets. It says when it serves;
 * until then, and when it never does, the old one goes on.
 */
import type { ChildProcess } from 'node:child_process'
import { closeSync, writeSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { builtins } from '../builtins.js'
import { formatDuration } from '../config/values.js'
import { type Handover, handoverEnvironment } from './inheritance.js'

/** How this process was started, to start another one the same way. */
export interface Origin {
  /** The script, and the arguments after it. */
  script: string
  argv: readonly string[]
  env: NodeJS.ProcessEnv
  folder: string
}

export type SuccessorEvent =
  /** It serves: this process is to leave. */
  { type: 'succeeded'; pid: number } | { type: 'succession-failed'; message: string }

export interface SuccessorOptions {
  origin: Origin
  listeners: readonly (readonly [key: string, fd: number])[]
  activatedCount: number
  /** How long it may take to serve. */
  timeoutMs: number
  /** Called once. */
  onEvent: (event: SuccessorEvent) => void
}

const readyWord = 'ready\n'
/** Standard input, output and error. */
const streams = 3

export class Successor {
  readonly #process: ChildProcess
  readonly #onEvent: (event: SuccessorEvent) => void
  readonly #timer: NodeJS.Timeout
  #isOver = false

  constructor({ origin, listeners, activatedCount, timeoutMs, onEvent }: SuccessorOptions) {
    this.#onEvent = onEvent
    const readyFd = streams + listeners.length
    this.#process = spawnHornet(origin, listeners, { activatedCount, readyFd }, 'pipe')
    const ready = this.#process.stdio[readyFd] as Readable // 'pipe', above
    this.#timer = setTimeout(() => this.#fail(`it did not serve within ${formatDuration(timeoutMs)}`), timeoutMs)
    ready.once('data', () => this.#succeed())
    ready.on('error', () => {}) // its end is told by 'exit'
    this.#process.once('error', (error) => this.#fail(error.message))
    this.#process.once('exit', (code, signal) => this.#fail(`it ended with ${signal ?? `exit status ${code}`}`))
  }

  /** This process ends otherwise: the new one is not wanted any more. */
  abandon(): void {
    this.#fail('it was given up')
  }

  #succeed(): void {
    if (this.#isOver) return
    this.#finish()
    this.#process.unref()
    this.#onEvent({ type: 'succeeded', pid: this.#process.pid ?? -1 })
  }

  #fail(message: string): void {
    if (this.#isOver) return
    this.#finish()
    // Gracefully: it may have begun to serve.
    if (this.#process.exitCode === null && this.#process.signalCode === null) this.#process.kill('SIGTERM')
    this.#onEvent({ type: 'succession-failed', message })
  }

  #finish(): void {
    this.#isOver = true
    clearTimeout(this.#timer)
    for (const stream of this.#process.stdio) stream?.destroy()
  }
}

/** Starts a Hornet the way this one was started, on sockets that are open here. `link` is its descriptor after those. */
export function spawnHornet(
  origin: Origin,
  listeners: readonly (readonly [key: string, fd: number])[],
  handover: Omit<Handover, 'listeners'>,
  link: 'pipe' | 'ipc',
): ChildProcess {
  // Those that a service manager gave keep their numbers: they are what their addresses are called.
  const places = listeners.map(([key], index) => [key, streams + index] as const)
  // The watchdog's number is that of this process; who takes its place is watched all the same.
  const { WATCHDOG_PID: _, ...env } = origin.env
  return builtins.childProcess().spawn(process.execPath, [...process.execArgv, origin.script, ...origin.argv], {
    cwd: origin.folder,
    env: { ...env, ...handoverEnvironment({ ...handover, listeners: places }) },
    stdio: ['inherit', 'inherit', 'inherit', ...listeners.map(([, fd]) => fd), link],
  })
}

/** Tells the predecessor that this process serves. */
export function announceReady(readyFd: number): void {
  try {
    writeSync(readyFd, readyWord)
    closeSync(readyFd)
  } catch {
    // It is gone: nobody waits.
  }
}
