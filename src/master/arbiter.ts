/**
 * The master's loop: takes one command at a time, asks pool.ts what follows from it, and has it done.
 */
import type { Settings } from '../config/settings.js'
import { type ErrorCode, errorTable, HornetError } from '../errors.js'
import type { Logger } from '../log/logger.js'
import type { AppSpec } from '../protocol.js'
import { type Addon, type BoundAddress, IO_CONTROL_STRIDE, type NativeEvent, type NativeServer } from '../seam/addon.js'
import type { CommandQueue } from './command-queue.js'
import { nativeLimits } from './limits.js'
import { openListeners } from './listeners.js'
import { acquirePidFile } from './pid-file.js'
import { createPool, decide, type Failure, fixedLimits, nextTickMs, type PoolAction, type PoolInput } from './pool.js'
import type { SignalCommand } from './signals.js'
import { type WorkerContext, type WorkerEvent, WorkerHandle } from './worker-handle.js'

export type Command = SignalCommand | WorkerEvent | NativeEvent | { type: 'start' }

export interface MasterOptions {
  settings: Settings
  app: AppSpec
  addon: Addon
  logger: Logger
  /** Signal handlers push into it already. */
  queue: CommandQueue<Command>
  /** Connections are accepted from now on. Called once. */
  onServing: (addresses: BoundAddress[]) => void
}

/**
 * Serves until it is told to stop.
 *
 * @throws HornetError `ERR_HORNET_BIND` or `ERR_HORNET_CONFIG` when it cannot start, or the code a worker reported
 *   (`ERR_HORNET_APP_…`, with its `Failure` as cause) when no worker can load the application.
 */
export async function runMaster(options: MasterOptions): Promise<void> {
  const { settings, addon, queue } = options
  const removePidFile = settings.pid === undefined ? undefined : acquirePidFile(settings.pid)
  const ioControl = new SharedArrayBuffer(settings.ioThreads * IO_CONTROL_STRIDE)
  try {
    const server = addon.createServer({
      ioThreads: settings.ioThreads,
      ioControl: new Uint8Array(ioControl),
      limits: nativeLimits(settings),
      onEvent: (event) => queue.push(event),
    })
    try {
      const addresses = await openListeners(server, settings)
      await arbitrate(options, server, ioControl, addresses)
    } finally {
      server.close()
    }
  } finally {
    removePidFile?.()
  }
}

async function arbitrate(
  options: MasterOptions,
  server: NativeServer,
  ioControl: SharedArrayBuffer,
  addresses: BoundAddress[],
): Promise<void> {
  const { settings, logger, queue } = options
  const { bootTimeoutMs, gracefulTimeoutMs } = settings
  const workers = new Map<number, WorkerHandle>()
  const context: WorkerContext = {
    server,
    ioThreads: settings.ioThreads,
    ioControl,
    app: options.app,
    gracefulTimeoutMs,
    keepAliveMs: settings.keepAliveMs,
    inFlightMax: settings.workerConnections,
    nodeArgs: settings.nodeArgs.flat(),
    signal: 'SIGTERM',
    onEvent: (event) => queue.push(event),
  }
  let pool = createPool(settings.workers, { ...fixedLimits, bootTimeoutMs, gracefulTimeoutMs })

  queue.push({ type: 'start' })
  while (pool.phase !== 'ended') {
    const command = await queue.take(nextTickMs(pool) - performance.now())
    const input = command ? handle(command) : ({ type: 'tick' } as const)
    if (!input) continue
    const decision = decide(pool, performance.now(), input)
    pool = decision.pool
    for (const action of decision.actions) perform(action)
  }

  /** Does what concerns the pool's policy not at all; returns what does. */
  function handle(command: Command): PoolInput | undefined {
    switch (command.type) {
      case 'start':
      case 'resize':
      case 'reload':
      case 'worker-ready':
      case 'worker-boot-failed':
      case 'worker-exited':
      case 'worker-drained':
        return command
      case 'shutdown':
        context.signal = command.signal
        return command
      case 'drained':
        return { type: 'server-drained' }
      case 'worker-removed':
        return noteRemoved(command)
      case 'worker-log':
        logger[command.level](`worker ${command.workerId}: ${command.message}`)
        return undefined
      case 'log':
        logger[command.level](command.message)
        return undefined
      case 'reopen-logs':
        return reopenLogs()
      default:
        return command satisfies never
    }
  }

  function noteRemoved({
    workerId,
    requestsFailed,
    requestsMoved,
  }: NativeEvent & { type: 'worker-removed' }): undefined {
    workers.get(workerId)?.release()
    workers.delete(workerId)
    if (requestsFailed + requestsMoved === 0) return
    logger.warn(`worker ${workerId}: ${requestsFailed} requests failed with it, ${requestsMoved} moved to others`)
  }

  function reopenLogs(): undefined {
    try {
      logger.reopen()
      logger.info('log reopened')
    } catch (error) {
      if (!(error instanceof HornetError)) throw error
      logger.error(`${error.message}; going on with the old file`)
    }
  }

  function perform(action: PoolAction): void {
    switch (action.type) {
      case 'spawn':
        workers.set(action.workerId, new WorkerHandle(action.workerId, context))
        return
      case 'admit':
        workers.get(action.workerId)?.admit()
        return
      case 'drain':
        workers.get(action.workerId)?.drain()
        return
      case 'stop':
        workers.get(action.workerId)?.stop()
        return
      case 'terminate':
        workers.get(action.workerId)?.terminate()
        return
      case 'serve':
        server.start()
        options.onServing(addresses)
        return
      case 'drain-server':
        server.drain()
        for (const worker of workers.values()) worker.announceEnd()
        return
      case 'reload-finished':
        logger.info(`reloaded: generation ${action.generation}`)
        return
      case 'reload-failed':
        logger.error(`reload failed, the old workers go on: ${action.failure.stack ?? action.failure.message}`)
        return
      case 'log':
        logger[action.level](action.message)
        return
      case 'end':
        if (action.failure) throw bootError(action.failure)
        logger.info('stopped')
        return
      default:
        action satisfies never
    }
  }
}

function bootError(failure: Failure): HornetError {
  const isKnown = Object.hasOwn(errorTable, failure.code)
  const code = isKnown ? (failure.code as ErrorCode) : 'ERR_HORNET_APP_BOOT' // an own key of the table
  return new HornetError(code, failure.message, { cause: failure })
}
