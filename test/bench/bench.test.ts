/**
 * Promise: what the benchmark reports is what happened. Its generator with a fixed rate counts a wait for the server as
 * latency and a fault as an error; its report names losses and missed aims; its simulation gives the same numbers each
 * time. No server is timed here.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { root } from '../support/root.js'

// The benchmark is plain JavaScript, without types.
// biome-ignore lint/suspicious/noExplicitAny: see above
const load = (path: string): Promise<any> => import(pathToFileURL(join(root, 'bench', path)).href)

// biome-ignore lint/suspicious/noExplicitAny: see above
async function withServer(listener: RequestListener, use: (port: number) => Promise<any>): Promise<any> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    return await use((server.address() as AddressInfo).port)
  } finally {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
}

describe('load at a fixed rate', () => {
  test('what waits because the server is blocked counts from when it was due', async () => {
    const { runOpenLoop } = await load('macro/open-loop.mjs')
    const cell = new Int32Array(new SharedArrayBuffer(4))
    let seen = 0
    // The server shares its thread with the generator, so a blocked server keeps the generator from sending too.
    const result = await withServer(
      (_req, res) => {
        if (++seen === 50) Atomics.wait(cell, 0, 0, 100)
        res.end('right')
      },
      (port) => runOpenLoop({ port, rate: 500, seconds: 0.4, connections: 4, body: 'right' }),
    )
    assert.equal(result.answered, 200)
    assert.deepEqual(result.errors, {})
    // A twentieth of a second's worth of requests was due while it was blocked, each later than the one before.
    assert.ok(result.latency.p90Us > 20_000, `p90 ${result.latency.p90Us}`)
    assert.ok(result.latency.maxUs >= 95_000, `max ${result.latency.maxUs}`)
  })

  test('wrong answers and closed connections are errors', async () => {
    const { runOpenLoop } = await load('macro/open-loop.mjs')
    let seen = 0
    const result = await withServer(
      (req, res) => {
        seen++
        if (seen === 5) res.statusCode = 503
        if (seen === 10) req.socket.destroy()
        else res.end(seen === 15 ? 'wrong' : 'right')
      },
      (port) => runOpenLoop({ port, rate: 200, seconds: 0.2, connections: 2, body: 'right' }),
    )
    assert.equal(result.answered, 37)
    assert.deepEqual(result.errors, { 'status 503': 1, 'closed in a request': 1, 'wrong body': 1 })
    assert.equal(result.closed, 1)
  })

  test('some requests go to the other path, and are kept apart', async () => {
    const { runOpenLoop } = await load('macro/open-loop.mjs')
    let others = 0
    const result = await withServer(
      (req, res) => {
        if (req.url === '/other') others++
        res.end('right')
      },
      (port) => runOpenLoop({ port, rate: 1000, seconds: 0.2, connections: 2, otherEvery: 4, otherPath: '/other' }),
    )
    assert.ok(others > 20 && others < 90, `${others} of 200`)
    assert.equal(result.other.count, others)
    assert.equal(result.latency.count, 200 - others)
  })
})

describe('report', () => {
  const row = (name: string, title: string, cpuUs: number[], more = {}) => ({
    name,
    title,
    samples: cpuUs.map((us) => ({
      cpuUs: us,
      rate: 1e6 / us,
      p50Us: 500,
      p90Us: 600,
      p99Us: 900,
      p999Us: 1000,
      foreign: 0,
    })),
    peakKib: 1024,
    requests: 1000,
    ...more,
  })
  const results = {
    facts: ['Machine: one'],
    leftOut: ['nothing'],
    nodeMajor: '20',
    scenarios: [
      {
        name: 'write-head',
        earlier: [{ title: 'Hornet, 1 worker', failure: 'no answer' }],
        rows: [
          row('hornet-1', 'Hornet, 1 worker', [10, 12, 11]),
          row('node:http', 'node:http', [20, 30, 22]),
          row('bun', 'Bun', [5, 6, 7]),
          row('deno', 'Deno', [11, 12, 13], { samples: [], failure: 'the server gave a wrong body\nmore' }),
        ],
      },
    ],
  }

  test('ratios are of the rounds, losses and missed aims are named, failures too', async () => {
    const { formatAims, formatLosses, formatReport } = await load('macro/report.mjs')
    assert.match(formatLosses(results), /\| Bun +\| Hornet, 1 worker \| CPU µs\/request 6\.00 against 11\.0/)
    assert.doesNotMatch(formatLosses(results), /node:http|Deno/)
    const aims = formatAims(results)
    // 10 of 20, 12 of 30, 11 of 22.
    assert.match(aims, /≤ 0\.55 × node:http .* 0\.50 \(0\.40–0\.50\) .* yes/)
    assert.match(aims, /≥ 1 × Bun .* 0\.50 .* \*\*no\*\*/)
    const page = formatReport(results, [])
    assert.match(page, /\| node:http .* 22\.0 \(20\.0–30\.0\)/)
    assert.match(page, /Deno failed: `the server gave a wrong body`/)
    assert.match(page, /In a first try, of which nothing is shown, Hornet, 1 worker failed: `no answer`/)
    assert.match(page, /## Left out\n\n- nothing/)
  })
})

describe('simulation', () => {
  test('the same numbers each time, and the order that the rules must have', async () => {
    const { simulate } = await load('simulation/dispatch.mjs')
    const options = { workers: 8, load: 0.6, meanMs: 2, blockingShare: 0.01, blockingMs: 100, requests: 20_000 }
    const wait = (policy: string): number => simulate({ ...options, policy }).meanMs
    assert.equal(wait('hornet'), wait('hornet'))
    assert.ok(wait('shared-queue') <= wait('hornet'))
    assert.ok(wait('hornet') < wait('least-loaded'))
    assert.ok(wait('least-loaded') < wait('per-connection'))
    // One worker leaves nothing to choose: a queue of the textbooks (M/M/1), whose mean wait is load / (1 - load) runs.
    const { meanMs } = simulate({ policy: 'per-connection', workers: 1, load: 0.5, meanMs: 2, requests: 200_000 })
    assert.ok(Math.abs(meanMs - 2) < 0.1, `${meanMs}`)
  })
})

describe('command line', () => {
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [join(root, 'bench/run.mjs'), ...args], { encoding: 'utf8' })

  test('the default set fits its budget, and what it leaves out is said', () => {
    const { stdout, status } = run('--list')
    assert.equal(status, 0)
    const minutes = Number(/about (\d+) minutes/.exec(stdout)?.[1])
    assert.ok(minutes > 0 && minutes <= 14, stdout)
    assert.match(stdout, /Left out: what takes `--all`: .*express-24/)
  })

  test('names are looked for, and unknown ones refused', () => {
    assert.match(run('--list', 'express').stdout, /^express +\d+ s .*cluster-2.*\n\nabout/)
    assert.match(run('--list', 'write-head/bun').stdout, /^write-head +\d+ s {2}bun\n\nabout/)
    const { status, stderr } = run('nothing-like-it')
    assert.equal(status, 2)
    assert.match(stderr, /nothing is named like nothing-like-it; there are: write-head\/hornet-1/)
    assert.equal(run('--rounds', '0').status, 2)
  })

  test('a peer is not among the dependencies of Hornet', () => {
    const names = (file: string) => {
      const text = readFileSync(join(root, file), 'utf8')
      return Object.keys(JSON.parse(text).dependencies)
    }
    const own = names('package.json')
    assert.deepEqual(
      names('bench/package.json').filter((name) => own.includes(name)),
      [],
    )
  })
})
