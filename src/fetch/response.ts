/**
 * The `Response` a fetch handler makes. A real one costs 5–20 µs, nearly all of it for wrapping the body in a stream
 * that the server would unwrap at once. So while fetch apps run, `new Response(…)` gives this: it has the real class's
 * prototype above its own, keeps the body as it came, and builds a stream or a Headers only when asked for one.
 */
import { Readable } from 'node:stream'
import { delegateRest } from './delegate.js'
import { FieldKind, fieldsOf, hasKind, headersOf, kindsIn } from './fields.js'

const RealResponse = globalThis.Response
const textType = 'text/plain;charset=UTF-8'
// The lists of the commonest responses, shared by all of them.
const noFields: readonly string[] = []
const textFields: readonly string[] = ['content-type', textType]

export type BodyInit = NonNullable<ConstructorParameters<typeof Response>[0]>

/** A body whose bytes are all known. */
export type BodySource = string | Uint8Array | Blob

// The source behind a stream we made, so that wrapping `response.body` in another Response (as middleware does to
// change a header) does not lose the short way of sending it.
const sources = new WeakMap<ReadableStream, BodySource>()

export class LazyResponse {
  readonly #status: number
  readonly #statusText: string
  readonly #fields: readonly string[]
  #headers: Headers | null = null
  readonly #source: BodySource | null
  #stream: ReadableStream<Uint8Array> | null
  // Node cancels the stream of a real Response that was collected unread; whoever holds the stream holds this too.
  readonly #streamOwner: Response | null

  /** Trusts its arguments; `makeResponse` is the constructor applications see. */
  constructor(
    status: number,
    statusText: string,
    fields: readonly string[],
    source: BodySource | null,
    stream: ReadableStream<Uint8Array> | null,
    streamOwner: Response | null,
  ) {
    this.#status = status
    this.#statusText = statusText
    this.#fields = fields
    this.#source = source
    this.#stream = stream
    this.#streamOwner = streamOwner
  }

  get type(): string {
    return 'default'
  }

  get url(): string {
    return ''
  }

  get redirected(): boolean {
    return false
  }

  get status(): number {
    return this.#status
  }

  get ok(): boolean {
    return this.#status >= 200 && this.#status <= 299
  }

  get statusText(): string {
    return this.#statusText
  }

