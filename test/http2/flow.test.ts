/**
 * Promise: a stream that its client does not read, or that is left, costs its own request and no other one of the
 * connection; what is not read is not buffered.
 */
import assert from 'node:assert/strict'
import { buffer } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { type Controlled, startControlled } from '../control/fixtures/control.js'
import { asked, within } from '../support/deadline.js'
import type { Hornet } from '../support/hornet.js'
import { until } from '../support/until.js'
import { serverCertificate } from '../tls/support.js'
import {
  answerOf,
  app,
  ask,
  cancel,
  closed,
  flag,
  frame,
  frameType,
  getFrame,
  headOf,
  internalError,
  KiB,
  MiB,
  noError,
  open,
  openFrames,
  requestBlock,
  resetCode,
  setting,
  uint32,
} from './support.js'

let controlled: Controlled
let hornet: Hornet
before(async () => {
  controlled = await startControlled({
    app,
    workers: 1,
    args: [...serverCertificate, '--write-timeout', '400ms', '--body-timeout', '400ms', '--keep-alive', '10s'],
  })
  hornet = controlled.hornet
})
after(() => controlled[Symbol.asyncDispose]())

async function metric(name: string): Promise<number> {
  const { text } = await controlled.ask('GET', '/metrics')
  const line = text.split('\n').find((each) => each.startsWith(`${name} `))
  return Number(line?.slice(name.length + 1))
}

const writeTimeouts = 'hornet_timeouts_total{reason="write"}'

async function noted(count: number): Promise<string[]> {
  await using session = await open(hornet)
  return JSON.parse((await ask(session, `/noted?count=${count}`)).text)
}

describe('a client that does not read', () => {
  test('one stream: others go on, and --write-timeout ends it', async () => {
    await using session = await open(hornet)
    const before = await metric(writeTimeouts)
    const stuck = session.request({ ':path': '/bytes?length=2000000' })
    const head = await headOf(stuck)
    assert.equal(head[':status'], 200)
    const ended = new Promise((settle) => stuck.once('close', settle))
    // It gives no more window than its first 64 KiB.
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(session, '/bytes?length=30000')))
    assert.ok(answers.every(({ body }) => body.length === 30_000))
    await asked('timeout', async () => (await metric(writeTimeouts)) === before + 1)
    await within(ended, 'end of the stream')
    assert.notEqual(stuck.rstCode, noError)
    assert.equal((await ask(session, '/')).text, 'hello\n')
  })

  test('without a window for its connection: --write-timeout ends each, and the connection lives', async () => {
    await using frames = await openFrames(hornet, setting(4, 10 * MiB))
    // 65,535 bytes for all of them together.
    for (const stream of [1, 3, 5]) frames.send(getFrame(stream, '/bytes?length=200000'))
    for (const _ of [1, 3, 5]) await frames.readUntil(frameType.rstStream)
    // What needs no window is answered still.
    frames.send(frame(frameType.headers, flag.endHeaders | flag.endStream, 7, requestBlock('/', [], 'HEAD')))
    await frames.readUntil(frameType.headers, 7)
    frames.send(frame(frameType.windowUpdate, 0, 0, uint32(100_000)), getFrame(9, '/'))
    assert.equal((await frames.readUntil(frameType.data, 9)).payload.toString(), 'hello\n')
  })

  test('its socket: --write-timeout ends what it does not take', async () => {
    const frames = await openFrames(hornet, setting(4, 2 ** 31 - 1))
    frames.connection.pause()
    const before = await metric(writeTimeouts)
    // All at once: from a client that does not read, no more is read.
    const requests = [1, 3, 5].map((stream) => getFrame(stream, '/endless'))
    frames.send(...requests, frame(frameType.windowUpdate, 0, 0, uint32(2 ** 30)))
    await asked('timeout', async () => (await metric(writeTimeouts)) > before)
    assert.deepEqual(await noted(6), [...Array(3).fill('aborted'), ...Array(3).fill('closed false')])
    await using session = await open(hornet)
    assert.equal((await ask(session, '/')).status, 200)
    frames.connection.destroy()
  })

  test('more than a window each, from many streams at a time, gets all of it in the end', async () => {
    await using patient = await startControlled({ app, workers: 1, args: serverCertificate })
    await using session = await open(patient.hornet)
    const streams = Array.from({ length: 20 }, () => session.request({ ':path': '/stream?length=300000&piece=7777' }))
    const pieces = await Promise.all(
      streams.map(async (stream) => {
        await headOf(stream)
        return buffer(stream)
      }),
    )
    assert.ok(pieces.every(({ length }) => length === 300_000))
  })
})

