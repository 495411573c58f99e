/**
 * The control API from the other end, for `hornetctl` and whoever else drives a server from Node.js.
 */
import type { IncomingMessage } from 'node:http'
import { builtins } from '../builtins.js'
import { HornetError } from '../errors.js'

export type ControlTarget = { kind: 'unix'; path: string } | { kind: 'tcp'; host: string; port: number }

export interface ClientOptions {
  target: ControlTarget
  /** For TCP. */
  token?: string
}

/** The server's own words about what went wrong (RFC 9457). */
export interface ProblemDetails {
  type: string
  title: string
  status: number
  detail: string
  [extra: string]: unknown
}

/** Thrown when the server answers with a problem. */
export class ControlError extends HornetError {
  readonly problem: ProblemDetails

  constructor(problem: ProblemDetails) {
    super('ERR_HORNET_CONTROL', problem.detail ?? problem.title)
    this.problem = problem
  }
}

// Far more than any answer but a snapshot, which is streamed.
const bodyBytesMax = 64 * 1024 * 1024
const connectMsMax = 5000

export class ControlClient {
  readonly #options: ClientOptions

  constructor(options: ClientOptions) {
    this.#options = options
  }

  /** @throws HornetError `ERR_HORNET_CONTROL` when there is no answer; ControlError when the answer is a problem. */
  get<T>(path: string): Promise<T> {
    return this.#json<T>('GET', path)
  }

  /** As `get`. A reload answers when it is done: there is no time limit. */
  post<T>(path: string, body: object = {}): Promise<T> {
    return this.#json<T>('POST', path, body)
  }

  /** The body as it comes; for downloads. As `get`. */
  async open(path: string): Promise<IncomingMessage> {
    const response = await this.#send('GET', path)
    if (response.statusCode === 200) return response
    throw await readProblem(response, this.#where())
  }

  async #json<T>(method: string, path: string, body?: object): Promise<T> {
    const response = await this.#send(method, path, body)
    if ((response.statusCode ?? 0) >= 300) throw await readProblem(response, this.#where())
    return JSON.parse(await readText(response, this.#where())) as T // the server's own shapes: api.ts
  }

  #send(method: string, path: string, body?: object): Promise<IncomingMessage> {
    const { target, token } = this.#options
    const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body))
    const headers: Record<string, string | number> = {}
    if (token !== undefined) headers.Authorization = `Bearer ${token}`
    if (bytes !== undefined) {
      headers['Content-Type'] = 'application/json'
      headers['Content-Length'] = bytes.length
    }
    const where =
      target.kind === 'unix' ? { socketPath: target.path, host: 'localhost' } : { host: target.host, port: target.port }
    return new Promise((resolve, reject) => {
      // One connection each: a command asks once, and a view that asks every second may wait for a dead server no longer.
      const sent = builtins.http().request({ ...where, method, path, headers, agent: false }, resolve)
      const timer = setTimeout(() => sent.destroy(new Error('no connection in time')), connectMsMax)
      sent.on('socket', (socket) => socket.once('connect', () => clearTimeout(timer)))
      sent.on('close', () => clearTimeout(timer))
      sent.on('error', (error) => reject(unreachable(this.#where(), error)))
      sent.end(bytes)
    })
  }

  #where(): string {
    return formatTarget(this.#options.target)
  }
}

export function formatTarget(target: ControlTarget): string {
  if (target.kind === 'unix') return `unix:${target.path}`
  return target.host.includes(':') ? `[${target.host}]:${target.port}` : `${target.host}:${target.port}`
}

async function readText(response: IncomingMessage, where: string): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      length += chunk.length
      if (length > bodyBytesMax) throw new Error(`the answer has more than ${bodyBytesMax} bytes`)
      chunks.push(chunk)
    }
  } catch (error) {
    throw unreachable(where, error)
  }
  return Buffer.concat(chunks).toString('utf8')
}

async function readProblem(response: IncomingMessage, where: string): Promise<HornetError> {
  const text = await readText(response, where)
  if (response.headers['content-type'] === 'application/problem+json') {
    return new ControlError(JSON.parse(text) as ProblemDetails) // the server's own shape
  }
  return new HornetError('ERR_HORNET_CONTROL', `${where} is no control API: it answered ${response.statusCode}`)
}

function unreachable(where: string, error: unknown): HornetError {
  const { code, message } = error as NodeJS.ErrnoException // sockets and the lines above throw nothing else
  const reasons: Record<string, string> = {
    ENOENT: 'there is no such socket: is the server running, with --control?',
    ECONNREFUSED: 'nobody listens there: is the server running, with --control?',
    EACCES: 'permission denied: the socket belongs to the user who runs the server',
    ECONNRESET: 'the server closed the connection',
  }
  return new HornetError('ERR_HORNET_CONTROL', `no answer from ${where}: ${reasons[code ?? ''] ?? message}`, {
    cause: error,
  })
}
