/**
 * Clients of every manner. Each checks whatever it is sent: bodies by hash or byte by byte, numbers, order.
 */
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { within } from '../support/deadline.js'
import { connect, message, type RawConnection, type RawResponse } from '../support/http.js'
import type { Failure, Ledger } from './ledger.js'
import type { Random } from './random.js'

/** Longest time for any answer: a request may wait for a worker while most are being replaced. */
const answerMsMax = 60_000
const pauseMsMax = 60

interface Exchange {
  kind: string
  method: string
  path: string
  headers?: Record<string, string>
  /** Pieces of the body, with pauses in between; chunks of their own when `isChunked`. */
  body?: Buffer[]
  isChunked?: boolean
  /** Leaves the answer unread for this long. */
  readAfterMs?: number
  /** What is wrong with it. */
  check(response: RawResponse): string | undefined
}

export interface Traffic {
  /** Lets every client finish what it is at, and closes its connections. */
  stop(): Promise<void>
}

export function startTraffic(port: number, clients: number, ledger: Ledger, random: Random): Traffic {
  const started = Array.from({ length: clients }, () => new Client(port, ledger, random.fork()))
  const ends = started.map((client) => client.run())
  return {
    async stop() {
      for (const client of started) client.isStopping = true
      await Promise.all(ends)
    },
  }
}

class Client {
  isStopping = false
  readonly #port: number
  readonly #ledger: Ledger
  readonly #random: Random
  #connection: RawConnection | undefined
  #openedMs = 0

  constructor(port: number, ledger: Ledger, random: Random) {
    this.#port = port
    this.#ledger = ledger
    this.#random = random
  }

