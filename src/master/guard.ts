/**
 * --guard: a process that does nothing but hold the listening sockets and keep a server running on them. When the server's
 * process dies, new connections wait in the kernel until the next one serves.
 *
 * It binds nothing itself: the server passes it every socket that it opens, those of applications and of reloads too, and
 * the next server inherits them, as the successor does in an upgrade.
 */
import type { ChildProcess } from 'node:child_process'
import { closeSync, fstatSync, lstatSync, rmSync } from 'node:fs'
import { type BindSpec, formatBind, formatDuration } from '../config/values.js'
import { HornetError } from '../errors.js'
import type { Logger } from '../log/logger.js'
import type { CommandQueue } from './command-queue.js'
import type { AskedCommand } from './commands.js'
import type { GuardWord, ServerWord } from './guard-link.js'
import type { Inheritance } from './inheritance.js'
import type { PidFile } from './pid-file.js'
import { fixedLimits } from './pool.js'
import type { Handle } from './server-handle.js'
import { signalOf } from './signals.js'
import { announceReady, type Origin, spawnHornet } from './successor.js'

export interface GuardOptions {
  origin: Origin
  inheritance: Inheritance
  /** Where the server is to listen: inherited descriptors among them are held from the start. */
  binds: readonly BindSpec[]
  pidFile: PidFile
  logger: Logger
  /** Signal handlers push into it already. */
  queue: CommandQueue<GuardEvent>
}

export type GuardEvent =
  | AskedCommand
  | { type: 'said'; server: GuardedServer; word: ServerWord; handle: Handle | undefined }
  | { type: 'ended'; server: GuardedServer; status: number | undefined; reason: string }
  | { type: 'successor-late'; server: GuardedServer; timeoutMs: number }
  | { type: 'kill' }

/** One process that the guard has started. */
interface GuardedServer {
  readonly child: ChildProcess
  readonly startedMs: number
  servingMs: number | undefined
  /** Sockets it is telling of. */
  telling: Map<string, Held>
  /** All that it told of last. */
  told: Map<string, Held> | undefined
}

/** An open listening socket. */
interface Held {
  readonly fd: number
  /** Of the file of a unix socket, to tell it from another server's. */
  readonly inode: number | undefined
  close(): void
}

const { stableMs, backoffMinMs, backoffMaxMs } = fixedLimits

/** A server that was told twice to stop gets this long before it is killed: its main thread may not turn any more. */
const forceMsMax = 10_000

/**
 * Keeps a server running until it is told to stop, or the server ends by itself.
 *
 * @returns The exit status: the server's own, if it ended in order or could not start the first time.
 * @throws HornetError `ERR_HORNET_BIND` for a descriptor that was not inherited, `ERR_HORNET_CONFIG` for the pid file.
 */
