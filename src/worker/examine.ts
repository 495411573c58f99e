/**
 * `hornet doctor`: watches the application while it is loaded, and tells the master what it did. Judges nothing.
 */
import cluster from 'node:cluster'
import http from 'node:http'
import https from 'node:https'
import Module, { syncBuiltinESMExports } from 'node:module'
import net, { type AddressInfo } from 'node:net'
import { basename, sep } from 'node:path'
import timers from 'node:timers'
import { setTimeout as delay } from 'node:timers/promises'
import tls from 'node:tls'
import { HornetError } from '../errors.js'
import type { AppFacts, WorkerMessage } from '../protocol.js'
import { hasRegistry } from './app-metrics.js'

type Call = (this: unknown, ...args: unknown[]) => unknown
interface ModuleInternals {
  _load: (this: unknown, request: string, parent: NodeJS.Module | undefined, isMain: boolean) => unknown
  _cache: Record<string, NodeJS.Module | undefined>
}

// A listen() looks its host name up first; an application may do a little more when it is ready.
const settleMs = 100
// An application in trouble may try again and again.
const entriesMax = 100

const processCalls = [
  'chdir',
  'umask',
  'setuid',
  'seteuid',
  'setgid',
  'setegid',
  'setgroups',
  'initgroups',
  'abort',
] as const

