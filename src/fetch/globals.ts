/**
 * Puts the stand-ins of response.ts and request.ts behind the global names. `Response.prototype` and
 * `Request.prototype` stay the real ones, so `instanceof` holds for both sorts, whoever made them.
 */
import { LazyRequest } from './request.js'
import { type BodyInit, LazyResponse, makeJsonResponse, makeResponse } from './response.js'

const RealRequest = globalThis.Request
const RealResponse = globalThis.Response
const realFetch = globalThis.fetch

let isInstalled = false

/** Affects the thread it is called in, for good; a second call does nothing. */
export function installFetchGlobals(): void {
  if (isInstalled) return
  isInstalled = true

  // Functions and not classes, because a class cannot be given a prototype object of our choosing.
  function Response(this: unknown, body?: BodyInit | null, init?: ResponseInit): Response {
    if (new.target === undefined) throw new TypeError("Class constructor Response cannot be invoked without 'new'")
    if (new.target !== (Response as unknown)) return Reflect.construct(RealResponse, [body, init], new.target)
    return makeResponse(body, init)
  }
  takePlaceOf(Response, RealResponse, 0)
  Object.defineProperty(Response, 'json', { configurable: true, writable: true, value: makeJsonResponse })

  function Request(this: unknown, input: unknown, init?: RequestInit): Request {
    if (new.target === undefined) throw new TypeError("Class constructor Request cannot be invoked without 'new'")
    const hasOwnBody = init?.body !== undefined && init.body !== null
    const newTarget = new.target === (Request as unknown) ? RealRequest : new.target
    return Reflect.construct(RealRequest, [realInput(input, hasOwnBody), init], newTarget)
  }
  takePlaceOf(Request, RealRequest, 1)

  async function fetch(input: string | URL | Request, init?: RequestInit): Promise<globalThis.Response> {
    const hasOwnBody = init?.body !== undefined && init.body !== null
    return realFetch(realInput(input, hasOwnBody) as string | URL | globalThis.Request, init)
  }

  LazyResponse.prototype.constructor = Response
  LazyRequest.prototype.constructor = Request
  replaceGlobal('Response', Response)
  replaceGlobal('Request', Request)
  replaceGlobal('fetch', fetch)
}

/** Unwraps one of our requests for the real classes, whose brand checks would refuse it. */
function realInput(input: unknown, hasOwnBody: boolean): unknown {
  if (!LazyRequest.isLazyRequest(input)) return input
  return hasOwnBody ? LazyRequest.realOf(input) : LazyRequest.usableRealOf(input)
}

function takePlaceOf(standIn: object, real: { prototype: object }, length: number): void {
  Object.setPrototypeOf(standIn, real) // static members
  Object.defineProperty(standIn, 'prototype', { value: real.prototype, writable: false })
  Object.defineProperty(standIn, 'length', { value: length, configurable: true })
}

function replaceGlobal(name: 'Response' | 'Request' | 'fetch', value: unknown): void {
  const enumerable = Object.getOwnPropertyDescriptor(globalThis, name)?.enumerable ?? false
  Object.defineProperty(globalThis, name, { configurable: true, enumerable, writable: true, value })
}