export async function runGuard(options: GuardOptions): Promise<number> {
  const { origin, inheritance, pidFile, logger, queue } = options
  const activatedCount = inheritance.binds?.length ?? 0
  const living = new Set<GuardedServer>()
  let held = inheritedListeners(options)
  let current: GuardedServer | undefined
  let successor: GuardedServer | undefined
  let successorTimer: NodeJS.Timeout | undefined
  let killTimer: NodeJS.Timeout | undefined
  let restarts = 0
  let delayMs: number | undefined
  let restartMs = Number.POSITIVE_INFINITY
  let hasServed = false
  let stops = 0
  /** Known once there will be no further server. */
  let status: number | undefined

  // An upgrade may be what brought the guard: then there is a server without one, until this one serves.
  if (!inheritance.hasPredecessor) pidFile.acquire()
  current = start(inheritance.hasPredecessor)
  while (status === undefined || living.size > 0) {
    const event = await queue.take(restartMs - performance.now())
    if (event !== undefined) handle(event)
    else if (performance.now() >= restartMs) restart()
  }
  clearTimeout(successorTimer)
  clearTimeout(killTimer)
  for (const [key, listener] of held) removePath(key, listener)
  for (const { close } of held.values()) close()
  return status

  function start(hasPredecessor: boolean): GuardedServer {
    const listeners = [...held].map(([key, { fd }]) => [key, fd] as const)
    const guard = { pid: process.pid, restarts, hasPredecessor }
    const child = spawnHornet(origin, listeners, { activatedCount, guard }, 'ipc')
    const server: GuardedServer = {
      child,
      startedMs: performance.now(),
      servingMs: undefined,
      telling: new Map(),
      told: undefined,
    }
    living.add(server)
    child.on('message', (word, socket) =>
      // Only servers of ours speak here, and they send such sockets alone.
      queue.push({ type: 'said', server, word: word as ServerWord, handle: socket as Handle | undefined }),
    )
    child.on('error', ({ message }) => {
      // What cannot be sent is for one that ends: its end is told by 'close'.
      if (child.pid === undefined) queue.push({ type: 'ended', server, status: undefined, reason: message })
    })
    // Not 'exit': what it said last has been heard by then.
    child.once('close', (code, signal) => {
      const reason = signal === null ? `exit status ${code}` : signal
      if (child.pid !== undefined) queue.push({ type: 'ended', server, status: code ?? undefined, reason })
    })
    return server
  }

  function restart(): void {
    restartMs = Number.POSITIVE_INFINITY
    restarts += 1
    try {
      current = start(false)
    } catch (error) {
      // The machine is out of memory or processes.
      scheduleRestart(`cannot start the server: ${error instanceof Error ? error.message : String(error)}`, 0)
      return
    }
    logger.info(`guard: process ${current.child.pid} is the server now`)
  }

  function scheduleRestart(why: string, servedMs: number): void {
    delayMs = restartDelayMs(delayMs, servedMs)
    restartMs = performance.now() + delayMs
    logger.error(`guard: ${why}; restart ${restarts + 1} in ${formatDuration(delayMs)}, new connections wait`)
  }

  function handle(event: GuardEvent): void {
    switch (event.type) {
      case 'said':
        hear(event.server, event.word, event.handle)
        return
      case 'ended':
        living.delete(event.server)
        noteEnd(event.server, event.status, event.reason)
        return
      case 'successor-late':
        if (event.server !== successor) return
        giveUp(`it did not serve within ${formatDuration(event.timeoutMs)}`)
        return
      case 'kill':
        for (const { child } of living) {
          logger.error(`guard: process ${child.pid} did not stop: killing it`)
          child.kill('SIGKILL')
        }
        return
      default:
        relay(event)
    }
  }

  function hear(server: GuardedServer, word: ServerWord, socket: Handle | undefined): void {
    switch (word.type) {
      case 'listener':
        if (socket !== undefined)
          server.telling.set(
            word.key,
            heldListener(word.key, socket.fd, () => socket.close()),
          )
        return
      case 'listeners-told':
        closeAll(server.told)
        server.told = server.telling
        server.telling = new Map()
        if (server === current) holdWhatIsTold(server)
        say(server, { type: 'held' })
        return
      case 'serving':
        server.servingMs = performance.now()
        hasServed = true
        return
      case 'succeeds':
        if (server === current) takeOver()
        if (server !== successor || current === undefined) return
        say(current, { type: 'succeeded', pid: server.child.pid ?? -1 })
        promote()
        return
      case 'upgrade':
        if (server !== current) return
        if (successor !== undefined || status !== undefined) {
          say(server, { type: 'succession-failed', message: 'the guard is busy' })
          return
        }
        startSuccessor(word.timeoutMs)
        return
      case 'abandon':
        if (server === current) giveUp('it was given up')
        return
      default:
        word satisfies never // of a server that is newer than this guard
    }
  }

  /** From a predecessor that is no child of the guard. */
  function takeOver(): void {
    if (inheritance.readyFd === undefined || restarts > 0) return
    pidFile.tryTake(logger)
    announceReady(inheritance.readyFd)
  }

  function startSuccessor(timeoutMs: number): void {
    let started: GuardedServer
    try {
      started = start(true)
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      if (current) say(current, { type: 'succession-failed', message })
      return
    }
    successor = started
    successorTimer = setTimeout(() => queue.push({ type: 'successor-late', server: started, timeoutMs }), timeoutMs)
  }

  function giveUp(message: string): void {
    if (successor === undefined) return
    say(successor, { type: 'signal', signal: 'SIGTERM' })
    successor = undefined
    clearTimeout(successorTimer)
    if (current) say(current, { type: 'succession-failed', message })
  }

  /** The successor is the server from now on. */
  function promote(): void {
    current = successor
    successor = undefined
    clearTimeout(successorTimer)
    if (current) holdWhatIsTold(current)
  }

  function holdWhatIsTold(server: GuardedServer): void {
    if (server.told === undefined) return
    closeAll(held)
    held = server.told
    server.told = undefined
  }

  function noteEnd(server: GuardedServer, code: number | undefined, reason: string): void {
    closeAll(server.told)
    closeAll(server.telling)
    if (server === successor) {
      successor = undefined
      clearTimeout(successorTimer)
      if (current) say(current, { type: 'succession-failed', message: `it ended with ${reason}` })
      return
    }
    const pid = server.child.pid
    if (server !== current) {
      if (code !== 0) logger.warn(`guard: process ${pid}, which was leaving, ended with ${reason}`)
      return
    }
    current = undefined
    if (stops > 0 || code === 0) {
      // The signals that it was sent may have found it before it listened to them.
      status = code ?? (stops > 0 && /^SIG(TERM|INT|QUIT)$/.test(reason) ? 0 : 1)
      if (code === undefined && status !== 0) logger.error(`guard: process ${pid} ended with ${reason}`)
      if (successor) giveUp('the server has stopped')
      return
    }
    if (!hasServed && (code !== undefined || pid === undefined)) {
      // It has said why. What cannot start is not started again and again.
      if (pid === undefined) logger.error(`guard: cannot start the server: ${reason}`)
      status = code ?? 1
      return
    }
    if (successor) {
      logger.error(`guard: process ${pid} died: ${reason}; process ${successor.child.pid} takes its place`)
      promote()
      return
    }
    const nowMs = performance.now()
    const life = formatDuration(Math.round(nowMs - server.startedMs))
    const why =
      pid === undefined ? `cannot start the server: ${reason}` : `process ${pid} died after ${life}: ${reason}`
    scheduleRestart(why, server.servingMs === undefined ? 0 : nowMs - server.servingMs)
  }

  function relay(command: AskedCommand): void {
    const signal = signalOf(command)
    if (signal === undefined) return
    if (command.type === 'shutdown') {
      stops += 1
      restartMs = Number.POSITIVE_INFINITY
      if (current === undefined) status ??= 0
      if (stops === 2) killTimer = setTimeout(() => queue.push({ type: 'kill' }), forceMsMax)
      // The successor hears it from the one that it was to succeed, which gives it up.
      for (const server of living) if (server !== successor) say(server, { type: 'signal', signal })
      return
    }
    if (command.type === 'reopen-logs') reopenLog()
    if (current) say(current, { type: 'signal', signal })
    // Between two servers: what was wrong has been mended, it seems.
    else if (command.type === 'reload' && restartMs < Number.POSITIVE_INFINITY) restart()
  }

  function reopenLog(): void {
    try {
      logger.reopen()
    } catch (error) {
      if (!(error instanceof HornetError)) throw error
      logger.error(`guard: ${error.message}; going on with the old file`)
    }
  }

  /** One that died meanwhile hears nothing; its end follows. */
  function say({ child }: GuardedServer, word: GuardWord): void {
    if (child.connected) child.send(word, () => {})
  }

  /** A server removes the file of its unix socket when it ends in order; nobody does for one that died. */
  function removePath(key: string, { inode }: Held): void {
    const path = unixPath(key)
    if (path === undefined || inode === undefined) return
    if (lstatSync(path, { throwIfNoEntry: false })?.ino === inode) rmSync(path, { force: true })
  }
}