  get headers(): Headers {
    if (this.#headers === null) this.#headers = headersOf(this.#fields)
    return this.#headers
  }

  get body(): ReadableStream<Uint8Array> | null {
    if (this.#stream === null && this.#source !== null) {
      this.#stream = streamOf(this.#source)
      sources.set(this.#stream, this.#source)
    }
    return this.#stream
  }

  get bodyUsed(): boolean {
    return this.#stream !== null && isDisturbed(this.#stream)
  }

  clone(): Response {
    if (!isUsable(this)) throw new TypeError('Response.clone: Body has already been consumed.')
    let stream: ReadableStream<Uint8Array> | null = null
    if (this.#source === null && this.#stream !== null) [this.#stream, stream] = this.#stream.tee()
    const fields = LazyResponse.fieldsOf(this)
    return asResponse(new LazyResponse(this.#status, this.#statusText, fields, this.#source, stream, this.#streamOwner))
  }

  static isLazyResponse(value: unknown): value is LazyResponse {
    return typeof value === 'object' && value !== null && #source in value
  }

  /** The fields as they stand, changes made through `headers` included. Not for the caller to change. */
  static fieldsOf(response: LazyResponse): readonly string[] {
    return response.#headers === null ? response.#fields : fieldsOf(response.#headers)
  }

  /** The whole body, when it is known. */
  static sourceOf(response: LazyResponse): BodySource | null {
    return response.#source
  }

  /** Whether the body may still be read: nobody has read from its stream or holds a reader. */
  static isUsable(response: LazyResponse): boolean {
    const stream = response.#stream
    return stream === null || !(stream.locked || isDisturbed(stream))
  }

  /** A real Response with the same body and type, to read it by; ours counts as used once that is read. */
  static realOf(response: LazyResponse): Response {
    const stream = response.#stream
    const type = response.headers.get('content-type')
    const init = type === null ? undefined : { headers: { 'content-type': type } }
    if (stream !== null) {
      if (!isUsable(response)) throw new TypeError('Body is unusable: Body has already been read')
      return new RealResponse(stream, init)
    }
    // Safe: every source is a BodyInit.
    const real = new RealResponse(response.#source as BodyInit | null, init)
    response.#stream = real.body
    return real
  }
}

const { realOf, isUsable } = LazyResponse

Object.setPrototypeOf(LazyResponse.prototype, RealResponse.prototype)
Object.defineProperty(LazyResponse.prototype, 'constructor', { value: RealResponse, writable: true })
// Written over public members, so it tells the truth about either class, which the body-only real one does not.
const inspect = Symbol.for('nodejs.util.inspect.custom')
Object.defineProperty(LazyResponse.prototype, inspect, { value: Reflect.get(RealResponse.prototype, inspect) })
delegateRest<LazyResponse, Response>(LazyResponse.prototype, RealResponse.prototype, realOf)
// Reading a used body rejects; it does not throw, as the check in `realOf` would.
for (const name of ['text', 'json', 'arrayBuffer', 'blob', 'formData', 'bytes']) {
  if (!(name in RealResponse.prototype)) continue
  Object.defineProperty(LazyResponse.prototype, name, {
    configurable: true,
    enumerable: true,
    writable: true,
    async value(this: LazyResponse) {
      const real = realOf(this)
      return Reflect.apply(Reflect.get(real, name), real, [])
    },
  })
}

/**
 * What `new Response(body, init)` gives while fetch apps run.
 *
 * @param stringType The content type of a string that brings none.
 * @throws RangeError, TypeError Whatever the real constructor throws for the same arguments.
 */
export function makeResponse(body?: BodyInit | null, init?: ResponseInit, stringType = textType): Response {
  let status = 200
  let statusText = ''
  let fields = noFields
  if (init !== undefined && init !== null) {
    if (LazyResponse.isLazyResponse(init)) {
      status = init.status
      statusText = init.statusText
      fields = LazyResponse.fieldsOf(init)
    } else {
      if (init.status !== undefined) status = init.status
      if (init.statusText !== undefined) statusText = init.statusText
      if (!isPlainStatus(status) || statusText !== '') {
        // Unusual values are judged, and converted, by the real thing.
        const real = new RealResponse(null, { status, statusText })
        status = real.status
        statusText = real.statusText
      }
      if (init.headers !== undefined) fields = fieldsOf(init.headers)
    }
  }
  if (body === undefined || body === null) {
    return asResponse(new LazyResponse(status, statusText, fields, null, null, null))
  }
  // Both real constructions throw, each with its own message.
  if (status === 204 || status === 205 || status === 304) return new RealResponse(body, { status })
  if (typeof body === 'string') return knownResponse(status, statusText, fields, body, stringType)
  if (body instanceof ReadableStream) {
    if (body.locked || isDisturbed(body)) return new RealResponse(body)
    const source = sources.get(body) ?? null
    return asResponse(new LazyResponse(status, statusText, fields, source, body, null))
  }
  // The bytes are copied, as the standard asks: the caller may reuse its buffer while the response waits to be sent.
  if (body instanceof ArrayBuffer) {
    return knownResponse(status, statusText, fields, new Uint8Array(body.slice(0)), null)
  }
  if (ArrayBuffer.isView(body) && body.buffer instanceof ArrayBuffer) {
    const bytes = new Uint8Array(body.buffer, body.byteOffset, body.byteLength)
    return knownResponse(status, statusText, fields, new Uint8Array(bytes), null)
  }
  if (body instanceof Blob) {
    return knownResponse(status, statusText, fields, body, body.type === '' ? null : body.type)
  }
  if (body instanceof URLSearchParams) {
    const type = 'application/x-www-form-urlencoded;charset=UTF-8'
    return knownResponse(status, statusText, fields, body.toString(), type)
  }
  // A form (its boundary is the real class's to choose), an async iterable, or something to be made a string.
  const owner = new RealResponse(body)
  const type = owner.headers.get('content-type')
  return asResponse(new LazyResponse(status, statusText, withType(fields, type), null, owner.body, owner))
}

/** What `Response.json(data, init)` gives while fetch apps run. */
export function makeJsonResponse(data: unknown, init?: ResponseInit): Response {
  const text = JSON.stringify(data)
  if (text === undefined) throw new TypeError('Response.json: the value has no JSON form')
  return makeResponse(text, init, 'application/json')
}

function knownResponse(
  status: number,
  statusText: string,
  fields: readonly string[],
  source: BodySource,
  type: string | null,
): Response {
  return asResponse(new LazyResponse(status, statusText, withType(fields, type), source, null, null))
}

function withType(fields: readonly string[], type: string | null): readonly string[] {
  if (type === null || hasKind(kindsIn(fields), FieldKind.ContentType)) return fields
  if (fields.length === 0 && type === textType) return textFields
  return [...fields, 'content-type', type]
}

function isPlainStatus(status: unknown): boolean {
  return typeof status === 'number' && status >= 200 && status <= 599 && Number.isInteger(status)
}

function streamOf(source: BodySource): ReadableStream<Uint8Array> {
  if (source instanceof Blob) return source.stream() as ReadableStream<Uint8Array>
  return new ReadableStream({
    type: 'bytes',
    pull(controller) {
      // A copy: enqueueing takes the memory away from us, and a clone may still need it.
      const bytes = typeof source === 'string' ? new TextEncoder().encode(source) : source.slice()
      if (bytes.byteLength > 0) controller.enqueue(bytes)
      controller.close()
      controller.byobRequest?.respond(0)
    },
  })
}

function isDisturbed(stream: ReadableStream): boolean {
  // Node's own test takes web streams too, which its types do not say.
  return Readable.isDisturbed(stream as unknown as Readable)
}

function asResponse(response: LazyResponse): Response {
  // Safe: LazyResponse has every member of Response, its prototype included.
  return response as unknown as Response
}
