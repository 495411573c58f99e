/**
 * Looking into a worker from the main thread, through V8's inspector: its requests interrupt JavaScript wherever it is,
 * so a worker that spins in a loop answers as well. No port is opened.
 */
import type { Session } from 'node:inspector'
import type { StackFrame, StackView } from '../control/api.js'
import { Problem } from '../control/problem.js'

// Bounds for a machine that is overloaded; an answer mostly takes some 50 ms, also from a worker in an endless loop.
const attachMsMax = 1000
const enableMsMax = 3000
// One that runs JavaScript stops at its next step; there is none in a worker that waits for events, so this is what a
// look at an idle one takes.
const pauseMsMax = 250
// A profile of many minutes is big, and a worker that is stuck in native code gives none.
const profileStopMsMax = 15_000

/** @throws Problem `no-answer` when the thread is gone; `unavailable` when this Node has no inspector. */
export async function takeStack(workerId: number): Promise<StackView> {
  const peer = await attach(workerId)
  try {
    const scripts = new ScriptNames()
    peer.onRaw = (message) => scripts.note(message)
    const paused = peer.event('Debugger.paused')
    // Its answer comes after a message for each script: with big applications thousands.
    const enabled = await peer.call('Debugger.enable', { maxScriptsCacheSize: 0 }, enableMsMax)
    if (enabled === undefined) return { workerId, state: 'unresponsive', frames: [] }
    await peer.call('Debugger.pause', {}, pauseMsMax)
    const pause = await withinMs(paused, pauseMsMax)
    // The worker goes on before anything else is done here.
    peer.send('Debugger.disable')
    if (pause === undefined) return { workerId, state: 'idle', frames: [] }
    const { callFrames } = pause as { callFrames: CallFrame[] } // the protocol says so
    const frames = callFrames.map((frame) => scripts.describe(frame))
    // Nothing of the application: a timer of Node's own, or the answer to a question of ours.
    const isIdle = frames.every(({ file }) => file.startsWith('node:') || file.endsWith('/worker/app-metrics.js'))
    return isIdle ? { workerId, state: 'idle', frames: [] } : { workerId, state: 'running', frames }
  } finally {
    peer.close()
  }
}

/** Samples for `durationMs`; what was sampled until `signal` is thrown away. */
export async function takeCpuProfile(workerId: number, durationMs: number, signal: AbortSignal): Promise<object> {
  const peer = await attach(workerId)
  try {
    for (const method of ['Profiler.enable', 'Profiler.start']) {
      const answer = await peer.call(method, {}, enableMsMax)
      if (answer === undefined) throw new Problem('no-answer', `worker ${workerId} is inside native code`)
    }
    await pause(durationMs, signal, peer.closed)
    const stopped = await peer.call('Profiler.stop', {}, profileStopMsMax)
    if (stopped === undefined) throw new Problem('no-answer', `worker ${workerId} gave no profile in time`)
    peer.send('Profiler.disable')
    return (stopped as { profile: object }).profile // the protocol says so
  } finally {
    peer.close()
  }
}

interface CallFrame {
  functionName: string
  location: { scriptId: string; lineNumber: number; columnNumber: number }
}

/** Frames name scripts by number; what the numbers mean is told once, when the debugger is switched on. */
class ScriptNames {
  readonly #urls = new Map<string, string>()

  note(message: string): void {
    // Not parsed: there may be thousands, and all that counts stands at the front.
    const match = /^\{"method":"Debugger\.scriptParsed","params":\{"scriptId":"(\d+)","url":("(?:[^"\\]|\\.)*")/.exec(
      message,
    )
    if (match) this.#urls.set(match[1], JSON.parse(match[2]))
  }

  describe({ functionName, location }: CallFrame): StackFrame {
    const url = this.#urls.get(location.scriptId) ?? ''
    return {
      function: functionName || '(anonymous)',
      file: filePath(url),
      // The protocol counts both from 0.
      line: location.lineNumber + 1,
      column: location.columnNumber + 1,
    }
  }
}

function filePath(url: string): string {
  if (!url.startsWith('file://')) return url || '(no file)'
  try {
    return decodeURIComponent(new URL(url).pathname)
  } catch {
    return url
  }
}

type Answer = (result: object | undefined) => void

