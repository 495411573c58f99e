/**
 * An HTTP/1.1 client that hides nothing: the test writes the very bytes and reads back the very bytes, one response at
 * a time, over a connection it can see closing.
 */
import { once } from 'node:events'
import { connect as connectSocket, type Socket } from 'node:net'
import { within } from './deadline.js'

export type Target = { port: number; host?: string } | { path: string }

export interface RawResponse {
  version: string
  status: number
  reason: string
  /** As received: names in their case, in order. */
  rawHeaders: [name: string, value: string][]
  /** By lower-case name; repeated fields are joined with ", ". */
  headers: Record<string, string>
  body: Buffer
  text: string
  rawTrailers: [name: string, value: string][]
  /** The 1xx responses that came first. */
  informational: { status: number; rawHeaders: [name: string, value: string][] }[]
  /** How the body's end was known. */
  framing: 'none' | 'length' | 'chunked' | 'close'
}

export interface ReadOptions {
  /** Method of the request: a response to HEAD has no body, one to CONNECT neither. */
  method?: string
  ms?: number
}

/** Opens a connection. */
export async function connect(target: Target, ms?: number): Promise<RawConnection> {
  // Member by member: a target may be a whole Hornet, with members that mean something else to net.connect.
  const socket =
    'path' in target
      ? connectSocket(target.path)
      : connectSocket({ host: target.host ?? '127.0.0.1', port: target.port })
  const where = 'path' in target ? target.path : `port ${target.port}`
  try {
    await within(once(socket, 'connect'), `connection to ${where}`, ms)
  } catch (error) {
    socket.destroy()
    throw error
  }
  return new RawConnection(socket)
}

/** One connection, one request, one response; the connection is closed afterwards. */
export async function request(target: Target, bytes: string | Buffer, options?: ReadOptions): Promise<RawResponse> {
  const connection = await connect(target, options?.ms)
  try {
    connection.write(bytes)
    const method = options?.method ?? /^[A-Z]+(?= )/.exec(bytes.toString('latin1'))?.[0]
    return await connection.readResponse({ ...options, method })
  } finally {
    connection.destroy()
  }
}

/** `GET path`, with a Host field and whatever `headers` add. */
export function get(
  target: Target,
  path = '/',
  headers: Record<string, string> = {},
  options?: ReadOptions,
): Promise<RawResponse> {
  return request(target, message('GET', path, headers), options)
}

