/**
 * What the outbox writes is what native code reads: every field in its place, in order, whatever the ring's state.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Outbox } from '../../src/seam/outbox.js'
import {
  CHUNK_BLOCK_HIGH,
  CHUNK_BLOCK_LOW,
  CHUNK_BYTES,
  CHUNK_DATA_LENGTH,
  CHUNK_EXCHANGE,
  CHUNK_FLAG_BLOCK,
  CHUNK_FLAG_HEAD,
  CHUNK_FLAG_LAST,
  CHUNK_FLAGS,
  CHUNK_GENERATION,
  CHUNK_STATUS,
  KIND_CONSUME,
  KIND_DESTROY,
  KIND_RAW,
  KIND_RESPOND,
  LANE_CONTROL_RESPONSE_TAIL,
  LANE_CONTROL_WORKER_STARVED,
  RESPOND_BODY_BLOCK_HIGH,
  RESPOND_BODY_BLOCK_LOW,
  RESPOND_BODY_LENGTH,
  RESPOND_BYTES,
  RESPOND_CLAIMED_AT,
  RESPOND_EXCHANGE,
  RESPOND_FLAG_BODY_BLOCK,
  RESPOND_FLAG_DATE,
  RESPOND_FLAGS,
  RESPOND_GENERATION,
  RESPOND_HEAD_LENGTH,
  RESPOND_STATUS,
  SIGNAL_BYTES,
  SIGNAL_EXCHANGE,
  SIGNAL_GENERATION,
  SIGNAL_VALUE,
} from '../../src/seam/records.js'
import {
  chunkData,
  ioWord,
  type LaneShape,
  makeIoControl,
  makeLane,
  type ReadRecord,
  ResponseReader,
  StandInPort,
} from './ring.js'

function open(shape: LaneShape = {}) {
  const lane = makeLane(shape)
  const ioControl = makeIoControl()
  const port = new StandInPort()
  const outbox = new Outbox(lane, ioControl, port)
  const exchange = { lane, index: 12, generation: 0xfffffff0, claimedAt: 77 }
  return { lane, ioControl, port, outbox, exchange, reader: new ResponseReader(lane) }
}

function only(records: ReadRecord[]): ReadRecord {
  assert.equal(records.length, 1)
  return records[0]
}

/** Head and inline body of a kRespond record. */
function texts({ words, bytes }: ReadRecord): { head: string; body: Buffer } {
  const bodyStart = RESPOND_BYTES + words[RESPOND_HEAD_LENGTH]
  const bodyLength = (words[RESPOND_FLAGS] & RESPOND_FLAG_BODY_BLOCK) !== 0 ? 0 : words[RESPOND_BODY_LENGTH]
  assert.equal(bytes.length, (bodyStart + bodyLength + 7) & ~7)
  return {
    head: bytes.toString('latin1', RESPOND_BYTES, bodyStart),
    body: bytes.subarray(bodyStart, bodyStart + bodyLength),
  }
}

const head = 'HTTP/1.1 200 OK\r\nX: y\r\n'

test('a whole response has every field in its place', () => {
  const { outbox, exchange, reader } = open()
  assert.equal(outbox.respond(exchange, RESPOND_FLAG_DATE, 200, head, true, 'hello', 5), 5)
  const record = only(reader.takeAll())
  assert.equal(record.kind, KIND_RESPOND)
  assert.equal(record.words[RESPOND_EXCHANGE], 12)
  assert.equal(record.words[RESPOND_GENERATION], 0xfffffff0)
  assert.equal(record.words[RESPOND_FLAGS], RESPOND_FLAG_DATE)
  assert.equal(record.words[RESPOND_STATUS], 200)
  assert.equal(record.words[RESPOND_CLAIMED_AT], 77)
  assert.deepEqual(texts(record), { head, body: Buffer.from('hello') })
})

test('heads are latin1, string bodies are UTF-8, and lengths count bytes', () => {
  const { outbox, exchange, reader } = open()
  const latin1 = 'HTTP/1.1 200 OK\r\nX: \xe9\xff\r\n'
  const bodies = ['', 'plain', 'gr\xfc\xdfe', '\u20ac\u{1f600}', 'lone \ud800 surrogate']
  for (const body of bodies) {
    for (const [text, isAscii] of [
      [head, true],
      [head, false],
      [latin1, false],
    ] as const) {
      assert.equal(outbox.respond(exchange, 0, 200, text, isAscii, body, -1), Buffer.byteLength(body))
      const read = texts(only(reader.takeAll()))
      assert.equal(read.head, text)
      assert.deepEqual(read.body, Buffer.from(body))
    }
  }
})

