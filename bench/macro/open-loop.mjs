// Load at a fixed rate, without coordinated omission: every request is due at a time set beforehand, and its latency
// counts from then, whether or not the server let it be sent. A slow server is so asked as often as a fast one.
//
//   node bench/macro/open-loop.mjs '{"port":8000,"rate":500,"seconds":5,"connections":64}'
//
// Prints one line of JSON. The generator spins while it waits (a timer of Node wakes up to a millisecond late), so it
// wants a processor of its own. A request goes to the connection that has been idle longest, as a pool of a client or
// a proxy does it; when all are busy it waits here, and that wait is in its latency too.
import { connect } from 'node:net'
import { pathToFileURL } from 'node:url'

/** After the last request is due: what is not answered by then is an error. */
const graceMs = 10_000

/**
 * @typedef {object} Load
 * @property {number} port On 127.0.0.1.
 * @property {number} rate Requests per second, all connections together.
 * @property {number} seconds
 * @property {number} connections Opened before the first request is due.
 * @property {string} [path] Default `/`.
 * @property {string} [body] What every answer must be; without it any body will do. The status must be 200.
 * @property {number} [otherEvery] One request in so many, at random places that are the same in each run, goes to
 *   `otherPath`; its latency is kept apart and its body is free.
 * @property {string} [otherPath]
 */

/**
 * @param {Load} load
 * @returns {Promise<{ sent: number, answered: number, seconds: number, latency: Percentiles, other: Percentiles,
 *   lateUs: number, closed: number, errors: Record<string, number> }>} `closed`: connections that the server closed
 *   between two requests; `lateUs`: p99.9 of how late the generator itself was with a connection at hand.
 */
export async function runOpenLoop(load) {
  const pool = new Pool(load)
  await pool.open(load.connections)
  const total = Math.max(1, Math.round(load.rate * load.seconds))
  const intervalMs = 1000 / load.rate
  const random = xorshift32(2463534242)
  const startMs = performance.now()
  const endMs = startMs + total * intervalMs
  let next = 0
  await new Promise((resolve) => {
    const turn = () => {
      const nowMs = performance.now()
      while (next < total && startMs + next * intervalMs <= nowMs) {
        const isOther = load.otherEvery !== undefined && random() % load.otherEvery === 0
        pool.add({ dueMs: startMs + next * intervalMs, isOther })
        next++
      }
      if (next === total && pool.isDone()) resolve()
      else if (nowMs > endMs + graceMs) resolve()
      else setImmediate(turn)
    }
    turn()
  })
  return { sent: total, seconds: load.seconds, ...pool.close() }
}

class Pool {
  #load
  #texts
  /** Idle connections, the longest idle first. */
  #idle = []
  #all = new Set()
  /** Requests that no connection was free for. */
  #waiting = []
  #inFlight = 0
  #isClosing = false
  #latencies = []
  #otherLatencies = []
  #lateness = []
  #errors = {}
  #closed = 0

  constructor(load) {
    this.#load = load
    const head = (path) => `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${load.port}\r\n\r\n`
    this.#texts = { path: head(load.path ?? '/'), other: head(load.otherPath ?? '/') }
  }

