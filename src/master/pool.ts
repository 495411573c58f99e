/**
 * What the worker pool should do next: a pure function from its state, the time and one input to a new state and a list
 * of actions. It performs nothing and reads no clock; arbiter.ts does both.
 *
 *   phase:   idle ─ start ─▶ starting ─ one is ready ─▶ serving ─ TERM ─▶ draining ─ drained ─▶ stopping ─▶ ended
 *                               └─ none can boot ─▶ ended   └──────────── INT, QUIT ─────────────▲
 *
 *   worker:  booting ──▶ ready ──▶ draining ──▶ stopping ──▶ gone
 *               └──── boot failed, too slow ───────▲   └─ does not end ─▶ stuck ─▶ gone, perhaps
 *
 * Workers of phase `serving` that are booting or ready are called *active*: they are, or soon will be, what requests go
 * to. There are `wanted` of them, and a single one more while workers are being replaced: by a reload, or because one has
 * served its time (it is *retiring*). The replacement is ready before the old one leaves.
 */
import { workersMax } from '../config/settings.js'
import { formatDuration } from '../config/values.js'

/** Stuck: terminated, and it does not end: its thread is inside native code. Nobody waits for it. */
export type WorkerState = 'booting' | 'ready' | 'draining' | 'stopping' | 'stuck'

/** Why a worker could not load the application, or died. */
export interface Failure {
  /** One of the codes of errors.ts when the cause is known. */
  code: string
  message: string
  stack?: string
}

/** Why a worker leaves, or left. */
export type LeaveReason =
  /** It died while it served, or could not boot. */
  | 'crash'
  | 'boot'
  /** It needed more than `--max-worker-memory`. */
  | 'memory'
  /** Its event loop stood still for longer than `--timeout`. */
  | 'timeout'
  /** It was replaced: by a reload, at `--max-requests`, at `--worker-lifetime`, because somebody asked. */
  | 'reload'
  | 'requests'
  | 'lifetime'
  | 'restart'
  /** Fewer workers are wanted. */
  | 'scale'
  /** The server stops. */
  | 'stop'

export interface PooledWorker {
  /** From 1, never used twice. */
  id: number
  /** Which reload it belongs to; the first workers are generation 1. */
  generation: number
  state: WorkerState
  spawnedMs: number
  /** When it became ready; undefined until then. */
  readyMs: number | undefined
  /** When it is terminated if it has not moved on, and given up once it is; infinite while ready, and after that. */
  deadlineMs: number
  isTerminated: boolean
  /** When it has served its time; infinite without `--worker-lifetime`. */
  expiresMs: number
  /** Set while it is ready: it is to be replaced, when its turn comes. Once it leaves: why. */
  leaving: LeaveReason | undefined
  /** It could not boot, or was blocked; that is dealt with, only its thread is still there. */
  hasFailed: boolean
}

/** The pool as people see it. Degraded: it serves with too little, because workers are missing and cannot be had. */
export type ServerState = 'starting' | 'serving' | 'degraded' | 'draining' | 'stopping'

export type PoolPhase = 'idle' | 'starting' | 'serving' | 'draining' | 'stopping' | 'ended'

/** The whole state: plain data. */
export interface Pool {
  phase: PoolPhase
  /** Time of the last decision: what was due by then is done. */
  decidedMs: number
  /** Workers the operator wants; 0 while suspended. */
  wanted: number
  /** While suspended: workers to have again at the next reload. */
  resumeCount: number | undefined
  /** Generation of the workers that are spawned now. */
  generation: number
  nextWorkerId: number
  workers: PooledWorker[]
  /** A reload is under way: active workers of older generations are being replaced. */
  isReloading: boolean
  /** What the reload changed, to be changed back when it fails. */
  beforeReload: { wanted: number; limits: PoolLimits; reloadedWanted: number } | undefined
  /** What was told last. */
  state: ServerState
  /** Workers spawned while starting: those that fail then are not replaced, so that a broken application ends it. */
  startedCount: number
  /** Why the first worker to fail while starting did. */
  startFailure: Failure | undefined
  /** Consecutive rounds of early deaths, and the earliest time of the next spawn. */
  failedRounds: number
  lastFailureMs: number
  spawnNotBeforeMs: number
  /** When a shutdown stops waiting: workers are terminated at the first, everything is dropped at the second. */
  shutdownDeadlineMs: number
  shutdownForceMs: number
  /** No connection is left (or none ever was). */
  isServerDrained: boolean
  limits: PoolLimits
}

