/**
 * Promise: what hostile clients send over HTTP/2 ends with their stream or their connection: memory stays bounded, the
 * workers go on, and other clients are served meanwhile.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { after, before, beforeEach, describe, test } from 'node:test'
import { type Controlled, startControlled } from '../control/fixtures/control.js'
import { asked, within } from '../support/deadline.js'
import { connectSecurely, serverCertificate } from '../tls/support.js'
import {
  app,
  type FrameConnection,
  fieldBlock,
  flag,
  frame,
  frameType,
  getFrame,
  KiB,
  openFrames,
  preface,
  requestBlock,
  servesOthers,
  setting,
  uint32,
} from './support.js'

let controlled: Controlled
let baseMiB: number
before(async () => {
  controlled = await startControlled({ app, workers: 1, args: [...serverCertificate, '--header-timeout', '500ms'] })
  for (let i = 0; i < 20; i++) await servesOthers(controlled.hornet)
})
beforeEach(() => {
  baseMiB = residentMiB()
})
after(() => controlled[Symbol.asyncDispose]())

function residentMiB(): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${controlled.hornet.pid}/status`, 'utf8'))?.[1]
  return Number(kib) / 1024
}

/** The garbage of some hundred requests included. */
const grownMiBMax = 60

/** Others are served meanwhile, and the process is not much larger than it was; nothing is left of the attackers. */
async function survives(...attackers: FrameConnection[]): Promise<void> {
  try {
    await servesOthers(controlled.hornet)
    // The address sanitizer keeps what was freed.
    if (process.env.TEST_SANITIZER === undefined && process.platform === 'linux') {
      const grown = residentMiB() - baseMiB
      assert.ok(grown < grownMiBMax, `${grown.toFixed(1)} MiB`)
    }
  } finally {
    for (const { connection } of attackers) connection.destroy()
  }
  await asked('quiet', async () => {
    const { requestsInFlight, requestsQueued } = (await controlled.ask('GET', '/status')).json
    return requestsInFlight + requestsQueued === 0
  })
}

/** Requests that were refused with this status. */
async function rejected(status: number): Promise<number> {
  const { text } = await controlled.ask('GET', '/metrics')
  return Number(new RegExp(`^hornet_requests_rejected_total\\{status="${status}"\\} (\\d+)$`, 'm').exec(text)?.[1])
}

/** Sends `piece` over and over, `count` times or until the server closes; what it sends is read, unless it `isDeaf`. */
async function flood(
  first: Buffer,
  piece: (round: number) => Buffer,
  { count = 2000, isDeaf = false }: { count?: number; isDeaf?: boolean } = {},
): Promise<FrameConnection> {
  const frames = await openFrames(controlled.hornet)
  const { socket } = frames.connection
  if (isDeaf) frames.connection.pause()
  frames.send(first)
  for (let round = 0; round < count && frames.connection.state === 'open'; round++) {
    if (frames.send(piece(round)) || socket.destroyed) {
      // What comes is to be seen now and then.
      if (round % 64 === 0) await new Promise((settle) => setImmediate(settle))
      continue
    }
    // Taken, or closed, or not taken because the server reads no more of one that does not read.
    const ways = new AbortController()
    const { signal } = ways
    const isTaken = await within(
      Promise.race([
        once(socket, 'drain', { signal }).then(() => true),
        once(socket, 'close', { signal }).then(() => false),
      ]),
      'room',
      200,
    ).catch(() => false)
    ways.abort()
    if (!isTaken) break
  }
  return frames
}

/** `count` times what `make` makes of the next stream's number. */
const streams = (round: number, count: number, make: (stream: number) => Buffer[]) =>
  Buffer.concat(Array.from({ length: count }, (_, index) => make(1 + 2 * (round * count + index))).flat())