  async open(count) {
    for (let i = 0; i < count; i += 64) {
      await Promise.all(Array.from({ length: Math.min(64, count - i) }, () => this.#connect()))
    }
    if (this.#idle.length < count) throw new Error(`only ${this.#idle.length} of ${count} connections could be opened`)
  }

  add(request) {
    if (this.#waiting.length === 0 && this.#idle.length > 0) {
      this.#lateness.push(performance.now() - request.dueMs)
      this.#send(this.#idle.shift(), request)
    } else this.#waiting.push(request)
  }

  isDone() {
    return this.#inFlight === 0 && this.#waiting.length === 0
  }

  close() {
    this.#isClosing = true
    if (!this.isDone()) this.#count('unanswered', this.#inFlight + this.#waiting.length)
    for (const connection of this.#all) connection.socket.destroy()
    return {
      answered: this.#latencies.length + this.#otherLatencies.length,
      latency: percentilesUs(this.#latencies),
      other: percentilesUs(this.#otherLatencies),
      lateUs: percentilesUs(this.#lateness).p999Us,
      closed: this.#closed,
      errors: this.#errors,
    }
  }

  #count(error, times = 1) {
    this.#errors[error] = (this.#errors[error] ?? 0) + times
  }

  /** Resolves when it is open, or has failed. */
  #connect() {
    const connection = { socket: connect(this.#load.port, '127.0.0.1'), request: undefined, text: '', isOpen: false }
    const { socket } = connection
    this.#all.add(connection)
    socket.setNoDelay(true).setEncoding('latin1')
    return new Promise((resolve) => {
      socket.once('connect', () => {
        connection.isOpen = true
        this.#rest(connection)
        resolve()
      })
      socket.on('data', (chunk) => this.#take(connection, chunk))
      socket.on('error', () => {})
      socket.once('close', () => {
        this.#lose(connection)
        resolve()
      })
    })
  }

  #send(connection, request) {
    connection.request = request
    this.#inFlight++
    connection.socket.write(request.isOther ? this.#texts.other : this.#texts.path)
  }

  #rest(connection) {
    const request = this.#waiting.shift()
    if (request === undefined) this.#idle.push(connection)
    else this.#send(connection, request)
  }

  #take(connection, chunk) {
    connection.text += chunk
    const { text, request } = connection
    const headEnd = text.indexOf('\r\n\r\n')
    if (headEnd < 0) return
    const head = text.slice(0, headEnd)
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1])
    if (request === undefined || Number.isNaN(length)) {
      this.#count(request === undefined ? 'unasked' : 'no length')
      connection.socket.destroy()
      return
    }
    if (text.length < headEnd + 4 + length) return
    const body = text.slice(headEnd + 4, headEnd + 4 + length)
    connection.text = text.slice(headEnd + 4 + length)
    connection.request = undefined
    this.#inFlight--
    const status = head.slice(9, 12)
    const isRight = request.isOther || this.#load.body === undefined || body === this.#load.body
    if (status !== '200') this.#count(`status ${status}`)
    else if (!isRight) this.#count('wrong body')
    else (request.isOther ? this.#otherLatencies : this.#latencies).push(performance.now() - request.dueMs)
    // A server that is about to close says so: nothing is sent on a connection that it will not read.
    if (/\r\nconnection: *close/i.test(head)) connection.socket.end()
    else this.#rest(connection)
  }

  #lose(connection) {
    this.#all.delete(connection)
    if (connection.request !== undefined) {
      this.#inFlight--
      this.#count('closed in a request')
    }
    const at = this.#idle.indexOf(connection)
    if (at >= 0) this.#idle.splice(at, 1)
    if (this.#isClosing) return
    if (connection.isOpen) this.#closed++
    else this.#count('connect')
    // A server that refuses everybody must not make this a loop without end.
    if ((this.#errors.connect ?? 0) < 1000) void this.#connect()
  }
}

/**
 * Exact: every latency is kept, and none is put into a class of others.
 *
 * @typedef {{ count: number, p50Us: number, p90Us: number, p99Us: number, p999Us: number, maxUs: number }} Percentiles
 * @param {number[]} latenciesMs
 * @returns {Percentiles}
 */
export function percentilesUs(latenciesMs) {
  const sorted = Float64Array.from(latenciesMs).sort()
  const at = (share) =>
    sorted.length === 0 ? 0 : Math.round(1000 * sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)])
  return {
    count: sorted.length,
    p50Us: at(0.5),
    p90Us: at(0.9),
    p99Us: at(0.99),
    p999Us: at(0.999),
    maxUs: at(1),
  }
}

/** The same numbers on every run and machine. */
export function xorshift32(seed) {
  let state = seed | 0
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  console.log(JSON.stringify(await runOpenLoop(JSON.parse(process.argv[2]))))
}