export interface PoolLimits {
  workersMax: number
  bootTimeoutMs: number
  gracefulTimeoutMs: number
  /** How long a worker serves; 0 for ever. */
  workerLifetimeMs: number
  /** What a quick stop gives exit hooks. */
  quickTimeoutMs: number
  /** What the last responses get to leave after the last worker is gone. */
  closeTimeoutMs: number
  /** What a terminated thread gets to end. */
  terminateMs: number
  /** So many that do not end, or as many as workers are wanted, and no more are started: each keeps its memory. */
  stuckMax: number
  /** A worker that was ready this long died of something else than the last one did: start counting afresh. */
  stableMs: number
  /** Delay before the second replacement in a row; doubles up to the maximum. The first is immediate. */
  backoffMinMs: number
  backoffMaxMs: number
}

/** Those limits that no setting changes. */
export const fixedLimits: Omit<PoolLimits, 'bootTimeoutMs' | 'gracefulTimeoutMs' | 'workerLifetimeMs'> = {
  workersMax,
  quickTimeoutMs: 2000,
  closeTimeoutMs: 1000,
  terminateMs: 3000,
  stuckMax: 4,
  stableMs: 10_000,
  backoffMinMs: 100,
  backoffMaxMs: 10_000,
}

export type PoolInput =
  | { type: 'start' }
  /** Change the number of workers by this much. */
  | { type: 'resize'; delta: number }
  /** Have this many. */
  | { type: 'scale'; count: number }
  /** Replace every worker; what else changes is taken back when that fails. */
  | { type: 'reload'; wanted?: number; limits?: PoolLimits }
  /** Replace this worker. */
  | { type: 'retire'; workerId: number; reason: LeaveReason }
  /** Let all workers go but keep listening, until a reload or more workers are asked for. */
  | { type: 'suspend' }
  /** A second one, of either mode, forces. */
  | { type: 'shutdown'; mode: 'graceful' | 'quick' }
  | { type: 'worker-ready'; workerId: number }
  | { type: 'worker-boot-failed'; workerId: number; failure: Failure }
  /** A draining worker has no request left. */
  | { type: 'worker-drained'; workerId: number }
  | { type: 'worker-exited'; workerId: number; failure: Failure }
  /** Its event loop stands still for longer than it may. `details` complete "worker 1 is blocked: …". */
  | { type: 'worker-blocked'; workerId: number; details: string }
  /** No connection is left. */
  | { type: 'server-drained' }
  /** Time has passed. */
  | { type: 'tick' }

export type PoolAction =
  | { type: 'spawn'; workerId: number; generation: number }
  /** Give it requests. */
  | { type: 'admit'; workerId: number }
  /** Give it no more requests. */
  | { type: 'drain'; workerId: number }
  /** Ask it to end. */
  | { type: 'stop'; workerId: number }
  /** Whatever it does is to reach nobody any more. */
  | { type: 'fence'; workerId: number }
  /** End it, whatever it does. */
  | { type: 'terminate'; workerId: number }
  /** Accept connections: a worker is ready. */
  | { type: 'serve' }
  /** Accept no more connections; let the open ones finish. */
  | { type: 'drain-server' }
  | { type: 'reload-finished'; generation: number }
  | { type: 'reload-failed'; generation: number; failure: Failure }
  | { type: 'wanted-changed'; wanted: number; previous: number }
  | { type: 'state-changed'; state: ServerState }
  /** A worker's thread is gone. */
  | { type: 'gone'; workerId: number; generation: number; reason: LeaveReason; isExpected: boolean; message: string }
  | { type: 'log'; level: 'debug' | 'info' | 'warn' | 'error'; message: string }
  /** Close what is left. With a failure: the application could not boot. */
  | { type: 'end'; failure?: Failure }

export interface Decision {
  pool: Pool
  actions: PoolAction[]
}

