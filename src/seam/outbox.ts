/**
 * The worker's end of one response ring: encodes records in place and publishes each at once, so that a worker that
 * blocks in the next request holds no finished answer back. The I/O thread is woken only when it sleeps.
 *
 * Full ring: records are kept here, in order, until the I/O thread has made room (it wakes the pump then). What can
 * pile up is bounded by the windows of the streams and by one answer per request in flight.
 */
import { Buffer } from 'node:buffer'
import type { WorkerPort } from './addon.js'
import type { CodecBuffer, ExchangeId, Lane, StartedExchange } from './lane.js'
import {
  CHUNK_BLOCK_HIGH,
  CHUNK_BLOCK_LOW,
  CHUNK_BYTES,
  CHUNK_CLAIMED_AT,
  CHUNK_DATA_LENGTH,
  CHUNK_EXCHANGE,
  CHUNK_FLAG_BLOCK,
  CHUNK_FLAGS,
  CHUNK_GENERATION,
  CHUNK_STATUS,
  IO_CONTROL_ASLEEP,
  IO_CONTROL_CLOCK_US,
  IO_CONTROL_STRIDE,
  KIND_PAD,
  KIND_RAW,
  KIND_RESPOND,
  LANE_CONTROL_RESPONSE_HEAD,
  LANE_CONTROL_RESPONSE_TAIL,
  LANE_CONTROL_WORKER_STARVED,
  LANE_RINGS_OFFSET,
  RESPOND_BODY_BLOCK_HIGH,
  RESPOND_BODY_BLOCK_LOW,
  RESPOND_BODY_LENGTH,
  RESPOND_BYTES,
  RESPOND_CLAIMED_AT,
  RESPOND_EXCHANGE,
  RESPOND_FLAG_BODY_BLOCK,
  RESPOND_FLAGS,
  RESPOND_GENERATION,
  RESPOND_HEAD_LENGTH,
  RESPOND_STATUS,
  SIGNAL_BYTES,
  SIGNAL_EXCHANGE,
  SIGNAL_GENERATION,
  SIGNAL_RESERVED,
  SIGNAL_VALUE,
} from './records.js'

/** Bytes of a body that travel in the ring; larger ones go as blocks. */
const INLINE_BODY_MAX = 32 * 1024
/** UTF-16 units of a text that is not worth a call into Node. */
const SHORT_TEXT_MAX = 64
/** A string of this length fits INLINE_BODY_MAX whatever it holds: UTF-8 takes at most 3 bytes per UTF-16 unit. */
const INLINE_STRING_MAX = (INLINE_BODY_MAX / 3) | 0

const LENGTH = 0
const KIND = 1

interface Record {
  bytes: CodecBuffer
  length: number
}

export class Outbox {
  readonly #lane: Lane
  readonly #ioControl: Int32Array
  readonly #ioWord: number
  readonly #clockWord: number
  readonly #port: WorkerPort
  readonly #ringStart: number
  readonly #capacity: number
  readonly #blockAddress = new Uint32Array(2)
  /** Records that found no room, oldest first. */
  #overflow: Record[] = []
  /** Ours, and the I/O thread's as last seen. Bytes, wrapping at 2^32. */
  #tail: number
  #head: number
  /** Where the record being written lies: the ring, or a buffer of its own when the ring is full. */
  #words: Uint32Array
  #bytes: CodecBuffer
  #at = 0

  constructor(lane: Lane, ioControl: Int32Array, port: WorkerPort) {
    this.#lane = lane
    this.#ioControl = ioControl
    const ioStart = (lane.ioThread * IO_CONTROL_STRIDE) >>> 2
    this.#ioWord = ioStart + IO_CONTROL_ASLEEP
    this.#clockWord = ioStart + IO_CONTROL_CLOCK_US
    this.#port = port
    this.#ringStart = LANE_RINGS_OFFSET + lane.requestRingBytes
    this.#capacity = lane.bytes.length - this.#ringStart
    this.#tail = lane.signed[LANE_CONTROL_RESPONSE_TAIL]
    this.#head = lane.signed[LANE_CONTROL_RESPONSE_HEAD]
    this.#words = lane.words
    this.#bytes = lane.bytes
  }

  /**
   * The I/O thread's clock: microseconds, modulo 2^32. No older than its last turn, and it has one every few
   * milliseconds while requests are under way; a clock of our own costs 200 ns to read on a virtual machine.
   */
  get clockUs(): number {
    return this.#ioControl[this.#clockWord] >>> 0
  }

