/**
 * Promise: what the benchmark reports is what happened. Its generator with a fixed rate counts a wait for the server as
 * latency and a fault as an error; over TLS and HTTP/2 answers are proven right as well, and the load is what it is said
 * to be; its report names losses and missed aims; its simulation gives the same numbers each time. No server is timed
 * here.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { createSecureServer } from 'node:http2'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
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

describe('TLS and HTTP/2', () => {
  const isThere = (command: string) => spawnSync(command, ['--version']).error === undefined
  const pem = (name: string) => readFileSync(join(root, 'test/tls/certs', name))
  // It would choose another cipher of those that clients have, if it were offered.
  const ciphers = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:ECDHE-ECDSA-AES128-GCM-SHA256'
  const identity = { cert: pem('server.pem'), key: pem('server.key'), ciphers, honorCipherOrder: true }
  const simple = { connections: 8, depth: 1, method: 'GET', headers: [], bodyBytes: 0 }
  const right: RequestListener = (_req, res) => {
    res.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': 5 })
    res.end('right')
  }

  /** Also counts handshakes, and those that were no whole ones. */
  // biome-ignore lint/suspicious/noExplicitAny: see above
  async function withSecure(server: Server, use: (port: number) => Promise<any>) {
    const handshakes = { all: 0, resumed: 0, kinds: new Set<string>() }
    const open = new Set<TLSSocket>()
    server.on('secureConnection', (socket: TLSSocket) => {
      handshakes.all++
      if (socket.isSessionReused()) handshakes.resumed++
      handshakes.kinds.add(`${socket.getProtocol()} ${socket.getCipher().name} ${socket.alpnProtocol || 'none'}`)
      open.add(socket)
      socket.on('error', () => {}).on('close', () => open.delete(socket))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    try {
      return { result: await use((server.address() as AddressInfo).port), handshakes }
    } finally {
      for (const socket of open) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    }
  }

  test('answers are read as they were sent, over each', async () => {
    const { exchange } = await load('macro/exchange.mjs')
    for (const [transport, depth, server] of [
      ['https', 1, createHttpsServer(identity, right)],
      ['http2', 32, createSecureServer(identity, right as never)],
    ] as const) {
      const { result } = await withSecure(server, (port) => exchange(port, { ...simple, transport, depth }))
      assert.equal(result.length, depth)
      for (const { status, headers, text } of result) {
        assert.deepEqual([status, headers.get('content-length'), text], [200, '5', 'right'])
      }
    }
  })

  test('an answer that ends early, a certificate for others, older TLS and no HTTP/2 are none', async () => {
    const { exchange } = await load('macro/exchange.mjs')
    const short: RequestListener = (_req, res) => {
      res.writeHead(200, { 'Content-Length': 5 }).write('r')
      setImmediate(() => res.destroy())
    }
    const another = { cert: pem('shop.pem'), key: pem('shop.key') }
    for (const [transport, server, what] of [
      ['https', createHttpsServer(identity, short), /got 0 answers/],
      ['http2', createSecureServer(identity, short as never), /another length|aborted/],
      ['https', createHttpsServer(another, right), /does not match certificate/],
      ['https', createHttpsServer({ ...identity, maxVersion: 'TLSv1.2' }, right), /protocol version/i],
      ['http2', createHttpsServer(identity, right), /ALPN|no application protocol|h2/i],
    ] as const) {
      await withSecure(server, (port) => assert.rejects(exchange(port, { ...simple, transport }), what))
    }
  })

  test('a connection for each request is a whole handshake for each, with what all are given', {
    skip: isThere('wrk') && isThere('cc') ? false : 'wants wrk and a C compiler (Debian: apt install wrk gcc)',
  }, async () => {
    const { missingFor, runLoad } = await load('macro/load.mjs')
    const closing = { ...simple, transport: 'https', headers: ['Connection: close'] }
    assert.equal(missingFor(closing), undefined)
    const { result, handshakes } = await withSecure(createHttpsServer(identity, right), (port) =>
      runLoad({ port, seconds: 1, load: closing, pin: [] }),
    )
    assert.ok(result.requests > simple.connections, `${result.requests} requests`)
    assert.ok(handshakes.all >= result.requests)
    assert.equal(handshakes.resumed, 0)
    assert.deepEqual([...handshakes.kinds], ['TLSv1.3 TLS_AES_256_GCM_SHA384 none'])
  })

  test('HTTP/2 is loaded by h2load, whose every request counts', {
    skip: isThere('h2load') ? false : 'wants h2load (Debian: apt install nghttp2-client)',
  }, async () => {
    const { runLoad } = await load('macro/load.mjs')
    const streams = { ...simple, connections: 2, depth: 4, transport: 'http2' }
    let seen = 0
    const counted: RequestListener = (req, res) => {
      seen++
      right(req, res as never)
    }
    const run = (listener: RequestListener) =>
      withSecure(createSecureServer(identity, listener as never), (port) =>
        runLoad({ port, seconds: 1, load: streams, pin: [] }),
      )
    const { result, handshakes } = await run(counted)
    // Some are under way when it ends.
    assert.ok(result.requests <= seen && result.requests >= seen - 8, `${result.requests} of ${seen}`)
    assert.ok(result.p50Us > 0 && result.p50Us <= result.p99Us && result.p99Us <= result.p999Us)
    assert.ok(result.durationUs > 500_000 && result.durationUs < 5_000_000, `${result.durationUs} µs`)
    assert.equal(handshakes.all, 2)
    assert.deepEqual([...handshakes.kinds], ['TLSv1.3 TLS_AES_256_GCM_SHA384 h2'])
    const sometimesWrong: RequestListener = (req, res) => {
      if (++seen % 100 === 0) res.writeHead(503).end()
      else right(req, res as never)
    }
    await assert.rejects(run(sometimesWrong), /the run is void: \d+ answers, errors: .*not 2xx/)
  })

  test('what h2load says and what it logs must agree', async () => {
    const { figuresOfH2load } = await load('macro/load.mjs')
    const output = (requests: string, protocol = 'h2') =>
      [
        ...['TLS Protocol: TLSv1.3', 'Cipher: TLS_AES_256_GCM_SHA384', `Application protocol: ${protocol}`],
        ...[`requests: ${requests}`, 'status codes: 2 2xx, 0 3xx, 0 4xx, 0 5xx', ''],
      ].join('\n')
    const good = '2 total, 4 started, 2 done, 2 succeeded, 0 failed, 0 errored, 0 timeout'
    const log = '1000\t200\t50\n1020\t200\t90\n'
    assert.deepEqual(figuresOfH2load(output(good), log), {
      ...{ requests: 2, durationUs: 110, p50Us: 50, p90Us: 90, p99Us: 90, p999Us: 90 },
    })
    const failed = good.replace('0 failed', '1 failed')
    assert.throws(() => figuresOfH2load(output(failed), log), /errors: 1 failed/)
    assert.throws(() => figuresOfH2load(output(good), log.replace('200', '-1')), /errors: 1 status/)
    assert.throws(() => figuresOfH2load(output(good), '1000\t200\t50\n'), /errors: 1 not logged/)
    assert.throws(() => figuresOfH2load(output(good, 'http/1.1'), log), /did not say Application protocol: h2/)
    assert.throws(() => figuresOfH2load('', log), /said nothing of done/)
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

  test('without h2load HTTP/2 is left out, and what to install is said', {
    skip: spawnSync('wrk', ['--version']).error === undefined ? false : 'wants wrk (Debian: apt install wrk)',
  }, () => {
    const folder = mkdtempSync(join(tmpdir(), 'hornet-bench-'))
    try {
      symlinkSync(spawnSync('sh', ['-c', 'command -v wrk'], { encoding: 'utf8' }).stdout.trim(), join(folder, 'wrk'))
      const { stdout, status } = spawnSync(
        process.execPath,
        [join(root, 'bench/run.mjs'), '--no-install', 'http2/hornet-1'],
        { encoding: 'utf8', env: { ...process.env, PATH: folder } },
      )
      assert.equal(status, 0)
      assert.match(stdout, /Left out: HTTP\/2 over TLS.*: no h2load \(Debian: apt install nghttp2-client\)\n/)
      assert.match(stdout, /Done in/)
    } finally {
      rmSync(folder, { recursive: true })
    }
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
