/**
 * The application: does what programs say, and writes down what it sees. Programs come, and what was seen is asked for,
 * by requests of `/control`; `/RUN/INDEX` is a request of program INDEX.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { addAbortSignal, finished, pipeline, Readable, type Stream } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { Call, Program, Value } from './plan.js'

/** The events of a run, by request. */
export type Seen = Record<string, string[]>

interface Running {
  program: Program
  seen: string[]
  isUnderWay: boolean
  /** It waits for the client, or has done all. */
  begun: Promise<void>
  settled: Promise<void>
  begin(): void
  settle(): void
  finalState(): string
}

/** Turns of the event loop within which all happens that one thing brings about. */
const turns = 6
/** A response that waits for others, or for its client, is not over by itself. */
const settleTurnsMax = 60
/** A program that waits for what never comes. */
const underWayMs = 200

const runs = new Map<string, Running[]>()

process.on('uncaughtException', (error) => console.error('uncaught', error))

export default function app(req: IncomingMessage, res: ServerResponse): void {
  const [, first, second, third, fourth] = (req.url ?? '').split('/')
  if (first === 'control') void control(req, res, second, third, Number(fourth))
  else if (first === 'last') res.end('last')
  else void run(req, res, first, Number(second))
}

async function control(
  req: IncomingMessage,
  res: ServerResponse,
  what: string,
  id: string,
  index: number,
): Promise<void> {
  if (what === 'plan') {
    const programs = JSON.parse(await text(req)) as Program[]
    runs.set(id, programs.map(runningOf))
    res.end()
    return
  }
  const running = runs.get(id) ?? []
  if (what === 'begun') await running[index].begun
  if (what === 'settled') await running[index].settled
  await pass(turns)
  if (what !== 'seen') {
    res.end()
    return
  }
  runs.delete(id)
  const seen: Seen = {}
  for (const [at, each] of running.entries()) {
    // The connection may have ended while it still had calls to make.
    if (each.isUnderWay) await Promise.race([each.settled, new Promise((late) => setTimeout(late, underWayMs))])
    seen[at] = [...each.seen, each.finalState()]
    // Whoever asked for what never came.
    each.begin()
    each.settle()
  }
  res.end(JSON.stringify(seen))
}

function runningOf(program: Program): Running {
  let begin = (): void => {}
  let settle = (): void => {}
  const begun = new Promise<void>((go) => {
    begin = go
  })
  const settled = new Promise<void>((go) => {
    settle = go
  })
  return {
    program,
    seen: [],
    isUnderWay: false,
    begun,
    settled,
    begin,
    settle,
    finalState: () => 'final: it never came',
  }
}

async function pass(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((next) => setImmediate(next))
}

async function run(req: IncomingMessage, res: ServerResponse, id: string, index: number): Promise<void> {
  const running = runs.get(id)?.[index]
  if (running === undefined) throw new Error(`no program for ${req.url}`)
  const { program, seen } = running
  running.isUnderWay = true
  running.finalState = () => `final: ${stateOf(req, res)}`
  const performance = new Performance(req, res, (line) => seen.push(line))
  performance.listen(program)
  const isLeft = program.calls.some(([, what]) => what === 'gone')
  for (const [at, call] of program.calls.entries()) {
    if (call[0] === 'wait' && call[1] === (isLeft ? 'gone' : 'end')) running.begin()
    try {
      await performance.perform(call, at)
    } catch (error) {
      seen.push(`call ${at} ${call[0]} throws ${show(error)}: ${(error as Error).message.slice(0, 80)}`)
    }
  }
  running.begin()
  await settle(() => req.complete || req.destroyed)
  await pass(turns)
  if (!res.writableEnded && !res.destroyed) {
    seen.push('ended for it')
    try {
      while (res.writableCorked > 0) res.uncork()
      res.end()
    } catch (error) {
      seen.push(`end throws ${show(error)}`)
      req.socket.destroy()
    }
  }
  await settle(() => res.closed || res.destroyed)
  running.settle()
}

/** Not by an event: whether someone listens is part of what is under test. */
async function settle(isSo: () => boolean): Promise<void> {
  for (let turn = 0; turn < settleTurnsMax && !isSo(); turn += turns) {
    await pass(turns)
    await new Promise((next) => setTimeout(next, 1))
  }
}

class Performance {
  readonly #req: IncomingMessage
  readonly #res: ServerResponse
  readonly #add: (line: string) => void

  constructor(req: IncomingMessage, res: ServerResponse, add: (line: string) => void) {
    this.#req = req
    this.#res = res
    this.#add = add
  }

