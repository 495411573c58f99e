/**
 * A lane's shared memory as JavaScript sees it: the same bytes under three views. The layout is native/ring/records.h;
 * every position has its name from records.ts.
 */
import { Buffer } from 'node:buffer'

/** A Buffer with its codecs laid open: no argument checks, there on Node 20 to 26, and missing from its types. */
export type CodecBuffer = Buffer & {
  latin1Write(text: string, offset: number, length: number): number
  utf8Write(text: string, offset: number, length: number): number
  latin1Slice(start: number, end: number): string
}

/** What names an exchange (one request and its response) to the I/O thread: a slot and the slot's generation. */
export interface ExchangeId {
  readonly lane: Lane
  readonly index: number
  readonly generation: number
}

/** An exchange that may be answered. */
export interface StartedExchange extends ExchangeId {
  /** When the worker started it, by its outbox's clockUs. */
  readonly claimedAt: number
}

export class Lane {
  /** Index of the lane's I/O thread. */
  readonly ioThread: number
  readonly words: Uint32Array
  /** The same words, signed: `Atomics.wait`-free positions and flags are compared as int32 anyway. */
  readonly signed: Int32Array
  /** A Buffer, for its string codecs. */
  readonly bytes: CodecBuffer
  readonly requestRingBytes: number

  constructor(memory: SharedArrayBuffer, ioThread: number, requestRingBytes: number) {
    this.ioThread = ioThread
    this.words = new Uint32Array(memory)
    this.signed = new Int32Array(memory)
    // Buffer.from's types do not say that it takes shared memory, which it does.
    this.bytes = Buffer.from(memory as unknown as ArrayBuffer) as CodecBuffer
    this.requestRingBytes = requestRingBytes
  }
}