test('a body that is not as long as promised sends nothing', () => {
  const { outbox, exchange, reader, lane } = open({ start: 4096 - 64 })
  assert.equal(outbox.respond(exchange, 0, 200, head, true, 'hello', 4), -1)
  assert.equal(outbox.respond(exchange, 0, 200, head, true, Buffer.from('hello'), 6), -1)
  assert.equal(lane.words[LANE_CONTROL_RESPONSE_TAIL], 4096 - 64)
  assert.deepEqual(reader.takeAll(), [])
  // The place that was reserved, a pad before it included, is used by the next record.
  outbox.signal(KIND_CONSUME, exchange, 3)
  assert.equal(only(reader.takeAll()).kind, KIND_CONSUME)
})

test('large bodies travel as blocks, whatever they are made of', () => {
  const { outbox, exchange, reader, port } = open({ responseRingBytes: 128 * 1024 })
  const limit = 32 * 1024
  for (const [body, isBlock] of [
    [Buffer.alloc(limit, 1), false],
    [Buffer.alloc(limit + 1, 2), true],
    // Of a string only the length in UTF-16 units is known: as if each took three bytes.
    ['x'.repeat(limit / 3), false],
    ['x'.repeat(limit / 3 + 1), true],
    ['\u20ac'.repeat(limit / 3), false],
    ['\u20ac'.repeat(limit / 3 + 1), true],
  ] as const) {
    const bytes = Buffer.from(body as string)
    assert.equal(outbox.respond(exchange, 0, 200, head, true, body, -1), bytes.length)
    const record = only(reader.takeAll())
    assert.equal((record.words[RESPOND_FLAGS] & RESPOND_FLAG_BODY_BLOCK) !== 0, isBlock)
    assert.equal(texts(record).head, head)
    const { words } = record
    const sent = isBlock
      ? port.takeBlock(words[RESPOND_BODY_BLOCK_LOW], words[RESPOND_BODY_BLOCK_HIGH], words[RESPOND_BODY_LENGTH])
      : texts(record).body
    assert.ok(sent.equals(bytes))
    // Not what was announced: nothing is sent.
    assert.equal(outbox.respond(exchange, 0, 200, head, true, body, bytes.length + 1), -1)
    assert.deepEqual(reader.takeAll(), [])
  }
})

test('raw bytes go inline or as a block', () => {
  const { outbox, exchange, reader, port } = open({ responseRingBytes: 128 * 1024 })
  outbox.raw(exchange, CHUNK_FLAG_HEAD, 206, Buffer.from('some bytes'))
  outbox.raw(exchange, 0, 0, Buffer.alloc(40_000, 'z'))
  outbox.raw(exchange, CHUNK_FLAG_LAST, 0, null)
  const [inline, block, last] = reader.takeAll()
  for (const record of [inline, block, last]) {
    assert.equal(record.kind, KIND_RAW)
    assert.equal(record.words[CHUNK_EXCHANGE], 12)
    assert.equal(record.words[CHUNK_GENERATION], 0xfffffff0)
  }
  assert.equal(inline.words[CHUNK_FLAGS], CHUNK_FLAG_HEAD)
  assert.equal(inline.words[CHUNK_STATUS], 206)
  assert.equal(inline.words[CHUNK_DATA_LENGTH], 10)
  assert.equal(chunkData(inline, 10).toString(), 'some bytes')
  assert.equal(block.words[CHUNK_FLAGS], CHUNK_FLAG_BLOCK)
  assert.equal(block.bytes.length, CHUNK_BYTES)
  const sent = port.takeBlock(
    block.words[CHUNK_BLOCK_LOW],
    block.words[CHUNK_BLOCK_HIGH],
    block.words[CHUNK_DATA_LENGTH],
  )
  assert.ok(sent.equals(Buffer.alloc(40_000, 'z')))
  assert.equal(last.words[CHUNK_FLAGS], CHUNK_FLAG_LAST)
  assert.equal(last.words[CHUNK_DATA_LENGTH], 0)
})

