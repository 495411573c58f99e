/**
 * What systemd is told (sd_notify(3)): when the server serves, reloads, stops, and that its main thread is alive.
 */
import type { Addon } from '../seam/addon.js'

export class ServiceManager {
  readonly #addon: Pick<Addon, 'notifyManager'>
  readonly #socket: string | undefined
  /** How often it wants to hear of us; undefined when it does not. */
  readonly watchdogMs: number | undefined

  constructor(addon: Pick<Addon, 'notifyManager'>, env: Readonly<Record<string, string | undefined>>, pid: number) {
    this.#addon = addon
    this.#socket = /^[/@]/.test(env.NOTIFY_SOCKET ?? '') ? env.NOTIFY_SOCKET : undefined
    const microseconds = Number(env.WATCHDOG_USEC)
    const isForUs = env.WATCHDOG_PID === undefined || env.WATCHDOG_PID === String(pid)
    // Half of the time after which it would act, as its manual has it.
    const isWatched = this.#socket !== undefined && isForUs && microseconds >= 2000
    this.watchdogMs = isWatched ? microseconds / 2000 : undefined
  }

  ready(status: string): void {
    this.#send('READY=1', `STATUS=${status}`)
  }

  reloading(): void {
    // The time tells systemd which READY=1 ends this reload (Type=notify-reload).
    const microseconds = process.hrtime.bigint() / 1000n
    this.#send('RELOADING=1', `MONOTONIC_USEC=${microseconds}`, 'STATUS=reloading')
  }

  stopping(): void {
    this.#send('STOPPING=1', 'STATUS=stopping')
  }

  status(status: string): void {
    this.#send(`STATUS=${status}`)
  }

  /** Another process is the service from now on. */
  successor(pid: number): void {
    this.#send(`MAINPID=${pid}`)
  }

  alive(): void {
    this.#send('WATCHDOG=1')
  }

  #send(...lines: string[]): void {
    // Whether it arrives changes nothing that the server could do.
    if (this.#socket !== undefined) this.#addon.notifyManager(this.#socket, lines.join('\n'))
  }
}
