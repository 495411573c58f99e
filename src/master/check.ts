/**
 * `--check-config`: whether a worker can load the application, found out by starting one. Nothing is listened on.
 */
import type { Settings } from '../config/settings.js'
import { type Addon, IO_CONTROL_STRIDE, type NativeTls } from '../seam/addon.js'
import { bootError } from './boot-error.js'
import { CommandQueue } from './command-queue.js'
import type { Configuration } from './configuration.js'
import { LaneMemory } from './lane-memory.js'
import { nativeLimits } from './limits.js'
import { bootTimeout, type Failure } from './pool.js'
import { writeStandard } from './standard-streams.js'
import { readTls, withTls } from './tls.js'
import { type ListenDesk, laneBytes, type WorkerContext, type WorkerEvent, WorkerHandle } from './worker-handle.js'

/**
 * @returns What a start would warn of.
 * @throws HornetError `ERR_HORNET_APP_…` when it cannot, for the reason a start would give; `ERR_HORNET_CONFIG` for
 *   certificates that cannot serve.
 */
export async function checkApplication(configuration: Configuration, addon: Addon): Promise<string[]> {
  const { settings } = configuration
  const tls = readTls(settings)
  const queue = new CommandQueue<WorkerEvent>()
  const bare = bareServer(settings, addon, tls?.native)
  try {
    const worker = new WorkerHandle(1, 1, configuration, {
      ...bare,
      onEvent: (event) => queue.push(event),
      adoptions: pretence,
    })
    const failure = await bootFailure(queue, settings.bootTimeoutMs)
    if (failure) {
      worker.terminate()
      throw bootError(failure)
    }
    worker.stop()
    await exited(queue, settings.gracefulTimeoutMs)
    worker.terminate()
    return tls?.warnings ?? []
  } finally {
    bare.server.close()
  }
}

type BareContext = Pick<WorkerContext, 'server' | 'laneMemory' | 'ioControl' | 'signal' | 'onOutput'>

/** For workers that are to be loaded only: nothing is listened on. */
export function bareServer(settings: Settings, addon: Addon, tls?: NativeTls): BareContext {
  const ioControl = new SharedArrayBuffer(settings.ioThreads * IO_CONTROL_STRIDE)
  const server = withTls(tls, () =>
    addon.createServer({
      ioThreads: settings.ioThreads,
      ioControl: new Uint8Array(ioControl),
      limits: nativeLimits(settings),
      tls,
      onEvent: () => {},
    }),
  )
  return {
    server,
    laneMemory: new LaneMemory(laneBytes, addon),
    ioControl,
    signal: 'SIGTERM',
    onOutput: (fd, bytes) => writeStandard(addon, fd, bytes),
  }
}

/** For a server that listens it looks as if it did. */
export const pretence: ListenDesk = {
  listen: (_, { address, port }) => ({ errno: 0, name: { address: address ?? '::', family: 'IPv6', port } }),
  unlisten() {},
  async noteReady() {},
  noteLeaving() {},
  noteGone() {},
}

export async function bootFailure(
  queue: CommandQueue<WorkerEvent>,
  timeoutMs: number,
  onWarning?: (message: string) => void,
): Promise<Failure | undefined> {
  const deadlineMs = performance.now() + timeoutMs
  for (;;) {
    const event = await queue.take(deadlineMs - performance.now())
    if (event === undefined) return bootTimeout(timeoutMs)
    if (event.type === 'worker-ready') return undefined
    if (event.type === 'worker-log' && event.level === 'warn') onWarning?.(event.message)
    if (event.type === 'worker-boot-failed' || event.type === 'worker-exited') return event.failure
  }
}

/** Lets the application run its exit handlers, as long as it would have in service. */
export async function exited(queue: CommandQueue<WorkerEvent>, timeoutMs: number): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs
  for (;;) {
    const event = await queue.take(deadlineMs - performance.now())
    if (event === undefined || event.type === 'worker-exited') return
  }
}
