/**
 * What an exported value is, as something that serves requests. The shapes are told apart by what they can do, never by
 * their class: the application brings its own copy of its framework.
 */
import { EventEmitter } from 'node:events'
import type https from 'node:https'
import { Server as NetServer } from 'node:net'
import { builtins } from '../builtins.js'
import type { FetchHandler } from '../fetch/serve.js'
import { type IncomingMessage, Server, type ServerResponse } from '../http/node-http.js'

export type Listener = (req: IncomingMessage, res: ServerResponse) => unknown

export interface LoadedApp {
  kind: 'listener' | 'fetch' | 'koa' | 'fastify' | 'nest' | 'server'
  listener: Listener
  /** For the log: `default export (Koa application)`. */
  describe: string
  /** The http server the application made, when it made one: it is where its other listeners are. */
  server?: Server
  /** It listens by itself, on addresses of its own. */
  isListening?: boolean
}

/** A value that serves; `open` makes it ready to. */
export interface Candidate {
  kind: LoadedApp['kind']
  /** What it is, in words. */
  noun: string
  open(): Promise<Pick<LoadedApp, 'listener' | 'server'>>
}

/** @returns null when the value cannot serve. */
export function recognise(value: unknown): Candidate | null {
  if (typeof value === 'function' && !isClass(value) && (value.length === 2 || value.length === 3)) {
    // Express and Connect applications are such functions too.
    return { kind: 'listener', noun: 'request listener', open: async () => ({ listener: value as Listener }) }
  }
  if (value instanceof Server || isHttps(value)) {
    // An https server differs in its sockets alone, and those are not its own here.
    const server = value as Server
    const listener: Listener = (req, res) => {
      server.emit('request', req, res)
    }
    return { kind: 'server', noun: 'http server', open: async () => ({ listener, server }) }
  }
  if (can(value, 'ready') && can(value, 'routing')) {
    const open = async () => {
      await value.ready()
      return { listener: (req: IncomingMessage, res: ServerResponse) => value.routing(req, res) }
    }
    return { kind: 'fastify', noun: 'Fastify application', open }
  }
  if (can(value, 'callback') && can(value, 'use')) {
    const open = async () => ({ listener: value.callback() as Listener })
    return { kind: 'koa', noun: 'Koa application', open }
  }
  if (can(value, 'fetch')) {
    const open = async () => {
      // Loaded only now: it costs the 30 ms that Node takes to set up its fetch, and replaces global classes.
      const { installFetchGlobals, toListener } = await import('../fetch/index.js')
      installFetchGlobals()
      const fetch = value.fetch.bind(value) as FetchHandler
      return { listener: toListener(fetch) }
    }
    return { kind: 'fetch', noun: 'fetch handler', open }
  }
  if (can(value, 'getHttpAdapter') && can(value, 'init')) {
    const open = async () => {
      await value.init()
      const adapter = value.getHttpAdapter()
      const inner = can(adapter, 'getInstance') ? recognise(adapter.getInstance()) : null
      if (inner === null) throw new TypeError('the Nest application stands on an HTTP adapter that is not known')
      return inner.open()
    }
    return { kind: 'nest', noun: 'Nest application', open }
  }
  return null
}

function isHttps(value: unknown): value is https.Server {
  // Asked first, as it is there: what is no such server must not cost the loading of https.
  return value instanceof NetServer && value instanceof builtins.https().Server
}

/** For a person: what a value that does not serve is instead. */
export function describeValue(value: unknown): string {
  if (typeof value === 'function') {
    if (isClass(value)) return `class ${value.name}`.trim()
    return `function with ${value.length} parameter${value.length === 1 ? '' : 's'}`
  }
  if (value === null) return 'null'
  if (typeof value !== 'object') return typeof value
  if (Array.isArray(value)) return 'array'
  if (value instanceof EventEmitter) return `${value.constructor.name} (event emitter)`
  const keys = Object.keys(value)
  if (keys.length === 0) return 'empty object'
  return `object with ${keys.slice(0, 5).join(', ')}${keys.length > 5 ? ', …' : ''}`
}

export function isClass(value: unknown): boolean {
  return typeof value === 'function' && /^class\b/.test(Function.prototype.toString.call(value))
}

type Method = (...args: unknown[]) => unknown

function can<Name extends string>(value: unknown, name: Name): value is Record<Name, Method> {
  const isObject = (typeof value === 'object' && value !== null) || typeof value === 'function'
  // Safe: narrowed to something with members by the line above.
  return isObject && typeof (value as Record<string, unknown>)[name] === 'function'
}