/** Made once: the frames of a flood have to be cheap. */
const [plain, silent, refused] = [requestBlock('/'), requestBlock('/silent'), requestBlock('/', [['connection', 'x']])]
const whole = (stream: number, block: Buffer) =>
  frame(frameType.headers, flag.endHeaders | flag.endStream, stream, block)

const repeated = (bytes: Buffer, count: number) => Buffer.concat(Array(count).fill(bytes))

describe('floods', () => {
  const rapid = (block: Buffer) => (round: number) =>
    streams(round, 50, (stream) => [whole(stream, block), frame(frameType.rstStream, 0, stream, uint32(8))])

  for (const isDeaf of [false, true]) {
    test(`of requests that are taken back at once${isDeaf ? ', from a client that does not read' : ''}`, async () => {
      for (const block of [silent, requestBlock('/bytes?length=100000')]) {
        const frames = await flood(Buffer.alloc(0), rapid(block), { isDeaf, count: 400 })
        // ENHANCE_YOUR_CALM, or INTERNAL_ERROR as nghttp2 says it.
        if (!isDeaf) assert.notEqual(await frames.goAwayCode(), 0)
        await survives(frames)
      }
    })

    const pieces: Record<string, [first: Buffer, piece: (round: number) => Buffer]> = {
      SETTINGS: [Buffer.alloc(0), () => repeated(frame(frameType.settings, 0, 0), 1000)],
      PING: [Buffer.alloc(0), () => repeated(frame(frameType.ping, 0, 0, '12345678'), 1000)],
      'empty DATA': [
        frame(frameType.headers, flag.endHeaders, 1, requestBlock('/hash', [], 'POST')),
        () => repeated(frame(frameType.data, 0, 1), 1000),
      ],
      PRIORITY: [
        Buffer.alloc(0),
        (round) => streams(round, 500, (stream) => [frame(frameType.priority, 0, stream, '\0\0\0\0\x10')]),
      ],
      WINDOW_UPDATE: [Buffer.alloc(0), () => repeated(frame(frameType.windowUpdate, 0, 0, uint32(1)), 1000)],
      'requests that are refused': [
        Buffer.alloc(0),
        (round) => streams(round, 100, (stream) => [whole(stream, refused)]),
      ],
      'requests beyond the number that may be open': [
        Buffer.alloc(0),
        (round) => streams(round, 100, (stream) => [whole(stream, silent)]),
      ],
      // A window of nothing more is a fault of the stream, which the server then resets.
      'requests that the client breaks': [
        Buffer.alloc(0),
        (round) =>
          streams(round, 100, (stream) => [whole(stream, silent), frame(frameType.windowUpdate, 0, stream, uint32(0))]),
      ],
      'frames of no known type': [Buffer.alloc(0), () => repeated(frame(0x42, 0xff, 0, 'x'.repeat(1000)), 20)],
    }
    for (const [name, [first, piece]] of Object.entries(pieces)) {
      test(`of ${name}${isDeaf ? ', from a client that does not read' : ''}`, async () => {
        // As much as it takes until the server reads no more; or else it has to keep what it owes.
        await survives(await flood(first, piece, { isDeaf, count: isDeaf ? 8000 : 300 }))
      })
    }
  }

  test('of CONTINUATION: the connection ends', async () => {
    const begin = frame(frameType.headers, flag.endStream, 1, requestBlock('/'))
    for (const payload of [Buffer.alloc(0), fieldBlock([['x-a', 'b'.repeat(100)]]), Buffer.alloc(16_000, 0x82)]) {
      const more = repeated(frame(frameType.continuation, 0, 1, payload), 10)
      const frames = await flood(begin, () => more)
      await frames.readToEnd()
      await survives(frames)
    }
  })
})

