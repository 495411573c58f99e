/**
 * The master's view of one worker: performs one action on its thread and on the native server's side of it, and reports
 * what happens to it. Knows no policy: what is done when is pool.ts's to say.
 */

import { type EventLoopUtilization, performance } from 'node:perf_hooks'
import type { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { inspect } from 'node:util'
import { Worker, type WorkerOptions } from 'node:worker_threads'
import type { Settings } from '../config/settings.js'
import { formatSize } from '../config/values.js'
import { HornetError } from '../errors.js'
import { type AppMetric, readAppMetrics } from '../metrics/merge.js'
import type { AppFacts, ListenAnswer, MasterMessage, WorkerData, WorkerMessage } from '../protocol.js'
import { addonPath, LANE_RINGS_OFFSET, type NativeServer } from '../seam/addon.js'
import type { Adoptions } from './adoptions.js'
import type { Configuration } from './configuration.js'
import type { LaneMemory } from './lane-memory.js'
import type { Failure } from './pool.js'

// A lane holds, before native code parks what does not fit: about 600 requests of 400 bytes one way, and 1 MiB of
// responses the other. Both are powers of two, as the rings demand.
export const requestRingBytes = 256 * 1024
export const responseRingBytes = 1024 * 1024
export const laneBytes = LANE_RINGS_OFFSET + requestRingBytes + responseRingBytes

/** How Node says that a thread reached its limit. */
const outOfMemory = 'ERR_WORKER_OUT_OF_MEMORY'

export type WorkerEvent =
  | { type: 'worker-ready'; workerId: number }
  | { type: 'worker-boot-failed'; workerId: number; failure: Failure }
  | { type: 'worker-exited'; workerId: number; failure: Failure }
  | { type: 'worker-loaded'; paths: string[] }
  | { type: 'worker-log'; workerId: number; level: 'debug' | 'info' | 'warn' | 'error'; message: string }

/** What all workers of one server share. */
export interface WorkerContext {
  server: NativeServer
  /** Makes lanes of `laneBytes`. */
  laneMemory: LaneMemory
  ioControl: SharedArrayBuffer
  /** Why workers end: SIGTERM, or the signal that stops the server. */
  signal: NodeJS.Signals
  onEvent: (event: WorkerEvent) => void
  /** What its Node writes to a standard stream before our code runs there (a module of --node-arg). */
  onOutput: (fd: 1 | 2, bytes: Uint8Array) => void
  /** Who sees to it that servers in workers listen. */
  adoptions: ListenDesk
  /** Given by who examines the application. */
  onFacts?: (facts: AppFacts) => void
}

/** What a worker that listens needs of the master. */
export type ListenDesk = Pick<Adoptions, 'listen' | 'unlisten' | 'noteReady' | 'noteLeaving' | 'noteGone'>

/** After how many requests a worker is to be replaced; 0 for never. */
function requestsUntilSpent({ maxRequests, maxRequestsJitter }: Settings): number {
  return maxRequests === 0 ? 0 : maxRequests + Math.floor(Math.random() * (maxRequestsJitter + 1))
}

/** What a worker says of itself, and what its event loop shows. */
export interface WorkerVitals {
  /** Part of the last second or two that its event loop was busy, 0 to 1; null while it boots. */
  eventLoopUtilization: number | null
  /** The same as totals. */
  loopActiveMs: number
  loopIdleMs: number
  /** Since when it has not answered; 0 when it does. */
  blockedMs: number
  heapUsedBytes: number | null
  heapTotalBytes: number | null
  /** What the application's registries hold. */
  metrics: AppMetric[]
}

// A shorter look would show single requests.
const loopWindowMs = 1000
const noMark = { atMs: Number.NEGATIVE_INFINITY, active: 0, idle: 0 }

interface Question {
  number: number
  askedMs: number
  withMetrics: boolean
  answered: Promise<void>
  settle: () => void
}

export class WorkerHandle {
  readonly id: number
  readonly #generation: number
  readonly #configuration: Configuration
  readonly #context: WorkerContext
  // Kept until the native side has let go of them: `release()`.
  #lanes: SharedArrayBuffer[]
  #thread: Worker | undefined
  #lastUtilization: EventLoopUtilization | undefined
  #error: { thrown: unknown } | undefined
  #exitReason: string | undefined
  #isFenced = false
  /** That are being taken. */
  #snapshots = 0
  #question: Question | undefined
  #lastReport = 0
  #watched: { idleMs: number; ping: { number: number; sinceMs: number } | undefined } | undefined
  #loopMarks = { older: noMark, newer: noMark }
  readonly #vitals: WorkerVitals = {
    eventLoopUtilization: null,
    loopActiveMs: 0,
    loopIdleMs: 0,
    blockedMs: 0,
    heapUsedBytes: null,
    heapTotalBytes: null,
    metrics: [],
  }

  /** Announces the worker to the native server and starts its thread. */
  constructor(id: number, generation: number, configuration: Configuration, context: WorkerContext) {
    this.id = id
    this.#generation = generation
    this.#configuration = configuration
    this.#context = context
    const { ioThreads, workerConnections } = configuration.settings
    this.#lanes = Array.from({ length: ioThreads }, () => context.laneMemory.take())
    const views = this.#lanes.map((lane) => new Uint8Array(lane))
    context.server.addWorker(
      id,
      views,
      requestRingBytes,
      workerConnections,
      // What it serves is known when it is ready, or listens.
      false,
      requestsUntilSpent(configuration.settings),
    )
    try {
      this.#thread = this.#spawn()
    } catch (error) {
      // Node refuses some arguments (ERR_WORKER_INVALID_EXEC_ARGV). Told later, like any other end: the caller is
      // still busy with this action.
      const { code, message } = error as NodeJS.ErrnoException // worker_threads throws nothing else
      const isArgument = code === 'ERR_WORKER_INVALID_EXEC_ARGV'
      const failure = {
        code: isArgument ? 'ERR_HORNET_CONFIG' : 'ERR_HORNET_APP_BOOT',
        message: `no worker: ${message}`,
      }
      queueMicrotask(() => this.#handleExit(failure))
    }
  }

  /** Requests may come. */
  admit(): void {
    this.#context.server.readyWorker(this.id)
  }

  /** No more requests; the server says `worker-drained` when the last one is answered. */
  drain(): void {
    this.#context.server.drainWorker(this.id)
    this.announceEnd()
  }

  /** Tells the application that its worker ends once the requests in flight have. */
  announceEnd(): void {
    this.#context.adoptions.noteLeaving(this.id)
    const message: MasterMessage = { type: 'drain', signal: this.#context.signal }
    this.#thread?.postMessage(message)
  }

  /** Asks the worker to run its exit hooks and end. */
  stop(): void {
    this.#context.adoptions.noteLeaving(this.id)
    const message: MasterMessage = { type: 'stop', signal: this.#context.signal }
    this.#thread?.postMessage(message)
  }

  /** Part of the time that its event loop was busy since the last call, 0 to 1. */
  utilization(): number {
    const { performance } = this.#thread ?? {}
    if (!performance) return 0
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, this.#lastUtilization)
    this.#lastUtilization = now
    return utilization
  }

  /** Ends the thread at the next JavaScript statement it executes. */
  terminate(): void {
    // 'exit' follows in any case; the promise says nothing more.
    void this.#thread?.terminate()
  }

  /** Longest time that its event loop may stand still. */
  get timeoutMs(): number {
    return this.#configuration.settings.timeoutMs
  }

  /** Whatever it does reaches nobody from now on, and the requests it has begun are answered 504. */
  fence(): void {
    if (this.#isFenced) return
    this.#isFenced = true
    this.#context.server.fenceWorker(this.id, 504)
    this.#context.adoptions.noteGone(this.id)
  }

  /**
   * For how long its event loop has stood still, at least; to be called again and again while it serves. A loop that
   * waits for events is idle meanwhile, which shows without a word to the worker. One that is busy all the time may still
   * turn: it is asked, and answers when it does.
   *
   * @param heldMs Of the time since the last call: what it cannot be blamed for.
   */
  watch(nowMs: number, heldMs: number): number {
    const thread = this.#thread
    if (thread === undefined) return 0
    const idleMs = thread.performance.eventLoopUtilization().idle
    const { ping, idleMs: idleBefore } = this.#watched ?? {}
    if (idleMs !== idleBefore || this.#snapshots > 0) {
      this.#watched = { idleMs, ping: undefined }
      return 0
    }
    if (ping !== undefined) {
      ping.sinceMs += heldMs
      return nowMs - ping.sinceMs
    }
    const number = ++this.#lastReport
    this.#watched = { idleMs, ping: { number, sinceMs: nowMs } }
    const message: MasterMessage = { type: 'report', report: number, withMetrics: false }
    thread.postMessage(message)
    return 0
  }

  /**
   * How it is doing. One that does not answer within `msMax` is described as it was last, with the time since it was
   * asked as `blockedMs`.
   */
  async look(msMax: number, withMetrics = false): Promise<WorkerVitals> {
    const thread = this.#thread
    if (thread === undefined) return this.#vitals
    const nowMs = performance.now()
    this.#noteLoop(thread.performance.eventLoopUtilization(), nowMs)
    // One question at a time: a blocked worker would get them all at once when it is free again.
    const isDue = this.#question === undefined || (withMetrics && !this.#question.withMetrics)
    const question = isDue ? this.#ask(thread, nowMs, withMetrics) : this.#question
    await Promise.race([question?.answered, delay(msMax)])
    this.#vitals.blockedMs = this.#question === undefined ? 0 : performance.now() - this.#question.askedMs
    return this.#vitals
  }

  /** As of the last look. */
  get vitals(): Readonly<WorkerVitals> {
    return this.#vitals
  }

  /** V8's snapshot of its heap. The thread stands still while it is taken, and is not blamed for that. */
  async heapSnapshot(): Promise<Readable | undefined> {
    this.#snapshots += 1
    try {
      return await this.#thread?.getHeapSnapshot()
    } finally {
      this.#snapshots -= 1
    }
  }

  /** The native server has let go of the lanes (`worker-removed`), and the thread has ended before. */
  release(): void {
    for (const lane of this.#lanes) this.#context.laneMemory.giveBack(lane)
    this.#lanes = []
  }

  #ask(thread: Worker, askedMs: number, withMetrics: boolean): Question {
    const before = this.#question
    let settle = () => {}
    const answered = new Promise<void>((resolve) => {
      settle = resolve
    })
    const number = ++this.#lastReport
    this.#question = { number, askedMs: before?.askedMs ?? askedMs, withMetrics, answered, settle }
    const message: MasterMessage = { type: 'report', report: number, withMetrics }
    thread.postMessage(message)
    return this.#question
  }

  /** Several may ask, each at its own pace: what they get is the time since a moment one to two seconds ago. */
  #noteLoop(now: EventLoopUtilization, nowMs: number): void {
    const { newer } = this.#loopMarks
    if (nowMs - newer.atMs >= loopWindowMs) this.#loopMarks = { older: newer, newer: { atMs: nowMs, ...now } }
    const since = this.#loopMarks.older
    const active = now.active - since.active
    const whole = active + now.idle - since.idle
    this.#vitals.eventLoopUtilization = whole > 0 ? active / whole : null
    this.#vitals.loopActiveMs = now.active
    this.#vitals.loopIdleMs = now.idle
  }

  #noteReport({ report, heapUsedBytes, heapTotalBytes, metrics }: WorkerMessage & { type: 'report' }): void {
    this.#vitals.heapUsedBytes = heapUsedBytes
    this.#vitals.heapTotalBytes = heapTotalBytes
    if (metrics !== undefined) this.#vitals.metrics = readAppMetrics(metrics)
    if (report === this.#watched?.ping?.number) this.#watched.ping = undefined
    if (report !== this.#question?.number) return
    this.#question.settle()
    this.#question = undefined
  }

  #spawn(): Worker {
    const { server, ioControl } = this.#context
    const { app, settings, hooks, configPath, tls } = this.#configuration
    const { gracefulTimeoutMs, keepAliveMs, nodeArgs, env, maxWorkerMemoryBytes } = settings
    const workerData: WorkerData = {
      hornet: true,
      workerId: this.id,
      addonPath: addonPath(),
      serverHandle: server.handle,
      lanes: this.#lanes,
      requestRingBytes,
      ioControl,
      app,
      generation: this.#generation,
      tellModules: settings.reload,
      hooksPath: hooks.workerInit || hooks.workerExit ? configPath : undefined,
      gracefulTimeoutMs,
      keepAliveMs,
      tls:
        settings.certfile === undefined
          ? undefined
          : { clientCertificates: settings.certReqs, caPem: tls?.native.caPem },
      examine: this.#context.onFacts && true,
    }
    // Unless told so, Node would make its own streams on our descriptors, and set them non-blocking for everybody.
    const options: WorkerOptions = { workerData, name: `hornet worker ${this.id}`, stdout: true, stderr: true }
    // None: those this process was started with.
    if (nodeArgs.length > 0) options.execArgv = nodeArgs.flat()
    // A reload may have brought other variables than this process was started with.
    options.env = { ...process.env, ...Object.fromEntries(env) }
    if (maxWorkerMemoryBytes > 0) {
      options.resourceLimits = { maxOldGenerationSizeMb: Math.ceil(maxWorkerMemoryBytes / 2 ** 20) }
    }
    const thread = new Worker(new URL('../worker/main.js', import.meta.url), options)
    thread.on('message', (message: unknown) => {
      if (isWorkerMessage(message)) this.#handleMessage(message)
    })
    thread.stdout.on('data', (bytes: Uint8Array) => this.#context.onOutput(1, bytes))
    thread.stderr.on('data', (bytes: Uint8Array) => this.#context.onOutput(2, bytes))
    thread.on('error', (error) => {
      this.#error = { thrown: error }
    })
    thread.on('exit', (exitCode) => this.#handleExit(this.#describeExit(exitCode)))
    return thread
  }

  #handleMessage(message: WorkerMessage): void {
    const { onEvent } = this.#context
    const workerId = this.id
    switch (message.type) {
      case 'ready':
        this.#context.adoptions.noteReady(workerId, message.serves, message.takesTunnels).then(
          () => onEvent({ type: 'worker-ready', workerId }),
          (error: unknown) => onEvent({ type: 'worker-boot-failed', workerId, failure: failureOf(error) }),
        )
        return
      case 'listen':
        writeAnswer(message.answer, this.#context.adoptions.listen(workerId, message.request))
        return
      case 'unlisten':
        this.#context.adoptions.unlisten(workerId, message.indexes)
        return
      case 'boot-failed': {
        const { code, message: text, stack } = message
        onEvent({ type: 'worker-boot-failed', workerId, failure: { code, message: text, stack } })
        return
      }
      case 'exiting':
        this.#exitReason = message.reason
        return
      case 'facts':
        this.#context.onFacts?.(message.facts)
        return
      case 'title':
        process.title = message.title
        return
      case 'loaded':
        onEvent({ type: 'worker-loaded', paths: message.paths })
        return
      case 'log':
        onEvent({ type: 'worker-log', workerId, level: message.level, message: message.message })
        return
      case 'report':
        this.#noteReport(message)
        return
      default:
        message satisfies never
    }
  }

  #describeExit(exitCode: number): Failure {
    const failure = describeExit(exitCode, this.#error, this.#exitReason)
    const { maxWorkerMemoryBytes } = this.#configuration.settings
    if (failure.code !== outOfMemory || maxWorkerMemoryBytes === 0) return failure
    // Node's own words name no limit, and the stack is that of its bookkeeping.
    const message = `it needed more than ${formatSize(maxWorkerMemoryBytes)} of heap (--max-worker-memory)`
    return { code: outOfMemory, message }
  }

  #handleExit(failure: Failure): void {
    this.#context.server.removeWorker(this.id)
    this.#context.adoptions.noteGone(this.id)
    this.#context.onEvent({ type: 'worker-exited', workerId: this.id, failure })
  }
}

const types: readonly string[] = [
  'ready',
  'loaded',
  'boot-failed',
  'listen',
  'unlisten',
  'exiting',
  'facts',
  'title',
  'log',
  'report',
] satisfies WorkerMessage['type'][]

/** The worker waits for it, see protocol.ts. */
function writeAnswer(memory: SharedArrayBuffer, answer: ListenAnswer): void {
  const bytes = Buffer.from(JSON.stringify(answer))
  new Uint8Array(memory, 8).set(bytes)
  const words = new Int32Array(memory, 0, 2)
  words[1] = bytes.length
  Atomics.store(words, 0, 1)
  Atomics.notify(words, 0)
}

function failureOf(error: unknown): Failure {
  const code = error instanceof HornetError ? error.code : 'ERR_HORNET_APP_BOOT'
  return { code, message: error instanceof Error ? error.message : String(error) }
}

/** The application shares the thread and may post to its parent as well; that is not for us. */
function isWorkerMessage(value: unknown): value is WorkerMessage {
  const type = typeof value === 'object' && value !== null && 'type' in value ? value.type : undefined
  return typeof type === 'string' && types.includes(type)
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

/** Why a worker is gone, as far as its thread can tell. */
export function describeExit(exitCode: number, error: { thrown: unknown } | undefined, reason?: string): Failure {
  const isMemory = isObject(error?.thrown) && 'code' in error.thrown && error.thrown.code === outOfMemory
  const code = isMemory ? outOfMemory : 'ERR_HORNET_APP_BOOT'
  if (!error && reason !== undefined) return { code, message: reason }
  if (!error) return { code, message: `its thread ended with exit code ${exitCode}` }
  const { thrown } = error
  const message = thrown instanceof Error ? thrown.message : `${inspect(thrown)} was thrown`
  // inspect() shows the stack, and the causes and properties that the stack alone leaves out.
  return { code, message, stack: thrown instanceof Error ? inspect(thrown) : undefined }
}
