/**
 * What Hornet's head parser and body decoder make of streams: the program that scripts/lib/replay-program.mjs builds
 * from native/http, given many streams at a time.
 */
import { spawnSync } from 'node:child_process'
import { cutAtEnd, type SeenRequest, type Stream, type Transcript } from './transcript.js'

const answerBytesMax = 1024 * 1024 * 1024

export class HornetSide {
  readonly #program: string

  constructor(program: string) {
    this.#program = program
  }

  read(streams: readonly Stream[]): Transcript[] {
    const { status, signal, stdout, stderr, error } = spawnSync(this.#program, {
      input: encode(streams),
      maxBuffer: answerBytesMax,
    })
    if (status !== 0) throw new Error(`the replay ended with ${error?.message ?? signal ?? status}\n${stderr}`)
    const transcripts = decode(stdout)
    if (transcripts.length !== streams.length) throw new Error('the replay answered something else than it was asked')
    return transcripts
  }
}

/** Each stream: how many pieces, then each with its length in front. */
function encode(streams: readonly Stream[]): Buffer {
  const parts: Buffer[] = []
  for (const { pieces } of streams) {
    parts.push(number(pieces.length))
    for (const piece of pieces) parts.push(number(piece.length), piece)
  }
  return Buffer.concat(parts)
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

/** For each stream: how many events, then each with its length in front. */
function decode(bytes: Buffer): Transcript[] {
  const transcripts: Transcript[] = []
  let at = 0
  const take = (): number => {
    at += 4
    return bytes.readUInt32LE(at - 4)
  }
  while (at < bytes.length) {
    const events: string[] = []
    for (let count = take(); count > 0; count--) {
      const length = take()
      events.push(bytes.toString('latin1', at, at + length))
      at += length
    }
    transcripts.push(cutAtEnd(transcriptOf(events)))
  }
  return transcripts
}

/** Reads the events that test/native/replay.h writes. */
function transcriptOf(events: string[]): Transcript {
  const transcript: Transcript = { requests: [], ending: { kind: 'clean' } }
  let seen: SeenRequest | undefined
  for (const event of events) {
    const blank = event.indexOf(' ')
    const word = blank === -1 ? event : event.slice(0, blank)
    const rest = blank === -1 ? '' : event.slice(blank + 1)
    if (word === 'request') {
      const [method, target, version] = rest.split(' ')
      seen = {
        method,
        target,
        version: version.slice('HTTP/'.length),
        fields: [],
        keepsAlive: true,
        isTunnel: method === 'CONNECT',
        body: '',
        trailers: [],
        isWhole: false,
      }
      transcript.requests.push(seen)
    } else if (word === 'bad') {
      transcript.ending = { kind: 'refused', fault: rest.slice(rest.indexOf(' ') + 1) }
    } else if (word === 'more') {
      transcript.ending = { kind: 'more' }
    } else if (seen === undefined) {
      throw new Error(`an event before any request: ${event}`)
    } else if (word === 'field' || word === 'trailer') {
      const colon = rest.indexOf(': ')
      const list = word === 'field' ? seen.fields : seen.trailers
      list.push(rest.slice(0, colon), rest.slice(colon + 2))
    } else if (word === 'data') {
      seen.body += rest
    } else if (word === 'close') {
      seen.keepsAlive = false
    } else if (word === 'upgrade') {
      seen.isTunnel = true
    } else if (word === 'end') {
      seen.isWhole = true
    } else if (word !== 'form' && word !== 'body' && word !== 'expect-continue') {
      throw new Error(event)
    }
  }
  return transcript
}
