/**
 * The control API: HTTP and JSON over node:http, in the master's thread, on a unix socket or a TCP port of its own.
 * What a path means is in the table of routes below; what is done about it is the facade's, and so the master's.
 */
import { once } from 'node:events'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream/promises'
import { builtins } from '../builtins.js'
import { HornetError } from '../errors.js'
import { type AccessRules, checkOrigin, checkToken } from './access.js'
import type { ControlFacade } from './api.js'
import { EventStream } from './events.js'
import { dashboardPage } from './page.js'
import { Problem } from './problem.js'
import { listenOnPath } from './unix-socket.js'

export type ControlAddress =
  | { kind: 'unix'; path: string }
  /** `host` is numeric; `name` is what the operator wrote for it. */
  | { kind: 'tcp'; host: string; name: string; port: number; token: string }

export interface ControlOptions {
  address: ControlAddress
  facade: ControlFacade
  /** A fault of our own while answering. */
  onError: (error: unknown) => void
}

export interface ControlServer {
  /** `unix:PATH` or `HOST:PORT`. */
  readonly address: string
  /** Stops at once; what is being answered is cut off. */
  close(): void
}

// Few clients, small messages: operators, one collector of metrics, some dashboards.
const connectionsMax = 128
const bodyBytesMax = 16 * 1024
const headTimeoutMs = 10_000
const requestTimeoutMs = 30_000
const profileSecondsDefault = 5
const profileSecondsMax = 300

/** @throws HornetError `ERR_HORNET_BIND` when the address cannot be listened on. */
export async function startControl({ address, facade, onError }: ControlOptions): Promise<ControlServer> {
  const rules: AccessRules =
    address.kind === 'unix' ? { token: undefined, hosts: [] } : { token: address.token, hosts: [address.name] }
  const events = new EventStream()
  const server = builtins
    .http()
    .createServer(
      { maxHeaderSize: 16 * 1024, headersTimeout: headTimeoutMs, requestTimeout: requestTimeoutMs },
      (request, response) => {
        answer({ request, response, facade, events }, rules).catch((error: unknown) => {
          if (!(error instanceof Problem) && !response.destroyed) onError(error)
          sendProblem(response, error)
        })
      },
    )
  server.maxConnections = connectionsMax
  const removeSocket = await listen(server, address)
  const unsubscribe = facade.subscribe((event) => events.publish(event))
  // Whatever else fails later is one connection's trouble.
  server.on('error', onError)
  return {
    address: address.kind === 'unix' ? `unix:${address.path}` : formatTcp(server),
    close() {
      unsubscribe()
      events.close()
      server.close()
      server.closeAllConnections()
      removeSocket()
    },
  }
}

async function listen(server: Server, address: ControlAddress): Promise<() => void> {
  if (address.kind === 'unix') return listenOnPath(server, address.path)
  try {
    server.listen({ host: address.host, port: address.port })
    await once(server, 'listening')
  } catch (error) {
    const { message } = error as Error // node:net emits nothing else
    const where = `${address.name}:${address.port}`
    throw new HornetError('ERR_HORNET_BIND', `cannot listen on ${where} (--control): ${message}`, { cause: error })
  }
  return () => {}
}