/** The bytes of a request. A body gets a Content-Length unless `headers` frame it. */
export function message(
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body?: string | Buffer,
): Buffer {
  const fields: Record<string, string> = { Host: 'localhost', ...headers }
  const names = Object.keys(fields).map((name) => name.toLowerCase())
  if (body !== undefined && !names.includes('content-length') && !names.includes('transfer-encoding')) {
    fields['Content-Length'] = String(Buffer.byteLength(body))
  }
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`)
  const head = Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1')
  return body === undefined ? head : Buffer.concat([head, Buffer.from(body)])
}

/** One client connection. Bytes that arrived and were not read yet wait in it. */
export class RawConnection {
  /** How the server left: `'open'` until it did, then end of file, or the code of the socket error (`ECONNRESET`…). */
  state: 'open' | 'ended' | { error: string } = 'open'
  readonly socket: Socket
  #pending: Buffer[] = []
  #pendingBytes = 0
  #wake: (() => void) | undefined

  constructor(socket: Socket) {
    this.socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => {
      this.#pending.push(chunk)
      this.#pendingBytes += chunk.length
      this.#rouse()
    })
    socket.on('end', () => {
      if (this.state === 'open') this.state = 'ended'
      this.#rouse()
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.state = { error: error.code ?? error.message }
      this.#rouse()
    })
    socket.on('close', () => {
      if (this.state === 'open') this.state = 'ended'
      this.#rouse()
    })
  }

  /** A string is written as latin1: one character, one byte. */
  write(bytes: string | Buffer): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  }

  /** Half-closes: the server sees end of file, and its answer can still be read. */
  end(): void {
    this.socket.end()
  }

  /** Stops reading, so that the server's sends fill the socket buffers. */
  pause(): void {
    this.socket.pause()
  }

  resume(): void {
    this.socket.resume()
  }

  destroy(): void {
    this.socket.destroy()
  }

  /**
   * Leaves by a reset, at once. Node's resetAndDestroy() ends the stream first; when the reset comes while that end is on
   * its way, libuv refuses it (EINVAL), the handle is never closed, and the process does not end.
   */
  reset(): void {
    const { socket } = this
    const { _handle: handle } = socket as Socket & { _handle?: { reset(closed: () => void): number } | null }
    const isEnding = socket.writableEnded && !socket.writableFinished
    if (!isEnding) handle?.reset(() => {})
    socket.destroy()
  }

  /** Bytes that arrived and were not read yet. */
  get buffered(): Buffer {
    return this.#peek()
  }

  /** Reads the next final response, and the 1xx ones before it. Fails when the connection ends within it. */
  readResponse({ method = 'GET', ms }: ReadOptions = {}): Promise<RawResponse> {
    return within(this.#readResponse(method), `response to ${method}`, ms, () => this.#describe())
  }

  /** Reads up to and including `marker`. */
  readUntil(marker: string, ms?: number): Promise<Buffer> {
    const bytes = Buffer.from(marker, 'latin1')
    return within(this.#takeThrough(bytes), `${JSON.stringify(marker)}`, ms, () => this.#describe())
  }

  readBytes(count: number, ms?: number): Promise<Buffer> {
    return within(this.#take(count), `${count} bytes`, ms, () => this.#describe())
  }

  /** Reads until the server closes; a reset is a failure, since it may have cost bytes. */
  readToEnd(ms?: number): Promise<Buffer> {
    return within(this.#takeAll(), 'end of the connection', ms, () => this.#describe())
  }

  async #readResponse(method: string): Promise<RawResponse> {
    const informational: RawResponse['informational'] = []
    for (;;) {
      const head = (await this.#takeThrough(headEnd)).toString('latin1')
      const [statusLine = '', ...fieldLines] = head.slice(0, -4).split('\r\n')
      const match = /^HTTP\/(\d\.\d) (\d{3}) (.*)$/.exec(statusLine)
      if (match === null) throw new Error(`not a status line: ${JSON.stringify(statusLine)}`)
      const status = Number(match[2])
      const rawHeaders = fieldLines.map(parseField)
      if (status >= 100 && status < 200 && status !== 101) {
        informational.push({ status, rawHeaders })
        continue
      }
      const headers = joinFields(rawHeaders)
      const { framing, body, rawTrailers } = await this.#readBody(method, status, headers)
      return {
        version: match[1] ?? '',
        status,
        reason: match[3] ?? '',
        rawHeaders,
        headers,
        body,
        text: body.toString('utf8'),
        rawTrailers,
        informational,
        framing,
      }
    }
  }

  async #readBody(
    method: string,
    status: number,
    headers: Record<string, string>,
  ): Promise<Pick<RawResponse, 'framing' | 'body' | 'rawTrailers'>> {
    const isBodiless = method === 'HEAD' || status === 101 || status === 204 || status === 304
    if (isBodiless || (method === 'CONNECT' && status < 300))
      return { framing: 'none', body: Buffer.alloc(0), rawTrailers: [] }
    const coding = headers['transfer-encoding']
    const length = headers['content-length']
    if (coding !== undefined && length !== undefined) throw new Error('both Transfer-Encoding and Content-Length')
    if (coding?.toLowerCase() === 'chunked') return { framing: 'chunked', ...(await this.#readChunked()) }
    if (coding !== undefined) throw new Error(`unknown transfer coding: ${coding}`)
    if (length === undefined) return { framing: 'close', body: await this.#takeAll(), rawTrailers: [] }
    if (!/^\d+$/.test(length)) throw new Error(`bad Content-Length: ${length}`)
    return { framing: 'length', body: await this.#take(Number(length)), rawTrailers: [] }
  }

  async #readChunked(): Promise<Pick<RawResponse, 'body' | 'rawTrailers'>> {
    const chunks: Buffer[] = []
    for (;;) {
      const line = (await this.#takeThrough(lineEnd)).toString('latin1').slice(0, -2)
      if (!/^[0-9a-fA-F]+$/.test(line)) throw new Error(`bad chunk size: ${JSON.stringify(line)}`)
      const size = Number.parseInt(line, 16)
      if (size === 0) break
      chunks.push(await this.#take(size))
      const end = await this.#take(2)
      if (!end.equals(lineEnd))
        throw new Error(`chunk does not end in CRLF but in ${JSON.stringify(end.toString('latin1'))}`)
    }
    const rawTrailers: [string, string][] = []
    for (;;) {
      const line = (await this.#takeThrough(lineEnd)).toString('latin1').slice(0, -2)
      if (line === '') return { body: Buffer.concat(chunks), rawTrailers }
      rawTrailers.push(parseField(line))
    }
  }

  async #takeThrough(marker: Buffer): Promise<Buffer> {
    for (let searched = 0; ; ) {
      const bytes = this.#peek()
      const at = bytes.indexOf(marker, Math.max(0, searched - marker.length + 1))
      if (at !== -1) return this.#take(at + marker.length)
      searched = bytes.length
      await this.#more()
    }
  }

  async #take(count: number): Promise<Buffer> {
    while (this.#pendingBytes < count) await this.#more()
    const bytes = this.#peek()
    this.#pending = bytes.length > count ? [bytes.subarray(count)] : []
    this.#pendingBytes -= count
    return bytes.subarray(0, count)
  }

  async #takeAll(): Promise<Buffer> {
    while (this.state === 'open') await this.#change()
    if (this.state !== 'ended') throw new Error(`the connection broke (${this.state.error})\n${this.#describe()}`)
    return this.#take(this.#pendingBytes)
  }

  /** Waits for one more chunk; fails when none can come. */
  async #more(): Promise<void> {
    const before = this.#pendingBytes
    while (this.#pendingBytes === before) {
      if (this.state === 'ended') throw new Error(`the connection ended\n${this.#describe()}`)
      if (this.state !== 'open') throw new Error(`the connection broke (${this.state.error})\n${this.#describe()}`)
      await this.#change()
    }
  }

  #change(): Promise<void> {
    return new Promise((settle) => {
      this.#wake = settle
    })
  }

  #rouse(): void {
    this.#wake?.()
    this.#wake = undefined
  }

  #peek(): Buffer {
    if (this.#pending.length > 1) this.#pending = [Buffer.concat(this.#pending)]
    return this.#pending[0] ?? Buffer.alloc(0)
  }

  #describe(): string {
    const bytes = this.#peek()
    const state = typeof this.state === 'string' ? this.state : this.state.error
    return `connection: ${state}; ${bytes.length} unread bytes: ${JSON.stringify(bytes.toString('latin1', 0, 400))}`
  }
}

const headEnd = Buffer.from('\r\n\r\n')
const lineEnd = Buffer.from('\r\n')

function parseField(line: string): [string, string] {
  const match = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*$/.exec(line)
  if (match === null) throw new Error(`not a field line: ${JSON.stringify(line)}`)
  return [match[1] ?? '', match[2] ?? '']
}

function joinFields(fields: [string, string][]): Record<string, string> {
  const joined: Record<string, string> = Object.create(null)
  for (const [name, value] of fields) {
    const key = name.toLowerCase()
    joined[key] = key in joined ? `${joined[key]}, ${value}` : value
  }
  return joined
}
