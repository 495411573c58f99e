/**
 * `hornet doctor`: loads the application in two workers at the same time, and says what became of it. Nothing is
 * listened on.
 */
import { constants } from 'node:os'
import type { AppFacts } from '../protocol.js'
import type { Addon } from '../seam/addon.js'
import { bareServer, bootFailure, exited, pretence } from './check.js'
import { CommandQueue } from './command-queue.js'
import type { Configuration } from './configuration.js'
import { diagnose, type Examined, type Finding } from './findings.js'
import { type ListenDesk, type WorkerEvent, WorkerHandle } from './worker-handle.js'

// Two are enough to show what cannot be there twice.
const workerIds = [1, 2]

export async function examineApplication(configuration: Configuration, addon: Addon): Promise<Finding[]> {
  const { settings } = configuration
  const bare = bareServer(settings, addon)
  const adoptions = listenDesk()

  async function examine(id: number): Promise<Examined> {
    const queue = new CommandQueue<WorkerEvent>()
    const warnings: string[] = []
    let facts: AppFacts | undefined
    const worker = new WorkerHandle(id, 1, configuration, {
      ...bare,
      onEvent: (event) => queue.push(event),
      adoptions,
      onFacts: (next) => {
        facts = next
      },
    })
    const failure = await bootFailure(queue, settings.bootTimeoutMs, (message) => warnings.push(message))
    // The other one has to meet it alive.
    await settled(id)
    if (!failure) {
      worker.stop()
      await exited(queue, settings.gracefulTimeoutMs)
    }
    worker.terminate()
    return { facts, warnings, failure: failure?.message }
  }

  const waiting = new Set(workerIds)
  let settleAll = () => {}
  const allSettled = new Promise<void>((settle) => {
    settleAll = settle
  })
  function settled(id: number): Promise<void> {
    waiting.delete(id)
    if (waiting.size === 0) settleAll()
    return allSettled
  }

  try {
    const examined = await Promise.all(workerIds.map(examine))
    return diagnose(examined, { workers: settings.workers, isSticky: settings.sticky !== undefined })
  } finally {
    bare.server.close()
  }
}

/** As in service a port of the pool is free for those who look, and any other is not when somebody has it. */
function listenDesk(): ListenDesk {
  const ports = new Set<number | null>()
  return {
    ...pretence,
    listen(workerId, request) {
      if (request.isProbe && !ports.has(request.port)) return { errno: -constants.errno.EADDRINUSE }
      ports.add(request.port)
      return pretence.listen(workerId, request)
    },
  }
}
