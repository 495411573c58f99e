/**
 * A worker thread: attaches to its lanes, loads the application, serves. The master starts it with `WorkerData`.
 */
import { parentPort, workerData } from 'node:worker_threads'
import type { Hooks } from '../config/hooks.js'
import { HornetError } from '../errors.js'
import { ServerCore } from '../http/server-core.js'
import type { Target } from '../http/target.js'
import type { MasterMessage, WorkerData, WorkerMessage } from '../protocol.js'
import { loadAddon } from '../seam/addon.js'
import { Lane } from '../seam/lane.js'
import { Lifecycle } from './lifecycle.js'
import { loadApp } from './load-app.js'
import { installProcess } from './process.js'
import { describeError } from './report.js'
import { installStdio } from './stdio.js'

const master = parentPort
if (master === null) throw new Error('this module is started by the master, in a worker thread')
const data = workerData as WorkerData

function tell(message: WorkerMessage): void {
  master?.postMessage(message)
}

const lifecycle = new Lifecycle({
  gracefulTimeoutMs: data.gracefulTimeoutMs,
  tell,
  unref: () => master.unref(),
})
installProcess(data.app, tell)

try {
  await serve(data)
} catch (error) {
  const code = error instanceof HornetError ? error.code : 'ERR_HORNET_APP_BOOT'
  const { message, stack } = error instanceof Error ? error : { message: String(error), stack: undefined }
  tell({ type: 'boot-failed', code, message, stack })
  lifecycle.fail()
}

async function serve(spec: WorkerData): Promise<void> {
  const addon = loadAddon()
  installStdio(addon, (message) => tell({ type: 'log', level: 'warn', message }))
  const lanes = spec.lanes.map((memory, index) => new Lane(memory, index, spec.requestRingBytes))
  const hooks = await hooksOf(spec)
  const self = { workerId: spec.workerId, generation: spec.generation }
  await hooks.workerInit?.(self)
  const app = await loadApp(spec.app)
  const target: Target = {
    listener: app.listener,
    server: app.server ?? null,
    keepAliveMs: spec.keepAliveMs,
    onError: (error, req) =>
      tell({ type: 'log', level: 'error', message: `${req.method} ${req.url}: ${describeError(error)}` }),
  }
  const core = new ServerCore(lanes, { targetOf: () => target })
  const port = addon.attachWorker(spec.serverHandle, spec.workerId, () => core.pump())
  core.attach(port, new Int32Array(spec.ioControl))
  const { workerExit } = hooks
  lifecycle.attach(port, workerExit && (() => workerExit(self)))
  master?.on('message', (message: MasterMessage) => lifecycle.handleMessage(message))
  tell({ type: 'ready' })
}

/** Most config files have none for workers, and then nothing of them is loaded here. */
async function hooksOf({ hooksPath }: WorkerData): Promise<Hooks> {
  if (hooksPath === undefined) return {}
  const { readHooks } = await import('../config/load.js')
  return readHooks(hooksPath)
}
