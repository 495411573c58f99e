/**
 * The worker's end of the request rings: reads records in order and turns each into one call. Native code calls
 * `pump` and nothing else; how a sleeping worker is woken, and why no wake is lost, is told in native/ring/spsc_ring.h.
 */
import type { WorkerPort } from './addon.js'
import type { Lane } from './lane.js'
import {
  CHUNK_BLOCK_HIGH,
  CHUNK_BLOCK_LOW,
  CHUNK_BYTES,
  CHUNK_DATA_LENGTH,
  CHUNK_EXCHANGE,
  CHUNK_FLAG_BLOCK,
  CHUNK_FLAG_LAST,
  CHUNK_FLAGS,
  CHUNK_GENERATION,
  CHUNK_KIND,
  CHUNK_LENGTH,
  CLAIM_STATE_CLAIMED,
  CLAIM_STATE_UNCLAIMED,
  KIND_ABORT,
  KIND_BODY_CHUNK,
  KIND_CLOSED,
  KIND_CREDIT,
  KIND_ENDED,
  KIND_REQUEST,
  LANE_CONTROL_REQUEST_HEAD,
  LANE_CONTROL_REQUEST_TAIL,
  LANE_CONTROL_WORKER_ASLEEP,
  LANE_RINGS_OFFSET,
  REQUEST_CLAIM,
  REQUEST_CONNECTION,
  REQUEST_CONNECTION_GENERATION,
  SIGNAL_EXCHANGE,
  SIGNAL_GENERATION,
  SIGNAL_VALUE,
} from './records.js'

/** What the inbox calls. None of them may throw. */
export interface InboxHandler {
  /** A claimed request whose record starts at word `at`; the record's memory is valid during the call only. */
  handleRequest(lane: Lane, at: number): void
  /**
   * Called between requests of two connections, and behind a body: ticks and microtasks of one run before the next. May
   * throw.
   */
  settle(): void
  handleBodyChunk(lane: Lane, index: number, generation: number, flags: number, data: Buffer | null): void
  /** `reason` is an AbortReason. */
  handleAbort(lane: Lane, index: number, generation: number, reason: number): void
  /** The peer has finished sending while the exchange waits for its response. */
  handleEnded(lane: Lane, index: number, generation: number): void
  handleCredit(lane: Lane, index: number, generation: number, bytes: number): void
  handleConnectionClosed(lane: Lane, index: number, generation: number): void
}

/** Records of one lane per call of the pump; beyond it the event loop gets a turn. */
const BUDGET = 256

export class Inbox {
  readonly #lanes: readonly Lane[]
  readonly #handler: InboxHandler
  #port: WorkerPort | null = null
  /** True while the pump runs: what is answered now needs no wake-up of its own. */
  isPumping = false

  constructor(lanes: readonly Lane[], handler: InboxHandler) {
    this.#lanes = lanes
    this.#handler = handler
  }

  attach(port: WorkerPort): void {
    this.#port = port
  }