describe('windows', () => {
  test('of nothing for ever: other streams and clients go on', async () => {
    const all = await Promise.all(
      Array.from({ length: 5 }, async () => {
        const frames = await openFrames(controlled.hornet, setting(4, 0))
        for (let stream = 1; stream < 200; stream += 2) frames.send(getFrame(stream, '/bytes?length=5000'))
        await frames.readUntil(frameType.headers)
        return frames
      }),
    )
    await survives(...all)
  })

  test('that overflow, and bytes beyond them: the stream or the connection ends', async () => {
    const overflow = frame(frameType.windowUpdate, 0, 0, uint32(2 ** 31 - 1))
    const frames = await flood(overflow, () => overflow, { count: 2 })
    // FLOW_CONTROL_ERROR.
    assert.equal(await frames.goAwayCode(), 3)
    frames.connection.destroy()
    const head = frame(frameType.headers, flag.endHeaders, 1, requestBlock('/hash?late', [], 'POST'))
    const data = frame(frameType.data, 0, 1, Buffer.alloc(16 * KiB))
    const uploads = await flood(head, () => data, { count: 1000 })
    // A fault of the stream, or of the connection, as the version of nghttp2 has it.
    for (;;) {
      const { type, payload } = await uploads.read()
      if (type !== frameType.rstStream && type !== frameType.goAway) continue
      assert.equal(payload.readUInt32BE(type === frameType.goAway ? 4 : 0), 3)
      break
    }
    await survives(uploads)
  })

  test('of all bodies together: no more than 1 MiB waits for an application that does not read', async () => {
    const frames = await openFrames(controlled.hornet)
    for (let stream = 1; stream < 200; stream += 2) {
      frames.send(frame(frameType.headers, flag.endHeaders, stream, requestBlock('/hash?late', [], 'POST')))
    }
    // One byte each is what costs most.
    const small = repeated(frame(frameType.data, 0, 1, 'x'), 1000)
    for (let round = 0; round < 100; round++) frames.send(small)
    await survives(frames)
  })
})

describe('what is no HTTP/2', () => {
  const garbage: Record<string, Buffer> = {
    'a request of HTTP/1.1': Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n'),
    'half a preface and something else': Buffer.concat([preface.subarray(0, 10), Buffer.from('xxxxxxxxxxxxxxxxxxx')]),
    zeros: Buffer.alloc(1000),
    ones: Buffer.alloc(1000, 0xff),
    'a preface and ones': Buffer.concat([preface, Buffer.alloc(1000, 0xff)]),
    'a preface and no SETTINGS': Buffer.concat([preface, getFrame(1, '/')]),
    'a frame too large': Buffer.concat([
      preface,
      frame(frameType.settings, 0, 0),
      frame(frameType.data, 0, 1, Buffer.alloc(17 * KiB)),
    ]),
    'DATA of no stream': Buffer.concat([preface, frame(frameType.settings, 0, 0), frame(frameType.data, 0, 0, 'x')]),
    'a stream of the server': Buffer.concat([preface, frame(frameType.settings, 0, 0), getFrame(2, '/')]),
    'a push': Buffer.concat([
      preface,
      frame(frameType.settings, 0, 0),
      frame(frameType.pushPromise, 4, 1, '\0\0\0\x02'),
    ]),
    'padding beyond its frame': Buffer.concat([
      preface,
      frame(frameType.settings, 0, 0),
      frame(frameType.headers, flag.endHeaders | flag.padded, 1, '\xff'),
    ]),
    'a table that is not there': Buffer.concat([
      preface,
      frame(frameType.settings, 0, 0),
      frame(frameType.headers, flag.endHeaders | flag.endStream, 1, '\xff\xff\xff\xff\x0f'),
    ]),
  }
  for (const [name, bytes] of Object.entries(garbage)) {
    test(`${name}: GOAWAY, and an end`, async () => {
      const connection = await connectSecurely(controlled.hornet, { ALPNProtocols: ['h2'] })
      connection.write(bytes)
      const end = within(
        connection.readToEnd().catch(() => connection.buffered),
        'end',
      )
      const came = await end
      // SETTINGS first, whatever the client says.
      assert.ok(came.length === 0 || came[3] === frameType.settings, came.toString('hex'))
      connection.destroy()
    })
  }

  test('silence, at any point: --header-timeout ends it', async () => {
    const beginnings = [
      Buffer.alloc(0),
      preface.subarray(0, 5),
      preface,
      Buffer.concat([preface, frame(frameType.settings, 0, 0)]),
      Buffer.concat([preface, frame(frameType.settings, 0, 0), getFrame(1, '/').subarray(0, 12)]),
      Buffer.concat([preface, frame(frameType.settings, 0, 0), frame(frameType.headers, 1, 1, requestBlock('/'))]),
    ]
    await Promise.all(
      beginnings.map(async (bytes, index) => {
        const connection = await connectSecurely(controlled.hornet, { ALPNProtocols: ['h2'] })
        connection.write(bytes)
        await within(
          connection.readToEnd().catch(() => {}),
          `end of ${index}`,
          5000,
        )
        connection.destroy()
      }),
    )
    await survives()
  })
})