test('a signal has its fields and its fixed length', () => {
  const { outbox, exchange, reader } = open()
  outbox.signal(KIND_CONSUME, exchange, 0x80000001)
  const record = only(reader.takeAll())
  assert.equal(record.kind, KIND_CONSUME)
  assert.equal(record.bytes.length, SIGNAL_BYTES)
  assert.equal(record.words[SIGNAL_EXCHANGE], 12)
  assert.equal(record.words[SIGNAL_GENERATION], 0xfffffff0)
  assert.equal(record.words[SIGNAL_VALUE], 0x80000001)
})

test('an I/O thread is woken only when it sleeps, and once', () => {
  const { outbox, exchange, port, ioControl } = open()
  outbox.signal(KIND_CONSUME, exchange, 1)
  assert.deepEqual(port.wakes, [])
  // Another thread's sleep is none of this lane's business.
  ioControl[0] = 1
  outbox.signal(KIND_CONSUME, exchange, 2)
  assert.deepEqual(port.wakes, [])
  ioControl[ioWord] = 1
  outbox.signal(KIND_CONSUME, exchange, 3)
  outbox.signal(KIND_CONSUME, exchange, 4)
  assert.deepEqual(port.wakes, [1])
  assert.deepEqual([ioControl[0], ioControl[ioWord]], [1, 0])
})

test('a record that would straddle the end of the ring stands behind a pad', () => {
  // Before the end of the ring, and before the end of all positions.
  for (const start of [4096 - 16, 2 ** 32 - 16, 2 ** 31 - 16]) {
    const { outbox, exchange, reader, lane } = open({ start })
    outbox.signal(KIND_DESTROY, exchange, 1)
    assert.equal(lane.words[LANE_CONTROL_RESPONSE_TAIL], (start + 16 + SIGNAL_BYTES) >>> 0)
    assert.equal(only(reader.takeAll()).kind, KIND_DESTROY)
    assert.equal(reader.padCount, 1)
  }
})

test('a record that ends with the ring needs no pad', () => {
  const { outbox, exchange, reader } = open({ start: 2 ** 32 - SIGNAL_BYTES })
  outbox.signal(KIND_CONSUME, exchange, 1)
  outbox.signal(KIND_CONSUME, exchange, 2)
  assert.deepEqual(
    reader.takeAll().map(({ words }) => words[SIGNAL_VALUE]),
    [1, 2],
  )
  assert.equal(reader.padCount, 0)
})

test('what finds no room is kept in order and moves in when there is some', () => {
  for (const start of [0, 2 ** 32 - 40]) {
    const { outbox, exchange, reader, lane } = open({ start })
    const count = 500
    for (let i = 0; i < count; i++) outbox.signal(KIND_CONSUME, exchange, i)
    assert.equal(lane.words[LANE_CONTROL_WORKER_STARVED], 1, 'the I/O thread is told to wake the worker')
    const seen: number[] = []
    while (seen.length < count) {
      const records = reader.takeAll()
      assert.ok(records.length > 100, `${records.length} records in a full ring`)
      seen.push(...records.map(({ words }) => words[SIGNAL_VALUE]))
      Atomics.store(lane.signed, LANE_CONTROL_WORKER_STARVED, 0) // as the I/O thread does before it wakes
      outbox.flushOverflow()
    }
    assert.deepEqual(
      seen,
      Array.from({ length: count }, (_, i) => i),
    )
    assert.equal(lane.words[LANE_CONTROL_WORKER_STARVED], 0)
    assert.deepEqual(reader.takeAll(), [])
  }
})

test('nothing overtakes what waits, though it would fit', () => {
  const { outbox, exchange, reader } = open()
  const big = Buffer.alloc(1900, 'b')
  for (let i = 0; i < 3; i++) outbox.raw(exchange, 0, 0, big)
  // The third waits; 200 bytes are free, and a signal takes 24.
  outbox.signal(KIND_CONSUME, exchange, 1)
  const kinds = [...reader.takeAll().map(({ kind }) => kind)]
  assert.deepEqual(kinds, [KIND_RAW, KIND_RAW])
  outbox.signal(KIND_CONSUME, exchange, 2)
  const rest = reader.takeAll()
  assert.deepEqual(
    rest.map(({ kind }) => kind),
    [KIND_RAW, KIND_CONSUME, KIND_CONSUME],
  )
  assert.ok(chunkData(rest[0], big.length).equals(big), 'a record that waited is whole')
})