  listen({ listens, body }: Program): void {
    const req = this.#req
    const ofResponse = {
      all: ['prefinish', 'finish', 'close', 'drain', 'error', 'timeout'],
      some: ['close', 'error'],
      none: ['error'],
    }
    for (const event of ofResponse[listens]) this.#hear(event)
    const ofRequest = { all: ['error', 'close', 'end', 'aborted'], some: ['error'], none: ['error'] }
    for (const event of ofRequest[listens]) this.#hearRequest(event)
    if (body === 'resumed') req.resume()
    if (body === 'data') this.#readBy('data')
    if (body === 'iterated') this.#readBy('iterate')
  }

  #hear(event: string): void {
    const res = this.#res
    res.on(event, (value) => {
      if (event === 'finish') process.nextTick(this.#add, 'res tick behind finish')
      const { writableFinished, destroyed, closed, socket } = res
      const what = value instanceof Error ? ` ${show(value)}` : ''
      this.#add(
        `res ${event}${what} finished=${writableFinished} destroyed=${destroyed} closed=${closed} socket=${!!socket}`,
      )
    })
  }

  #hearRequest(event: string): void {
    const req = this.#req
    req.on(event, (value) => {
      if (event === 'data') return
      if (event === 'readable') req.read()
      const what = value instanceof Error ? ` ${show(value)}` : ''
      this.#add(`req ${event}${what} complete=${req.complete} destroyed=${req.destroyed} aborted=${req.aborted}`)
    })
  }

  #readBy(how: string): void {
    const req = this.#req
    const add = this.#add
    let bytes = 0
    const report = (): void => add(`req read by ${how}: ${bytes} ${JSON.stringify(req.trailers)}`)
    const iterate = async (most: number): Promise<void> => {
      for await (const piece of req) {
        bytes += piece.length
        if (bytes > most) break
      }
    }
    const web = async (): Promise<void> => {
      // The types of Node's own web streams and of the platform's differ in nothing that is used.
      for await (const piece of Readable.toWeb(req)) bytes += (piece as Uint8Array).length
    }
    const ways: Record<string, () => Promise<void>> = {
      iterate: () => iterate(Number.POSITIVE_INFINITY),
      break: () => iterate(0),
      web,
      text: async () => {
        bytes = (await text(req)).length
      },
    }
    if (how === 'data') {
      req.on('data', (piece) => {
        bytes += piece.length
      })
      req.on('end', report)
    } else {
      ways[how]().then(report, (error) => add(`req read by ${how} fails ${show(error)}`))
    }
  }

  // Long alone: one case for each call there is.
  async perform([name, ...given]: Call, at: number): Promise<void> {
    const req = this.#req
    const res = this.#res
    const add = this.#add
    const [first, second, third] = given.map(meant)
    const called = (error?: unknown): void =>
      add(`callback ${at} ${name} ${show(error)} finished=${res.writableFinished}`)
    const returns = (value: unknown): void => add(`call ${at} ${name} returns ${value === res ? 'res' : show(value)}`)
    // Called with what they are not made for, which is the point.
    const any = res as unknown as Record<string, (...values: unknown[]) => unknown>
    const anyRequest = req as unknown as Record<string, (...values: unknown[]) => unknown>
    switch (name) {
      case 'set':
        any[first as string] = second as never
        break
      case 'setHeaders':
        res.setHeaders(tableOf(first as string, second as [string, unknown][]) as never)
        break
      case 'writeHead':
        returns(any.writeHead(first, ...[second, fieldsOf(third)].filter((value) => value !== undefined)))
        break
      case 'write':
      case 'end':
        returns(any[name](...chunkOf(first), ...(second ? [called] : [])))
        break
      case 'writeContinue':
      case 'writeProcessing':
        any[name](first ? called : undefined)
        break
      case 'writeEarlyHints':
        any[name](first, second ? called : undefined)
        break
      case 'destroy':
        returns(res.destroy(first ? new Error('own') : undefined))
        break
      case 'req.destroy':
        req.destroy(first ? new Error('own') : undefined)
        break
      case 'socket':
        ;(req.socket as unknown as typeof anyRequest | null)?.[first as string]()
        break
      case 'abort': {
        const aborter = new AbortController()
        addAbortSignal(aborter.signal, (first === 'req' ? req : res) as Stream)
        aborter.abort()
        break
      }
      case 'probe':
        add(`call ${at} state: ${stateOf(req, res)}`)
        break
      case 'sockets':
        add(`call ${at} same socket: ${req.socket === res.socket} ${res.connection === res.socket}`)
        break
      case 'listen':
        this.#hear(first as string)
        break
      case 'req.listen':
        this.#hearRequest(first as string)
        break
      case 'req':
        if (first === 'read') add(`call ${at} read: ${(req.read() as Buffer | null)?.length}`)
        else anyRequest[first as string]()
        break
      case 'req.setTimeout':
        req.setTimeout(first as number)
        break
      case 'read':
        this.#readBy(first as string)
        break
      case 'finished':
        if (first !== 'req') finished(res, (error) => add(`res is finished ${show(error)}`))
        if (first !== 'res') finished(req, (error) => add(`req is finished ${show(error)}`))
        break
      case 'pipeline': {
        const source = Readable.from(Array.from({ length: first as number }, (_, piece) => `p${piece}`))
        await new Promise<void>((go) => pipeline(source, res, (error) => go(called(error ?? undefined))))
        break
      }
      case 'echo':
        await this.#echo(first as string, called)
        break
      case 'wait':
        await this.#waitFor(first as string)
        break
      default:
        returns(any[name](...given.map(meant)))
    }
  }

  #echo(how: string, called: (error?: unknown) => void): Promise<void> {
    const req = this.#req
    const res = this.#res
    return new Promise<void>((go) => {
      if (how === 'pipeline') {
        pipeline(req, res, (error) => go(called(error ?? undefined)))
      } else {
        req.pipe(res, { end: how === 'pipe' })
        if (req.readableEnded || req.destroyed) go()
        else req.once('end', go).once('close', go)
      }
    })
  }

  #waitFor(what: string): Promise<unknown> {
    const req = this.#req
    switch (what) {
      case 'tick':
        return new Promise<void>((go) => process.nextTick(go))
      case 'micro':
        return Promise.resolve()
      case 'immediate':
        // Sockets are closed between the two, on Node.
        return pass(2)
      case 'timer':
        return new Promise((go) => setTimeout(go, 2))
      case 'gone':
        return new Promise<void>((go) => {
          const { socket } = req
          if (socket.destroyed) go()
          else socket.once('close', () => go())
        })
      default:
        return new Promise<void>((go) => {
          if (req.readableEnded || req.destroyed) return go()
          req.once('end', go).once('close', go).resume()
        })
    }
  }
}