export function createPool(wanted: number, limits: PoolLimits): Pool {
  return {
    phase: 'idle',
    decidedMs: Number.NEGATIVE_INFINITY,
    wanted,
    resumeCount: undefined,
    generation: 1,
    nextWorkerId: 1,
    workers: [],
    isReloading: false,
    beforeReload: undefined,
    state: 'starting',
    startedCount: 0,
    startFailure: undefined,
    failedRounds: 0,
    lastFailureMs: Number.NEGATIVE_INFINITY,
    spawnNotBeforeMs: Number.NEGATIVE_INFINITY,
    shutdownDeadlineMs: Number.POSITIVE_INFINITY,
    shutdownForceMs: Number.POSITIVE_INFINITY,
    isServerDrained: true,
    limits,
  }
}

/** Decides what `input` at `nowMs` (of a monotonic clock) changes. The given pool is left as it was. */
export function decide(pool: Pool, nowMs: number, input: PoolInput): Decision {
  const next: Decision = { pool: { ...pool, workers: pool.workers.map((worker) => ({ ...worker })) }, actions: [] }
  next.pool.decidedMs = nowMs
  if (pool.phase === 'ended') return next
  take(next, nowMs, input)
  // Again until nothing changes: what converge() begins may be due already, with a graceful timeout of 0 for example.
  for (let before = -1; before < next.actions.length; ) {
    before = next.actions.length
    expire(next, nowMs)
    converge(next, nowMs)
  }
  tellState(next)
  return next
}

export function bootTimeout(timeoutMs: number): Failure {
  const message = `the application was not ready within ${formatDuration(timeoutMs)} (--boot-timeout)`
  return { code: 'ERR_HORNET_APP_BOOT', message }
}

/** The pool in one word. */
export function serverState(pool: Pool): ServerState {
  switch (pool.phase) {
    case 'idle':
    case 'starting':
      return 'starting'
    case 'serving': {
      const ready = readyCount(pool)
      // One death is replaced at once and worth no alarm; the second in a row is the start of a loop.
      const isMissed = ready < pool.wanted && (pool.failedRounds > 1 || isFull(pool))
      return ready === 0 || isMissed ? 'degraded' : 'serving'
    }
    case 'draining':
      return 'draining'
    case 'stopping':
    case 'ended':
      return 'stopping'
    default:
      return pool.phase satisfies never
  }
}

function tellState(next: Decision): void {
  const { pool } = next
  const state = serverState(pool)
  if (state === pool.state) return
  if (state === 'degraded') log(next, 'warn', `degraded: ${readyCount(pool)} of ${pool.wanted} workers are ready`)
  if (pool.state === 'degraded' && state === 'serving') log(next, 'info', 'no longer degraded')
  pool.state = state
  next.actions.push({ type: 'state-changed', state })
}

/**
 * When the next `tick` is due; infinite when only an event can change anything. It may be in the past already: what is
 * done is told apart by the time of the last decision and not by the clock, which runs on between two calls.
 */
export function nextTickMs(pool: Pool): number {
  if (pool.phase === 'ended') return Number.POSITIVE_INFINITY
  const times = [
    ...pool.workers.map((worker) => Math.min(worker.deadlineMs, worker.expiresMs)),
    pool.spawnNotBeforeMs,
    pool.shutdownDeadlineMs,
    pool.shutdownForceMs,
  ]
  return Math.min(...times.filter((time) => time > pool.decidedMs))
}

/** Records what the input says; only what depends on the input alone is decided here. */
function take(next: Decision, nowMs: number, input: PoolInput): void {
  switch (input.type) {
    case 'start':
      if (next.pool.phase === 'idle') next.pool.phase = 'starting'
      return
    case 'resize':
      scale(next, next.pool.wanted + input.delta)
      return
    case 'scale':
      scale(next, input.count)
      return
    case 'reload':
      reload(next, nowMs, input)
      return
    case 'retire': {
      const worker = find(next.pool, input.workerId)
      if (worker && (worker.state === 'ready' || worker.state === 'booting')) worker.leaving ??= input.reason
      return
    }
    case 'suspend':
      suspend(next)
      return
    case 'shutdown':
      shutDown(next, nowMs, input.mode)
      return
    case 'worker-ready':
      noteReady(next, nowMs, input.workerId)
      return
    case 'worker-boot-failed': {
      const worker = find(next.pool, input.workerId)
      if (worker?.state === 'booting') failBoot(next, nowMs, worker, input.failure)
      return
    }
    case 'worker-drained': {
      const worker = find(next.pool, input.workerId)
      if (worker?.state === 'draining') stop(next, worker)
      return
    }
    case 'worker-exited':
      noteExit(next, nowMs, input.workerId, input.failure)
      return
    case 'worker-blocked':
      noteBlocked(next, nowMs, input.workerId, input.details)
      return
    case 'server-drained':
      next.pool.isServerDrained = true
      return
    case 'tick':
      return
    default:
      input satisfies never
  }
}