describe('heads', () => {
  test('that are small on the wire and large in memory', async () => {
    // One field of 4,000 bytes for the table, and then a byte for each time it is meant.
    const large = Buffer.concat([Buffer.from([0x40]), fieldBlock([['x-bomb', 'b'.repeat(3900)]]).subarray(1)])
    const bomb = Buffer.concat([requestBlock('/'), large, Buffer.alloc(10_000, 0xbe)])
    const frames = await openFrames(controlled.hornet)
    for (let stream = 1; stream < 40; stream += 2) {
      frames.send(frame(frameType.headers, flag.endHeaders | flag.endStream, stream, bomb))
    }
    await frames.readUntil(frameType.headers, 39)
    assert.equal(await rejected(431), 20)
    await survives(frames)
  })

  test('of many streams that do not end one after the other: only one may be open', async () => {
    const frames = await openFrames(controlled.hornet)
    frames.send(frame(frameType.headers, 0, 1, plain), frame(frameType.headers, 0, 3, plain))
    assert.equal(await frames.goAwayCode(), 1)
    frames.connection.destroy()
    await survives()
  })

  test('with trailers that are too many, or are none', async () => {
    const head = (stream: number) =>
      frame(frameType.headers, flag.endHeaders, stream, requestBlock('/seen', [], 'POST'))
    const many = Array.from({ length: 1500 }, (_, index) => [`x-${index}`, ''] as const)
    const frames = await openFrames(controlled.hornet)
    frames.send(head(1), frame(frameType.headers, flag.endHeaders | flag.endStream, 1, fieldBlock(many)))
    // 431 of HTTP/1.1 for trailers; and the connection goes on.
    await frames.readUntil(frameType.headers, 1)
    frames.send(getFrame(3, '/'))
    await frames.readUntil(frameType.data, 3)
    frames.connection.destroy()
    const other = await openFrames(controlled.hornet)
    other.send(head(1), frame(frameType.headers, flag.endHeaders, 1, fieldBlock([['x-a', 'b']])))
    await other.readUntil(frameType.rstStream, 1)
    other.connection.destroy()
    await survives()
  })
})

test('noise in the frames of 60 connections', async () => {
  let state = 7
  const random = (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  await Promise.all(
    Array.from({ length: 60 }, async () => {
      const frames = await openFrames(controlled.hornet)
      const bytes = Array.from({ length: 20 }, (_, index) => {
        if (random(3) === 0) return getFrame(1 + 2 * index, ['/', '/silent', '/bytes?length=50000', '/cut'][random(4)])
        const payload = Buffer.from(Array.from({ length: random(40) }, () => random(256)))
        return frame(random(11), random(256), random(8), payload)
      })
      frames.send(...bytes)
      frames.connection.end()
      await frames.readToEnd()
      frames.connection.destroy()
    }),
  )
  await survives()
})
