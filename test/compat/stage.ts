/**
 * What a compatibility check stands on: the http module under test, servers and clients that are closed behind it, and
 * waits that end by a fact or by a deadline naming it.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { EventEmitter } from 'node:events'
import type { IncomingMessage, RequestListener, Server, ServerOptions, ServerResponse } from 'node:http'
import { type AddressInfo, type ListenOptions, connect as openSocket, type Socket } from 'node:net'
import { within } from '../support/deadline.js'
import { connect, message, RawConnection, type RawResponse, type ReadOptions } from '../support/http.js'
import { root } from '../support/root.js'

export type Http = typeof import('node:http')

/** What is waited for comes within milliseconds or, when the module is wrong, never. */
const deadlineMs = 15_000

/** More than any one wait. */
const checkDeadlineMs = 40_000

export interface Check {
  name: string
  /** Asserts what Node documents; what it returns must be what it returns on node:http of the running Node. */
  run(stage: Stage): unknown
  /** It returns something. */
  isCompared: boolean
}

/** A check that asserts all it has to say. */
export function check(name: string, run: (stage: Stage) => Promise<void> | void): Check {
  return { name, run, isCompared: false }
}

/** A check of what differs between Node versions, or is shown in full: the running Node's own answer decides. */
export function same(name: string, run: (stage: Stage) => unknown): Check {
  return { name, run, isCompared: true }
}

/** A fact that a callback learns and the check waits for. */
export class Fact<T = void> {
  readonly #promise: Promise<T>
  readonly #what: string
  #settle!: (value: T) => void
  #fail!: (error: unknown) => void

  constructor(what: string) {
    this.#what = what
    this.#promise = new Promise((settle, fail) => {
      this.#settle = settle
      this.#fail = fail
    })
    // It may fail before anyone waits.
    this.#promise.catch(() => {})
  }

  /** A callback by itself: `server.close(closed.is)`. */
  readonly is = (value: T): void => this.#settle(value)
  readonly failed = (error: unknown): void => this.#fail(error)

  get known(): Promise<T> {
    return within(this.#promise, this.#what, deadlineMs)
  }
}

/** Waits for an event; gives its arguments. */
export function event<T extends unknown[] = unknown[]>(emitter: EventEmitter, name: string): Promise<T> {
  return within(
    new Promise<T>((settle) => emitter.once(name, (...args: unknown[]) => settle(args as T))),
    `'${name}' event of ${emitter.constructor.name}`,
    deadlineMs,
  )
}

/** Notes each of the events as `who:event` in the order they come. */
export function note(log: string[], who: string, emitter: EventEmitter, names: string[]): void {
  for (const name of names) {
    emitter.on(name, (value: unknown) => {
      const detail = value instanceof Error ? ` ${codeOf(value)}` : ''
      log.push(`${who}:${name}${detail}`)
    })
  }
}

/** The parts of an error that programs look at. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return `no error but ${String(error)}`
  return (error as NodeJS.ErrnoException).code ?? `${error.name}: ${error.message}`
}

/** `RangeError ERR_…: message` of what `action` throws. */
export function thrownBy(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    if (!(error instanceof Error)) return `threw ${String(error)}`
    return `${error.name} ${(error as NodeJS.ErrnoException).code}: ${error.message}`
  }
  return 'nothing thrown'
}

/** The code alone. */
export function codeThrownBy(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    return codeOf(error)
  }
  return 'nothing thrown'
}

/** For objects whose difference would take for ever to print: a socket knows its server, which knows all others. */
export function isSame(actual: unknown, expected: unknown, what = 'the same object'): void {
  assert.ok(actual === expected, what)
}

/** An object's fields and methods that its types leave out. */
export function loose(value: unknown): Record<string, never> {
  return value as Record<string, never>
}

/** Old code calls classes without `new`. */
export type Plain = ((this: unknown, ...args: unknown[]) => unknown) & { prototype: object }
export function plain(constructible: unknown): Plain {
  return constructible as Plain
}

export async function textOf(stream: AsyncIterable<unknown>): Promise<string> {
  let text = ''
  for await (const chunk of stream) text += String(chunk)
  return text
}

/** A request's bytes without any field but those given. */
export function bare(firstLine: string, fields: string[] = [], body = ''): string {
  return `${[`${firstLine} HTTP/1.1`, ...fields].join('\r\n')}\r\n\r\n${body}`
}

/** A listening server, and clients of it. */
export class Served {
  readonly server: Server
  readonly port: number
  readonly #stage: Stage

  constructor(stage: Stage, server: Server, port: number) {
    this.#stage = stage
    this.server = server
    this.port = port
  }

  async connect(): Promise<RawConnection> {
    const connection = await connect({ port: this.port }, deadlineMs)
    this.#stage.defer(() => connection.destroy())
    return connection
  }

  /** A connection whose client does not close when the server does. */
  async connectHalfOpen(): Promise<RawConnection> {
    const socket = openSocket({ port: this.port, host: '127.0.0.1', allowHalfOpen: true })
    this.#stage.defer(() => socket.destroy())
    await event(socket, 'connect')
    return new RawConnection(socket)
  }