export class Examiner {
  readonly #tell: (message: WorkerMessage) => void
  readonly #facts: AppFacts = {
    refused: [],
    addonErrors: [],
    listens: [],
    probeCount: 0,
    intervals: [],
    hasMemorySessions: false,
    hasEngineIo: false,
    hasPromClient: false,
    hasRegistry: false,
  }
  readonly #servers: net.Server[] = []
  readonly #intervals: { place: string; timer: NodeJS.Timeout }[] = []

  /** Call before anything of the application is loaded, and after all that stands in for Node's own functions. */
  constructor(tell: (message: WorkerMessage) => void) {
    this.#tell = tell
    for (const name of processCalls) this.#watchRefusals(process, name, `process.${name}`)
    this.#watchRefusals(cluster, 'fork', 'cluster.fork')
    this.#watchAddons()
    for (const { prototype } of [net.Server, http.Server, tls.Server]) this.#watchListen(prototype)
    this.#watchIntervals()
    this.#watchSessions()
    syncBuiltinESMExports()
  }

  /** The application is loaded: tells all there is to know. */
  async finish(app: string): Promise<void> {
    const facts = this.#facts
    facts.app = app
    facts.bootMs = performance.now()
    await delay(settleMs)
    for (const server of this.#servers) {
      if (isHttp(server)) continue
      if (!server.listening) facts.probeCount++
    }
    const { heapTotal, external } = process.memoryUsage()
    facts.memoryBytes = heapTotal + external
    // Node marks timers that were cleared by this, and by nothing public.
    const isRunning = ({ timer }: { timer: NodeJS.Timeout }) => !(timer as { _destroyed?: boolean })._destroyed
    facts.intervals = this.#intervals.filter(isRunning).map(({ place }) => place)
    const files = Object.keys((Module as unknown as ModuleInternals)._cache)
    const hasLoaded = (name: string) => files.some((file) => file.includes(`${sep}node_modules${sep}${name}${sep}`))
    facts.hasEngineIo = hasLoaded('engine.io')
    facts.hasPromClient = hasLoaded('prom-client')
    facts.hasRegistry = hasRegistry()
    facts.nodeEnv = process.env.NODE_ENV
    this.#report()
  }

  #report(): void {
    const listens = this.#servers.flatMap((server) =>
      isHttp(server) ? [{ address: addresses.get(server) ?? '', isOpen: server.listening }] : [],
    )
    this.#tell({ type: 'facts', facts: { ...this.#facts, listens } })
  }

  /** At once: what is refused may end the worker. */
  #noteRefusal(name: string, error: unknown): void {
    const { refused } = this.#facts
    if (!(error instanceof HornetError) || error.code !== 'ERR_HORNET_UNSUPPORTED') return
    if (refused.length >= entriesMax || refused.some(({ message }) => message === error.message)) return
    refused.push({ name, message: error.message })
    this.#report()
  }

  #watchRefusals(owner: object, key: string, name: string): void {
    const original = (owner as Record<string, Call | undefined>)[key]
    // Node has some of these on certain systems only.
    if (original === undefined) return
    const noteRefusal = this.#noteRefusal.bind(this)
    const watched: Call = function (...args) {
      try {
        return original.apply(this, args)
      } catch (error) {
        noteRefusal(name, error)
        throw error
      }
    }
    Object.defineProperty(owner, key, { value: watched, writable: true, configurable: true })
  }

  #watchAddons(): void {
    // require() of a .node file comes here as well.
    const key = 'dlopen'
    const open = process[key] as Call
    const { addonErrors } = this.#facts
    const report = () => this.#report()
    process[key] = function (this: unknown, ...args: unknown[]) {
      try {
        return open.apply(this, args)
      } catch (error) {
        if (addonErrors.length < entriesMax) addonErrors.push(error instanceof Error ? error.message : String(error))
        report()
        throw error
      }
    }
  }

  #watchListen(prototype: object): void {
    const { _listen2: listen } = prototype as { _listen2: Call }
    const servers = this.#servers
    const noteRefusal = this.#noteRefusal.bind(this)
    const watched: Call = function (...args) {
      const server = this as net.Server
      try {
        listen.apply(this, args)
      } catch (error) {
        noteRefusal(/^Http2/.test(server.constructor.name) ? 'http2' : 'https', error)
        throw error
      }
      if (!server.listening || servers.includes(server) || servers.length >= entriesMax) return
      servers.push(server)
      addresses.set(server, nameOf(server.address()))
    }
    Object.defineProperty(prototype, '_listen2', { value: watched, writable: true, configurable: true })
  }

  #watchIntervals(): void {
    const original = timers.setInterval
    const intervals = this.#intervals
    const watched = ((...args: Parameters<typeof setInterval>) => {
      const timer = original(...args)
      const place = callerOf(watched)
      if (place !== undefined && intervals.length < entriesMax) intervals.push({ place, timer })
      return timer
    }) as typeof setInterval
    timers.setInterval = watched
    globalThis.setInterval = watched
  }

  /** express-session makes a store in memory when it is given none; nothing it exports tells. */
  #watchSessions(): void {
    const internals = Module as unknown as ModuleInternals
    const load = internals._load
    const facts = this.#facts
    internals._load = function (request, parent, isMain) {
      const loaded = load.call(this, request, parent, isMain)
      const isStore =
        request === './session/memory' && /[\\/]express-session[\\/]index\.js$/.test(parent?.filename ?? '')
      if (!isStore) return loaded
      return new Proxy(loaded as new () => object, {
        construct(target, args, newTarget) {
          facts.hasMemorySessions = true
          return Reflect.construct(target, args, newTarget)
        },
      })
    }
  }
}

const addresses = new WeakMap<net.Server, string>()

function isHttp(server: net.Server): boolean {
  return server instanceof http.Server || server instanceof https.Server
}

function nameOf(address: AddressInfo | string | null): string {
  if (address === null) return 'a descriptor'
  if (typeof address === 'string') return address
  const host = address.address.includes(':') ? `[${address.address}]` : address.address
  return `${host}:${address.port === 0 ? 'a port of the system’s choice' : address.port}`
}

/** `server.js:12`, when that is a file of the application and not of a package. */
function callerOf(called: (...args: never[]) => unknown): string | undefined {
  const place: { stack?: string } = {}
  Error.captureStackTrace(place, called)
  const [, frame = ''] = (place.stack ?? '').split('\n')
  const match = /(?:\(|at )(?:file:\/\/)?(\/[^():]+):(\d+):\d+\)?$/.exec(frame)
  if (match === null || /[\\/]node_modules[\\/]/.test(frame)) return undefined
  return `${basename(match[1])}:${match[2]}`
}
