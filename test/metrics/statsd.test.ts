/**
 * Promise: a StatsD server is told what happened, by Gunicorn's names, in datagrams that cross any network.
 */
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { test } from 'node:test'
import { packLines, type StatsdLook, statsdLines } from '../../src/metrics/statsd.js'
import { within } from '../support/deadline.js'
import { startHornet } from '../support/hornet.js'
import { get } from '../support/http.js'

const start: StatsdLook = {
  requests: 10,
  statuses: { '2xx': 9, '5xx': 1 },
  durations: { boundsMs: [1, 2, 4], counts: [5, 3, 1, 1] },
  workers: 2,
  backlog: 0,
  logRecords: { error: 1, warn: 1 },
}

test('only what changed is told, and many requests in one line', () => {
  const now: StatsdLook = {
    requests: 17,
    statuses: { '2xx': 14, '4xx': 2, '5xx': 1 },
    durations: { boundsMs: [1, 2, 4], counts: [5, 7, 2, 3] },
    workers: 3,
    backlog: 5,
    logRecords: { error: 2, warn: 1 },
  }
  assert.deepEqual(statsdLines(now, start, 'shop'), [
    'shop.gunicorn.workers:3|g',
    'shop.gunicorn.backlog:5|g',
    'shop.gunicorn.requests:7|c',
    'shop.gunicorn.request.status.2xx:5|c',
    'shop.gunicorn.request.status.4xx:2|c',
    'shop.gunicorn.log.error:1|c',
    'shop.gunicorn.request.duration:1.5|ms|@0.25',
    'shop.gunicorn.request.duration:3|ms',
    'shop.gunicorn.request.duration:4|ms|@0.5',
  ])
  assert.deepEqual(statsdLines(start, start, ''), ['gunicorn.workers:2|g', 'gunicorn.backlog:0|g'])
  assert.deepEqual(statsdLines(start, start, 'a.')[0], 'a.gunicorn.workers:2|g')
})

test('datagrams have a size that is not cut to pieces on the way', () => {
  const lines = Array.from({ length: 100 }, (_, index) => `${'x'.repeat(40)}${index}`)
  const datagrams = packLines(lines)
  assert.ok(datagrams.length > 1)
  assert.ok(datagrams.every((datagram) => Buffer.byteLength(datagram) <= 1400))
  assert.deepEqual(datagrams.join('\n').split('\n'), lines)
})

test('requests reach a StatsD server', async () => {
  const server = createSocket('udp4')
  server.bind(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    await using hornet = await startHornet({
      app: 'test/control/fixtures/app.mjs',
      args: ['--workers', '1', '--statsd-host', `127.0.0.1:${server.address().port}`, '--statsd-prefix', 'shop'],
    })
    for (let count = 0; count < 3; count++) await get(hornet)
    const lines = new Map<string, number>()
    const told = new Promise<void>((resolve) => {
      server.on('message', (datagram) => {
        for (const line of datagram.toString().split('\n')) {
          const match = /^([\w.]+):([\d.]+)\|(c|g|ms)(?:\|@[\d.e-]+)?$/.exec(line)
          assert.ok(match, line)
          const [, name = '', value, type] = match
          lines.set(name, type === 'c' ? (lines.get(name) ?? 0) + Number(value) : Number(value))
        }
        if (lines.get('shop.gunicorn.requests') === 3) resolve()
      })
    })
    await within(told, 'datagram with three requests', undefined, () => JSON.stringify([...lines]))
    assert.equal(lines.get('shop.gunicorn.request.status.2xx'), 3)
    assert.equal(lines.get('shop.gunicorn.workers'), 1)
    assert.ok((lines.get('shop.gunicorn.request.duration') ?? 0) > 0)
  } finally {
    server.close()
  }
})