  /** Sends a request's bytes on a connection of its own and reads the response. */
  async send(bytes: string | Buffer, options: ReadOptions = {}): Promise<RawResponse> {
    const connection = await this.connect()
    connection.write(bytes)
    const method = options.method ?? /^[A-Z]+(?= )/.exec(bytes.toString('latin1'))?.[0]
    const response = await connection.readResponse({ ms: deadlineMs, ...options, method })
    connection.destroy()
    return response
  }

  get(path = '/', headers: Record<string, string> = {}): Promise<RawResponse> {
    return this.send(message('GET', path, headers))
  }

  /** Sends bytes on a connection of its own and gives all that comes until the server closes it. */
  async all(bytes: string | Buffer): Promise<string> {
    const connection = await this.connect()
    connection.write(bytes)
    const answer = await connection.readToEnd(deadlineMs)
    return answer.toString('latin1')
  }
}

export class Stage {
  readonly http: Http
  /** What a script imports to get this module. */
  readonly specifier: string
  readonly #closers: (() => unknown)[] = []

  constructor(http: Http, specifier: string) {
    this.http = http
    this.specifier = specifier
  }

  /** Run at the end of the check, last one first. */
  defer(closer: () => unknown): void {
    this.#closers.push(closer)
  }

  /** Has the server closed at the end of the check, and the check fail when it does not close. */
  owns(server: Server): Server {
    this.defer(async () => {
      if (!server.listening) return
      const closed = new Fact('end of the server once its connections were closed')
      server.close(() => closed.is())
      server.closeAllConnections()
      await closed.known
    })
    return server
  }

  /** A server listening on a port of the kernel's choice. */
  serve(listener?: RequestListener, options: ServerOptions = {}): Promise<Served> {
    return this.start(this.http.createServer(options, listener))
  }

  async start(server: Server, options: ListenOptions = {}): Promise<Served> {
    this.owns(server)
    server.listen({ port: 0, host: '127.0.0.1', ...options })
    await event(server, 'listening')
    return new Served(this, server, (server.address() as AddressInfo).port)
  }

  /** A server whose next request is handed over; for checks that talk to both ends by turns. */
  async exchange(
    bytes: string | Buffer,
    options: ServerOptions = {},
  ): Promise<{ served: Served; connection: RawConnection; req: IncomingMessage; res: ServerResponse }> {
    const served = await this.serve(undefined, options)
    const request = event<[IncomingMessage, ServerResponse]>(served.server, 'request')
    const connection = await served.connect()
    connection.write(bytes)
    const [req, res] = await request
    return { served, connection, req, res }
  }

  /** Two requests, sent at once, that the application has both and has not answered. */
  async pipeline(bytes: Buffer): Promise<{ connection: RawConnection; first: ServerResponse; second: ServerResponse }> {
    const responses: ServerResponse[] = []
    const both = new Fact('second request')
    const served = await this.serve((_req, res) => {
      responses.push(res)
      if (responses.length === 2) both.is()
    })
    const connection = await served.connect()
    connection.write(bytes)
    await both.known
    const [first, second] = responses as [ServerResponse, ServerResponse]
    return { connection, first, second }
  }

  /**
   * Sends bytes and gives all that comes until the server closes, or only until it has answered 200: a request that is
   * one after all leaves its connection open.
   */
  async refusalOf(served: Served, bytes: string | Buffer): Promise<string> {
    const socket = await this.socketTo(served.port)
    const over = new Fact<string>('refusal or response')
    let text = ''
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => {
      text += chunk
      if (/HTTP\/1\.1 200 OK\r\n/.test(text)) over.is('served')
    })
    socket.on('end', () => over.is(text))
    socket.on('error', (error) => over.is(codeOf(error)))
    socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
    const answer = await over.known
    socket.destroy()
    return answer
  }

  /** An unwrapped client socket. */
  async socketTo(port: number): Promise<Socket> {
    const socket = openSocket({ port, host: '127.0.0.1' })
    this.defer(() => socket.destroy())
    await event(socket, 'connect')
    return socket
  }

  /** Runs a script of its own process; `HTTP` in it is this module's specifier, as a string literal. */
  async script(source: string, args: string[] = []): Promise<{ code: number | null; stdout: string; stderr: string }> {
    const child = spawn(
      process.execPath,
      [...args, '--input-type=module', '-e', source.replaceAll('HTTP', JSON.stringify(this.specifier))],
      {
        cwd: root,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, NODE_OPTIONS: '', NODE_TEST_CONTEXT: undefined },
      },
    )
    this.defer(() => child.kill('SIGKILL'))
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    const [code] = await event<[number | null]>(child, 'close')
    return { code, stdout, stderr }
  }

  async close(): Promise<void> {
    for (const closer of this.#closers.reverse()) await closer()
  }
}

/** Runs one check and closes what it opened; gives what it returns. */
export async function perform(one: Check, http: Http, specifier: string): Promise<unknown> {
  const stage = new Stage(http, specifier)
  let result: unknown
  try {
    result = await within(Promise.resolve(one.run(stage)), `end of the check "${one.name}"`, checkDeadlineMs)
  } catch (error) {
    // The check's own failure says more than what it then left open.
    await stage.close().catch(() => {})
    throw error
  }
  await stage.close()
  return result
}

export { message, RawConnection }