function scale(next: Decision, count: number): void {
  const { pool } = next
  // A suspended pool is at 0: one worker less is none, and not the one that a serving pool keeps.
  const wanted = Math.min(Math.max(count, Math.min(pool.wanted, 1)), pool.limits.workersMax)
  if (isShuttingDown(pool)) {
    log(next, 'warn', 'the number of workers stays: the server is stopping')
    return
  }
  if (wanted === pool.wanted) {
    if (wanted !== count) log(next, 'warn', `the number of workers stays ${wanted}: it is at its limit`)
    return
  }
  pool.resumeCount = undefined
  changeWanted(next, wanted)
}

function changeWanted(next: Decision, wanted: number): void {
  const previous = next.pool.wanted
  if (wanted === previous) return
  log(next, 'info', `workers: ${previous} -> ${wanted}`)
  next.pool.wanted = wanted
  next.actions.push({ type: 'wanted-changed', wanted, previous })
}

function suspend(next: Decision): void {
  const { pool } = next
  if (pool.phase !== 'serving' || pool.wanted === 0) {
    log(next, 'warn', `the workers stay as they are: the server is ${pool.wanted === 0 ? 'suspended' : pool.state}`)
    return
  }
  if (pool.isReloading) failReload(next, pool.generation, { code: 'ERR_HORNET_REFUSED', message: 'it was suspended' })
  pool.resumeCount = pool.wanted
  log(next, 'warn', 'suspended: the workers leave, requests wait for a reload (HUP) or a worker (TTIN)')
  changeWanted(next, 0)
}

function reload(next: Decision, nowMs: number, { wanted, limits }: PoolInput & { type: 'reload' }): void {
  const { pool } = next
  if (isShuttingDown(pool)) {
    log(next, 'warn', 'no reload: the server is stopping')
    return
  }
  pool.generation += 1
  log(next, 'info', `reloading: generation ${pool.generation}`)
  // A reload during another one goes back to what was before both.
  const before = pool.beforeReload ?? { wanted: pool.wanted, limits: pool.limits }
  changeWanted(next, wanted ?? pool.resumeCount ?? pool.wanted)
  pool.resumeCount = undefined
  pool.limits = limits ?? pool.limits
  pool.beforeReload = { ...before, reloadedWanted: pool.wanted }
  pool.isReloading = true
  // The operator has probably mended what kept failing: do not make them wait.
  pool.failedRounds = 0
  pool.spawnNotBeforeMs = nowMs
}

function failReload(next: Decision, generation: number, failure: Failure): void {
  const { pool } = next
  const { beforeReload } = pool
  pool.isReloading = false
  pool.beforeReload = undefined
  next.actions.push({ type: 'reload-failed', generation, failure })
  if (!beforeReload) return
  pool.limits = beforeReload.limits
  // What somebody asked for meanwhile stays.
  if (pool.wanted === beforeReload.reloadedWanted && beforeReload.wanted > 0) changeWanted(next, beforeReload.wanted)
}

function shutDown(next: Decision, nowMs: number, mode: 'graceful' | 'quick'): void {
  const { pool } = next
  if (isShuttingDown(pool)) {
    log(next, 'warn', 'told again to stop: stopping now')
    for (const worker of pool.workers) terminate(next, worker)
    end(next)
    return
  }
  const wasServing = pool.phase === 'serving'
  const { gracefulTimeoutMs, quickTimeoutMs } = pool.limits
  const timeoutMs = mode === 'graceful' ? gracefulTimeoutMs : Math.min(quickTimeoutMs, gracefulTimeoutMs)
  if (pool.isReloading) {
    failReload(next, pool.generation, { code: 'ERR_HORNET_REFUSED', message: 'the server is stopping' })
  }
  pool.shutdownDeadlineMs = nowMs + timeoutMs
  pool.shutdownForceMs = pool.shutdownDeadlineMs + pool.limits.closeTimeoutMs
  log(next, 'info', `stopping (${mode}, at most ${formatDuration(timeoutMs)})`)
  if (wasServing) {
    pool.isServerDrained = false
    next.actions.push({ type: 'drain-server' })
  }
  pool.phase = wasServing && mode === 'graceful' ? 'draining' : 'stopping'
}

