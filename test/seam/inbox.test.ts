/**
 * The inbox reads what native code writes: each record becomes one call, once, in order.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Inbox, type InboxHandler } from '../../src/seam/inbox.js'
import type { Lane } from '../../src/seam/lane.js'
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
  CLAIM_STATE_CLAIMED,
  CLAIM_STATE_TAKEN_BACK,
  KIND_ABORT,
  KIND_BODY_CHUNK,
  KIND_CLOSED,
  KIND_CREDIT,
  KIND_ENDED,
  KIND_REQUEST,
  LANE_CONTROL_REQUEST_HEAD,
  LANE_CONTROL_REQUEST_TAIL,
  LANE_CONTROL_WORKER_ASLEEP,
  REQUEST_BYTES,
  REQUEST_CLAIM,
  REQUEST_CONNECTION,
  REQUEST_EXCHANGE,
  REQUEST_TEXT_LENGTH,
  SIGNAL_BYTES,
  SIGNAL_EXCHANGE,
  SIGNAL_GENERATION,
  SIGNAL_VALUE,
} from '../../src/seam/records.js'
import { type LaneShape, makeLane, RequestWriter, StandInPort } from './ring.js'

/** Writes down every call; `onSettle` runs between two requests. */
class Scribe implements InboxHandler {
  readonly calls: string[] = []
  onSettle: () => void = () => {}

  handleRequest(lane: Lane, at: number): void {
    const start = at * 4 + REQUEST_BYTES
    const text = lane.bytes.toString('latin1', start, start + lane.words[at + REQUEST_TEXT_LENGTH])
    this.calls.push(`request ${lane.words[at + REQUEST_EXCHANGE]} ${text}`)
  }
  settle(): void {
    this.calls.push('settle')
    this.onSettle()
  }
  handleBodyChunk(_lane: Lane, index: number, generation: number, flags: number, data: Buffer | null): void {
    this.calls.push(`chunk ${index} ${generation} ${flags} ${data}`)
  }
  handleAbort(_lane: Lane, index: number, generation: number): void {
    this.calls.push(`abort ${index} ${generation}`)
  }
  handleEnded(_lane: Lane, index: number, generation: number): void {
    this.calls.push(`ended ${index} ${generation}`)
  }
  handleCredit(_lane: Lane, index: number, generation: number, bytes: number): void {
    this.calls.push(`credit ${index} ${generation} ${bytes}`)
  }
  handleConnectionClosed(_lane: Lane, index: number, generation: number): void {
    this.calls.push(`closed ${index} ${generation}`)
  }
}

function open(shape: LaneShape = {}) {
  const lane = makeLane(shape)
  const writer = new RequestWriter(lane)
  const scribe = new Scribe()
  const inbox = new Inbox([lane], scribe)
  const port = new StandInPort()
  inbox.attach(port)
  return { lane, writer, scribe, inbox, port }
}

function putRequest(writer: RequestWriter, exchange: number, text: string, claim = 0, connection = exchange): number {
  const data = Buffer.from(text, 'latin1')
  const words = {
    [REQUEST_EXCHANGE]: exchange,
    [REQUEST_CONNECTION]: connection,
    [REQUEST_TEXT_LENGTH]: data.length,
    [REQUEST_CLAIM]: claim,
  }
  return writer.put(KIND_REQUEST, REQUEST_BYTES, words, data)
}

function putSignal(writer: RequestWriter, kind: number, exchange: number, value = 0): number {
  const words = { [SIGNAL_EXCHANGE]: exchange, [SIGNAL_GENERATION]: 5, [SIGNAL_VALUE]: value }
  return writer.put(kind, SIGNAL_BYTES, words)
}

function assertEmptyAndAsleep(lane: Lane): void {
  assert.equal(lane.words[LANE_CONTROL_REQUEST_HEAD], lane.words[LANE_CONTROL_REQUEST_TAIL])
  assert.equal(lane.words[LANE_CONTROL_WORKER_ASLEEP], 1)
}

test('an empty lane is left marked as asleep', () => {
  const { lane, inbox, scribe, port } = open()
  assert.equal(lane.words[LANE_CONTROL_WORKER_ASLEEP], 0)
  inbox.pump()
  assertEmptyAndAsleep(lane)
  assert.deepEqual(scribe.calls, [])
  assert.equal(port.selfWakes, 0)
})

test('a request is claimed, handled and settled, one after the other', () => {
  const { lane, writer, inbox, scribe } = open()
  const first = putRequest(writer, 1, '/a\0')
  const second = putRequest(writer, 2, '/b\0')
  inbox.pump()
  assert.deepEqual(scribe.calls, ['request 1 /a\0', 'settle', 'request 2 /b\0', 'settle'])
  assert.equal(lane.words[first + REQUEST_CLAIM], CLAIM_STATE_CLAIMED)
  assert.equal(lane.words[second + REQUEST_CLAIM], CLAIM_STATE_CLAIMED)
  assertEmptyAndAsleep(lane)
})

