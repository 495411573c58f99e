/**
 * Plays a plan against a server and writes down what came of it, at both ends.
 */
import { Agent, request } from 'node:http'
import { within } from '../../support/deadline.js'
import { connect, type RawConnection, type Target } from '../../support/http.js'
import type { Seen } from './app.js'
import { asksForLast, bodyOf, bytesOf, headOf, type Plan, type Wait } from './plan.js'

export interface Transcript {
  /** All that the client got, in latin1. */
  bytes: string
  /** How the connection ended, or that it did not. */
  ending: string
  seen: Seen
}

/** A server to compare, and the connections that its programs come by. */
export interface Peer {
  readonly name: string
  readonly target: Target & { port: number }
  readonly agent: Agent
}

export function peerAt(name: string, port: number): Peer {
  return { name, target: { port }, agent: new Agent({ keepAlive: true }) }
}

/** A connection that a server has not closed by then, with nothing left to do, is one that it keeps. */
const keptMs = 150
/** What has not come by then does not come. */
const stuckMs = 1000

let runs = 0

export async function play(peer: Peer, plan: Plan): Promise<Transcript> {
  const run = `${++runs}`
  await ask(peer, `plan/${run}`, JSON.stringify(plan.requests.map(({ program }) => program)))
  const connection = await connect(peer.target)
  const ended = new Promise<void>((go) => {
    for (const event of ['end', 'error', 'close']) connection.socket.once(event, go)
  })
  const bytes: Buffer[] = []
  connection.socket.on('data', (piece: Buffer) => bytes.push(piece))
  let isStuck = false
  const wait = async (what: Wait, index: number): Promise<void> => {
    if (what === 'nothing' || connection.state !== 'open') return
    if (!(await happens(Promise.race([ask(peer, `${what}/${run}/${index}`), ended]), stuckMs))) isStuck = true
  }
  const hasLeft = await send(connection, plan, run, wait)
  let ending = 'left'
  if (!hasLeft) {
    if (!plan.requests.some(asksForLast) && plan.leaving === null) {
      connection.write('GET /last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
      await happens(ended, stuckMs)
    } else {
      await happens(ended, keptMs)
    }
    const { state } = connection
    // What it is told of an end depends on whether it was still writing.
    ending = typeof state === 'object' && plan.sending === 'lockstep' ? state.error : state === 'open' ? state : 'ended'
    if (isStuck && state === 'open') ending = 'stuck'
  }
  connection.destroy()
  const seen = JSON.parse(await ask(peer, `seen/${run}`)) as Seen
  const date = /Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n/g
  const year = new Date().getUTCFullYear()
  const text = Buffer.concat(bytes)
    .toString('latin1')
    .replace(date, (line) => (line.includes(` ${year} `) ? 'Date: now\r\n' : line))
  return { bytes: text, ending, seen }
}

/** @returns Whether the client has left. */
async function send(
  connection: RawConnection,
  plan: Plan,
  run: string,
  wait: (what: Wait, index: number) => Promise<void>,
): Promise<boolean> {
  const { requests, sending, cuts, leaving } = plan
  const last = leaving === null ? requests.length - 1 : leaving.request
  const write = (bytes: Buffer): void => {
    if (connection.socket.writable) connection.write(bytes)
  }
  const chosen = requests.slice(0, last + 1)
  if (sending === 'whole' || sending === 'cut') {
    const whole = Buffer.concat(chosen.map((planned, index) => bytesOf(planned, `/${run}/${index}`)))
    let from = 0
    for (const to of sending === 'cut' ? [...cuts, whole.length] : [whole.length]) {
      write(whole.subarray(from, to))
      from = to
      for (let turn = 0; turn < 3; turn++) await new Promise((next) => setImmediate(next))
    }
  } else {
    for (const [index, planned] of chosen.entries()) {
      const head = headOf(planned, `/${run}/${index}`)
      const body = bodyOf(planned)
      if (sending === 'lockstep' || body.length === 0) {
        write(Buffer.concat([head, body]))
      } else {
        const half = body.length >> 1
        write(head)
        await wait('begun', index)
        write(body.subarray(0, half))
        await new Promise((next) => setImmediate(next))
        write(body.subarray(half))
      }
      if (index < last) await wait('settled', index)
    }
  }
  await wait(leaving?.when ?? 'settled', last)
  if (leaving === null) return false
  if (leaving.how === 'reset') connection.reset()
  else if (leaving.how === 'close') connection.destroy()
  else connection.end()
  return leaving.how !== 'half-close'
}

/** @returns Whether it did, within that time. */
async function happens(what: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'late'>((go) => {
    timer = setTimeout(go, ms, 'late')
  })
  const first = await Promise.race([what, late])
  clearTimeout(timer)
  return first !== 'late'
}

function ask({ name, target, agent }: Peer, what: string, body?: string): Promise<string> {
  const answer = new Promise<string>((settle, reject) => {
    const options = { port: target.port, host: '127.0.0.1', path: `/control/${what}`, method: 'POST', agent }
    request(options, (res) => {
      let text = ''
      res.setEncoding('utf8').on('data', (piece) => {
        text += piece
      })
      res.on('end', () => (res.statusCode === 200 ? settle(text) : reject(new Error(`${name} answers ${text}`))))
      res.on('error', reject)
    })
      .on('error', reject)
      .end(body)
  })
  return within(answer, `answer of ${name} to ${what}`)
}