test('a whole response that waited is whole, its block included', () => {
  const { outbox, exchange, reader, port } = open()
  for (let i = 0; i < 3; i++) outbox.raw(exchange, 0, 0, Buffer.alloc(1300))
  assert.equal(outbox.respond(exchange, 0, 200, head, true, '\u20ac uro', 7), 7)
  assert.equal(outbox.respond(exchange, 0, 404, `${head}Y: \xe9\r\n`, false, Buffer.alloc(40_000, 'q'), -1), 40_000)
  reader.takeAll()
  outbox.flushOverflow()
  const [small, large] = reader.takeAll().filter(({ kind }) => kind === KIND_RESPOND)
  assert.deepEqual(texts(small), { head, body: Buffer.from('\u20ac uro') })
  assert.equal(texts(large).head, `${head}Y: \xe9\r\n`)
  const { words } = large
  const block = port.takeBlock(
    words[RESPOND_BODY_BLOCK_LOW],
    words[RESPOND_BODY_BLOCK_HIGH],
    words[RESPOND_BODY_LENGTH],
  )
  assert.ok(block.equals(Buffer.alloc(40_000, 'q')))
})

test('a refused response behind a full ring leaves nothing behind', () => {
  const { outbox, exchange, reader } = open()
  for (let i = 0; i < 3; i++) outbox.raw(exchange, 0, 0, Buffer.alloc(1300))
  assert.equal(outbox.respond(exchange, 0, 200, head, true, 'hello', 4), -1)
  outbox.signal(KIND_CONSUME, exchange, 9)
  const kinds = reader.takeAll().map(({ kind }) => kind)
  outbox.flushOverflow()
  kinds.push(...reader.takeAll().map(({ kind }) => kind))
  assert.deepEqual(kinds, [KIND_RAW, KIND_RAW, KIND_RAW, KIND_CONSUME])
})

test('a long run of every kind and length arrives as it was sent', () => {
  const { outbox, exchange, reader, ioControl, port } = open({ start: 2 ** 32 - 10 * 4096 })
  let state = 2463534242
  const random = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (state >>> 8) % below
  }
  const wanted: string[] = []
  const seen: string[] = []
  const read = () => {
    for (const record of reader.takeAll()) {
      const { kind, words } = record
      if (kind === KIND_CONSUME) seen.push(`signal ${words[SIGNAL_VALUE]}`)
      else if (kind === KIND_RAW) seen.push(`raw ${chunkData(record, words[CHUNK_DATA_LENGTH]).toString('latin1')}`)
      else seen.push(`respond ${words[RESPOND_STATUS]} ${texts(record).head} ${texts(record).body.toString()}`)
    }
  }
  for (let i = 0; i < 20_000; i++) {
    ioControl[ioWord] = random(2)
    const text = `${i}`.repeat(1 + random(40))
    switch (random(4)) {
      case 0:
        outbox.signal(KIND_CONSUME, exchange, i)
        wanted.push(`signal ${i}`)
        break
      case 1:
        outbox.raw(exchange, 0, 0, Buffer.from(text))
        wanted.push(`raw ${text}`)
        break
      case 2:
        outbox.respond(exchange, 0, i, head, true, text, -1)
        wanted.push(`respond ${i} ${head} ${text}`)
        break
      case 3:
        outbox.respond(exchange, 0, i, `${text}\r\n`, false, Buffer.from('body'), 4)
        wanted.push(`respond ${i} ${text}\r\n body`)
        break
    }
    if (random(8) === 0) {
      read()
      outbox.flushOverflow()
    }
  }
  while (seen.length < wanted.length) {
    const before = seen.length
    outbox.flushOverflow()
    read()
    assert.ok(seen.length > before, 'the ring is stuck')
  }
  assert.deepEqual(seen, wanted)
  assert.ok(reader.padCount > 0 && port.wakes.length > 0)
})
