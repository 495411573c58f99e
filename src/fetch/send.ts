/**
 * Writes a Response to the Node response. A body whose bytes are known leaves in one `writeHead` and one `end`, in the
 * caller's own turn; a stream is pumped at the pace of the socket and cancelled when the client leaves.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { FieldKind, fieldsOf, hasKind, kindOf, kindsIn } from './fields.js'
import { type BodySource, LazyResponse } from './response.js'

/** What a handler may return: ours, Node's own, or one of another implementation with the same face. */
type AnyResponse = Response | LazyResponse

export function isResponse(value: unknown): value is AnyResponse {
  if (typeof value !== 'object' || value === null) return false
  if (LazyResponse.isLazyResponse(value) || value instanceof Response) return true
  return (
    'status' in value &&
    typeof value.status === 'number' &&
    'headers' in value &&
    typeof value.headers === 'object' &&
    value.headers !== null &&
    Symbol.iterator in value.headers &&
    'body' in value
  )
}

/**
 * @returns Nothing when the whole response was handed over at once, else a promise of that.
 * @throws, rejects TypeError when the body cannot be sent; whatever the body's stream failed with. The Node response is
 *   then as far as it got.
 */
export function sendResponse(
  response: AnyResponse,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> | undefined {
  const isLazy = LazyResponse.isLazyResponse(response)
  let fields: readonly string[] = isLazy ? LazyResponse.fieldsOf(response) : fieldsOf(response.headers)
  // The handler has answered through the Node response it was given as `env.outgoing`, or says that it will.
  if (res.headersSent || res.writableEnded || hasKind(kindsIn(fields), FieldKind.AlreadySent))
    return cancelBody(response)

  const { status } = response
  if (status < 200 || status > 999) throw new TypeError(`A response with status ${status} cannot be sent`)
  if (!isLazy && response.url) fields = fieldsOfFetched(fields)

  const source = isLazy ? LazyResponse.sourceOf(response) : null
  if (source !== null && isLazy) {
    if (!LazyResponse.isUsable(response)) throw usedError()
    if (source instanceof Blob) {
      const framed = withLength(fields, source.size)
      return sendStream(req, res, status, response.statusText, framed, source.stream() as ReadableStream<Uint8Array>)
    }
    const length = typeof source === 'string' ? Buffer.byteLength(source) : source.byteLength
    sendWhole(req, res, status, response.statusText, withLength(fields, length), source)
    return undefined
  }

  const stream = response.body
  if (stream === null || stream === undefined) {
    // HEAD may describe a body that is not here. 204 and 304 have none, and say so by their status (RFC 9110 §8.6).
    const isSilent = req.method === 'HEAD' || status === 204 || status === 304
    sendWhole(req, res, status, response.statusText, isSilent ? withoutFraming(fields) : withLength(fields, 0), null)
    return undefined
  }
  if (response.bodyUsed || stream.locked) throw usedError()
  return sendStream(req, res, status, response.statusText, withoutFraming(fields), stream)
}

function writeHead(res: ServerResponse, status: number, statusText: string, fields: readonly string[]): void {
  // Node takes lists, and leaves them as they are; its types have not heard of the latter.
  const list = fields as string[]
  if (statusText === '') res.writeHead(status, list)
  else res.writeHead(status, statusText, list)
}

function sendWhole(
  req: IncomingMessage,
  res: ServerResponse,
  status: number,
  statusText: string,
  fields: readonly string[],
  body: Exclude<BodySource, Blob> | null,
): void {
  writeHead(res, status, statusText, fields)
  if (body === null || req.method === 'HEAD') res.end()
  else res.end(body)
}

async function sendStream(
  req: IncomingMessage,
  res: ServerResponse,
  status: number,
  statusText: string,
  fields: readonly string[],
  stream: ReadableStream<Uint8Array>,
): Promise<void> {
  if (req.method === 'HEAD') {
    writeHead(res, status, statusText, fields)
    res.end()
    return stream.cancel()
  }

  const reader = stream.getReader()
  let wake: (() => void) | null = null
  const handleDrain = () => {
    wake?.()
    wake = null
  }
  const handleClose = () => {
    // A pending read ends with this too. What the source says to it no longer matters to anyone.
    if (!res.writableFinished) reader.cancel(new Error('The client left before the response ended')).catch(ignore)
    handleDrain()
  }
  res.on('drain', handleDrain)
  res.on('close', handleClose)
  if (res.destroyed) handleClose()

  // Two reads ahead of the head, as long as they cost no waiting: a body of one chunk then goes out with its length.
  let next = reader.read()
  let isStarted = false
  if (await settlesSoon(next)) {
    const first = await next
    if (first.done || hasKind(kindsIn(fields), FieldKind.ContentLength)) {
      next = Promise.resolve(first)
    } else {
      next = reader.read()
      if ((await settlesSoon(next)) && (await next).done) {
        sendWhole(req, res, status, statusText, withLength(fields, byteLengthOf(first.value)), first.value)
        return
      }
      writeHead(res, status, statusText, fields)
      isStarted = true
      if (!res.write(first.value) && !res.destroyed) await new Promise<void>((resolve) => (wake = resolve))
    }
    if (first.done) {
      const isSilent = status === 204 || status === 304 || hasKind(kindsIn(fields), FieldKind.ContentLength)
      sendWhole(req, res, status, statusText, isSilent ? fields : withLength(fields, 0), null)
      return
    }
  }
  if (!isStarted) {
    writeHead(res, status, statusText, fields)
    res.flushHeaders()
  }
  for (;;) {
    const { done, value } = await next
    if (done) break
    if (!res.write(value) && !res.destroyed) await new Promise<void>((resolve) => (wake = resolve))
    next = reader.read()
  }
  res.end()
}

/** Whether a promise settles before the event loop turns; a few microtasks is what a ready stream takes. */
async function settlesSoon(promise: Promise<unknown>): Promise<boolean> {
  let isSettled = false
  const settle = () => {
    isSettled = true
  }
  promise.then(settle, settle)
  for (let turns = 0; turns < 8 && !isSettled; turns++) await null
  return isSettled
}

function byteLengthOf(chunk: Uint8Array | string): number {
  return typeof chunk === 'string' ? Buffer.byteLength(chunk) : chunk.byteLength
}

async function cancelBody(response: AnyResponse): Promise<void> {
  if (!response.bodyUsed) await response.body?.cancel()
}

/** The fields with the length we know in place of whatever they said, and without the framing that is the server's. */
function withLength(fields: readonly string[], length: number): string[] {
  const kinds = kindsIn(fields)
  const isFramed = hasKind(kinds, FieldKind.TransferEncoding) || hasKind(kinds, FieldKind.ContentLength)
  const others = isFramed ? without(fields, isFraming) : fields
  return [...others, 'Content-Length', String(length)]
}

function isFraming(kind: FieldKind | null): boolean {
  return kind === FieldKind.TransferEncoding || kind === FieldKind.ContentLength
}

function withoutFraming(fields: readonly string[]): readonly string[] {
  if (!hasKind(kindsIn(fields), FieldKind.TransferEncoding)) return fields
  return without(fields, (kind) => kind === FieldKind.TransferEncoding)
}

/**
 * The fields of a response that came from `fetch()`, fit to be passed on: its connection was another one, and its body
 * has been decoded on the way, so its coding and length no longer hold.
 */
function fieldsOfFetched(fields: readonly string[]): readonly string[] {
  let isDecoded = false
  for (let i = 0; i < fields.length; i += 2) {
    if (kindOf(fields[i]) === FieldKind.ContentEncoding && /^\s*(?:x-gzip|gzip|deflate|br)\b/i.test(fields[i + 1])) {
      isDecoded = true
    }
  }
  return without(fields, (kind) => {
    if (kind === FieldKind.Connection || kind === FieldKind.KeepAlive) return true
    return isDecoded && (kind === FieldKind.ContentEncoding || kind === FieldKind.ContentLength)
  })
}

function without(fields: readonly string[], isUnwanted: (kind: FieldKind | null) => boolean): string[] {
  const kept: string[] = []
  for (let i = 0; i < fields.length; i += 2) {
    if (!isUnwanted(kindOf(fields[i]))) kept.push(fields[i], fields[i + 1])
  }
  return kept
}

function usedError(): TypeError {
  return new TypeError('The body of the Response was used before it was returned')
}

function ignore(): void {}
