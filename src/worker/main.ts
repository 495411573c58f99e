/**
 * A worker thread: attaches to its lanes, loads the application, serves. The master starts it with `WorkerData`.
 */
import type { IncomingMessage } from 'node:http'
import { parentPort, workerData } from 'node:worker_threads'
import type { Hooks } from '../config/hooks.js'
import { HornetError } from '../errors.js'
import { installMessages, ServerCore } from '../http/server-core.js'
import type { Target } from '../http/target.js'
import type { MasterMessage, WorkerData, WorkerMessage } from '../protocol.js'
import { loadAddon } from '../seam/addon.js'
import { Lane } from '../seam/lane.js'
import { Adopter } from './adopt.js'
import { answerReports } from './app-metrics.js'
import { frontOf } from './front.js'
import { Lifecycle } from './lifecycle.js'
import { type LoadedApp, loadApp } from './load-app.js'
import { installProcess, reportVariables } from './process.js'
import { describeError } from './report.js'
import { installStdio } from './stdio.js'

const master = parentPort
if (master === null) throw new Error('this module is started by the master, in a worker thread')
const data = workerData as WorkerData

function tell(message: WorkerMessage): void {
  master?.postMessage(message)
}

/** What a server listens for when it speaks other protocols than HTTP. */
const tunnelEvents = ['upgrade', 'connect']

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
  const addon = loadAddon(spec.addonPath)
  installStdio(addon, (message) => tell({ type: 'log', level: 'warn', message }))
  const lanes = spec.lanes.map((memory, index) => new Lane(memory, index, spec.requestRingBytes))
  const hooks = await hooksOf(spec)
  const self = { workerId: spec.workerId, generation: spec.generation }
  await hooks.workerInit?.(self)
  const { keepAliveMs, tls } = spec
  const onError = (error: unknown, req: IncomingMessage): void =>
    tell({ type: 'log', level: 'error', message: `${req.method} ${req.url}: ${describeError(error)}` })
  const adopter = new Adopter({
    tell,
    keepAliveMs,
    onError,
    keepsAddresses: spec.app.exportName !== undefined,
    hasTls: tls !== undefined,
  })
  adopter.install()
  installMessages()
  // Stands in front of what has been put in place for the application.
  const examiner = spec.examine && new (await import('./examine.js')).Examiner(tell)
  const app = await loadWatched(spec, () => adopter.waitForServer())
  reportVariables(tell)
  const { isListening = false } = app
  if (!isListening) adopter.yieldBinds()
  const target: Target = { ...frontOf(app), keepAliveMs, onError }
  // A server that listens has listeners of its own; the others are for what is exported.
  const core = new ServerCore(lanes, { targetOf: (index) => adopter.targetOf(index) ?? target, tls })
  adopter.whenIdle = (callback) => core.whenIdle(callback)
  const port = addon.attachWorker(spec.serverHandle, spec.workerId, () => core.pump())
  core.attach(port, new Int32Array(spec.ioControl))
  const { workerExit } = hooks
  lifecycle.attach(port, workerExit && (() => workerExit(self)))
  master?.on('message', (message: MasterMessage) => lifecycle.handleMessage(message))
  answerReports((handler) => void master?.on('message', handler), tell)
  await examiner?.finish(app.describe)
  // The default address is for those who have none of their own.
  const listens = isListening || (adopter.isListening && spec.app.exportName === undefined)
  const takesTunnels = tunnelEvents.some((event) => (app.server?.listenerCount(event) ?? 0) > 0)
  tell({ type: 'ready', serves: listens ? 'listen' : 'export', takesTunnels })
}

async function loadWatched(spec: WorkerData, adopted: Parameters<typeof loadApp>[1]): Promise<LoadedApp> {
  if (!spec.tellModules) return loadApp(spec.app, adopted)
  const { tellModules, tellRequired } = await import('./module-graph.js')
  const tellPaths = (paths: string[]) => tell({ type: 'loaded', paths })
  tellModules(tellPaths)
  try {
    return await loadApp(spec.app, adopted)
  } finally {
    // Also when it failed: one of these files will be mended.
    tellRequired(tellPaths)
  }
}

/** Most config files have none for workers, and then nothing of them is loaded here. */
async function hooksOf({ hooksPath }: WorkerData): Promise<Hooks> {
  if (hooksPath === undefined) return {}
  const { readHooks } = await import('../config/file-hooks.js')
  return readHooks(hooksPath)
}
