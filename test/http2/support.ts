/**
 * Clients of HTTP/2: one that is Node's own, and one that sends whatever frames it is told to.
 */
import { once } from 'node:events'
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type ClientSessionOptions,
  connect as connectHttp2,
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2'
import type { ConnectionOptions } from 'node:tls'
import { within } from '../support/deadline.js'
import { type Hornet, type HornetOptions, startHornet } from '../support/hornet.js'
import { connectSecurely, type SecureConnection, serverCertificate, type Where } from '../tls/support.js'

export const app = 'test/http2/fixtures/app.mjs'
export const KiB = 1024
export const MiB = 1024 * 1024

/** A server for localhost with one worker, unless `args` say otherwise. */
export function startHttp2(args: string[] = [], options: HornetOptions = {}): Promise<Hornet> {
  return startHornet({ app, ...options, args: ['--workers', '1', ...serverCertificate, ...args] })
}

/** Opens a connection, and closes it with `await using`. */
export async function open(where: Where, options: ClientSessionOptions & ConnectionOptions = {}): Promise<Session> {
  const secure = connectSecurely(where, { ...options, ALPNProtocols: ['h2'] })
  return openOver(await secure, options)
}

/** The same over a connection that is there. */
export async function openOver({ tls }: SecureConnection, options: ClientSessionOptions = {}): Promise<Session> {
  // What came before is of the session, as is all that comes.
  tls.removeAllListeners('data')
  // What waits to be sent counts in its memory, 10 MB by default; beyond it refuses answers.
  const session = connectHttp2('https://localhost', { maxSessionMemory: 200, ...options, createConnection: () => tls })
  session.on('error', () => {})
  await within(once(session, 'connect'), 'session')
  return Object.assign(session, {
    [Symbol.asyncDispose]: async () => session.destroy(),
  })
}

export type Session = ClientHttp2Session & AsyncDisposable

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  /** The 1xx responses that came first. */
  informational: { status: number; headers: IncomingHttpHeaders }[]
  body: Buffer
  text: string
  trailers: IncomingHttpHeaders | undefined
  /** What the server said when it ended the stream: 0, no error. */
  code: number
}

/** One request; a body goes with it unless there is none. Rejects when it ends without a whole answer. */
export async function ask(
  session: ClientHttp2Session,
  path: string,
  headers: OutgoingHttpHeaders = {},
  body?: Buffer | string,
): Promise<Answer> {
  const stream = session.request({ ':path': path, ...headers }, { endStream: body === undefined })
  if (body !== undefined) stream.end(body)
  return answerOf(stream)
}

/** What comes of a request: how far it came, and how it ended. */
export function answerOf(stream: ClientHttp2Stream, ms?: number): Promise<Answer> {
  const answer: Answer = {
    ...{ status: 0, headers: {}, informational: [], body: Buffer.alloc(0), text: '', trailers: undefined, code: 0 },
  }
  const chunks: Buffer[] = []
  const ended = new Promise<Answer>((settle, reject) => {
    let problem: Error | undefined
    stream.on('headers', (headers: IncomingHttpHeaders) => {
      answer.informational.push({ status: Number(headers[':status']), headers })
    })
    stream.on('response', (headers) => {
      answer.headers = headers
      answer.status = Number(headers[':status'])
    })
    stream.on('trailers', (trailers: IncomingHttpHeaders) => {
      answer.trailers = trailers
    })
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('error', (error) => {
      problem = error
    })
    stream.on('close', () => {
      answer.code = stream.rstCode ?? 0
      answer.body = Buffer.concat(chunks)
      answer.text = answer.body.toString()
      if (problem !== undefined || answer.status === 0) {
        reject(new StreamError(answer, problem))
      } else settle(answer)
    })
  })
  return within(ended, 'answer', ms)
}

/** A stream that ended badly; `answer` is what came before. */
export class StreamError extends Error {
  readonly #answer: Answer

  constructor(answer: Answer, cause: unknown) {
    super(`a stream ended with ${answer.code} after status ${answer.status} and ${answer.body.length} bytes`, { cause })
    this.#answer = answer
  }

  /** Not shown with the error: its body may be large. */
  get answer(): Answer {
    return this.#answer
  }
}

/** How a request fails: the code that its stream was reset with. */
export async function resetCode(answer: Promise<Answer>): Promise<number> {
  const failed = await answer.then(
    ({ status }) => new Error(`it was answered: ${status}`),
    (error: unknown) => error,
  )
  if (!(failed instanceof StreamError)) throw failed
  return failed.answer.code
}

/** Waits for the response's head. */
export async function headOf(stream: ClientHttp2Stream): Promise<IncomingHttpHeaders> {
  stream.on('error', () => {})
  const [headers] = (await within(once(stream, 'response'), 'head of a response')) as [IncomingHttpHeaders]
  return headers
}