function formatTcp(server: Server): string {
  const { address, port, family } = server.address() as AddressInfo // it listens on TCP
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`
}

interface Exchange {
  request: IncomingMessage
  response: ServerResponse
  facade: ControlFacade
  events: EventStream
}

interface Route {
  method: 'GET' | 'POST'
  /** The first group, if any, is a worker's id. */
  path: RegExp
  /** Answered without a token: it says nothing that is not plain to see from outside. */
  isOpen?: true
  /** What it answers is made with effort and sent as it comes: asking for its head alone is a mistake. */
  isStream?: true
  handle: (exchange: Exchange, workerId: number, query: URLSearchParams) => Promise<void> | void
}

const routes: readonly Route[] = [
  { method: 'GET', path: /^\/$/, isOpen: true, handle: ({ response }) => sendPage(response) },
  {
    method: 'GET',
    path: /^\/health\/live$/,
    isOpen: true,
    handle: ({ response }) => sendJson(response, 200, { status: 'ok' }),
  },
  {
    method: 'GET',
    path: /^\/health\/ready$/,
    isOpen: true,
    handle({ response, facade }) {
      const { state } = facade.status()
      sendJson(response, state === 'serving' ? 200 : 503, { status: state === 'serving' ? 'ok' : state })
    },
  },
  {
    method: 'GET',
    path: /^\/status$/,
    handle: ({ response, facade }) => sendJson(response, 200, facade.status()),
  },
  {
    method: 'GET',
    path: /^\/workers$/,
    async handle({ response, facade }) {
      sendJson(response, 200, { workers: await facade.workers() })
    },
  },
  {
    method: 'POST',
    path: /^\/workers$/,
    async handle({ request, response, facade }) {
      sendJson(response, 200, await facade.scale(readScale(await readJson(request))))
    },
  },
  {
    method: 'POST',
    path: /^\/workers\/(\d{1,9})\/restart$/,
    async handle({ request, response, facade }, workerId) {
      await readJson(request)
      sendJson(response, 200, await facade.restart(workerId))
    },
  },
  {
    method: 'GET',
    path: /^\/workers\/(\d{1,9})\/stack$/,
    async handle({ response, facade }, workerId) {
      sendJson(response, 200, await facade.stack(workerId))
    },
  },
  {
    method: 'GET',
    path: /^\/workers\/(\d{1,9})\/cpu-profile$/,
    isStream: true,
    async handle({ response, facade }, workerId, query) {
      const seconds = readSeconds(query)
      const gone = new AbortController()
      response.on('close', () => gone.abort())
      const profile = await facade.cpuProfile(workerId, seconds * 1000, gone.signal)
      sendDownload(response, `worker-${workerId}.cpuprofile`)
      response.end(JSON.stringify(profile))
    },
  },
  {
    method: 'GET',
    path: /^\/workers\/(\d{1,9})\/heap-snapshot$/,
    isStream: true,
    async handle({ response, facade }, workerId) {
      const snapshot = await facade.heapSnapshot(workerId)
      sendDownload(response, `worker-${workerId}.heapsnapshot`)
      await pipeline(snapshot, response)
    },
  },
  {
    method: 'GET',
    path: /^\/requests$/,
    async handle({ response, facade }) {
      sendJson(response, 200, await facade.requests())
    },
  },
  {
    method: 'GET',
    path: /^\/config$/,
    handle: ({ response, facade }) => sendJson(response, 200, facade.config()),
  },
  {
    method: 'GET',
    path: /^\/metrics$/,
    async handle({ response, facade }) {
      send(response, 200, 'text/plain; version=0.0.4; charset=utf-8', await facade.metrics())
    },
  },
  {
    method: 'GET',
    path: /^\/events$/,
    isStream: true,
    handle: ({ response, events }) => events.add(response),
  },
  {
    method: 'POST',
    path: /^\/reload$/,
    async handle({ request, response, facade }) {
      await readJson(request)
      sendJson(response, 200, await facade.reload())
    },
  },
  {
    method: 'POST',
    path: /^\/logs\/reopen$/,
    async handle({ request, response, facade }) {
      await readJson(request)
      await facade.reopenLogs()
      sendJson(response, 200, { reopened: true })
    },
  },
  {
    method: 'POST',
    path: /^\/shutdown$/,
    async handle({ request, response, facade }) {
      const mode = readMode(await readJson(request))
      // Accepted and no more: nobody can be told over this connection that the server has ended.
      sendJson(response, 202, { mode })
      facade.shutdown(mode)
    },
  },
]

async function answer(exchange: Exchange, rules: AccessRules): Promise<void> {
  const { request, response } = exchange
  // Never throws on what the parser lets through; the base is not looked at.
  const url = new URL(request.url ?? '/', 'http://control.invalid')
  const { host, authorization, origin, 'sec-fetch-site': site } = request.headers
  checkOrigin(rules, { host, authorization, origin, secFetchSite: typeof site === 'string' ? site : undefined })
  const found = routes.filter((route) => route.path.test(url.pathname))
  const route = found.find(({ method, isStream }) => {
    return method === request.method || (request.method === 'HEAD' && method === 'GET' && !isStream)
  })
  // The token first: who has none learns nothing of what there is.
  if (route?.isOpen !== true) checkToken(rules, authorization)
  if (found.length === 0) throw new Problem('not-found', `there is nothing at ${url.pathname}`)
  if (route === undefined) {
    const allowed = found.map((candidate) => candidate.method).join(', ')
    response.setHeader('Allow', allowed)
    throw new Problem('method-not-allowed', `${url.pathname} takes ${allowed}`)
  }
  const workerId = Number(route.path.exec(url.pathname)?.[1] ?? 0)
  await route.handle(exchange, workerId, url.searchParams)
}

/** The body as an object; an empty one is an empty object. */
async function readJson(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = []
  let length = 0
  // Not destroyed when it is too long: the client is to read the answer.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > bodyBytesMax) throw new Problem('too-large', `a body may have ${bodyBytesMax} bytes`)
    chunks.push(chunk)
  }
  if (length === 0) return {}
  // A form on a web page can send text/plain to any address without asking; JSON it cannot.
  const type = request.headers['content-type'] ?? ''
  if (!/^application\/json *(?:;|$)/i.test(type)) {
    throw new Problem(
      'media-type',
      `the body is ${type === '' ? 'of no stated type' : `'${type}'`}: send application/json`,
    )
  }
  let value: unknown
  try {
    value = JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch (error) {
    throw new Problem('bad-request', `the body is not JSON: ${error instanceof Error ? error.message : error}`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Problem('bad-request', 'the body must be a JSON object')
  }
  return value as Record<string, unknown> // just shown to be one
}

function readScale(body: Record<string, unknown>): { count: number } | { delta: number } {
  const { count, delta, ...rest } = body
  refuseUnknown(rest)
  if (count !== undefined && delta === undefined) {
    if (typeof count === 'number' && Number.isInteger(count) && count >= 1) return { count }
    throw new Problem('bad-request', `count must be a whole number from 1, not ${JSON.stringify(count)}`)
  }
  if (delta !== undefined && count === undefined) {
    if (typeof delta === 'number' && Number.isInteger(delta) && delta !== 0) return { delta }
    throw new Problem('bad-request', `delta must be a whole number other than 0, not ${JSON.stringify(delta)}`)
  }
  throw new Problem('bad-request', 'send {"count": N} or {"delta": N}')
}

function readMode(body: Record<string, unknown>): 'graceful' | 'quick' {
  const { mode = 'graceful', ...rest } = body
  refuseUnknown(rest)
  if (mode === 'graceful' || mode === 'quick') return mode
  throw new Problem('bad-request', `mode must be "graceful" or "quick", not ${JSON.stringify(mode)}`)
}

/** A misspelt member must not pass for its default. */
function refuseUnknown(rest: Record<string, unknown>): void {
  const [name] = Object.keys(rest)
  if (name !== undefined) throw new Problem('bad-request', `unknown member '${name}'`)
}

function readSeconds(query: URLSearchParams): number {
  const text = query.get('seconds') ?? String(profileSecondsDefault)
  const seconds = /^\d{1,4}(?:\.\d{1,3})?$/.test(text) ? Number(text) : 0
  if (seconds > 0 && seconds <= profileSecondsMax) return seconds
  throw new Problem('bad-request', `seconds must be more than 0 and at most ${profileSecondsMax}, not '${text}'`)
}

function sendJson(response: ServerResponse, status: number, value: unknown, type = 'application/json'): void {
  send(response, status, type, `${JSON.stringify(value)}\n`)
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  const bytes = Buffer.from(body)
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Length': bytes.length,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  })
  response.end(bytes)
}

function sendPage(response: ServerResponse): void {
  const { html, policy } = dashboardPage()
  response.setHeader('Content-Security-Policy', policy)
  response.setHeader('Referrer-Policy', 'no-referrer')
  response.setHeader('X-Frame-Options', 'DENY')
  send(response, 200, 'text/html; charset=utf-8', html)
}

function sendDownload(response: ServerResponse, name: string): void {
  response.writeHead(200, {
    'Content-Type': 'application/json',
    'Content-Disposition': `attachment; filename="${name}"`,
    'Cache-Control': 'no-store',
  })
}

function sendProblem(response: ServerResponse, error: unknown): void {
  // Half an answer cannot be taken back; its missing end is what tells the client.
  if (response.headersSent) {
    response.destroy()
    return
  }
  const problem = error instanceof Problem ? error : new Problem('internal', 'see the log of the server')
  if (problem.type === 'unauthorized') response.setHeader('WWW-Authenticate', 'Bearer realm="hornet control"')
  // What is left of a body is not worth reading: the connection ends with this answer.
  if (!response.req.complete) response.setHeader('Connection', 'close')
  sendJson(response, problem.status, problem, 'application/problem+json')
}