  /**
   * A whole response. `head` is the status line and the fields, each ending in CRLF, without the empty line.
   *
   * @param isAscii The head holds ASCII only; otherwise it is written as latin1.
   * @param expectedLength Bytes the body must have, or -1 when any length will do.
   * @param headBytes The head's bytes, where they are at hand; the head is ASCII then.
   * @returns The body's length in bytes; -1, and nothing was sent, when it is not the expected one.
   */
  respond(
    exchange: StartedExchange,
    flags: number,
    status: number,
    head: string,
    isAscii: boolean,
    body: string | Uint8Array,
    expectedLength: number,
    headBytes: Uint8Array | null = null,
  ): number {
    let bodyLength: number
    let recordFlags = flags
    let length = RESPOND_BYTES + head.length
    if (typeof body === 'string' ? body.length > INLINE_STRING_MAX : body.byteLength > INLINE_BODY_MAX) {
      bodyLength = this.#port.makeBlock(body, this.#blockAddress)
      const [low, high] = this.#blockAddress
      if (expectedLength >= 0 && bodyLength !== expectedLength) {
        this.#port.takeBlock(low, high, bodyLength)
        return -1
      }
      this.#reserve(length)
      this.#bytes.latin1Write(head, this.#at * 4 + RESPOND_BYTES, head.length)
      this.#words[this.#at + RESPOND_BODY_BLOCK_LOW] = low
      this.#words[this.#at + RESPOND_BODY_BLOCK_HIGH] = high
      recordFlags |= RESPOND_FLAG_BODY_BLOCK
    } else if (typeof body === 'string') {
      const room = head.length + body.length * 3
      this.#reserve(RESPOND_BYTES + room)
      const start = this.#at * 4 + RESPOND_BYTES
      if (headBytes !== null) {
        this.#bytes.set(headBytes, start)
        bodyLength = body === '' ? 0 : this.#writeText(body, start + head.length)
      } else if (isAscii) {
        // One write for both: an ASCII head has as many bytes as characters.
        bodyLength = this.#bytes.utf8Write(head + body, start, room) - head.length
      } else {
        this.#bytes.latin1Write(head, start, head.length)
        bodyLength = body === '' ? 0 : this.#bytes.utf8Write(body, start + head.length, body.length * 3)
      }
      if (expectedLength >= 0 && bodyLength !== expectedLength) return -1
      length += bodyLength
    } else {
      bodyLength = body.byteLength
      if (expectedLength >= 0 && bodyLength !== expectedLength) return -1
      length += bodyLength
      this.#reserve(length)
      const start = this.#at * 4 + RESPOND_BYTES
      this.#bytes.latin1Write(head, start, head.length)
      this.#bytes.set(body, start + head.length)
    }
    const words = this.#words
    const at = this.#at
    words[at + RESPOND_EXCHANGE] = exchange.index
    words[at + RESPOND_GENERATION] = exchange.generation
    words[at + RESPOND_FLAGS] = recordFlags
    words[at + RESPOND_STATUS] = status
    words[at + RESPOND_HEAD_LENGTH] = head.length
    words[at + RESPOND_BODY_LENGTH] = bodyLength
    words[at + RESPOND_CLAIMED_AT] = exchange.claimedAt
    this.#publish(KIND_RESPOND, length)
    return bodyLength
  }

