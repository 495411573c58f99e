/**
 * The master's loop: takes one command at a time, asks pool.ts what follows from it, and has it done.
 */
import { chownSync } from 'node:fs'
import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { settingsTable } from '../config/settings.js'
import { HornetError } from '../errors.js'
import { withAccessLog } from '../log/access.js'
import { checkDestination, type Logger } from '../log/logger.js'
import { type Addon, type BoundAddress, IO_CONTROL_STRIDE, type NativeEvent, type NativeServer } from '../seam/addon.js'
import { readVersion } from '../version.js'
import { becomeAccount, findAccount } from './account.js'
import { Adoptions, isAdopted } from './adoptions.js'
import { type AutoscaleSample, autoscale, autoscaleStart, sampleMs } from './autoscale.js'
import { BlockedWorkers } from './blocked-workers.js'
import { bootError } from './boot-error.js'
import type { CommandQueue } from './command-queue.js'
import { type AskedCommand, createControl, type MasterControl, MasterEvents, type Reply, refused } from './commands.js'
import { type Configuration, firstWorkers, poolLimits, reconfigure } from './configuration.js'
import { ControlDesk } from './control-desk.js'
import type { FileWatcher } from './file-watcher.js'
import type { GuardLink } from './guard-link.js'
import { HookRunner } from './hooks.js'
import type { Inheritance } from './inheritance.js'
import { LaneMemory } from './lane-memory.js'
import { descriptorsMax, nativeAccessLog, nativeEdge, nativeLimits } from './limits.js'
import { formatAddress, Listeners, schemeOf } from './listeners.js'
import { openOutlets } from './outlets.js'
import { PidFile } from './pid-file.js'
import { createPool, decide, nextTickMs, type PoolAction, type PoolInput } from './pool.js'
import { type ReloadAttempt, type ReloadEvent, Reloads, rejectAll } from './reloads.js'
import { ServiceManager } from './service-manager.js'
import { SpareMemory } from './spare-memory.js'
import { writeStandard } from './standard-streams.js'
import { nativeFiles } from './static-files.js'
import { announceReady, type Origin, Successor, type SuccessorEvent } from './successor.js'
import { readTls, withTls } from './tls.js'
import { laneBytes, type WorkerContext, type WorkerEvent, WorkerHandle } from './worker-handle.js'

/** Listings are answers and go to who asked. */
type ServerEvent = Exclude<NativeEvent, { type: 'requests' }>

export type Command =
  | AskedCommand
  | WorkerEvent
  | ServerEvent
  | ReloadEvent
  | SuccessorEvent
  | { type: 'start' }
  | { type: 'worker-blocked'; workerId: number; details: string }

export interface MasterOptions {
  configuration: Configuration
  /** Reads all of it again, for a reload. */
  readConfiguration: () => Promise<Configuration>
  /** How this process was started, and what it was given then. */
  origin: Origin
  inheritance: Inheritance
  /** With --guard: this is the server that it keeps. */
  guard?: GuardLink
  addon: Addon
  logger: Logger
  /** Signal handlers push into it already. */
  queue: CommandQueue<Command>
  /** The master takes commands from now on, though it serves nobody yet. */
  onControl?: (control: MasterControl) => void
  /** Connections are accepted from now on. Called once. */
  onServing: (addresses: BoundAddress[]) => void
}

/** What a successor may take besides loading the application: reading its configuration, opening addresses. */
const startMsMax = 60_000
/** How long a successor waits for the control address. */
const outletsMsMax = 10_000
const outletsRetryMs = 50

/**
 * Serves until it is told to stop.
 *
 * @throws HornetError `ERR_HORNET_BIND` or `ERR_HORNET_CONFIG` when it cannot start, or the code a worker reported
 *   (`ERR_HORNET_APP_…`, with its `Failure` as cause) when no worker can load the application.
 */
