/**
 * What can be asked of a running master, by signals, by the control API and by programs, and what it tells of itself.
 */
import type { Origins } from '../config/load.js'
import type { Settings } from '../config/settings.js'
import { HornetError } from '../errors.js'
import type { AppSpec } from '../protocol.js'
import type { LeaveReason, Pool, ServerState } from './pool.js'

/** Settles the promise of whoever asked. */
export interface Reply<T> {
  resolve(value: T): void
  reject(error: HornetError): void
}

export type AskedCommand =
  /** Read the config file again, then replace every worker. */
  | { type: 'reload'; reply?: Reply<{ generation: number }> }
  | { type: 'resize'; delta: number; reply?: Reply<{ wanted: number }> }
  | { type: 'scale'; count: number; reply?: Reply<{ wanted: number }> }
  /** Replace one worker by a new one. */
  | { type: 'restart'; workerId: number; reply?: Reply<{ workerId: number }> }
  /** A second one, of either mode, forces. `signal` is what the application is told: TERM, if nothing else. */
  | { type: 'shutdown'; mode: 'graceful' | 'quick'; signal?: NodeJS.Signals }
  /** Start a new Hornet on the same sockets, and leave when it serves. */
  | { type: 'upgrade'; reply?: Reply<{ pid: number }> }
  /** Let all workers go but keep listening. */
  | { type: 'suspend' }
  /** Open the log files again: they were moved away. */
  | { type: 'reopen-logs'; reply?: Reply<void> }

export type MasterEvent =
  | { type: 'state'; state: ServerState }
  | { type: 'workers-wanted'; wanted: number; previous: number }
  | { type: 'worker-spawned'; workerId: number; generation: number }
  | { type: 'worker-ready'; workerId: number }
  | { type: 'worker-blocked'; workerId: number }
  | {
      type: 'worker-gone'
      workerId: number
      generation: number
      reason: LeaveReason
      isExpected: boolean
      message: string
    }
  | { type: 'reload-started'; generation: number }
  /** A successor serves, and this process leaves. */
  | { type: 'succeeded'; pid: number }
  | { type: 'reload-finished'; generation: number }
  /** `generation` is missing when the config file failed: no worker was started. */
  | { type: 'reload-failed'; generation?: number; code: string; message: string }

/** The state of the master at one moment. To be read, not changed. */
export interface MasterView {
  pool: Readonly<Pool>
  settings: Settings
  origins: Origins
  app: AppSpec
  /** Where it listens, as people write it. */
  addresses: readonly string[]
  /** When each certificate ends, by the path of its file. */
  certificates: readonly { file: string; expiresMs: number }[]
}

/** The master, for whoever may command it. Every promise rejects with a HornetError that says why not. */
export interface MasterControl {
  /** Resolves when the last worker of the new generation is ready; rejects when the old one goes on. */
  reload(): Promise<{ generation: number }>
  /** Resolves when it is decided; workers boot or leave after that. */
  scale(change: { count: number } | { delta: number }): Promise<{ wanted: number }>
  /** Resolves when it is decided. Rejects with `ERR_HORNET_REFUSED` when no such worker serves. */
  restart(workerId: number): Promise<{ workerId: number }>
  /** Resolves when the successor serves; this process leaves then. Rejects when it goes on. */
  upgrade(): Promise<{ pid: number }>
  reopenLogs(): Promise<void>
  shutdown(mode: 'graceful' | 'quick'): void
  view(): MasterView
  /** @returns Ends the subscription. The listener must not throw. */
  subscribe(listener: (event: MasterEvent) => void): () => void
}

/** Tells events to whoever listens. */
export class MasterEvents {
  readonly #listeners = new Set<(event: MasterEvent) => void>()

  emit(event: MasterEvent): void {
    for (const listener of this.#listeners) listener(event)
  }

  subscribe(listener: (event: MasterEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}

export function createControl(
  push: (command: AskedCommand) => void,
  events: MasterEvents,
  view: () => MasterView,
): MasterControl {
  const ask = <T>(command: (reply: Reply<T>) => AskedCommand) =>
    new Promise<T>((resolve, reject) => push(command({ resolve, reject })))
  return {
    reload: () => ask((reply) => ({ type: 'reload', reply })),
    scale: (change) =>
      ask((reply) => ('count' in change ? { type: 'scale', ...change, reply } : { type: 'resize', ...change, reply })),
    restart: (workerId) => ask((reply) => ({ type: 'restart', workerId, reply })),
    upgrade: () => ask((reply) => ({ type: 'upgrade', reply })),
    reopenLogs: () => ask((reply) => ({ type: 'reopen-logs', reply })),
    shutdown: (mode) => push({ type: 'shutdown', mode }),
    view,
    subscribe: (listener) => events.subscribe(listener),
  }
}

export function refused(why: string): HornetError {
  return new HornetError('ERR_HORNET_REFUSED', why)
}
