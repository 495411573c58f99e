/**
 * What one client does: a pipeline of requests, how it sends and reads, and what has to come back.
 */
import { createHash } from 'node:crypto'
import type { Random } from '../../chaos/random.js'

export interface Planned {
  id: number
  method: string
  style: string
  bytes: Buffer
  /** The length that the application's body has. */
  size: number
  /** What an answer has: 204 and 304 and those to HEAD have no body. */
  status: number
  hasBody: boolean
  /** The client says that it will send no more. */
  saysLast: boolean
  /** The connection must end behind its answer. */
  closes: boolean
  /** It may: an answer without a length to HTTP/1.0, a body that nobody asked for although the client had asked about it. */
  mayClose: boolean
  /** The application cuts the connection instead of an answer, or within it. */
  isCut: boolean
}

export interface Plan {
  requests: Planned[]
  /** Where the bytes of all are cut into writes, each in a turn of its own. */
  cuts: number[]
  /** The client leaves once it has read so many answers, or so many bytes. */
  leavesAfter?: { answers?: number; bytes?: number; isReset: boolean }
  halfCloses: boolean
  /** It takes a little at a time. */
  isSlow: boolean
}

const requestsMax = 64
const cutsMax = 12

/** How an answer is made (app.mjs), and how often. */
const styles = [
  { style: 'end', weight: 20 },
  { style: 'text', weight: 6 },
  { style: 'head-object', weight: 5 },
  { style: 'head-array', weight: 5 },
  { style: 'sized', weight: 5 },
  { style: 'write-end', weight: 6 },
  { style: 'write-late-end', weight: 6 },
  { style: 'flushed', weight: 4 },
  { style: 'writes-in-turns', weight: 5 },
  { style: 'writes-that-wait', weight: 3 },
  { style: 'trailers', weight: 4 },
  { style: 'own-keep-alive', weight: 4 },
  { style: 'early-hints', weight: 2 },
  { style: 'no-content', weight: 5 },
  { style: 'not-modified', weight: 5 },
  { style: 'closing', weight: 0.6 },
  { style: 'not-kept', weight: 0.3 },
  { style: 'closing-in-pieces', weight: 0.6 },
  { style: 'destroyed', weight: 0.2 },
  { style: 'destroyed-within', weight: 0.2 },
]
/** Those that tell their length to a client of HTTP/1.0, as Node does only if it was told. */
const sizedStyles = new Set(['head-object', 'sized'])
const closingStyles = new Set(['closing', 'not-kept', 'closing-in-pieces'])

/** As in app.mjs. */
export function bodyOf(id: number, size: number): Buffer {
  const body = Buffer.allocUnsafe(size)
  for (let at = 0; at < size; at++) body[at] = id * 7 + at * 13 + (at >> 8)
  return body
}

/** @param nextId Gives each request of a run its own number. */
export function planPipeline(random: Random, nextId: () => number): Plan {
  // Most pipelines are short, some are as long as may be.
  const count = random.next() < 0.1 ? requestsMax : 1 + Math.floor((requestsMax - 1) * random.next() ** 2)
  const isQuick = random.next() < 0.3
  const requests = Array.from({ length: count }, () => planRequest(random, nextId(), isQuick))
  const length = requests.reduce((sum, { bytes }) => sum + bytes.length, 0)
  const cuts = Array.from({ length: random.integer(0, cutsMax) }, () => random.integer(1, length)).sort((a, b) => a - b)
  // A server that has answered a client's last request, and got nothing behind it, may close at once (RFC 9112 section
  // 9.6): what comes all the same is answered by a reset, which can cost answers. So that is sent along with it.
  const lastEnds = new Set<number>()
  let end = 0
  for (const { bytes, saysLast } of requests) {
    end += bytes.length
    if (saysLast) lastEnds.add(end)
  }
  const plan: Plan = {
    requests,
    cuts: cuts.filter((cut) => !lastEnds.has(cut)),
    halfCloses: random.next() < 0.15,
    isSlow: random.next() < 0.15,
  }
  if (random.next() < 0.15) {
    plan.leavesAfter = { isReset: random.next() < 0.5 }
    if (random.next() < 0.5) plan.leavesAfter.answers = random.integer(0, count - 1)
    else plan.leavesAfter.bytes = random.integer(0, 100_000)
  }
  return plan
}

function planRequest(random: Random, id: number, isQuick: boolean): Planned {
  const drawn = random.weighted(styles).style
  const method = random.weighted([
    { weight: 70, name: 'GET' },
    { weight: 10, name: 'HEAD' },
    { weight: 14, name: 'POST' },
    { weight: 3, name: 'OPTIONS' },
    { weight: 3, name: 'DELETE' },
  ]).name
  // Now and then more than any buffer on the way holds at once.
  const size = Math.floor((random.next() < 0.07 ? 700_000 : 3000) * random.next() ** 2)
  const pause = isQuick ? 0 : random.pick([0, 0, 0, 1, 1, 2, 10])
  const isOld = random.next() < 0.03
  const isKept = isOld && random.next() < 0.7
  const isLast = !isOld && random.next() < 0.015
  const isAsked = isLast || (isOld && !isKept)
  // To a client that wants no more, an application that does says nothing of use.
  const style = isAsked && drawn === 'own-keep-alive' ? 'end' : drawn
  const headers = [`Host: localhost`]
  if (isKept) headers.push('Connection: keep-alive')
  if (isLast) headers.push('Connection: close')
  let body: Buffer = Buffer.alloc(0)
  let isUnasked = false
  if (method === 'POST') {
    const sent = random.bytes(Math.floor((random.next() < 0.15 ? 300_000 : 2000) * random.next() ** 2))
    headers.push(`X-Sha256: ${createHash('sha256').update(sent).digest('hex')}`)
    const isEarly = random.next() < 0.1
    if (isEarly) headers.push('X-Early: yes')
    const isAsking = !isOld && random.next() < 0.2
    if (isAsking) headers.push('Expect: 100-continue')
    isUnasked = isEarly && isAsking
    const isChunked = !isOld && random.next() < 0.5
    headers.push(isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${sent.length}`)
    body = isChunked ? inChunks(random, sent) : sent
  }
  const head = `${method} /${id}/${style}/${size}/${pause} HTTP/1.${isOld ? 0 : 1}\r\n${headers.join('\r\n')}\r\n\r\n`
  const status = style === 'no-content' ? 204 : style === 'not-modified' ? 304 : 200
  const closes = isAsked || closingStyles.has(style)
  const hasBody = method !== 'HEAD' && status === 200
  return {
    id,
    method,
    style,
    bytes: Buffer.concat([Buffer.from(head), body]),
    size,
    status,
    hasBody,
    saysLast: isAsked,
    closes,
    mayClose: closes || isUnasked || (isOld && !(hasBody && sizedStyles.has(style))),
    isCut: style.startsWith('destroyed'),
  }
}

function inChunks(random: Random, sent: Buffer): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; at < sent.length; ) {
    const piece = sent.subarray(at, at + random.integer(1, 20_000))
    parts.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n'))
    at += piece.length
  }
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')])
}