  /** A short text is written faster byte by byte than by a call into Node. Returns its bytes. */
  #writeText(text: string, start: number): number {
    if (text.length <= SHORT_TEXT_MAX) {
      const bytes = this.#bytes
      let i = 0
      for (; i < text.length; i++) {
        const code = text.charCodeAt(i)
        if (code > 0x7f) break
        bytes[start + i] = code
      }
      if (i === text.length) return i
    }
    return this.#bytes.utf8Write(text, start, text.length * 3)
  }

  /** Bytes for the wire, framed by the caller; at most 64 KiB at a time keeps the ring moving. */
  raw(exchange: StartedExchange, flags: number, status: number, data: Uint8Array | null): void {
    const dataLength = data === null ? 0 : data.byteLength
    const inBlock = dataLength > INLINE_BODY_MAX
    this.#reserve(CHUNK_BYTES + (inBlock ? 0 : dataLength))
    const words = this.#words
    const at = this.#at
    if (data !== null && inBlock) {
      this.#port.makeBlock(data, this.#blockAddress)
      words[at + CHUNK_BLOCK_LOW] = this.#blockAddress[0]
      words[at + CHUNK_BLOCK_HIGH] = this.#blockAddress[1]
    } else if (data !== null) {
      this.#bytes.set(data, at * 4 + CHUNK_BYTES)
    }
    words[at + CHUNK_EXCHANGE] = exchange.index
    words[at + CHUNK_GENERATION] = exchange.generation
    words[at + CHUNK_FLAGS] = inBlock ? flags | CHUNK_FLAG_BLOCK : flags
    words[at + CHUNK_DATA_LENGTH] = dataLength
    words[at + CHUNK_STATUS] = status
    words[at + CHUNK_CLAIMED_AT] = exchange.claimedAt
    this.#publish(KIND_RAW, CHUNK_BYTES + (inBlock ? 0 : dataLength))
  }

  /** A word about an exchange, or a connection where the kind names one. */
  signal(kind: number, exchange: ExchangeId, value: number): void {
    this.#reserve(SIGNAL_BYTES)
    const words = this.#words
    const at = this.#at
    words[at + SIGNAL_EXCHANGE] = exchange.index
    words[at + SIGNAL_GENERATION] = exchange.generation
    words[at + SIGNAL_VALUE] = value
    words[at + SIGNAL_RESERVED] = 0
    this.#publish(kind, SIGNAL_BYTES)
  }

  /** Moves what found no room into the ring, as far as it goes. Called by the pump's owner after each pump. */
  flushOverflow(): void {
    while (this.#overflow.length > 0) {
      const record = this.#overflow[0]
      if (!this.#reserveRing(record.length)) {
        // The order matters: say that we wait, then look once more.
        Atomics.store(this.#lane.signed, LANE_CONTROL_WORKER_STARVED, 1)
        if (!this.#reserveRing(record.length)) return
        Atomics.store(this.#lane.signed, LANE_CONTROL_WORKER_STARVED, 0)
      }
      this.#overflow.shift()
      this.#bytes.set(record.bytes.subarray(0, record.length), this.#at * 4)
      this.#publishRing(record.length)
    }
  }

  /** Makes room for a record of at most `length` bytes and sets #words, #bytes and #at to it. */
  #reserve(length: number): void {
    const aligned = (length + 7) & ~7
    if (this.#overflow.length === 0 && this.#reserveRing(aligned)) return
    const memory = new ArrayBuffer(aligned)
    this.#words = new Uint32Array(memory)
    this.#bytes = Buffer.from(memory) as CodecBuffer
    this.#at = 0
  }

  #reserveRing(length: number): boolean {
    const { words, signed, bytes } = this.#lane
    const offset = this.#tail & (this.#capacity - 1)
    const toEnd = this.#capacity - offset
    const pad = toEnd < length ? toEnd : 0
    const need = length + pad
    if (this.#capacity - ((this.#tail - this.#head) >>> 0) < need) {
      this.#head = Atomics.load(signed, LANE_CONTROL_RESPONSE_HEAD)
      if (this.#capacity - ((this.#tail - this.#head) >>> 0) < need) return false
    }
    this.#words = words
    this.#bytes = bytes
    this.#at = (this.#ringStart + offset) >>> 2
    if (pad > 0) {
      words[this.#at + LENGTH] = pad
      words[this.#at + KIND] = KIND_PAD
      this.#tail = (this.#tail + pad) | 0
      this.#at = this.#ringStart >>> 2
    }
    return true
  }

  #publish(kind: number, length: number): void {
    const aligned = (length + 7) & ~7
    this.#words[this.#at + LENGTH] = aligned
    this.#words[this.#at + KIND] = kind
    if (this.#words === this.#lane.words) {
      this.#publishRing(aligned)
      return
    }
    this.#overflow.push({ bytes: this.#bytes, length: aligned })
    this.flushOverflow()
  }

  #publishRing(length: number): void {
    this.#tail = (this.#tail + length) | 0
    Atomics.store(this.#lane.signed, LANE_CONTROL_RESPONSE_TAIL, this.#tail)
    if (
      Atomics.load(this.#ioControl, this.#ioWord) === 1 &&
      Atomics.compareExchange(this.#ioControl, this.#ioWord, 1, 0) === 1
    ) {
      this.#port.wake(this.#lane.ioThread)
    }
  }
}
