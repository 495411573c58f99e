/**
 * The I/O thread's end of a lane, for tests: memory of any size at any position, a reader of the response ring and a
 * writer of the request ring, after native/ring/spsc_ring.h, and a stand-in for the worker's port.
 */
import assert from 'node:assert/strict'
import type { WorkerPort } from '../../src/seam/addon.js'
import { Lane } from '../../src/seam/lane.js'
import {
  CHUNK_BYTES,
  CHUNK_KIND,
  CHUNK_LENGTH,
  IO_CONTROL_STRIDE,
  KIND_PAD,
  LANE_CONTROL_REQUEST_HEAD,
  LANE_CONTROL_REQUEST_TAIL,
  LANE_CONTROL_RESPONSE_HEAD,
  LANE_CONTROL_RESPONSE_TAIL,
  LANE_RINGS_OFFSET,
} from '../../src/seam/records.js'

export interface LaneShape {
  requestRingBytes?: number
  responseRingBytes?: number
  /** Where all positions stand: as if that many bytes had gone through both rings. */
  start?: number
}

export function makeLane({ requestRingBytes = 4096, responseRingBytes = 4096, start = 0 }: LaneShape = {}): Lane {
  const lane = new Lane(
    new SharedArrayBuffer(LANE_RINGS_OFFSET + requestRingBytes + responseRingBytes),
    1,
    requestRingBytes,
  )
  for (const word of [
    LANE_CONTROL_REQUEST_TAIL,
    LANE_CONTROL_REQUEST_HEAD,
    LANE_CONTROL_RESPONSE_TAIL,
    LANE_CONTROL_RESPONSE_HEAD,
  ]) {
    lane.words[word] = start
  }
  return lane
}

/** The control words of two I/O threads; the lanes above belong to the second. */
export function makeIoControl(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(2 * IO_CONTROL_STRIDE))
}
export const ioWord = IO_CONTROL_STRIDE / 4

/** A record as it lay in the ring: its words, and the bytes behind its struct. */
export interface ReadRecord {
  kind: number
  words: Uint32Array
  bytes: Buffer
}

/** Reads a lane's response ring as RingConsumer does. */
export class ResponseReader {
  readonly #lane: Lane
  readonly #ringStart: number
  readonly #capacity: number
  #head: number
  /** Pads skipped so far. */
  padCount = 0

  constructor(lane: Lane) {
    this.#lane = lane
    this.#ringStart = LANE_RINGS_OFFSET + lane.requestRingBytes
    this.#capacity = lane.bytes.length - this.#ringStart
    this.#head = lane.signed[LANE_CONTROL_RESPONSE_HEAD]
  }

  /** The oldest record, copied, and its memory given back; undefined when there is none. */
  take(): ReadRecord | undefined {
    const { words, signed, bytes } = this.#lane
    const tail = Atomics.load(signed, LANE_CONTROL_RESPONSE_TAIL)
    while (this.#head !== tail) {
      const offset = this.#head & (this.#capacity - 1)
      const start = this.#ringStart + offset
      const length = words[start / 4 + CHUNK_LENGTH]
      const kind = words[start / 4 + CHUNK_KIND]
      assert.ok(length >= 8 && length % 8 === 0, `a record of ${length} bytes`)
      assert.ok(offset + length <= this.#capacity, 'a record straddles the end of its ring')
      assert.ok(length <= (tail - this.#head) >>> 0, 'a record ends beyond what was published')
      const copy = Buffer.alloc(length)
      bytes.copy(copy, 0, start, start + length)
      // As long as it can be read, a record's memory is ours; scribbling shows a writer that comes too early.
      bytes.fill(0xa5, start, start + length)
      this.#head = (this.#head + length) | 0
      if (kind === KIND_PAD) {
        this.padCount++
        continue
      }
      Atomics.store(signed, LANE_CONTROL_RESPONSE_HEAD, this.#head)
      return { kind, words: new Uint32Array(copy.buffer, copy.byteOffset, length / 4), bytes: copy }
    }
    return undefined
  }

  takeAll(): ReadRecord[] {
    const records: ReadRecord[] = []
    for (let record = this.take(); record !== undefined; record = this.take()) records.push(record)
    return records
  }
}

/** Writes a lane's request ring as RingProducer does. */
export class RequestWriter {
  readonly #lane: Lane
  #tail: number

  constructor(lane: Lane) {
    this.#lane = lane
    this.#tail = lane.signed[LANE_CONTROL_REQUEST_TAIL]
  }

  /**
   * Publishes one record.
   *
   * @param words The struct's words by index; length and kind are set here.
   * @param data What follows the struct.
   * @returns The word where the record starts.
   */
  put(kind: number, structBytes: number, words: Record<number, number>, data: Uint8Array = new Uint8Array()): number {
    const { signed, words: memory, bytes, requestRingBytes } = this.#lane
    const length = (structBytes + data.length + 7) & ~7
    const toEnd = requestRingBytes - (this.#tail & (requestRingBytes - 1))
    const pad = toEnd < length ? toEnd : 0
    const used = (this.#tail - Atomics.load(signed, LANE_CONTROL_REQUEST_HEAD)) >>> 0
    assert.ok(requestRingBytes - used >= length + pad, 'the test writes more than the ring holds')
    if (pad > 0) {
      memory[this.#at() + CHUNK_LENGTH] = pad
      memory[this.#at() + CHUNK_KIND] = KIND_PAD
      this.#tail = (this.#tail + pad) | 0
    }
    const at = this.#at()
    memory.fill(0, at, at + length / 4)
    for (const [word, value] of Object.entries(words)) memory[at + Number(word)] = value
    memory[at + CHUNK_LENGTH] = length
    memory[at + CHUNK_KIND] = kind
    bytes.set(data, at * 4 + structBytes)
    this.#tail = (this.#tail + length) | 0
    Atomics.store(signed, LANE_CONTROL_REQUEST_TAIL, this.#tail)
    return at
  }

  #at(): number {
    return (LANE_RINGS_OFFSET + (this.#tail & (this.#lane.requestRingBytes - 1))) / 4
  }
}

/** Counts wakes and keeps blocks in a list, where the native port has memory. */
export class StandInPort implements WorkerPort {
  readonly wakes: number[] = []
  selfWakes = 0
  readonly blocks: Buffer[] = []

  wake(index: number): void {
    this.wakes.push(index)
  }
  wakeSelf(): void {
    this.selfWakes++
  }
  makeBlock(data: Uint8Array | string, out: Uint32Array): number {
    // Narrowed for the overloads of Buffer.from.
    const block = typeof data === 'string' ? Buffer.from(data) : Buffer.from(data)
    out[0] = this.blocks.push(block)
    out[1] = 7
    return block.length
  }
  takeBlock(low: number, high: number, length: number): Buffer {
    assert.equal(high, 7)
    return this.blocks[low - 1].subarray(0, length)
  }
  reportUncaught(error: unknown): void {
    throw error
  }
  tlsSession(): null {
    return null
  }
  ref(): void {}
  unref(): void {}
  close(): void {}
}

/** Inline data of a chunk record. */
export function chunkData(record: ReadRecord, length: number): Buffer {
  return record.bytes.subarray(CHUNK_BYTES, CHUNK_BYTES + length)
}