function noteReady(next: Decision, nowMs: number, workerId: number): void {
  const { pool } = next
  const worker = find(pool, workerId)
  if (worker?.state !== 'booting') return
  worker.state = 'ready'
  worker.readyMs = nowMs
  if (pool.limits.workerLifetimeMs > 0) worker.expiresMs = nowMs + pool.limits.workerLifetimeMs
  worker.deadlineMs = Number.POSITIVE_INFINITY
  log(next, 'info', `worker ${workerId} ready after ${Math.round(nowMs - worker.spawnedMs)} ms`)
  next.actions.push({ type: 'admit', workerId })
  if (pool.phase !== 'starting') return
  pool.phase = 'serving'
  next.actions.push({ type: 'serve' })
}

function noteExit(next: Decision, nowMs: number, workerId: number, failure: Failure): void {
  const { pool } = next
  const worker = find(pool, workerId)
  if (!worker) return
  pool.workers = pool.workers.filter((other) => other !== worker)
  tellGone(next, worker, failure)
  const details = failure.stack ?? failure.message
  switch (worker.state) {
    case 'booting': {
      const message = `the application could not be loaded: ${failure.message}`
      noteFailure(next, nowMs, worker, { ...failure, message })
      return
    }
    case 'ready':
      noteFailure(next, nowMs, worker, failure)
      return
    case 'draining':
      log(next, 'error', `worker ${workerId} died while draining: ${details}`)
      return
    case 'stuck':
      log(next, 'info', `worker ${workerId}, which was stuck, ended`)
      return
    case 'stopping':
      if (worker.hasFailed) return
      // Without a stack there is only an exit code to tell, and which one says nothing of a worker that was to end.
      if (failure.stack) log(next, 'error', `worker ${workerId} threw while it ended: ${details}`)
      else log(next, 'info', `worker ${workerId} ended`)
      return
    default:
      worker.state satisfies never
  }
}

function tellGone(next: Decision, worker: PooledWorker, failure: Failure): void {
  const { id, generation, state, leaving, hasFailed } = worker
  const isExpected = (state === 'stopping' || state === 'stuck') && !hasFailed
  const failed = leaving === 'timeout' ? 'timeout' : 'boot'
  const died =
    failure.code === 'ERR_WORKER_OUT_OF_MEMORY' ? 'memory' : state === 'booting' || hasFailed ? failed : 'crash'
  const reason = isExpected ? (leaving ?? 'stop') : died
  const message = isExpected ? '' : failure.message
  next.actions.push({ type: 'gone', workerId: id, generation, reason, isExpected, message })
}

function failBoot(next: Decision, nowMs: number, worker: PooledWorker, failure: Failure): void {
  terminate(next, worker)
  worker.hasFailed = true
  noteFailure(next, nowMs, worker, failure)
}

/** Its requests are answered before its thread has ended: that may take long, or for ever. */
function noteBlocked(next: Decision, nowMs: number, workerId: number, details: string): void {
  const worker = find(next.pool, workerId)
  if (!worker || worker.isTerminated || worker.state === 'booting') return
  const wasReady = worker.state === 'ready'
  const isReplaced = wasReady && !isShuttingDown(next.pool)
  next.actions.push({ type: 'fence', workerId })
  terminate(next, worker)
  worker.hasFailed = true
  worker.leaving = 'timeout'
  if (wasReady) backOff(next.pool, nowMs, worker)
  const remedy = isReplaced ? remedyOf(next.pool, nowMs) : 'terminated'
  log(next, 'error', `worker ${workerId} is blocked, ${remedy}: ${details}`)
}