test('requests that wait together on one connection are settled together, as by Node', () => {
  const { lane, writer, inbox, scribe } = open()
  putRequest(writer, 1, '/a\0', 0, 7)
  putRequest(writer, 2, '/b\0', 0, 7)
  putRequest(writer, 3, '/c\0', 0, 8)
  putRequest(writer, 4, '/d\0', 0, 8)
  putSignal(writer, KIND_ENDED, 4)
  putRequest(writer, 5, '/e\0', 0, 8)
  // Settled although the one behind it does not run.
  putRequest(writer, 6, '/f\0', CLAIM_STATE_TAKEN_BACK, 8)
  inbox.pump()
  assert.deepEqual(scribe.calls, [
    'request 1 /a\0',
    'request 2 /b\0',
    'settle',
    'request 3 /c\0',
    'request 4 /d\0',
    'settle',
    'ended 4 5',
    'settle',
    'request 5 /e\0',
    'settle',
  ])
  assertEmptyAndAsleep(lane)
})

test('none is left unsettled when the pump gives the event loop its turn', () => {
  const { writer, inbox, scribe, port } = open({ requestRingBytes: 64 * 1024 })
  for (let n = 0; n < 257; n++) putRequest(writer, n, '/\0', 0, 7)
  inbox.pump()
  assert.equal(port.selfWakes, 1)
  assert.deepEqual(scribe.calls.slice(-2), ['request 255 /\0', 'settle'])
  assert.equal(scribe.calls.length, 257)
  inbox.pump()
  assert.deepEqual(scribe.calls.slice(-2), ['request 256 /\0', 'settle'])
})

test('a request that was taken back is skipped', () => {
  const { lane, writer, inbox, scribe } = open()
  const taken = putRequest(writer, 1, '/a\0', CLAIM_STATE_TAKEN_BACK)
  putRequest(writer, 2, '/b\0')
  inbox.pump()
  assert.deepEqual(scribe.calls, ['request 2 /b\0', 'settle'])
  assert.equal(lane.words[taken + REQUEST_CLAIM], CLAIM_STATE_TAKEN_BACK)
  assertEmptyAndAsleep(lane)
})

test('a request taken back while the one before it runs is skipped', () => {
  const { lane, writer, inbox, scribe } = open()
  putRequest(writer, 1, '/a\0')
  const second = putRequest(writer, 2, '/b\0')
  scribe.onSettle = () => Atomics.store(lane.signed, second + REQUEST_CLAIM, CLAIM_STATE_TAKEN_BACK)
  inbox.pump()
  assert.deepEqual(scribe.calls, ['request 1 /a\0', 'settle'])
})

test('body chunks come as copies, from the ring or from a block', () => {
  const { lane, writer, inbox, scribe, port } = open()
  const kept: (Buffer | null)[] = []
  scribe.handleBodyChunk = (_lane, index, generation, flags, data) => {
    scribe.calls.push(`chunk ${index} ${generation} ${flags}`)
    kept.push(data)
  }
  const words = { [CHUNK_EXCHANGE]: 3, [CHUNK_GENERATION]: 4 }
  const inline = Buffer.from('inline data')
  writer.put(KIND_BODY_CHUNK, CHUNK_BYTES, { ...words, [CHUNK_DATA_LENGTH]: inline.length }, inline)
  port.blocks.push(Buffer.from('data of a block'))
  writer.put(KIND_BODY_CHUNK, CHUNK_BYTES, {
    ...words,
    [CHUNK_FLAGS]: CHUNK_FLAG_BLOCK,
    [CHUNK_DATA_LENGTH]: 15,
    [CHUNK_BLOCK_LOW]: 1,
    [CHUNK_BLOCK_HIGH]: 7,
  })
  writer.put(KIND_BODY_CHUNK, CHUNK_BYTES, { ...words, [CHUNK_FLAGS]: CHUNK_FLAG_LAST })
  inbox.pump()
  lane.bytes.fill(0xa5, 1024)
  const chunks = [`chunk 3 4 0`, `chunk 3 4 ${CHUNK_FLAG_BLOCK}`, `chunk 3 4 ${CHUNK_FLAG_LAST}`]
  assert.deepEqual(scribe.calls, [...chunks, 'settle'], 'the end of a body is settled')
  assert.deepEqual(
    kept.map((data) => data?.toString()),
    ['inline data', 'data of a block', undefined],
  )
})

test('signals arrive with their numbers, and an abort is settled like a request', () => {
  const { lane, writer, inbox, scribe } = open()
  putSignal(writer, KIND_CREDIT, 9, 0xf0000000)
  putSignal(writer, KIND_ABORT, 0xffffffff)
  putSignal(writer, KIND_CLOSED, 11)
  inbox.pump()
  assert.deepEqual(scribe.calls, ['credit 9 5 4026531840', 'abort 4294967295 5', 'settle', 'closed 11 5'])
  assertEmptyAndAsleep(lane)
})