  /** Reads every lane until it is empty, or the budget is used up. Throws only what `settle` threw; call it again. */
  pump(): void {
    this.isPumping = true
    try {
      for (let i = 0; i < this.#lanes.length; i++) this.#drain(this.#lanes[i])
    } finally {
      this.isPumping = false
    }
  }

  #drain(lane: Lane): void {
    const { words, signed } = lane
    const mask = lane.requestRingBytes - 1
    let head = signed[LANE_CONTROL_REQUEST_HEAD]
    let budget = BUDGET
    let owesSettling = false
    Atomics.store(signed, LANE_CONTROL_WORKER_ASLEEP, 0)
    for (;;) {
      const tail = Atomics.load(signed, LANE_CONTROL_REQUEST_TAIL)
      while (head !== tail) {
        if (budget-- === 0) {
          this.#port?.wakeSelf()
          return
        }
        const at = (LANE_RINGS_OFFSET + (head & mask)) >>> 2
        const length = words[at + CHUNK_LENGTH]
        switch (words[at + CHUNK_KIND]) {
          case KIND_REQUEST:
            // Once claimed it is ours; before, the I/O thread may have given it to another worker.
            if (
              Atomics.compareExchange(signed, at + REQUEST_CLAIM, CLAIM_STATE_UNCLAIMED, CLAIM_STATE_CLAIMED) ===
              CLAIM_STATE_UNCLAIMED
            ) {
              owesSettling = true
              this.#handler.handleRequest(lane, at)
            }
            break
          case KIND_BODY_CHUNK:
            this.#readChunk(lane, at)
            // Whoever waits for the end of the body may answer before the peer's own end is looked at.
            if ((words[at + CHUNK_FLAGS] & CHUNK_FLAG_LAST) !== 0) owesSettling = true
            break
          case KIND_ABORT:
            this.#handler.handleAbort(
              lane,
              words[at + SIGNAL_EXCHANGE],
              words[at + SIGNAL_GENERATION],
              words[at + SIGNAL_VALUE],
            )
            owesSettling = true
            break
          case KIND_CREDIT:
            this.#handler.handleCredit(
              lane,
              words[at + SIGNAL_EXCHANGE],
              words[at + SIGNAL_GENERATION],
              words[at + SIGNAL_VALUE],
            )
            break
          case KIND_ENDED:
            this.#handler.handleEnded(lane, words[at + SIGNAL_EXCHANGE], words[at + SIGNAL_GENERATION])
            owesSettling = true
            break
          case KIND_CLOSED:
            this.#handler.handleConnectionClosed(lane, words[at + SIGNAL_EXCHANGE], words[at + SIGNAL_GENERATION])
            break
        }
        const next = (head + length) | 0
        const isFollowed = next !== tail && budget > 0 && isPipelined(lane, at, next)
        head = next
        // Only now may the I/O thread write over the record.
        Atomics.store(signed, LANE_CONTROL_REQUEST_HEAD, head)
        if (owesSettling && !isFollowed) {
          owesSettling = false
          this.#handler.settle()
        }
      }
      // The order matters: say that we sleep, then look once more.
      Atomics.store(signed, LANE_CONTROL_WORKER_ASLEEP, 1)
      if (Atomics.load(signed, LANE_CONTROL_REQUEST_TAIL) === head) return
      Atomics.store(signed, LANE_CONTROL_WORKER_ASLEEP, 0)
    }
  }

  #readChunk(lane: Lane, at: number): void {
    const { words } = lane
    const flags = words[at + CHUNK_FLAGS]
    const length = words[at + CHUNK_DATA_LENGTH]
    let data: Buffer | null = null
    if ((flags & CHUNK_FLAG_BLOCK) !== 0) {
      data = this.#port?.takeBlock(words[at + CHUNK_BLOCK_LOW], words[at + CHUNK_BLOCK_HIGH], length) ?? null
    } else if (length > 0) {
      const start = at * 4 + CHUNK_BYTES
      data = Buffer.from(lane.bytes.subarray(start, start + length))
    }
    this.#handler.handleBodyChunk(lane, words[at + CHUNK_EXCHANGE], words[at + CHUNK_GENERATION], flags, data)
  }
}

/**
 * The record at word `at` and the one at position `next` are requests of one connection. Node's parser runs such as came
 * in one packet one after the other, and their ticks and microtasks behind the last.
 */
function isPipelined({ words, requestRingBytes }: Lane, at: number, next: number): boolean {
  const then = (LANE_RINGS_OFFSET + (next & (requestRingBytes - 1))) >>> 2
  return (
    words[then + CHUNK_KIND] === KIND_REQUEST &&
    words[at + CHUNK_KIND] === KIND_REQUEST &&
    words[then + REQUEST_CONNECTION] === words[at + REQUEST_CONNECTION] &&
    words[then + REQUEST_CONNECTION_GENERATION] === words[at + REQUEST_CONNECTION_GENERATION]
  )
}
