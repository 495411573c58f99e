/**
 * One run of the differential fuzzer: makes streams up, asks both sides, and keeps the books.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../../support/root.js'
import { Random } from '../random.js'
import { compare, type Verdict } from './compare.js'
import { Generator } from './generate.js'
import type { HornetSide } from './hornet-side.js'
import { NodeSide } from './node-side.js'
import { escapeOctets, type Stream, type Transcript, unescapeOctets, wholeOf } from './transcript.js'

export interface Difference {
  /** What compare() calls it. */
  id: string
  /** The shortest message that shows it, as HTTP vectors are written. */
  example: string
  reason: string
}

export interface Account {
  streams: number
  /** Requests that Node saw in them. */
  requests: number
  refusedByBoth: number
  /** How often each allowed difference was seen. */
  stricter: Map<string, number>
  /** Where Node refused early: asked again with more behind, and never accepted. */
  later: number
  faults: Fault[]
}

export interface Fault {
  verdict: Verdict
  stream: Stream
  node: Transcript
  hornet: Transcript
}

const batchStreams = 1000
/** So many faults, each of another name, are enough to look at. */
const faultsMax = 10

const shorteningRounds = 100

/** What might make a message of what Node has refused and Hornet still reads. */
const completions = [
  '\r\n\r\n',
  '\n\n',
  ' HTTP/1.1\r\nHost: a\r\n\r\n',
  ': a\r\n\r\n',
  'a: b\r\n\r\n',
  '0\r\n\r\n',
  '5\r\nhello\r\n0\r\n\r\n',
].map((text) => Buffer.from(text))

export function readDifferences(): Difference[] {
  return JSON.parse(readFileSync(join(root, 'test/fuzz/differential/differences.json'), 'utf8'))
}

export class Campaign {
  readonly account: Account = { streams: 0, requests: 0, refusedByBoth: 0, stricter: new Map(), later: 0, faults: [] }
  readonly #node = new NodeSide()
  readonly #hornet: HornetSide
  readonly #allowed: Set<string>

  constructor(hornet: HornetSide, differences: readonly Difference[]) {
    this.#hornet = hornet
    this.#allowed = new Set(differences.map(({ id }) => id))
  }

  /** Ends when `isEnough` says so, or after too many faults. */
  async run(seed: number, isEnough: (account: Account) => boolean): Promise<void> {
    const random = new Random(seed)
    const generator = new Generator(random, readSeeds())
    const { account } = this
    while (!isEnough(account) && account.faults.length < faultsMax) {
      const pending = this.judge(Array.from({ length: batchStreams }, () => generator.stream()))
      const longer = pending.flatMap((stream) =>
        completions.map((completion) => ({ pieces: [...stream.pieces, completion] })),
      )
      if (longer.length > 0) this.judge(longer)
      // Node frees parsers in a later turn.
      await new Promise((next) => setImmediate(next))
    }
  }

  /** Returns the streams that have no verdict yet. */
  judge(streams: readonly Stream[]): Stream[] {
    const { account } = this
    const pending: Stream[] = []
    const answers = this.#hornet.read(streams)
    for (const [index, stream] of streams.entries()) {
      const node = this.#node.read(stream)
      const hornet = answers[index]
      const verdict = compare(node, hornet)
      account.streams += 1
      account.requests += node.requests.length
      if (verdict.kind === 'same') {
        if (node.ending.kind === 'refused') account.refusedByBoth += 1
      } else if (verdict.kind === 'stricter' && this.#allowed.has(verdict.id)) {
        account.stricter.set(verdict.id, (account.stricter.get(verdict.id) ?? 0) + 1)
      } else if (verdict.kind === 'pending') {
        account.later += 1
        pending.push(stream)
      } else {
        const isNew = !account.faults.some((fault) => nameOf(fault.verdict) === nameOf(verdict))
        if (isNew) account.faults.push({ verdict, stream, node, hornet })
      }
    }
    return pending
  }

  verdictOf(stream: Stream): Verdict {
    return compare(this.#node.read(stream), this.#hornet.read([stream])[0])
  }

  /** The same fault with as little around it as a few rounds of leaving parts out show. */
  shorten(fault: Fault): Fault {
    const name = nameOf(fault.verdict)
    const firstSame = (streams: Stream[]): Stream | undefined => {
      const answers = this.#hornet.read(streams)
      return streams.find((stream, index) => nameOf(compare(this.#node.read(stream), answers[index])) === name)
    }
    let stream = firstSame([{ pieces: [wholeOf(fault.stream)] }]) ?? fault.stream
    for (let round = 0; round < shorteningRounds; round++) {
      const shorter = firstSame(shortened(stream))
      if (shorter === undefined) break
      stream = shorter
    }
    const node = this.#node.read(stream)
    const hornet = this.#hornet.read([stream])[0]
    return { verdict: compare(node, hornet), stream, node, hornet }
  }
}

/** The stream without this or that part, large parts first. */
function shortened(stream: Stream): Stream[] {
  const { length } = wholeOf(stream)
  const streams: Stream[] = []
  for (let part = length >> 1; part >= 1; part >>= 1) {
    const step = Math.max(part, Math.ceil(length / 100))
    for (let at = 0; at + part <= length; at += step) streams.push(without(stream, at, part))
  }
  return streams
}

export function nameOf(verdict: Verdict): string {
  if (verdict.kind === 'stricter') return `stricter: ${verdict.id}`
  return 'what' in verdict ? `${verdict.kind}: ${verdict.what}` : verdict.kind
}

export function describeFault({ verdict, stream, node, hornet }: Fault): string {
  return [
    nameOf(verdict),
    ...stream.pieces.map((piece) => `  piece:  ${escapeOctets(piece)}`),
    `  node:   ${JSON.stringify(node)}`,
    `  hornet: ${JSON.stringify(hornet)}`,
  ].join('\n')
}

function without(stream: Stream, at: number, length: number): Stream {
  let passed = 0
  const pieces = stream.pieces.map((piece) => {
    const from = Math.min(Math.max(at - passed, 0), piece.length)
    const to = Math.min(Math.max(at + length - passed, 0), piece.length)
    passed += piece.length
    return Buffer.concat([piece.subarray(0, from), piece.subarray(to)])
  })
  return { pieces: pieces.filter((piece) => piece.length > 0) }
}

/** The messages of the HTTP vectors, and what the head parser's fuzzer starts from. */
function readSeeds(): Buffer[] {
  const corpus = join(root, 'test/fuzz/corpus/head_parser')
  const seeds: Buffer[] = readdirSync(corpus).map((name) => readFileSync(join(corpus, name)))
  const vectors = join(root, 'test/http/vectors')
  for (const name of readdirSync(vectors).filter((each) => each.endsWith('.md') && each !== 'README.md')) {
    for (const [, message] of readFileSync(join(vectors, name), 'latin1').matchAll(/^```http.*\n([\s\S]*?)^```$/gm)) {
      const bytes = unescapeOctets(message.replaceAll('\n', ''))
      if (bytes.length < 4096) seeds.push(bytes)
    }
  }
  return seeds
}