export async function runMaster(options: MasterOptions): Promise<void> {
  const { addon, queue, logger, inheritance, guard } = options
  const { settings, hooks } = options.configuration
  const runner = new HookRunner(hooks, logger)
  // It names the guard, when there is one, which has written it.
  const pidFile = new PidFile(guard ? undefined : settings.pid)
  // A successor gets it when it serves.
  if (!inheritance.hasPredecessor) pidFile.acquire()
  const ioControl = new SharedArrayBuffer(settings.ioThreads * IO_CONTROL_STRIDE)
  let desk: ControlDesk | undefined
  try {
    const { accessLogfile, accessLogformat } = settings
    const limits = nativeLimits(settings)
    if (limits.connectionsMax < settings.maxConnections) {
      const { connectionsMax } = limits
      logger.warn(
        `at most ${connectionsMax} connections and not ${settings.maxConnections} (--max-connections): this process may have ${descriptorsMax()} files open; raise that with ulimit -n or LimitNOFILE=`,
      )
    }
    // Before the process becomes --user, who need not be allowed to read the key.
    const tls = readTls(settings)
    for (const warning of tls?.warnings ?? []) logger.warn(warning)
    const createServer = (fd?: number) =>
      addon.createServer({
        ioThreads: settings.ioThreads,
        ioControl: new Uint8Array(ioControl),
        limits,
        sticky: settings.sticky,
        edge: nativeEdge(settings),
        tls: tls?.native,
        accessLog: fd === undefined ? undefined : nativeAccessLog(accessLogformat, fd),
        onEvent: (event) => {
          // A listing is an answer to the desk, not news for the arbiter.
          if (event.type === 'requests') desk?.noteRequests(event)
          else queue.push(event)
        },
      })
    const server = withTls(tls?.native, () =>
      accessLogfile === undefined ? createServer() : withAccessLog(accessLogfile, createServer),
    )
    if (settings.static.length > 0) server.serveFiles(nativeFiles(settings))
    try {
      await runner.demand('onStarting', { pid: process.pid })
      const owner = findAccount(settings.user, settings.group)
      const [adopted, inherited] = partition(inheritance.listeners, isAdopted)
      let adoptions: Adoptions | undefined
      const descriptors = () => [...listeners.descriptors(), ...(adoptions?.descriptors() ?? [])]
      const onChange = async () => guard?.hold(addon, descriptors)
      const listeners = new Listeners({ server, settings, inherited, owner, onChange })
      const areBindsGiven = !isOpenedLate(options.configuration)
      if (areBindsGiven || inherited.size > 0) await listeners.open(settings.bind)
      listeners.closeUnused()
      // Who made them has died: they are this one's to remove.
      if (!inheritance.hasPredecessor) listeners.ownPaths()
      if (owner) {
        logger.chown(owner.uid, owner.gid)
        // It opens both again when they are rotated.
        if (accessLogfile !== undefined && accessLogfile !== '-') chownSync(accessLogfile, owner.uid, owner.gid)
        becomeAccount(owner)
      }
      const openBinds = () => listeners.open(settings.bind)
      adoptions = new Adoptions({ server, settings, listeners, areBindsGiven, openBinds, inherited: adopted, onChange })
      const onDesk = (made: ControlDesk) => {
        desk = made
      }
      try {
        const configuration = { ...options.configuration, tls }
        const parts: Parts = { listeners, adoptions, pidFile, onDesk }
        await arbitrate({ ...options, configuration }, runner, server, ioControl, parts)
      } finally {
        adoptions.close()
      }
    } catch (error) {
      // The guard holds those sockets, and the next server will want them found.
      if (guard) server.leavePaths()
      throw error
    } finally {
      server.close()
    }
    await runner.finish('onExit', { pid: process.pid })
  } finally {
    pidFile.remove()
  }
}

/** What the master has open, for the loop. */
interface Parts {
  listeners: Listeners
  adoptions: Adoptions
  pidFile: PidFile
  onDesk: (desk: ControlDesk) => void
}

function partition<V>(
  map: ReadonlyMap<string, V>,
  isFirst: (key: string) => boolean,
): [Map<string, V>, Map<string, V>] {
  const [first, second] = [new Map<string, V>(), new Map<string, V>()]
  for (const [key, value] of map) (isFirst(key) ? first : second).set(key, value)
  return [first, second]
}