/** What is done about a loss. */
function remedyOf(pool: Pool, nowMs: number): string {
  const isMissed = active(pool).length < pool.wanted || pool.workers.some(isRetiring)
  if (isMissed && isFull(pool)) return 'not replaced, as too many are stuck'
  return isMissed ? `replaced ${when(Math.max(pool.spawnNotBeforeMs - nowMs, 0))}` : 'not needed any more'
}

/** A worker is lost that should not be: it could not boot, or died while it served. */
function noteFailure(next: Decision, nowMs: number, worker: PooledWorker, failure: Failure): void {
  const { pool } = next
  const details = failure.stack ?? failure.message
  if (pool.phase === 'starting') {
    pool.startFailure ??= failure
    log(next, 'debug', `worker ${worker.id} could not boot: ${details}`)
    return
  }
  backOff(pool, nowMs, worker)
  const isBootFailure = worker.readyMs === undefined
  if (pool.isReloading && isBootFailure) {
    // It is one of the new generation: of the old ones, none that boots survives the start of a reload. Those that are
    // ready keep serving. What is not replaced yet stays as it is; the next reload starts over.
    failReload(next, worker.generation, failure)
    return
  }
  const deed = isBootFailure ? 'could not boot' : 'died'
  log(next, 'error', `worker ${worker.id} ${deed}, ${remedyOf(pool, nowMs)}: ${details}`)
}

/**
 * Counts an unexpected death. Workers that die together die of one cause, so only a worker spawned after the last
 * counted death makes another round; otherwise a pool of sixteen would reach the longest delay in one go.
 */
function backOff(pool: Pool, nowMs: number, worker: PooledWorker): void {
  const { stableMs, backoffMinMs, backoffMaxMs } = pool.limits
  if (worker.readyMs !== undefined && nowMs - worker.readyMs >= stableMs) pool.failedRounds = 0
  else if (worker.spawnedMs < pool.lastFailureMs) return
  pool.failedRounds += 1
  pool.lastFailureMs = nowMs
  const delayMs = pool.failedRounds === 1 ? 0 : Math.min(backoffMinMs * 2 ** (pool.failedRounds - 2), backoffMaxMs)
  pool.spawnNotBeforeMs = nowMs + delayMs
}

/** Acts on deadlines that have passed. */
function expire(next: Decision, nowMs: number): void {
  const { pool } = next
  for (const worker of pool.workers) {
    if (nowMs >= worker.expiresMs) {
      worker.expiresMs = Number.POSITIVE_INFINITY
      if (worker.state === 'ready') worker.leaving ??= 'lifetime'
    }
    if (nowMs < worker.deadlineMs) continue
    switch (worker.state) {
      case 'booting':
        failBoot(next, nowMs, worker, bootTimeout(pool.limits.bootTimeoutMs))
        break
      case 'draining':
      case 'stopping':
        if (worker.isTerminated) {
          giveUp(next, worker)
          break
        }
        log(next, 'warn', `worker ${worker.id} did not end in time: terminated`)
        terminate(next, worker)
        break
      case 'ready': // these have no deadline
      case 'stuck':
        break
      default:
        worker.state satisfies never
    }
  }
  if (pool.phase === 'draining' && nowMs >= pool.shutdownDeadlineMs) {
    log(next, 'warn', 'the graceful timeout is over: requests in flight are given up')
    pool.phase = 'stopping'
  }
}

/** Its thread does not end. Requests that it has begun must not wait for that. */
function giveUp(next: Decision, worker: PooledWorker): void {
  const { pool } = next
  worker.state = 'stuck'
  worker.deadlineMs = Number.POSITIVE_INFINITY
  next.actions.push({ type: 'fence', workerId: worker.id })
  const count = stuckCount(pool)
  const bound = isFull(pool) ? '; no more workers are started until one ends: restart the server' : ''
  log(
    next,
    'error',
    `worker ${worker.id} is stuck in native code and cannot be ended: it is fenced off, its thread and memory stay (${count} such)${bound}`,
  )
}