test('pads are skipped, at the end of the ring and of all positions', () => {
  for (const start of [4096 - 16, 2 ** 32 - 16, 2 ** 31 - 16]) {
    const { lane, writer, inbox, scribe } = open({ start })
    putRequest(writer, 1, '/a\0')
    inbox.pump()
    assert.deepEqual(scribe.calls, ['request 1 /a\0', 'settle'])
    assertEmptyAndAsleep(lane)
    // The pad, and the record with its text on an 8-byte boundary.
    assert.equal(lane.words[LANE_CONTROL_REQUEST_HEAD], (start + 16 + REQUEST_BYTES + 8) >>> 0)
  }
})

test('a record is given back before its request settles, and not while it is read', () => {
  const { lane, writer, inbox, scribe } = open()
  const heads: number[] = []
  scribe.handleRequest = () => {
    heads.push(lane.words[LANE_CONTROL_REQUEST_HEAD])
  }
  scribe.onSettle = () => {
    heads.push(lane.words[LANE_CONTROL_REQUEST_HEAD])
  }
  putRequest(writer, 1, '/a\0')
  inbox.pump()
  assert.deepEqual(heads, [0, REQUEST_BYTES + 8])
})

test('what arrives during the pump is read by the same pump', () => {
  const { lane, writer, inbox, scribe } = open()
  let left = 3
  scribe.onSettle = () => {
    assert.equal(lane.words[LANE_CONTROL_WORKER_ASLEEP], 0, 'nobody needs to wake a worker that is at work')
    assert.equal(inbox.isPumping, true)
    if (left-- > 0) putRequest(writer, left, '/more\0')
  }
  putRequest(writer, 9, '/a\0')
  inbox.pump()
  assert.equal(inbox.isPumping, false)
  assert.equal(scribe.calls.filter((call) => call.startsWith('request')).length, 4)
  assertEmptyAndAsleep(lane)
})

test('beyond its budget the pump asks to be called again, and loses nothing', () => {
  const { lane, writer, inbox, scribe, port } = open({ requestRingBytes: 16 * 1024 })
  const count = 600
  for (let i = 0; i < count; i++) putSignal(writer, KIND_CREDIT, i, 1)
  let pumps = 0
  do {
    pumps++
    inbox.pump()
    assert.equal(port.selfWakes, Math.min(pumps, 2))
    assert.equal(lane.words[LANE_CONTROL_WORKER_ASLEEP], pumps === 3 ? 1 : 0)
  } while (scribe.calls.length < count && pumps < 10)
  assert.equal(pumps, 3)
  assert.deepEqual(
    scribe.calls,
    Array.from({ length: count }, (_, i) => `credit ${i} 5 1`),
  )
  assertEmptyAndAsleep(lane)
})

test('a throw between two requests leaves the rest for the next call', () => {
  const { lane, writer, inbox, scribe } = open()
  putRequest(writer, 1, '/a\0')
  putRequest(writer, 2, '/b\0')
  scribe.onSettle = () => {
    scribe.onSettle = () => {}
    throw new Error('from a tick')
  }
  assert.throws(() => inbox.pump(), /from a tick/)
  assert.equal(inbox.isPumping, false)
  assert.deepEqual(scribe.calls, ['request 1 /a\0', 'settle'])
  inbox.pump()
  assert.deepEqual(scribe.calls, ['request 1 /a\0', 'settle', 'request 2 /b\0', 'settle'])
  assertEmptyAndAsleep(lane)
})

test('every lane is read in one call', () => {
  const lanes = [makeLane(), makeLane({ start: 2 ** 32 - 8 }), makeLane()]
  const scribe = new Scribe()
  const inbox = new Inbox(lanes, scribe)
  lanes.forEach((lane, i) => {
    putRequest(new RequestWriter(lane), i, `/${i}\0`)
  })
  inbox.pump()
  assert.deepEqual(
    scribe.calls.filter((call) => call !== 'settle'),
    ['request 0 /0\0', 'request 1 /1\0', 'request 2 /2\0'],
  )
  for (const lane of lanes) assertEmptyAndAsleep(lane)
})

test('a long run wraps the ring many times', () => {
  const { lane, writer, inbox, scribe } = open({ start: 2 ** 32 - 20 * 4096 })
  const wanted: string[] = []
  for (let i = 0; i < 5000; i++) {
    const text = `/${'x'.repeat((i * 37) % 300)}\0`
    putRequest(writer, i, text)
    wanted.push(`request ${i} ${text}`, 'settle')
    if (i % 7 === 6) inbox.pump()
  }
  inbox.pump()
  assert.deepEqual(scribe.calls, wanted)
  assertEmptyAndAsleep(lane)
})