/**
 * The default addresses, and those a platform gives in PORT, are for applications that do not listen by themselves: a
 * script takes its port from PORT too.
 */
function isOpenedLate({ origins }: Configuration): boolean {
  return origins.bind === 'default' || origins.bind === settingsTable.bind.platform?.name
}

async function arbitrate(
  options: MasterOptions,
  runner: HookRunner,
  server: NativeServer,
  ioControl: SharedArrayBuffer,
  { listeners, adoptions, pidFile, onDesk }: Parts,
): Promise<void> {
  const { logger, queue, origin, inheritance, guard } = options
  const manager = new ServiceManager(options.addon, origin.env, process.pid)
  /** What holds: for workers of a generation that is being started, see `reloads`. */
  let configuration = options.configuration
  const workers = new Map<number, WorkerHandle>()
  const spareMemory = new SpareMemory(options.addon)
  const events = new MasterEvents()
  const reloads = new Reloads(readAgain, (event) => queue.push(event))
  let succession: { successor: Pick<Successor, 'abandon'>; reply?: Reply<{ pid: number }> } | undefined
  let isSucceeded = false
  /** What it inherited is not all in use, and a predecessor not told to leave. */
  let isHeir = inheritance.hasPredecessor || inheritance.listeners.size > 0
  let scaling = autoscaleStart
  /** A file has changed since the reload that is under way began. */
  let isOutdated = false
  let pool = createPool(firstWorkers(configuration.settings), poolLimits(configuration.settings))
  const context: WorkerContext = {
    server,
    laneMemory: new LaneMemory(laneBytes, options.addon),
    ioControl,
    signal: 'SIGTERM',
    onEvent: (event) => queue.push(event),
    onOutput: (fd, bytes) => writeStandard(options.addon, fd, bytes),
    adoptions,
  }
  const control = createControl(
    (command) => queue.push(command),
    events,
    () => {
      const { settings, origins, app, tls } = configuration
      return { pool, settings, origins, app, addresses: shownAddresses(), certificates: tls?.expiries ?? [] }
    },
  )
  options.onControl?.(control)
  const guardFacts = inheritance.guard
  const desk = new ControlDesk({
    control,
    version: readVersion(),
    server,
    workers,
    logCounts: logger.counts,
    guardFacts,
  })
  onDesk(desk)
  let closeOutlets = () => {}
  // A predecessor has the control address until it leaves.
  if (!inheritance.hasPredecessor) closeOutlets = await openOutlets(configuration.settings, desk, logger)

  const blocked = new BlockedWorkers({
    workers: servingWorkers,
    requestsOf: (workerId) => desk.requestsOf(workerId),
    onBlocked: (workerId, details) => queue.push({ type: 'worker-blocked', workerId, details }),
    onFreed: (workerId, details) => logger.warn(`worker ${workerId} was blocked and goes on: ${details}`),
  })
  blocked.watch(configuration.settings.timeoutMs)
  const watcher = await watchFiles()
  // From this thread's event loop: it says that this very loop turns.
  const watchdog = manager.watchdogMs === undefined ? undefined : setInterval(() => manager.alive(), manager.watchdogMs)
  const scaler = configuration.settings.maxWorkers > 0 ? setInterval(scaleByLoad, sampleMs) : undefined
  // A probe wants its answer while workers are booting; other requests wait for them meanwhile, as long as any may. A
  // successor leaves all of them to its predecessor until it serves; and where the last server died, connections are
  // safer with the guard than in one that may die as well.
  const isFirst = !inheritance.hasPredecessor && (guardFacts?.restarts ?? 0) === 0
  let isAccepting = configuration.settings.health !== undefined && isFirst
  if (isAccepting) server.start()
  queue.push({ type: 'start' })
  try {
    while (pool.phase !== 'ended') {
      const command = await queue.take(nextTickMs(pool) - performance.now())
      const input = command ? handle(command) : ({ type: 'tick' } as const)
      if (input) decideAndPerform(input)
      if (command) answer(command)
      takeOver()
    }
  } finally {
    closeOutlets()
    clearInterval(watchdog)
    clearInterval(scaler)
    spareMemory.close()
    blocked.close()
    watcher?.close()
    succession?.successor.abandon()
  }

  /** The configuration as it is now. What it listens on is open when this resolves. */
  async function readAgain(): Promise<Configuration> {
    const read = await options.readConfiguration()
    checkDestination(read.settings.errorLogfile)
    const { settings } = reconfigure(configuration, read).configuration
    read.tls = readTls(settings)
    // None: the application listens by itself, on what it wants.
    if (isStopping() || listeners.addresses.length === 0) return read
    await listeners.open(settings.bind)
    adoptions.adoptBinds()
    return read
  }

  function shownAddresses(): string[] {
    const scheme = schemeOf(configuration.settings)
    return adoptions.addresses.map((address) => formatAddress(address, scheme))
  }

  function* servingWorkers(): Iterable<WorkerHandle> {
    for (const { id, state } of pool.workers) {
      const worker = state === 'ready' || state === 'draining' ? workers.get(id) : undefined
      if (worker !== undefined) yield worker
    }
  }

  /** With --max-workers. */
  function scaleByLoad(): void {
    const ready = pool.workers.filter(({ state }) => state === 'ready')
    // A reload has enough workers on its hands, and a suspended pool is as its operator wants it.
    if (pool.phase !== 'serving' || pool.isReloading || pool.wanted === 0) return
    const busy = ready.map(({ id }) => workers.get(id)?.utilization() ?? 0)
    const { minWorkers, maxWorkers } = configuration.settings
    const sample: AutoscaleSample = {
      nowMs: performance.now(),
      wanted: pool.wanted,
      ready: ready.length,
      utilization: busy.reduce((sum, each) => sum + each, 0) / Math.max(busy.length, 1),
      oldestWaitingMs: server.stats().oldestWaitingMs,
    }
    const next = autoscale(scaling, sample, { workersMin: minWorkers, workersMax: maxWorkers })
    scaling = next.state
    if (next.wanted === pool.wanted) return
    const percent = Math.round(sample.utilization * 100)
    logger.info(
      `autoscaling: event loops ${percent}% busy, oldest request waits ${Math.round(sample.oldestWaitingMs)} ms`,
    )
    queue.push({ type: 'scale', count: next.wanted })
  }

  /** With --reload. The application's own files are added as workers load them. */
  async function watchFiles(): Promise<FileWatcher | undefined> {
    const { settings, configPath } = configuration
    if (!settings.reload) {
      if (settings.reloadExtraFiles.length > 0) logger.warn('--reload-extra-file does nothing without --reload')
      return undefined
    }
    // Loaded only here: servers in production have no use for it.
    const { FileWatcher } = await import('./file-watcher.js')
    const started = new FileWatcher((path) => {
      logger.info(`${path} changed`)
      // Who writes all the time must not keep every reload from its end by the next one.
      if (pool.isReloading) isOutdated = true
      else queue.push({ type: 'reload' })
    })
    started.add(settings.reloadExtraFiles.map((path) => resolve(path)))
    if (configPath !== undefined) started.add([configPath])
    return started
  }

  /** Closes what a reload leaves behind. */
  function endReload(): void {
    if (isOutdated) queue.push({ type: 'reload' })
    isOutdated = false
    if (listeners.addresses.length === 0) return
    listeners
      .keepOnly(configuration.settings.bind)
      .then(() => adoptions.adoptBinds())
      .catch((error: Error) => logger.error(error.message))
  }

  /** Tells a predecessor to leave, once everything here is as wanted. */
  function takeOver(): void {
    if (!isHeir || pool.phase !== 'serving') return
    if (pool.workers.filter(({ state }) => state === 'ready').length < pool.wanted) return
    isHeir = false
    adoptions.closeUnused()
    if (!inheritance.hasPredecessor) return
    pidFile.tryTake(logger)
    listeners.ownPaths()
    guard?.succeeds()
    if (inheritance.readyFd !== undefined) announceReady(inheritance.readyFd)
    void openOutletsLate()
  }

  /** The predecessor closes its own as soon as it has heard. */
  async function openOutletsLate(): Promise<void> {
    const giveUpMs = performance.now() + outletsMsMax
    while (!isStopping()) {
      try {
        closeOutlets = await openOutlets(configuration.settings, desk, logger)
        return
      } catch (error) {
        if (performance.now() >= giveUpMs) {
          logger.error(error instanceof Error ? error.message : String(error))
          return
        }
        await sleep(outletsRetryMs)
      }
    }
  }

  function upgrade(reply: Reply<{ pid: number }> | undefined): void {
    const why = succession ? 'one is under way' : pool.phase === 'serving' ? undefined : `the server is ${pool.state}`
    if (why !== undefined) {
      logger.warn(`no upgrade: ${why}`)
      reply?.reject(refused(`no upgrade: ${why}`))
      return
    }
    succession = { successor: startSuccessor(), reply }
    logger.info('upgrading: a new process is being started')
  }

  function startSuccessor(): Pick<Successor, 'abandon'> {
    const timeoutMs = configuration.settings.bootTimeoutMs + startMsMax
    // The guard's child as this one is, so that the guard can keep it.
    if (guard) return guard.upgrade(timeoutMs)
    return new Successor({
      origin,
      listeners: [...listeners.descriptors(), ...adoptions.descriptors()],
      activatedCount: inheritance.binds?.length ?? 0,
      timeoutMs,
      onEvent: (event) => queue.push(event),
    })
  }

  function leaveTo(pid: number): PoolInput | undefined {
    succession?.reply?.resolve({ pid })
    succession = undefined
    if (isStopping()) return undefined
    logger.info(`process ${pid} serves: this one leaves`)
    isSucceeded = true
    closeOutlets()
    closeOutlets = () => {}
    server.leavePaths()
    if (!guard) manager.successor(pid)
    events.emit({ type: 'succeeded', pid })
    return { type: 'shutdown', mode: 'graceful' }
  }

  function failSuccession(message: string): undefined {
    logger.error(`upgrade failed, this process goes on: ${message}`)
    succession?.reply?.reject(refused(`the new process failed: ${message}`))
    succession = undefined
  }

  function decideAndPerform(input: PoolInput): void {
    const decision = decide(pool, performance.now(), input)
    pool = decision.pool
    // First: health checks may come as soon as the listeners are open.
    server.setReady(pool.state === 'serving')
    for (const action of decision.actions) perform(action)
  }

  /** Does what concerns the pool's policy not at all; returns what does. */
  function handle(command: Command): PoolInput | undefined {
    switch (command.type) {
      case 'start':
      case 'resize':
      case 'scale':
      case 'suspend':
      case 'worker-ready':
      case 'worker-boot-failed':
      case 'worker-exited':
      case 'worker-drained':
        return command
      case 'worker-blocked': {
        const isThere = [...servingWorkers()].some(({ id }) => id === command.workerId)
        if (isThere) events.emit({ type: 'worker-blocked', workerId: command.workerId })
        return isThere ? command : undefined
      }
      case 'shutdown':
        context.signal = command.signal ?? 'SIGTERM'
        succession?.successor.abandon()
        return command
      case 'reload':
        reloads.ask(command.reply)
        return undefined
      case 'config-read':
        return beginReload(command.attempt)
      case 'config-failed':
        failConfiguration(command)
        return undefined
      case 'restart':
        return { type: 'retire', workerId: command.workerId, reason: 'restart' }
      case 'upgrade':
        upgrade(command.reply)
        return undefined
      case 'succeeded':
        return leaveTo(command.pid)
      case 'succession-failed':
        return failSuccession(command.message)
      case 'drained':
        return { type: 'server-drained' }
      case 'worker-fenced':
        return noteLost(command)
      case 'worker-removed':
        return noteRemoved(command)
      case 'worker-spent':
        return { type: 'retire', workerId: command.workerId, reason: 'requests' }
      case 'worker-loaded':
        watcher?.add(command.paths)
        return undefined
      case 'worker-log':
        logger[command.level](`worker ${command.workerId}: ${command.message}`)
        return undefined
      case 'log':
        logger[command.level](command.message)
        return undefined
      case 'reopen-logs':
        return undefined // by answer()
      default:
        return command satisfies never
    }
  }

  /** Tells those who asked what was decided. Reloads are answered when they are done. */
  function answer(command: Command): void {
    switch (command.type) {
      case 'resize':
      case 'scale':
        if (isStopping()) command.reply?.reject(refused('the server is stopping'))
        else command.reply?.resolve({ wanted: pool.wanted })
        return
      case 'restart': {
        const worker = pool.workers.find(({ id }) => id === command.workerId)
        const isDone = !isStopping() && worker?.leaving === 'restart'
        if (isDone) command.reply?.resolve({ workerId: command.workerId })
        else command.reply?.reject(refused(`worker ${command.workerId} cannot be replaced: it does not serve`))
        return
      }
      case 'reopen-logs':
        try {
          logger.reopen()
          reopenAccessLog()
          logger.info('log reopened')
          command.reply?.resolve()
        } catch (error) {
          if (!(error instanceof HornetError)) throw error
          logger.error(`${error.message}; going on with the old file`)
          command.reply?.reject(error)
        }
        return
      default:
        return
    }
  }

  function configureLog(): void {
    const { logLevel, logFormat, errorLogfile } = configuration.settings
    try {
      logger.configure({ level: logLevel, format: logFormat, destination: errorLogfile })
    } catch (error) {
      // It was there when the configuration was read.
      if (!(error instanceof HornetError)) throw error
      logger.error(`${error.message}; going on with the old file`)
    }
  }

  /** With the other settings of a reload and not before: one that fails changes nothing. */
  function useTls(next: Configuration): Configuration {
    if (next.tls === undefined || next.tls === configuration.tls) return next
    const { native, warnings } = next.tls
    try {
      withTls(native, () => server.setTls(native))
    } catch (error) {
      // It was looked through when it was read.
      if (!(error instanceof HornetError)) throw error
      logger.error(`${error.message}; going on with the old certificates`)
      return { ...next, tls: configuration.tls }
    }
    for (const warning of warnings) logger.warn(warning)
    return next
  }

  function reopenAccessLog(): void {
    const { accessLogfile } = configuration.settings
    if (accessLogfile === undefined || accessLogfile === '-') return
    withAccessLog(accessLogfile, (fd) => server.reopenAccessLog(fd))
  }

  /** For people who ask the service manager. */
  function statusLine(): string {
    return `${pool.state}, generation ${pool.generation}, ${pool.wanted} workers`
  }

  function isStopping(): boolean {
    return pool.phase === 'draining' || pool.phase === 'stopping' || pool.phase === 'ended'
  }

  function beginReload(attempt: ReloadAttempt): PoolInput | undefined {
    if (attempt.configuration === undefined || isStopping()) {
      rejectAll(attempt, refused('the server is stopping'))
      return undefined
    }
    const current = configuration
    const next = reconfigure(current, attempt.configuration)
    for (const flag of next.unchangeable) {
      logger.warn(`${flag} was changed and stays as it is: that takes a restart`)
    }
    attempt.configuration = next.configuration
    const generation = pool.generation + 1
    reloads.begin(attempt, generation)
    const { settings, hooks } = next.configuration
    runner.hooks = hooks
    runner.call('onReload', { generation })
    events.emit({ type: 'reload-started', generation })
    manager.reloading()
    // What was changed at run time stays, unless the configuration says something new.
    const wanted = settings.workers === current.settings.workers ? undefined : settings.workers
    return { type: 'reload', wanted, limits: poolLimits(settings) }
  }

  function failConfiguration({ error, attempt }: ReloadEvent & { type: 'config-failed' }): void {
    const known = error instanceof HornetError ? error : undefined
    const message = known?.message ?? `internal error: ${error instanceof Error ? error.stack : String(error)}`
    const code = known?.code ?? 'ERR_HORNET_CONFIG'
    logger.error(`reload failed, the old workers go on: ${message}`)
    rejectAll(attempt, { code, message })
    events.emit({ type: 'reload-failed', code, message })
  }

  /** Its sockets first: as long as it held them the kernel would take connections that nobody will accept. */
  async function drainWithGuard(link: GuardLink): Promise<void> {
    await link.hold(options.addon, () => [])
    if (pool.phase !== 'ended') server.drain(false)
  }

  function noteRemoved(event: NativeEvent & { type: 'worker-removed' }): undefined {
    const { workerId } = event
    const worker = workers.get(workerId)
    worker?.release()
    workers.delete(workerId)
    if (worker) desk.noteGone(worker)
    spareMemory.noteEnd()
    return noteLost(event)
  }

  function noteLost(event: NativeEvent & { type: 'worker-removed' | 'worker-fenced' }): undefined {
    const { workerId, requestsFailed, requestsMoved, requestsRetried } = event
    if (requestsFailed + requestsMoved + requestsRetried === 0) return
    const retried = requestsRetried === 0 ? '' : `, ${requestsRetried} run again`
    logger.warn(
      `worker ${workerId}: ${requestsFailed} requests failed with it, ${requestsMoved} moved to others${retried}`,
    )
  }

  function perform(action: PoolAction): void {
    switch (action.type) {
      case 'spawn': {
        const { workerId, generation } = action
        // A worker that replaces another after a failed reload gets what that one had.
        const its = reloads.configurationOf(generation) ?? configuration
        workers.set(workerId, new WorkerHandle(workerId, generation, its, context))
        runner.call('workerSpawned', { workerId, generation })
        events.emit({ type: 'worker-spawned', workerId, generation })
        return
      }
      case 'admit':
        workers.get(action.workerId)?.admit()
        events.emit({ type: 'worker-ready', workerId: action.workerId })
        return
      case 'drain':
        workers.get(action.workerId)?.drain()
        return
      case 'stop':
        workers.get(action.workerId)?.stop()
        return
      case 'fence':
        workers.get(action.workerId)?.fence()
        return
      case 'terminate':
        workers.get(action.workerId)?.terminate()
        return
      case 'gone': {
        const { workerId, generation, isExpected, reason, message } = action
        runner.call('workerDied', { workerId, generation, isExpected, reason })
        events.emit({ type: 'worker-gone', workerId, generation, reason, isExpected, message })
        return
      }
      case 'serve':
        if (!isAccepting) server.start()
        isAccepting = true
        guard?.serving()
        options.onServing(adoptions.addresses)
        manager.ready(statusLine())
        runner.call('whenReady', { pid: process.pid, addresses: shownAddresses() })
        return
      case 'drain-server':
        listeners.stop()
        if (guard && !isSucceeded) void drainWithGuard(guard)
        else server.drain(isSucceeded)
        if (!isSucceeded) manager.stopping()
        for (const worker of workers.values()) worker.announceEnd()
        return
      case 'reload-finished':
        configuration = useTls(reloads.finish(action.generation) ?? configuration)
        blocked.watch(configuration.settings.timeoutMs)
        server.serveFiles(nativeFiles(configuration.settings))
        configureLog()
        endReload()
        manager.ready(statusLine())
        logger.info(`reloaded: generation ${action.generation}`)
        events.emit({ type: 'reload-finished', generation: action.generation })
        return
      case 'reload-failed': {
        const { generation, failure } = action
        runner.hooks = configuration.hooks
        const isGivenUp = failure.code === 'ERR_HORNET_REFUSED'
        const outcome = isGivenUp ? 'reload given up' : 'reload failed, the old workers go on'
        logger[isGivenUp ? 'warn' : 'error'](`${outcome}: ${failure.stack ?? failure.message}`)
        reloads.fail(failure)
        if (!isStopping()) {
          endReload()
          manager.ready(statusLine())
        }
        events.emit({ type: 'reload-failed', generation, code: failure.code, message: failure.message })
        return
      }
      case 'wanted-changed':
        runner.call('workersChanged', { workers: action.wanted, previous: action.previous })
        events.emit({ type: 'workers-wanted', wanted: action.wanted, previous: action.previous })
        return
      case 'state-changed':
        if (!isSucceeded) manager.status(statusLine())
        events.emit({ type: 'state', state: action.state })
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