/** A conversation with one worker's inspector. */
class Peer {
  /** Every message as it came. */
  onRaw: (message: string) => void = () => {}
  /** Resolves when the worker is gone, or we are. */
  readonly closed: Promise<void>
  readonly #session: Session
  readonly #sessionId: string
  readonly #answers = new Map<number, Answer>()
  readonly #events = new Map<string, (params: object) => void>()
  #lastCall = 0
  #noteClosed: () => void = () => {}

  constructor(session: Session, sessionId: string) {
    this.#session = session
    this.#sessionId = sessionId
    this.closed = new Promise((resolve) => {
      this.#noteClosed = resolve
    })
    // Node.js calls these outside of any turn of the event loop: what hangs on promises would wait until something else
    // comes along. setImmediate() brings a turn about.
    session.on('NodeWorker.receivedMessageFromWorker', ({ params }) => {
      if (params.sessionId === sessionId) setImmediate(() => this.#receive(params.message))
    })
    session.on('NodeWorker.detachedFromWorker', ({ params }) => {
      if (params.sessionId === sessionId) setImmediate(() => this.#fall())
    })
  }

  /** @returns The result; undefined when there is none within `ms`, or the worker ends. */
  call(method: string, params: object, ms: number): Promise<object | undefined> {
    const answer = new Promise<object | undefined>((resolve) => this.#answers.set(this.send(method, params), resolve))
    return withinMs(answer, ms)
  }

  send(method: string, params: object = {}): number {
    const id = ++this.#lastCall
    const message = JSON.stringify({ id, method, params })
    this.#session.post('NodeWorker.sendMessageToWorker', { sessionId: this.#sessionId, message })
    return id
  }

  /** The first such event from now on. */
  event(method: string): Promise<object> {
    return new Promise((resolve) => this.#events.set(method, resolve))
  }

  close(): void {
    this.#fall()
    // Leaves every worker as it was found: domains are switched off, a paused one goes on.
    this.#session.disconnect()
  }

  #receive(text: string): void {
    this.onRaw(text)
    if (text.startsWith('{"method":"Debugger.scriptParsed"')) return
    const message = JSON.parse(text) as { id?: number; method?: string; result?: object; params?: object }
    if (message.id !== undefined) {
      this.#answers.get(message.id)?.(message.result)
      this.#answers.delete(message.id)
    } else if (message.method !== undefined) {
      this.#events.get(message.method)?.(message.params ?? {})
    }
  }

  #fall(): void {
    for (const answer of this.#answers.values()) answer(undefined)
    this.#answers.clear()
    this.#noteClosed()
  }
}

/** A session of its own for each conversation: they do not disturb one another. */
async function attach(workerId: number): Promise<Peer> {
  const inspector = await loadInspector()
  const session = new inspector.Session()
  session.connect()
  const attached = new Promise<string>((resolve) => {
    session.on('NodeWorker.attachedToWorker', ({ params }) => {
      // Named by worker-handle.ts; Node puts the thread's number in front.
      const name = /\bhornet worker (\d+)$/.exec(params.workerInfo.title)?.[1]
      if (Number(name) === workerId) resolve(params.sessionId)
    })
  })
  session.post('NodeWorker.enable', { waitForDebuggerOnStart: false })
  const sessionId = await withinMs(attached, attachMsMax)
  if (sessionId !== undefined) return new Peer(session, sessionId)
  session.disconnect()
  throw new Problem('no-answer', `the thread of worker ${workerId} cannot be reached`)
}

/** A debugger may be connected from outside: a worker that stands still may be one that somebody looks at. */
export async function isDebugged(): Promise<boolean> {
  try {
    return (await loadInspector()).url() !== undefined
  } catch {
    return false
  }
}

async function loadInspector(): Promise<typeof import('node:inspector')> {
  try {
    return await import('node:inspector')
  } catch (error) {
    throw new Problem('unavailable', 'this Node.js was built without its inspector', {}, error)
  }
}

/** @returns Undefined when `promise` gives nothing within `ms`. */
export async function withinMs<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, ms, undefined)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** @throws Problem when the caller, or the worker, is gone before `ms` have passed. */
async function pause(ms: number, signal: AbortSignal, gone: Promise<void>): Promise<void> {
  const aborted = new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
  const early = Promise.race([aborted.then(() => 'aborted' as const), gone.then(() => 'gone' as const)])
  const end = await withinMs(early, ms)
  if (end === 'aborted') throw new Problem('unavailable', 'the client is gone')
  if (end === 'gone') throw new Problem('no-answer', 'the worker ended')
}
