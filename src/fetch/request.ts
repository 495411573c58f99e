/**
 * The `Request` a fetch handler gets. Making a real one costs 1–8 µs and an AbortController, and most handlers look at
 * `method`, `url` and a header or two; so this stands in for it, with the real class's prototype above its own, and
 * makes the real one when something asks for what only that can give.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { bodyUsedError, readAll, readableBody } from './body.js'
import { delegateRest } from './delegate.js'
import { RequestHeaders } from './headers.js'
import { absoluteUrl, hostOf, isEncrypted } from './url.js'

const RealRequest = globalThis.Request
const RealResponse = globalThis.Response

export class LazyRequest {
  readonly #req: IncomingMessage
  readonly #res: ServerResponse
  readonly #url: string
  #headers: RequestHeaders | null = null
  #abort: AbortController | null = null
  #real: Request | null = null
  #isConsumed = false

  /** @throws RequestTargetError when the target and Host make no URL. */
  constructor(req: IncomingMessage, res: ServerResponse) {
    this.#req = req
    this.#res = res
    this.#url = absoluteUrl(req.url ?? '/', hostOf(req), isEncrypted(req))
  }

  get method(): string {
    return this.#req.method ?? 'GET'
  }

  get url(): string {
    return this.#url
  }

  get headers(): Headers {
    if (this.#headers === null) this.#headers = new RequestHeaders(this.#req)
    // Safe: RequestHeaders has every member of Headers, its prototype included.
    return this.#headers as unknown as Headers
  }

  /** Aborted when the client leaves before the response was finished. */
  get signal(): AbortSignal {
    if (this.#abort === null) {
      const abort = new AbortController()
      const res = this.#res
      const handleClose = () => {
        if (!res.writableFinished) abort.abort()
      }
      this.#abort = abort
      if (res.destroyed || res.closed) handleClose()
      else res.once('close', handleClose)
    }
    return this.#abort.signal
  }

  get body(): Request['body'] {
    return hasBody(this.#req) ? realOf(this).body : null
  }

  get bodyUsed(): boolean {
    return this.#isConsumed || (this.#real?.bodyUsed ?? false)
  }

  async text(): Promise<string> {
    return decode(await takeBody(this))
  }

  async json(): Promise<unknown> {
    return JSON.parse(decode(await takeBody(this)))
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    const { buffer, byteOffset, byteLength } = await takeBody(this)
    // Small Buffers are windows on a shared pool; the caller must get memory of its own. Safe: never a shared buffer.
    return byteLength === buffer.byteLength
      ? (buffer as ArrayBuffer)
      : (buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer)
  }

  async bytes(): Promise<Uint8Array> {
    return new Uint8Array(await this.arrayBuffer())
  }

  async blob(): Promise<Blob> {
    return (await asResponse(this)).blob()
  }

  async formData(): Promise<FormData> {
    return (await asResponse(this)).formData()
  }

  clone(): Request {
    return usableRealOf(this).clone()
  }

  /** The real Request behind `request`, made on first need. From then on it owns the body. */
  static realOf(request: LazyRequest): Request {
    if (request.#real === null) {
      const { method, headers, signal } = request
      const init: RequestInit = {
        // The class refuses TRACE; `method` above still says it.
        method: method === 'TRACE' ? 'GET' : method,
        headers,
        signal,
      }
      if (!request.#isConsumed && hasBody(request.#req)) {
        init.body = readableBody(request.#req, request.#res)
        init.duplex = 'half'
      }
      const real = new RealRequest(request.#url, init)
      RequestHeaders.moveTo(headers as unknown as RequestHeaders, real.headers)
      request.#real = real
    }
    return request.#real
  }

  /** As realOf, for what needs the body: throws when that was read without making a real Request. */
  static usableRealOf(request: LazyRequest): Request {
    if (request.#isConsumed) throw bodyUsedError()
    return realOf(request)
  }

  /** The whole body, read past every stream when nothing else has touched it. */
  static async takeBody(request: LazyRequest): Promise<Buffer> {
    if (request.#isConsumed) throw bodyUsedError()
    if (request.#real !== null) return Buffer.from(await request.#real.arrayBuffer())
    if (!hasBody(request.#req)) return noBytes
    request.#isConsumed = true
    return readAll(request.#req)
  }

  static isLazyRequest(value: unknown): value is LazyRequest {
    return typeof value === 'object' && value !== null && #req in value
  }
}

const { realOf, usableRealOf, takeBody } = LazyRequest
const noBytes = Buffer.alloc(0)

/** What the body's bytes and type say, as something that can parse itself. */
async function asResponse(request: LazyRequest): Promise<Response> {
  const type = request.headers.get('content-type')
  const bytes = await takeBody(request)
  return new RealResponse(bytes, type === null ? undefined : { headers: { 'content-type': type } })
}

/** Whether the request announced a body (RFC 9112 §6.3) that a Request may have: GET and HEAD have none. */
function hasBody({ method, headers }: IncomingMessage): boolean {
  if (method === 'GET' || method === 'HEAD' || method === 'TRACE') return false
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

function decode(bytes: Buffer): string {
  const hasByteOrderMark = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf
  return bytes.toString('utf8', hasByteOrderMark ? 3 : 0)
}

Object.setPrototypeOf(LazyRequest.prototype, RealRequest.prototype)
Object.defineProperty(LazyRequest.prototype, 'constructor', { value: RealRequest, writable: true })
if (!('bytes' in RealRequest.prototype)) Reflect.deleteProperty(LazyRequest.prototype, 'bytes')
delegateRest<LazyRequest, Request>(LazyRequest.prototype, RealRequest.prototype, realOf)