/** Waits until the server has said that it takes no more streams. */
export async function goAway(session: ClientHttp2Session): Promise<{ code: number; lastStream: number }> {
  const [code, lastStream] = (await within(once(session, 'goaway'), 'GOAWAY')) as [number, number]
  return { code, lastStream }
}

export async function closed(session: ClientHttp2Session): Promise<void> {
  if (!session.destroyed) await within(once(session, 'close'), 'end of the session')
}

// ---- frames ---------------------------------------------------------------------------------------------------------

export const frameType = {
  ...{ data: 0, headers: 1, priority: 2, rstStream: 3, settings: 4, pushPromise: 5, ping: 6, goAway: 7 },
  ...{ windowUpdate: 8, continuation: 9 },
} as const
export const flag = { none: 0, endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 32 } as const
export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
export const {
  NGHTTP2_NO_ERROR: noError,
  NGHTTP2_CANCEL: cancel,
  NGHTTP2_PROTOCOL_ERROR: protocolError,
  NGHTTP2_INTERNAL_ERROR: internalError,
} = constants

export function frame(type: number, flags: number, stream: number, payload: Buffer | string = ''): Buffer {
  const bytes = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : payload
  const head = Buffer.alloc(9)
  head.writeUIntBE(bytes.length, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt8(flags, 4)
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, bytes])
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** Fields as literals that no table takes (RFC 7541 section 6.2.2). */
export function fieldBlock(fields: readonly (readonly [name: string, value: string])[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), literal(name), literal(value)]))
}

function literal(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1')
  const length = [Math.min(bytes.length, 127)]
  if (bytes.length >= 127) {
    let left = bytes.length - 127
    for (; left >= 128; left >>= 7) length.push((left & 127) | 128)
    length.push(left)
  }
  return Buffer.concat([Buffer.from(length), bytes])
}

export function requestBlock(
  path: string,
  fields: readonly (readonly [string, string])[] = [],
  method = 'GET',
): Buffer {
  const pseudo = [
    [':method', method],
    [':scheme', 'https'],
    [':path', path],
    [':authority', 'localhost'],
  ] as const
  return fieldBlock([...pseudo, ...fields])
}

export function getFrame(stream: number, path: string, fields?: readonly (readonly [string, string])[]): Buffer {
  return frame(frameType.headers, flag.endHeaders | flag.endStream, stream, requestBlock(path, fields))
}

export interface Frame {
  type: number
  flags: number
  stream: number
  payload: Buffer
}

/** A connection on which the test makes every frame; with `first`, the preface and SETTINGS are sent. */
export class FrameConnection {
  readonly connection: SecureConnection

  constructor(connection: SecureConnection) {
    this.connection = connection
  }

  /** Returns whether the kernel has taken all that was sent. */
  send(...frames: Buffer[]): boolean {
    return this.connection.socket.write(Buffer.concat(frames))
  }

  async read(): Promise<Frame> {
    const head = await this.connection.readBytes(9)
    return {
      type: head[3],
      flags: head[4],
      stream: head.readUInt32BE(5) & 0x7fffffff,
      payload: await this.connection.readBytes(head.readUIntBE(0, 3)),
    }
  }

  /** Reads until a frame of this type comes (of this stream). */
  async readUntil(type: number, stream?: number): Promise<Frame> {
    for (;;) {
      const next = await this.read()
      if (next.type === type && (stream === undefined || next.stream === stream)) return next
    }
  }

  /** Reads until the server has closed; returns the frames. A reset is an end as well. */
  async readToEnd(): Promise<Frame[]> {
    const frames: Frame[] = []
    for (;;) {
      try {
        frames.push(await this.read())
      } catch (error) {
        if (this.connection.state === 'open') throw error
        return frames
      }
    }
  }

  /** The code of the GOAWAY that ends the connection; undefined: it ends without. */
  async goAwayCode(): Promise<number | undefined> {
    const frames = await this.readToEnd()
    return frames.findLast(({ type }) => type === frameType.goAway)?.payload.readUInt32BE(4)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.connection.destroy()
  }
}

export async function openFrames(where: Where, settings: Buffer = Buffer.alloc(0)): Promise<FrameConnection> {
  const frames = new FrameConnection(await connectSecurely(where, { ALPNProtocols: ['h2'] }))
  frames.send(preface, frame(frameType.settings, 0, 0, settings))
  return frames
}

/** One of SETTINGS. */
export function setting(id: number, value: number): Buffer {
  return Buffer.concat([Buffer.from([id >> 8, id & 255]), uint32(value)])
}

/** Fails unless another client is served. */
export async function servesOthers(where: Where): Promise<void> {
  await using session = await open(where)
  const { status } = await ask(session, '/')
  if (status !== 200) throw new Error(`another client was answered ${status}`)
}