  async run(): Promise<void> {
    const deeds = [
      { weight: 30, do: () => this.#number() },
      { weight: 12, do: () => this.#pipeline() },
      { weight: 14, do: () => this.#upload() },
      { weight: 10, do: () => this.#echo() },
      { weight: 14, do: () => this.#download() },
      { weight: 3, do: () => this.#readSlowly() },
      { weight: 6, do: () => this.#abort() },
      { weight: 4, do: () => this.#webSocket() },
      { weight: 7, do: () => this.#reconnect() },
    ]
    while (!this.isStopping) {
      await this.#random.weighted(deeds).do()
      await sleep(this.#random.integer(1, pauseMsMax))
    }
    this.#disconnect()
  }

  // ---- what it does -------------------------------------------------------------------------------------------------

  async #number(): Promise<void> {
    const number = this.#random.integer(0, 1e6)
    await this.#exchange(numberExchange('number', number))
  }

  async #pipeline(): Promise<void> {
    const connection = await this.#connect()
    if (connection === undefined) return
    const numbers = Array.from({ length: this.#random.integer(2, 8) }, () => this.#random.integer(0, 1e6))
    const exchanges = numbers.map((number) => ({ id: this.#ledger.begin(), ...numberExchange('pipeline', number) }))
    connection.write(Buffer.concat(exchanges.map(({ id, method, path }) => message(method, path, named(id)))))
    for (const { id, ...exchange } of exchanges) {
      // The connection is gone with the answer before.
      if (this.#connection !== connection) this.#fail({ id, kind: 'pipeline', what: 'behind', detail: '' })
      else await this.#receive(connection, id, exchange)
    }
  }

  async #upload(): Promise<void> {
    const body = this.#body(300_000)
    const sum = createHash('sha256').update(Buffer.concat(body)).digest('hex')
    const check = ({ text }: RawResponse) => (text === sum ? undefined : 'it received another body than was sent')
    const isChunked = this.#random.next() < 0.5
    await this.#exchange({ kind: 'upload', method: 'POST', path: '/hash', body, isChunked, check })
  }

  async #echo(): Promise<void> {
    const body = this.#body(200_000)
    const check = (response: RawResponse) =>
      response.body.equals(Buffer.concat(body)) ? undefined : 'another body came back than was sent'
    await this.#exchange({ kind: 'echo', method: 'POST', path: '/echo', body, isChunked: true, check })
  }

  async #download(): Promise<void> {
    const form = this.#random.next() < 0.5 ? '&chunked' : ''
    const path = `/bytes?n=${this.#random.integer(0, 500_000)}${form}`
    await this.#exchange({ kind: 'download', method: 'GET', path, check: hasItsSum })
  }

  async #readSlowly(): Promise<void> {
    const path = `/bytes?n=${this.#random.integer(1e6, 3e6)}`
    const readAfterMs = this.#random.integer(100, 1000)
    await this.#exchange({ kind: 'slow reader', method: 'GET', path, readAfterMs, check: hasItsSum })
  }

  async #reconnect(): Promise<void> {
    this.#disconnect()
    const exchange = numberExchange('new connection', this.#random.integer(0, 1e6))
    await this.#exchange({ ...exchange, headers: { Connection: 'close' } })
  }

  async #abort(): Promise<void> {
    this.#disconnect()
    const connection = await this.#connect()
    if (connection === undefined) return
    this.#ledger.begin()
    this.#ledger.aborted += 1
    const id = this.#ledger.sent
    const body = this.#random.bytes(100_000)
    const bytes = this.#random.pick([
      message('GET', '/bytes?n=1000000&chunked', named(id)),
      message('POST', '/echo', named(id), body),
      message('GET', '/number?n=3', named(id)),
    ])
    // Somewhere in the head or the body, or all of it.
    const end = this.#random.next() < 0.3 ? this.#random.integer(1, bytes.length) : bytes.length
    connection.write(bytes.subarray(0, end))
    await sleep(this.#random.integer(0, 30))
    this.#disconnect()
  }

  async #webSocket(): Promise<void> {
    const id = this.#ledger.begin()
    const openedMs = performance.now()
    const fail = (what: Failure['what'], detail: string, status?: number, hasBegun = false) => {
      const endedMs = performance.now()
      this.#ledger.failures.push({ id, kind: 'websocket', what, status, hasBegun, openedMs, endedMs, detail })
    }
    const socket = new WebSocket(`ws://127.0.0.1:${this.#port}/socket`, { headers: named(id) })
    try {
      const closed = new Promise<string>((resolve) => socket.once('close', (code) => resolve(`closed with ${code}`)))
      const status = await within(Promise.race([opened(socket), closed]), 'opened WebSocket', answerMsMax)
      if (status !== 101) {
        if (typeof status === 'string') fail('cut', status)
        else fail('status', 'no WebSocket', status)
        return
      }
      for (let left = this.#random.integer(1, 20); left > 0; left--) {
        const sent = this.#random.bytes(this.#random.integer(0, 50_000))
        const echoed = new Promise<Buffer>((resolve) => socket.once('message', resolve))
        socket.send(sent, () => {})
        const received = await within(Promise.race([echoed, closed]), 'echo of a WebSocket', answerMsMax)
        if (typeof received === 'string') return void fail('cut', received, undefined, true)
        if (!received.equals(sent)) return void fail('wrong', 'another message came back')
        await sleep(this.#random.integer(0, pauseMsMax))
      }
      this.#ledger.noteRight('websocket')
    } catch (error) {
      fail('late', String(error))
    } finally {
      socket.terminate()
    }
  }

  // ---- how it does it -----------------------------------------------------------------------------------------------

  async #exchange(exchange: Exchange): Promise<void> {
    const connection = await this.#connect()
    if (connection === undefined) return
    const id = this.#ledger.begin()
    await this.#send(connection, id, exchange)
    if (exchange.readAfterMs !== undefined) {
      connection.pause()
      await sleep(exchange.readAfterMs)
      connection.resume()
    }
    await this.#receive(connection, id, exchange)
  }

  async #send(connection: RawConnection, id: number, exchange: Exchange): Promise<void> {
    const { method, path, headers, body, isChunked } = exchange
    if (body === undefined) {
      connection.write(message(method, path, { ...headers, ...named(id) }))
      return
    }
    const length = body.reduce((sum, piece) => sum + piece.length, 0)
    const framing: Record<string, string> = isChunked
      ? { 'Transfer-Encoding': 'chunked' }
      : { 'Content-Length': String(length) }
    connection.write(message(method, path, { ...headers, ...framing, ...named(id) }))
    for (const piece of body) {
      // An answer before the end, or the end itself: nobody waits for the rest.
      if (connection.state !== 'open') return
      if (isChunked && piece.length > 0) connection.write(chunk(piece))
      else connection.write(piece)
      if (this.#random.next() < 0.3) await sleep(this.#random.integer(1, 10))
    }
    if (isChunked) connection.write('0\r\n\r\n')
  }

  async #receive(connection: RawConnection, id: number, { kind, method, check }: Exchange): Promise<void> {
    const startedMs = performance.now()
    const readBefore = connection.socket.bytesRead - connection.buffered.length
    let response: RawResponse
    try {
      response = await connection.readResponse({ method, ms: answerMsMax })
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error)
      const hasBegun = connection.socket.bytesRead > readBefore
      this.#fail({ id, kind, what: detail.startsWith('no ') ? 'late' : 'cut', hasBegun, detail })
      this.#disconnect()
      return
    }
    const { status, headers, body } = response
    if (status !== 200) {
      const waitedMs = Math.round(performance.now() - startedMs)
      const detail = `after ${waitedMs} ms at ${new Date().toISOString()}: ${body.toString('latin1', 0, 100).trim()}`
      this.#fail({ id, kind, what: 'status', status, detail })
    } else {
      const fault = headers['x-request'] === String(id) ? check(response) : 'it is the answer to another request'
      if (fault === undefined) this.#ledger.noteRight(kind)
      else this.#fail({ id, kind, what: 'wrong', detail: fault })
    }
    // Of a body that was not wanted any more there may be something on the way.
    if (headers.connection === 'close' || (status !== 200 && method === 'POST')) this.#disconnect()
  }

  #fail(failure: Omit<Failure, 'openedMs' | 'endedMs'>): void {
    this.#ledger.failures.push({ ...failure, openedMs: this.#openedMs, endedMs: performance.now() })
  }

  /** The one that is open, or a new one. */
  async #connect(): Promise<RawConnection | undefined> {
    const { state } = this.#connection ?? {}
    if (this.#connection !== undefined && state === 'open') return this.#connection
    if (state !== undefined) {
      const detail = `after ${Math.round(performance.now() - this.#openedMs)} ms: ${JSON.stringify(state)}`
      this.#ledger.closures.push({ openedMs: this.#openedMs, endedMs: performance.now(), detail })
    }
    this.#disconnect()
    this.#openedMs = performance.now()
    try {
      this.#connection = await connect({ port: this.#port }, answerMsMax)
    } catch (error) {
      this.#ledger.refused.push(error instanceof Error ? error.message : String(error))
    }
    return this.#connection
  }

  #disconnect(): void {
    this.#connection?.destroy()
    this.#connection = undefined
  }

  #body(bytesMax: number): Buffer[] {
    // Most are small.
    const length = Math.floor(bytesMax * this.#random.next() ** 4)
    const whole = this.#random.bytes(length)
    const pieces: Buffer[] = []
    for (let at = 0; at < length; ) {
      const size = this.#random.integer(1, 50_000)
      pieces.push(whole.subarray(at, at + size))
      at += size
    }
    return pieces
  }
}

function numberExchange(kind: string, number: number): Exchange {
  const check = ({ text }: RawResponse) => (text === String(number * 2) ? undefined : `${text} for ${number}`)
  return { kind, method: 'GET', path: `/number?n=${number}`, check }
}

function hasItsSum({ body, headers }: RawResponse): string | undefined {
  const sum = createHash('sha256').update(body).digest('hex')
  return sum === headers['x-sha256'] ? undefined : 'the body has another sum than was announced'
}

function named(id: number): Record<string, string> {
  return { 'X-Request': String(id) }
}

function chunk(piece: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')])
}

/** 101, another status, or the error. */
function opened(socket: WebSocket): Promise<number | string> {
  return new Promise((resolve) => {
    socket.once('open', () => resolve(101))
    socket.once('unexpected-response', (_, response) => resolve(response.statusCode ?? 0))
    socket.on('error', (error) => resolve(String(error)))
  })
}