/** Moves the pool towards what is wanted. Calling it twice at the same time changes nothing more. */
function converge(next: Decision, nowMs: number): void {
  const { pool } = next
  switch (pool.phase) {
    case 'idle':
    case 'ended':
      return
    case 'starting':
      while (pool.startedCount < pool.wanted) {
        pool.startedCount += 1
        spawn(next, nowMs)
      }
      shrink(next, nowMs, pool.wanted)
      if (active(pool).length === 0) end(next, pool.startFailure)
      return
    case 'serving':
      if (pool.isReloading) {
        roll(next, nowMs)
        return
      }
      recycle(next, nowMs)
      return
    case 'draining':
      if (!pool.isServerDrained) {
        // Requests are still waiting to be served: a worker that dies now is missed as much as ever.
        replaceMissing(next, nowMs)
        shrink(next, nowMs, pool.wanted)
        return
      }
      pool.phase = 'stopping'
      finish(next, nowMs)
      return
    case 'stopping':
      finish(next, nowMs)
      return
    default:
      pool.phase satisfies never
  }
}

function replaceMissing(next: Decision, nowMs: number): void {
  if (nowMs < next.pool.spawnNotBeforeMs || isFull(next.pool)) return
  while (active(next.pool).length < next.pool.wanted) spawn(next, nowMs)
}

/**
 * One step of replacing workers that have served their time: one at a time, each only when its replacement is ready and
 * its predecessor gone. Those whose turn has not come serve on.
 */
function recycle(next: Decision, nowMs: number): void {
  const { pool } = next
  const isLeaving = (worker: PooledWorker) =>
    (worker.state === 'draining' || worker.state === 'stopping') && isRecycling(worker.leaving)
  const retiring = pool.workers.find(isRetiring)
  replaceMissing(next, nowMs)
  if (!retiring || pool.workers.some(isLeaving)) {
    shrink(next, nowMs, pool.wanted)
    return
  }
  shrink(next, nowMs, pool.wanted + 1)
  // With fewer wanted it may just have been the one to go.
  if (!isRetiring(retiring)) return
  if (readyCount(pool) > pool.wanted) {
    log(next, 'info', `worker ${retiring.id} is replaced: ${recycleReasons[retiring.leaving as RecycleReason]}`)
    release(next, nowMs, retiring, retiring.leaving ?? 'restart')
  } else if (nowMs >= pool.spawnNotBeforeMs && active(pool).length === pool.wanted) {
    spawn(next, nowMs)
  }
}

type RecycleReason = keyof typeof recycleReasons
const recycleReasons = {
  requests: 'it has served its requests (--max-requests)',
  lifetime: 'it has served its time (--worker-lifetime)',
  restart: 'as asked',
} as const satisfies Partial<Record<LeaveReason, string>>

function isRecycling(reason: LeaveReason | undefined): reason is RecycleReason {
  return reason !== undefined && Object.hasOwn(recycleReasons, reason)
}

function isRetiring(worker: PooledWorker): boolean {
  return worker.state === 'ready' && worker.leaving !== undefined
}

/** Lets go of active workers beyond `count`: those that serve nobody yet first, then the retiring, then the oldest. */
function shrink(next: Decision, nowMs: number, count: number): void {
  const candidates = active(next.pool)
  const rank = ({ state, leaving }: PooledWorker) => (state === 'booting' ? 0 : leaving === undefined ? 2 : 1)
  candidates.sort((a, b) => rank(a) - rank(b) || a.id - b.id)
  for (const worker of candidates.slice(0, Math.max(candidates.length - count, 0))) {
    release(next, nowMs, worker, 'scale')
  }
}

/**
 * One step of a rolling reload. A worker of an older generation is let go only while more workers than wanted are
 * ready; one worker more than wanted is spawned to get there.
 */
function roll(next: Decision, nowMs: number): void {
  const { pool } = next
  const isOld = (worker: PooledWorker) => worker.generation < pool.generation
  for (const worker of active(pool).filter(isOld)) {
    // One that is still booting may have read the old files or the new: nobody knows, and nobody misses it.
    if (worker.state === 'booting' || readyCount(pool) > pool.wanted) release(next, nowMs, worker, 'reload')
  }
  shrink(next, nowMs, pool.wanted + 1)
  if (!active(pool).some(isOld)) {
    // Dead or released, all old ones are gone. The new ones must be up before we call it done.
    if (readyCount(pool) >= pool.wanted) {
      pool.isReloading = false
      pool.beforeReload = undefined
      next.actions.push({ type: 'reload-finished', generation: pool.generation })
      shrink(next, nowMs, pool.wanted)
      return
    }
    replaceMissing(next, nowMs)
    return
  }
  // Requests that take long keep released workers around; an impatient operator must not pile them up without end.
  const threadsMax = 2 * pool.wanted + 1
  if (nowMs < pool.spawnNotBeforeMs || pool.workers.length - stuckCount(pool) >= threadsMax) {
    replaceMissing(next, nowMs)
    return
  }
  while (active(pool).length < pool.wanted + 1) spawn(next, nowMs)
}