describe('an application that does not read', () => {
  test('has the client wait, stream by stream', async () => {
    await using patient = await startControlled({ app, workers: 1, args: serverCertificate })
    await using session = await open(patient.hornet)
    const body = Buffer.alloc(3 * MiB)
    const late = session.request({ ':path': '/hash?late', ':method': 'POST' }, { endStream: false })
    late.end(body)
    // The window of the stream is used up, that of the connection is not.
    await until(() => late.state.localWindowSize === 0, 'a full window')
    const other = await ask(session, '/hash', { ':method': 'POST' }, body)
    assert.equal(JSON.parse(other.text).count, body.length)
    assert.ok(Number(session.state.remoteWindowSize) >= 512 * KiB)
    await ask(session, '/release')
    assert.equal(JSON.parse((await answerOf(late)).text).count, body.length)
  })

  test('an upload that stops is answered 408', async () => {
    await using session = await open(hornet)
    const stream = session.request({ ':path': '/hash', ':method': 'POST' }, { endStream: false })
    stream.write('a beginning')
    const [stopped, other] = await Promise.all([answerOf(stream), ask(session, '/')])
    assert.deepEqual([stopped.status, other.status], [408, 200])
  })
})

describe('a client that leaves', () => {
  test('a response: the application hears of it, and the connection goes on', async () => {
    await using session = await open(hornet)
    const stream = session.request({ ':path': '/endless' })
    await headOf(stream)
    stream.close(cancel)
    assert.deepEqual(await noted(2), ['aborted', 'closed false'])
    assert.equal((await ask(session, '/')).status, 200)
  })

  test('an upload, and a request that is not answered yet', async () => {
    await using session = await open(hornet)
    // With its length it is the application's from the beginning.
    const fields = { ':path': '/sink', ':method': 'POST', 'content-length': 1_000_000 }
    const stream = session.request(fields, { endStream: false })
    stream.on('error', () => {})
    stream.write(Buffer.alloc(100_000))
    const silent = session.request({ ':path': '/silent' })
    silent.on('error', () => {})
    await ask(session, '/')
    stream.close(cancel)
    silent.close(cancel)
    const events = await noted(3)
    assert.ok(events.includes('silent closed'), String(events))
    assert.ok(events.includes('upload aborted'), String(events))
    assert.equal((await ask(session, '/')).status, 200)
  })

  test('with all it has open', async () => {
    const session = await open(hornet)
    const streams = Array.from({ length: 5 }, () => session.request({ ':path': '/silent' }))
    for (const stream of streams) stream.on('error', () => {})
    await ask(session, '/')
    session.destroy()
    await closed(session)
    assert.deepEqual(await noted(5), Array(5).fill('silent closed'))
  })
})

test('a worker that dies costs its own requests, and not the connection', async () => {
  await using pool = await startControlled({ app, workers: 1, args: serverCertificate })
  await using session = await open(pool.hornet)
  const held = Array.from({ length: 6 }, () => ask(session, '/held').then(({ status }) => status))
  await asked('requests in flight', async () => (await pool.ask('GET', '/status')).json.requestsInFlight === 6)
  assert.equal((await ask(session, '/exit')).status, 502)
  assert.deepEqual(await within(Promise.all(held), 'statuses'), Array(6).fill(502))
  assert.equal((await ask(session, '/')).status, 200)
})

test('a response that its worker does not end is cut off', async () => {
  await using pool = await startControlled({ app, workers: 1, args: serverCertificate })
  await using session = await open(pool.hornet)
  assert.equal(await resetCode(ask(session, '/die')), internalError)
  await asked('a new worker', async () => (await pool.ask('GET', '/status')).json.workers.ready === 1)
  assert.equal((await ask(session, '/')).status, 200)
})

test('--request-timeout is answered 504', async () => {
  await using strict = await startControlled({
    ...{ app, workers: 1 },
    args: [...serverCertificate, '--request-timeout', '300ms'],
  })
  await using session = await open(strict.hornet)
  const statuses = await Promise.all(['/silent', '/silent', '/'].map(async (path) => (await ask(session, path)).status))
  assert.deepEqual(statuses, [504, 504, 200])
})

test('a worker that blocks is replaced after --timeout: its request is answered 504, and the connection lives', async () => {
  await using strict = await startControlled({
    ...{ app, workers: 1 },
    args: [...serverCertificate, '--timeout', '300ms'],
  })
  await using session = await open(strict.hornet)
  assert.equal((await ask(session, '/block')).status, 504)
  assert.equal((await ask(session, '/')).status, 200)
})
