/**
 * Runs a fetch handler behind Node's `(req, res)`, which is all it knows of the server: ours and `node:http` alike.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { LazyRequest } from './request.js'
import { isResponse, sendResponse } from './send.js'
import { RequestTargetError } from './url.js'

/** What a handler gets besides the request, under the names Hono's helpers for Node look for. */
export interface FetchEnv {
  incoming: IncomingMessage
  outgoing: ServerResponse
}

/** The third argument of handlers written for workers at the edge. */
export interface FetchContext {
  /** Watches work that goes on after the response, so that its failure is reported and not fatal. */
  waitUntil(work: unknown): void
  passThroughOnException(): void
}

export type FetchHandler = (request: Request, env: FetchEnv, context: FetchContext) => Response | Promise<Response>

export interface ToListenerOptions {
  /** Told of a failure in work given to `waitUntil`. Default: written to stderr. */
  onBackgroundError?: (error: unknown) => void
}

/**
 * Makes a Node listener of a fetch handler.
 *
 * @returns A listener that returns nothing when the response was sent in its turn, else a promise. When the handler
 *   fails, the client has its answer (500, or a cut connection when the head was out) before the listener throws or
 *   rejects with the handler's error: the caller has only to report it.
 */
export function toListener(
  fetch: FetchHandler,
  options: ToListenerOptions = {},
): (req: IncomingMessage, res: ServerResponse) => Promise<void> | undefined {
  const reportError = options.onBackgroundError ?? console.error
  const context: FetchContext = {
    waitUntil(work) {
      Promise.resolve(work).catch(reportError)
    },
    passThroughOnException() {},
  }

  return function fetchListener(req, res) {
    let request: LazyRequest
    try {
      request = new LazyRequest(req, res)
    } catch (error) {
      if (!(error instanceof RequestTargetError)) throw error
      refuse(res)
      return undefined
    }
    try {
      // Safe: LazyRequest has every member of Request, its prototype included.
      const result: unknown = fetch(request as unknown as Request, { incoming: req, outgoing: res }, context)
      if (isThenable(result)) return finish(result, req, res)
      if (!isResponse(result)) throw notAResponse(result, req)
      const sending = sendResponse(result, req, res)
      return sending === undefined ? undefined : finish(undefined, req, res, sending)
    } catch (error) {
      fail(res)
      throw error
    }
  }
}

/** Waits for the handler, or for the sending of what it gave at once. */
async function finish(
  result: PromiseLike<unknown> | undefined,
  req: IncomingMessage,
  res: ServerResponse,
  sending?: Promise<void>,
): Promise<void> {
  try {
    if (sending !== undefined) return await sending
    const response = await result
    if (!isResponse(response)) throw notAResponse(response, req)
    await sendResponse(response, req, res)
  } catch (error) {
    fail(res)
    throw error
  }
}

function refuse(res: ServerResponse): void {
  res.writeHead(400, { Connection: 'close', 'Content-Type': 'text/plain', 'Content-Length': 12 })
  res.end('Bad Request\n')
}

function fail(res: ServerResponse): void {
  if (res.headersSent) {
    // Too late for a status: a connection cut before the last chunk is how the client can tell.
    if (!res.writableFinished) res.destroy()
    return
  }
  for (const name of res.getHeaderNames()) res.removeHeader(name)
  res.writeHead(500, { 'Content-Type': 'text/plain', 'Content-Length': 22 })
  res.end('Internal Server Error\n')
}

function notAResponse(value: unknown, { method, url }: IncomingMessage): TypeError {
  const kind = value === null ? 'null' : typeof value === 'object' ? `a ${value.constructor?.name}` : typeof value
  return new TypeError(`The fetch handler gave ${kind} for ${method} ${url}; it must give a Response`)
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