/** The last steps of a shutdown: every worker is told to end, and when all are gone the server closes. */
function finish(next: Decision, nowMs: number): void {
  const { pool } = next
  for (const worker of pool.workers) {
    const isLoading = worker.readyMs === undefined && worker.state !== 'stuck'
    if (nowMs >= pool.shutdownDeadlineMs || isLoading) terminate(next, worker)
    else if (worker.state !== 'stopping' && worker.state !== 'stuck') stop(next, worker)
  }
  const isDone = pool.workers.length === stuckCount(pool) && pool.isServerDrained
  if (isDone || nowMs >= pool.shutdownForceMs) end(next)
}

function spawn(next: Decision, nowMs: number): void {
  const { pool } = next
  const worker: PooledWorker = {
    id: pool.nextWorkerId,
    generation: pool.generation,
    state: 'booting',
    spawnedMs: nowMs,
    readyMs: undefined,
    deadlineMs: nowMs + pool.limits.bootTimeoutMs,
    isTerminated: false,
    expiresMs: Number.POSITIVE_INFINITY,
    leaving: undefined,
    hasFailed: false,
  }
  pool.nextWorkerId += 1
  pool.workers.push(worker)
  next.actions.push({ type: 'spawn', workerId: worker.id, generation: worker.generation })
}

/** Takes an active worker out of service. */
function release(next: Decision, nowMs: number, worker: PooledWorker, reason: LeaveReason): void {
  worker.leaving = reason
  worker.expiresMs = Number.POSITIVE_INFINITY
  worker.deadlineMs = nowMs + next.pool.limits.gracefulTimeoutMs
  if (worker.state === 'booting') {
    // Once it has loaded: Node leaves files open that a thread was reading as it was terminated, a dozen each time.
    if (isShuttingDown(next.pool)) terminate(next, worker)
    else stop(next, worker)
    return
  }
  worker.state = 'draining'
  next.actions.push({ type: 'drain', workerId: worker.id })
}

/** Its deadline stays: draining and exit hooks share the graceful timeout. */
function stop(next: Decision, worker: PooledWorker): void {
  worker.deadlineMs = Math.min(worker.deadlineMs, next.pool.shutdownDeadlineMs)
  worker.state = 'stopping'
  next.actions.push({ type: 'stop', workerId: worker.id })
}

function terminate(next: Decision, worker: PooledWorker): void {
  if (worker.isTerminated) return
  worker.isTerminated = true
  worker.state = 'stopping'
  worker.deadlineMs = next.pool.decidedMs + next.pool.limits.terminateMs
  next.actions.push({ type: 'terminate', workerId: worker.id })
}

function stuckCount(pool: Pool): number {
  return pool.workers.filter((worker) => worker.state === 'stuck').length
}

/** As many threads as can be spared are stuck. */
function isFull(pool: Pool): boolean {
  return stuckCount(pool) >= Math.max(pool.limits.stuckMax, pool.wanted)
}

function end(next: Decision, failure?: Failure): void {
  next.pool.phase = 'ended'
  next.actions.push({ type: 'end', failure })
}

function log(next: Decision, level: 'debug' | 'info' | 'warn' | 'error', message: string): void {
  next.actions.push({ type: 'log', level, message })
}

function find(pool: Pool, workerId: number): PooledWorker | undefined {
  return pool.workers.find((worker) => worker.id === workerId)
}

function active(pool: Pool): PooledWorker[] {
  return pool.workers.filter((worker) => worker.state === 'booting' || worker.state === 'ready')
}

function readyCount(pool: Pool): number {
  return pool.workers.filter((worker) => worker.state === 'ready').length
}

function isShuttingDown(pool: Pool): boolean {
  return pool.phase === 'draining' || pool.phase === 'stopping'
}

function when(delayMs: number): string {
  return delayMs === 0 ? 'at once' : `in ${Math.round(delayMs)} ms`
}
