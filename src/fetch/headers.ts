/**
 * `request.headers` without the price of a Headers object: `get` and `has` read the fields as they arrived, and
 * anything else makes the real Headers first (1–2 µs for a browser's worth of fields; most handlers ask for one or two).
 */
import type { IncomingMessage } from 'node:http'
import { delegateRest } from './delegate.js'

const RealHeaders = globalThis.Headers
// A token (RFC 9110 §5.6.2). Others make the real Headers throw, as they should.
const token = /^[!#$%&'*+\-.^_`|~\w]+$/

export class RequestHeaders {
  readonly #req: IncomingMessage
  #real: Headers | null = null

  constructor(req: IncomingMessage) {
    this.#req = req
  }

  get(name: string): string | null {
    if (this.#real !== null || typeof name !== 'string' || !token.test(name)) return realHeaders(this).get(name)
    const { rawHeaders } = this.#req
    const { length } = name
    let lowerName = ''
    let found: string | null = null
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const rawName = rawHeaders[i]
      if (rawName.length !== length) continue
      if (rawName !== name) {
        if (lowerName === '') lowerName = name.toLowerCase()
        if (rawName.toLowerCase() !== lowerName) continue
      }
      if (found === null) found = rawHeaders[i + 1]
      else return realHeaders(this).get(name)
    }
    return found
  }

  has(name: string): boolean {
    return this.#real !== null ? this.#real.has(name) : this.get(name) !== null
  }

  /** The Headers behind `headers`, made on first need; from then on it holds the state. */
  static realOf(headers: RequestHeaders): Headers {
    if (headers.#real === null) {
      const real = new RealHeaders()
      const { rawHeaders } = headers.#req
      for (let i = 0; i < rawHeaders.length; i += 2) real.append(rawHeaders[i], rawHeaders[i + 1])
      headers.#real = real
    }
    return headers.#real
  }

  /** Lets `real`, a copy some other object made, hold the state from now on. */
  static moveTo(headers: RequestHeaders, real: Headers): void {
    headers.#real = real
  }
}

const realHeaders = RequestHeaders.realOf

Object.defineProperty(RequestHeaders.prototype, 'constructor', { value: RealHeaders })
Object.setPrototypeOf(RequestHeaders.prototype, RealHeaders.prototype)
delegateRest<RequestHeaders, Headers>(RequestHeaders.prototype, RealHeaders.prototype, realHeaders)
