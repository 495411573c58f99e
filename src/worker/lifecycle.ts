/**
 * A worker's end: the signals of the application, its own process.exit() and process.kill(), and what the master asks.
 *
 * No signal reaches a thread. An application that listens to one is told by calling its listeners, once per worker. By
 * then no request is left, so that listeners which exit or close a database at once break none; only streams that go on
 * and on (events, WebSockets) do not hold it back for more than a moment, as their ends are often what it is told for.
 */
import type { EventEmitter } from 'node:events'
import { constants } from 'node:os'
import type { MasterMessage, WorkerMessage } from '../protocol.js'
import { describeError } from './report.js'

/** The end of the seam, as far as it matters here: closed, it lets the event loop end. */
interface Closable {
  close(): void
}

export interface LifecycleOptions {
  gracefulTimeoutMs: number
  tell: (message: WorkerMessage) => void
  /** Lets the event loop end although the master may still write to us. */
  unref: () => void
}

type Signal = NodeJS.Signals

// What a process does on its own when nobody listens: nothing.
const harmless: readonly string[] = ['SIGCHLD', 'SIGCONT', 'SIGURG', 'SIGWINCH', 'SIGUSR1']
// One who listens to a way of ending wants to hear of the end, whichever way it comes.
const endings: readonly Signal[] = ['SIGTERM', 'SIGINT', 'SIGQUIT']
// How long requests in flight hold back the news.
const noticeMsMax = 5000
const framesMax = 6

export class Lifecycle {
  readonly #options: LifecycleOptions
  readonly #exit = process.exit
  readonly #kill = process.kill
  #port: Closable | undefined
  #onStop: (() => unknown) | undefined
  #isTold = false
  #isStopping = false

  constructor(options: LifecycleOptions) {
    this.#options = options
    process.exit = (code) => this.#handleExit(code)
    process.kill = (pid, signal) => this.#handleKill(pid, signal)
  }

  /** What must be closed at the end, and the operator's `workerExit`, if there is one. */
  attach(port: Closable, onStop?: () => unknown): void {
    this.#port = port
    this.#onStop = onStop
  }

  handleMessage(message: MasterMessage): void {
    switch (message.type) {
      case 'drain': {
        const noticeMs = Math.min(noticeMsMax, this.#options.gracefulTimeoutMs / 2)
        setTimeout(() => this.#tell(message.signal), noticeMs).unref()
        return
      }
      case 'stop':
        this.#stop(message.signal)
        return
      case 'report': // app-metrics.ts answers
        return
      default:
        message satisfies never
    }
  }

  /** The worker cannot serve. */
  fail(): never {
    this.#isStopping = true
    return this.#exit(1)
  }

  #stop(signal: Signal): void {
    this.#isStopping = true
    this.#port?.close()
    if (this.#onStop) void this.#runHook(this.#onStop, () => this.#end(signal))
    else this.#end(signal)
  }

  #end(signal: Signal): void {
    if (!this.#isTold && listened(signal) === undefined) this.#exit(0)
    // It may take its time, and ends when nothing keeps its event loop, as a process of its own would.
    setTimeout(() => this.#exit(0), this.#options.gracefulTimeoutMs).unref()
    this.#options.unref()
    this.#tell(signal)
  }

  /** First, while the application is whole. Past the graceful timeout the master ends the thread. */
  async #runHook(hook: () => unknown, next: () => void): Promise<void> {
    try {
      await hook()
    } catch (error) {
      this.#options.tell({ type: 'log', level: 'error', message: `workerExit: ${describeError(error)}` })
    }
    // Out of the promise: what listeners throw is an exception, not a rejection.
    setImmediate(next)
  }

  #tell(signal: Signal): void {
    if (this.#isTold) return
    const name = listened(signal)
    // Someone may listen later.
    if (name === undefined) return
    this.#isTold = true
    emitSignal(name)
  }

  #handleExit(code: number | string | null | undefined): never {
    if (this.#isStopping) return this.#exit(code)
    const said = code ?? process.exitCode ?? ''
    this.#explain(`it called process.exit(${said})`, process.exit)
    return this.#exit(code)
  }

  /** Programs end themselves by the signal that they handled (Nest does): that must not reach the whole server. */
  #handleKill(pid: number, signal: string | number = 'SIGTERM'): true {
    const name = typeof signal === 'number' ? nameOf(signal) : (signal as Signal)
    // 0 asks whether it is there; STOP and its kin hold the process, which is what was asked for.
    const isOurs = pid === process.pid && name !== undefined && name in constants.signals
    if (!isOurs || /^SIG(?:STOP|TSTP|TTIN|TTOU)$/.test(name)) return this.#kill(pid, signal)
    if (name !== 'SIGKILL' && process.listenerCount(name) > 0) {
      setImmediate(() => emitSignal(name))
      return true
    }
    if (harmless.includes(name)) return true
    if (!this.#isStopping) this.#explain(`it sent itself ${name}`, process.kill)
    return this.#exit(128 + constants.signals[name])
  }

  /** Tells the master why the thread is about to end. */
  #explain(deed: string, until: (...args: never[]) => unknown): void {
    this.#isStopping = true
    const place: { stack?: string } = {}
    Error.captureStackTrace(place, until)
    const frames = (place.stack ?? '').split('\n').slice(1, 1 + framesMax)
    this.#options.tell({ type: 'exiting', reason: [deed, ...frames].join('\n') })
  }
}

/** The signal itself when the application listens to it, or else the ending it does listen to. */
function listened(signal: Signal): Signal | undefined {
  return [signal, ...endings].find((name) => process.listenerCount(name) > 0)
}

function emitSignal(name: Signal): void {
  // As any emitter: the type of process.emit() knows no signal in a variable.
  ;(process as EventEmitter).emit(name, name, constants.signals[name])
}

function nameOf(number: number): Signal | undefined {
  const entry = Object.entries(constants.signals).find(([, value]) => value === number)
  return entry?.[0] as Signal | undefined // keys of the table of signals
}
