/**
 * What this process was given by the one that started it: listening sockets, from a service manager (LISTEN_FDS), from a
 * Hornet that it is to succeed, or from the guard that keeps them.
 */
import type { BindSpec } from '../config/values.js'
import type { InheritedFds } from './listeners.js'

/** Where a predecessor says what it hands down. Not a setting: no operator writes it. */
const handoverName = 'HORNET_HANDOVER'

/** The first descriptor after the standard streams: sd_listen_fds(3). */
const firstFd = 3

export interface Inheritance {
  /** By the way the address is written. */
  listeners: InheritedFds
  /** Addresses that were given and not asked for: they are listened on in place of those of the settings. */
  binds: readonly BindSpec[] | undefined
  /** The predecessor waits at the other end to hear that this process serves. */
  readyFd: number | undefined
  /** It serves until this process does: what only one of them can have, it has until then. */
  hasPredecessor: boolean
  /** With --guard, in the server. */
  guard: GuardFacts | undefined
}

/** What a guard tells of itself to the server that it starts. */
export interface GuardFacts {
  pid: number
  /** How often it has started the server anew because that had died. */
  restarts: number
  /** This server is to take over from one that runs. */
  hasPredecessor: boolean
}

/** As a predecessor or a guard writes it. */
export interface Handover {
  listeners: readonly (readonly [key: string, fd: number])[]
  /** How many of them a service manager gave, once. */
  activatedCount: number
  readyFd?: number
  guard?: GuardFacts
}

/** Reads it from `env`, and takes it out: it is meant for this process and for none that it starts. */
export function takeInheritance(env: NodeJS.ProcessEnv, pid: number): Inheritance {
  const { [handoverName]: handover, LISTEN_PID: listenPid, LISTEN_FDS: listenFds } = env
  for (const name of [handoverName, 'LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete env[name]
  if (handover !== undefined) {
    const { listeners, activatedCount, readyFd, guard } = JSON.parse(handover) as Handover // written by this very file
    const hasPredecessor = readyFd !== undefined || guard?.hasPredecessor === true
    return { listeners: new Map(listeners), binds: activated(activatedCount), readyFd, hasPredecessor, guard }
  }
  // Meant for another process when the number is not ours: the variables are inherited by everybody.
  const count = listenPid === String(pid) && /^\d{1,4}$/.test(listenFds ?? '') ? Number(listenFds) : 0
  const binds = activated(count)
  return { listeners: new Map(), binds, readyFd: undefined, hasPredecessor: false, guard: undefined }
}

export function handoverEnvironment(handover: Handover): Record<string, string> {
  return { [handoverName]: JSON.stringify(handover) }
}

function activated(count: number): readonly BindSpec[] | undefined {
  if (count === 0) return undefined
  return Array.from({ length: count }, (_, index) => ({ kind: 'fd', fd: firstFd + index }) as const)
}
