/**
 * The absolute URL of a request, as `Request.url` promises it: already in the form the URL parser would give. Most
 * targets are in that form when they arrive, so the parser runs only for the others.
 */
import type { IncomingMessage } from 'node:http'
import { type Exchange, exchangeOf } from '../http/exchange.js'
import { REQUEST_FLAG_ENCRYPTED } from '../seam/records.js'

/** The client sent a host or target no URL can be made of: 400, and the application never sees it. */
export class RequestTargetError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'RequestTargetError'
  }
}

// Characters the URL parser leaves alone in a path and, for the second part, in a query (a query loses its quotes).
const plainTarget = /^\/[\w\-.~!$&'()*+,;=:@/%]*(?:\?[\w\-.~!$&()*+,;=:@/?%]*)?$/
// What may be a dot segment, spelt out or percent-encoded, which the parser resolves.
const maybeDotSegment = /\/(?:\.|%2e)/i
// RFC 9110 §7.2 with the host of RFC 3986: nothing that would move the authority's end (`/?#@\`).
const hostGrammar = /^(?:[\w\-.~!$&'()*+,;=%]+|\[[\da-fA-F:.]+\])(?::\d{0,5})?$/

// A server sees few names. Bounded, because a client can invent as many as it likes.
const originsMax = 256
const httpOrigins = new Map<string, string>()
const httpsOrigins = new Map<string, string>()

// The last ones by themselves: comparing a dozen characters is cheaper than hashing them for the map.
let lastHost = ''
let lastOrigin = ''
let lastIsEncrypted = false

/** The scheme and authority for a Host field, parsed once per distinct value. */
function originOf(host: string, isEncrypted: boolean): string {
  if (host !== lastHost || isEncrypted !== lastIsEncrypted) {
    lastOrigin = learnOrigin(host, isEncrypted)
    lastHost = host
    lastIsEncrypted = isEncrypted
  }
  return lastOrigin
}

function learnOrigin(host: string, isEncrypted: boolean): string {
  const origins = isEncrypted ? httpsOrigins : httpOrigins
  const known = origins.get(host)
  if (known !== undefined) return known
  if (!hostGrammar.test(host)) throw new RequestTargetError(`Invalid Host ${JSON.stringify(host)}`)
  const { origin } = parseUrl(`${isEncrypted ? 'https' : 'http'}://${host}`)
  if (origins.size >= originsMax) origins.clear()
  origins.set(host, origin)
  return origin
}

/**
 * @param target The request target as received: origin form, absolute form or `*`.
 * @throws RequestTargetError when the two do not make a URL.
 */
export function absoluteUrl(target: string, host: string, isEncrypted: boolean): string {
  if (target.charCodeAt(0) === 0x2f /* / */) {
    const url = originOf(host, isEncrypted) + target
    if (plainTarget.test(target) && !maybeDotSegment.test(target)) return url
    return parseUrl(originOf(host, isEncrypted) + asciiTarget(target)).href
  }
  // A server-wide OPTIONS has no path of its own; `/*` is what is left once a URL must have one.
  if (target === '*') return `${originOf(host, isEncrypted)}/*`
  // RFC 9112 §3.2.2: the absolute form overrides the Host field.
  if (/^https?:\/\/[^/?#@\\]+(?:[/?#]|$)/i.test(target)) return parseUrl(asciiTarget(target)).href
  throw new RequestTargetError(`Invalid request target ${JSON.stringify(target)}`)
}

/** The name the client used for us; HTTP/1.0 need not send one, and then the socket's own address stands in. */
export function hostOf(req: IncomingMessage): string {
  const exchange = exchangeOf(req)
  const host = exchange === undefined ? hostInHeaders(req.rawHeaders) : hostInText(exchange)
  return host || localHostOf(req)
}

/** Whether the connection is encrypted; asked of our own requests without waking a socket object for it. */
export function isEncrypted(req: IncomingMessage): boolean {
  const exchange = exchangeOf(req)
  if (exchange !== undefined) return (exchange.flags & REQUEST_FLAG_ENCRYPTED) !== 0
  return 'encrypted' in req.socket && req.socket.encrypted === true
}

function hostInHeaders(rawHeaders: string[]): string {
  for (let i = 0; i < rawHeaders.length; i += 2) if (isHost(rawHeaders[i])) return rawHeaders[i + 1]
  return ''
}

/** The same, without cutting up the text: most requests need no other field, and Host is mostly the first. */
function hostInText({ text, targetLength, headerCount }: Exchange): string {
  let start = targetLength + 1
  for (let field = 0; field < headerCount; field++) {
    const nameEnd = text.indexOf('\0', start)
    const valueEnd = text.indexOf('\0', nameEnd + 1)
    if (nameEnd - start === 4 && isHost(text.slice(start, nameEnd))) return text.slice(nameEnd + 1, valueEnd)
    start = valueEnd + 1
  }
  return ''
}

function isHost(name: string): boolean {
  return name === 'Host' || name === 'host' || (name.length === 4 && name.toLowerCase() === 'host')
}

function localHostOf({ socket }: IncomingMessage): string {
  const { localAddress, localPort } = socket
  if (localAddress === undefined || localPort === undefined) return 'localhost'
  return `${localAddress.includes(':') ? `[${localAddress}]` : localAddress}:${localPort}`
}

/**
 * Percent-encodes what the URL parser would read differently from the server: a backslash in the path (it takes it for
 * a slash), `#` (a target has no fragment) and octets above 127 (it would encode their latin1 reading as UTF-8).
 */
function asciiTarget(target: string): string {
  const pathEnd = target.indexOf('?')
  return target.replace(/[\\#\u0080-\u00ff]/g, (char, at: number) =>
    char === '\\' && pathEnd !== -1 && at > pathEnd ? char : `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

function parseUrl(text: string): URL {
  try {
    return new URL(text)
  } catch (cause) {
    throw new RequestTargetError(`Not a URL: ${JSON.stringify(text)}`, { cause })
  }
}