/** How long to wait before the server is started again, given the last such wait and how long the server had served. */
export function restartDelayMs(lastMs: number | undefined, servedMs: number): number {
  if (lastMs === undefined || servedMs >= stableMs) return backoffMinMs
  return Math.min(lastMs * 2, backoffMaxMs)
}

/** What this process was given, by a service manager or by number: a child has only what it is passed. */
function inheritedListeners({ inheritance, binds }: GuardOptions): Map<string, Held> {
  const held = new Map<string, Held>()
  for (const [key, fd] of inheritance.listeners)
    held.set(
      key,
      heldListener(key, fd, () => closeSync(fd)),
    )
  if (held.size > 0) return held
  for (const bind of inheritance.binds ?? binds) {
    if (bind.kind !== 'fd') continue
    const key = formatBind(bind)
    try {
      fstatSync(bind.fd)
    } catch (cause) {
      const message = `cannot listen on ${key}: no such descriptor was inherited (EBADF)`
      throw new HornetError('ERR_HORNET_BIND', message, { cause })
    }
    held.set(
      key,
      heldListener(key, bind.fd, () => closeSync(bind.fd)),
    )
  }
  return held
}

function heldListener(key: string, fd: number, close: () => void): Held {
  const path = unixPath(key)
  const inode = path === undefined ? undefined : lstatSync(path, { throwIfNoEntry: false })?.ino
  return { fd, inode, close }
}

function unixPath(key: string): string | undefined {
  return key.startsWith('unix:') ? key.slice('unix:'.length) : undefined
}

function closeAll(listeners: Map<string, Held> | undefined): void {
  for (const { close } of listeners?.values() ?? []) close()
}