function stateOf(req: IncomingMessage, res: ServerResponse): string {
  const { headersSent, writableEnded, writableFinished, finished, destroyed, closed, errored, writable } = res
  const { writableNeedDrain, writableCorked, statusCode, statusMessage, sendDate, shouldKeepAlive } = res
  const { complete, aborted, readableEnded, readableFlowing } = req
  // Which the types leave out.
  const rawNames = (res as unknown as { getRawHeaderNames(): string[] }).getRawHeaderNames()
  return JSON.stringify({
    res: {
      headersSent,
      writableEnded,
      writableFinished,
      finished,
      destroyed,
      closed,
      errored: show(errored),
      writable,
    },
    more: { writableNeedDrain, writableCorked, statusCode, statusMessage, sendDate, shouldKeepAlive },
    headers: { all: res.getHeaders(), raw: rawNames, a: res.hasHeader('x-a') },
    socket: { has: !!res.socket, destroyed: res.socket?.destroyed },
    req: { complete, aborted, destroyed: req.destroyed, closed: req.closed, errored: show(req.errored) },
    read: { readableEnded, readableFlowing },
  })
}

/** What a value of a plan stands for. */
function meant(value: Value): unknown {
  if (Array.isArray(value)) return value.map(meant)
  if (value === null || typeof value !== 'object') return value
  if (value.$ === 'undefined') return undefined
  if (value.$ === 'object') return { toString: () => 'object-value' }
  return value
}

function chunkOf(chunk: unknown): unknown[] {
  if (chunk === undefined) return []
  if (chunk === null || typeof chunk !== 'object') return [chunk]
  const { text, bytes, array, times = 1, encoding } = chunk as Record<string, string> & { times?: number }
  if (text !== undefined) return encoding === undefined ? [text.repeat(times)] : [text.repeat(times), encoding]
  return [bytes === undefined ? new Uint8Array(Buffer.from(array)) : Buffer.from(bytes.repeat(times))]
}

function tableOf(form: string, fields: [string, unknown][]): unknown {
  if (form === 'map') return new Map(fields)
  const texts = fields.filter((field): field is [string, string] => typeof field[1] === 'string')
  return form === 'headers' ? new Headers(texts) : Object.fromEntries(texts)
}

function fieldsOf(given: unknown): unknown {
  if (given === undefined) return undefined
  const { form, fields } = given as { form: string; fields: [string, Value][] }
  const pairs = fields.map(([name, value]) => [name, meant(value)] as const)
  if (form === 'object') return Object.fromEntries(pairs)
  if (form === 'pairs') return pairs
  return form === 'uneven' ? [...pairs.flat(), 'X-Odd'] : pairs.flat()
}

function show(value: unknown): string {
  if (value instanceof Error) return (value as NodeJS.ErrnoException).code ?? value.name
  return typeof value === 'object' && value !== null ? 'an object' : String(value)
}
