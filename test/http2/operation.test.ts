/**
 * Promise: over HTTP/2 the server is run as without: reloads, stops and upgrades lose no request, limits hold for each
 * client, and log and metrics say what went on.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { type Controlled, startControlled } from '../control/fixtures/control.js'
import { asked, eventually, within } from '../support/deadline.js'
import type { Hornet } from '../support/hornet.js'
import { isThere, until } from '../support/until.js'
import { connectSecurely, serverCertificate } from '../tls/support.js'
import { openWire } from '../tls/wire.js'
import { answerOf, app, ask, closed, goAway, headOf, noError, open, openOver, startHttp2 } from './support.js'

const folder = mkdtempSync(join(tmpdir(), 'hornet-http2-'))
after(() => rmSync(folder, { recursive: true }))

function start(...args: string[]): Promise<Controlled> {
  return startControlled({ app, workers: 1, args: [...serverCertificate, ...args] })
}

async function metrics({ ask }: Controlled): Promise<(name: string) => number> {
  const { text } = await ask('GET', '/metrics')
  return (name) => {
    const line = text.split('\n').find((each) => each.startsWith(`${name} `))
    assert.ok(line, `${name} in\n${text}`)
    return Number(line.slice(name.length + 1))
  }
}

interface Load {
  answers: number
  problems: string[]
  progress(count: number): Promise<void>
  stop(): Promise<void>
}

/** Requests without an end on some connections, new ones in the place of those that the server takes leave of. */
async function startLoad(hornet: Hornet, connections: number, perConnection: number): Promise<Load> {
  let isStopping = false
  const load: Load = {
    ...{ answers: 0, problems: [] },
    async progress(count) {
      const goal = load.answers + count
      await until(() => load.answers >= goal, `${count} more answers: ${load.problems}`)
    },
    async stop() {
      isStopping = true
      await within(Promise.all(all), 'end of the load')
    },
  }
  const drive = async () => {
    while (!isStopping) {
      await using session = await open(hornet)
      let isLeaving = false
      session.on('goaway', () => {
        isLeaving = true
      })
      const one = async () => {
        while (!isStopping && !isLeaving && !session.closed && !session.destroyed) {
          try {
            const { status } = await ask(session, '/bytes?length=5000')
            if (status !== 200) load.problems.push(String(status))
          } catch (error) {
            // It had not seen the leave that the server took; then the request was refused, and may be sent again.
            if (!isLeaving) load.problems.push(String(error))
          }
          load.answers++
        }
      }
      await Promise.all(Array.from({ length: perConnection }, one))
    }
  }
  const all = Array.from({ length: connections }, drive)
  return load
}

describe('under load', () => {
  test('reloads lose no request and no connection', async () => {
    await using controlled = await start('--keep-alive', '1m')
    const { hornet } = controlled
    const load = await startLoad(hornet, 3, 10)
    for (let generation = 2; generation <= 3; generation++) {
      await load.progress(200)
      hornet.signal('SIGHUP')
      await hornet.waitForLog(new RegExp(`reloaded: generation ${generation}\n`))
    }
    await load.progress(200)
    const count = await metrics(controlled)
    assert.equal(count('hornet_requests_aborted_total'), 0)
    await load.stop()
    assert.equal(count('hornet_connections_accepted_total'), 3)
    assert.deepEqual(load.problems, [])
  })

  test('USR2: clients go over to the new process, and no request fails', async () => {
    await using hornet = await startHttp2()
    await hornet.waitForLog(/worker 1 ready/)
    const load = await startLoad(hornet, 3, 5)
    await load.progress(100)
    hornet.signal('SIGUSR2')
    const [, text] = await hornet.waitForLog(/process (\d+) serves: this one leaves/)
    const pid = Number(text)
    await hornet.waitForLog(new RegExp(`\\[${hornet.pid}\\] \\[info\\] stopped\\n`))
    await load.progress(100)
    await load.stop()
    assert.deepEqual(load.problems, [])
    process.kill(pid, 'SIGTERM')
    await hornet.waitForLog(new RegExp(`\\[${pid}\\] \\[info\\] stopped\\n`))
    await until(() => !isThere(pid), 'end of the new process')
  })
})

describe('ends', () => {
  test('a graceful stop sends GOAWAY, lets streams finish, and exits with 0', async () => {
    await using hornet = await startHttp2()
    await using idle = await open(hornet)
    assert.equal((await ask(idle, '/')).status, 200)
    await using busy = await open(hornet)
    const upload = busy.request({ ':path': '/echo', ':method': 'POST' }, { endStream: false })
    upload.write(Buffer.alloc(100_000))
    await headOf(upload)
    const [left, leaving] = [goAway(idle), goAway(busy)]
    hornet.signal('SIGTERM')
    assert.equal((await left).code, noError)
    assert.equal((await leaving).code, noError)
    await closed(idle)
    upload.end(Buffer.alloc(100_000))
    assert.equal(
      (await upload.toArray()).reduce((sum, { length }) => sum + length, 0),
      200_000,
    )
    await closed(busy)
    assert.deepEqual(await within(hornet.exited, 'exit'), { code: 0, signal: null })
  })

  test('--keep-alive takes leave of an idle connection, and not of a busy one', async () => {
    await using controlled = await start('--keep-alive', '200ms')
    await using busy = await open(controlled.hornet)
    const held = ask(busy, '/held')
    await using idle = await open(controlled.hornet)
    const left = goAway(idle)
    assert.equal((await ask(idle, '/')).status, 200)
    assert.equal((await left).code, noError)
    await closed(idle)
    await ask(busy, '/release')
    assert.equal((await held).text, 'released')
    assert.equal((await metrics(controlled))('hornet_timeouts_total{reason="keep_alive"}'), 1)
  })
})

describe('what went on', () => {
  test('is in the access log as HTTP/2.0, with the bytes of bodies', async () => {
    const path = join(folder, 'access.log')
    const format = '%(h)s "%(r)s" %(H)s %(s)s %(B)s'
    await using hornet = await startHttp2(['--access-logfile', path, '--access-logformat', format])
    await using session = await open(hornet)
    const asks = [
      '/bytes?length=40000',
      '/stream?length=70000&piece=1000',
      '/trailers',
      '/none',
      `/${'a'.repeat(9000)}`,
    ]
    for (const each of asks) await ask(session, each)
    await ask(session, '/bytes?length=5', { ':method': 'HEAD' })
    await ask(session, '/hash', { ':method': 'POST' }, Buffer.alloc(100_000))
    const lines = await eventually('seven lines', () => {
      const all = readFileSync(path, 'latin1').split('\n')
      return all.length === 8 ? all : undefined
    })
    const expected: [method: string, target: string, rest: RegExp][] = [
      ['GET', asks[0], /200 40000/],
      // Framing of chunks included, as everywhere.
      ['GET', asks[1], /200 70\d\d\d/],
      ['GET', asks[2], /200 [3-6]\d/],
      ['GET', asks[3], /404 0/],
      ['GET', asks[4], /414 \d+/],
      ['HEAD', '/bytes?length=5', /200 0/],
      ['POST', '/hash', /200 9\d/],
    ]
    for (const [index, [method, target, rest]] of expected.entries()) {
      const begin = `127.0.0.1 "${method} ${target} HTTP/2.0" HTTP/2.0 `
      // Of what was refused for its length no more is shown than was read.
      if (index !== 4) assert.ok(lines[index].startsWith(begin), lines[index])
      assert.match(lines[index], new RegExp(` ${rest.source}$`))
    }
  })

  test('is counted: connections and not streams, requests, and none that was cut off', async () => {
    await using controlled = await start()
    await using session = await open(controlled.hornet)
    await Promise.all(Array.from({ length: 50 }, () => ask(session, '/bytes?length=20000')))
    const held = ask(session, '/held')
    await asked('request in flight', async () => (await controlled.ask('GET', '/status')).json.requestsInFlight === 1)
    assert.equal((await controlled.ask('GET', '/status')).json.connectionsOpen, 1)
    await ask(session, '/release')
    await held
    const count = await metrics(controlled)
    assert.equal(count('hornet_connections_accepted_total'), 1)
    assert.equal(count('hornet_requests_aborted_total'), 0)
    assert.equal(count('hornet_responses_total{method="GET",status="2xx"}'), 52)
  })
})

describe('limits', () => {
  test('--limit-request-rate holds for the streams of a client: 429, and the connection goes on', async () => {
    const rate = ['--limit-request-rate', '1', '--limit-request-burst', '5', '--forwarded-allow-ips', '']
    await using hornet = await startHttp2(rate)
    await using session = await open(hornet)
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(session, '/')))
    const refused = answers.filter(({ status }) => status === 429)
    assert.ok(refused.length >= 13 && refused.length <= 15, String(refused.length))
    assert.ok(refused.every(({ headers }) => Number(headers['retry-after']) >= 1))
    assert.equal(session.closed, false)
  })

  test('--max-connections-per-ip counts connections', async () => {
    await using hornet = await startHttp2(['--max-connections-per-ip', '2', '--forwarded-allow-ips', ''])
    await using first = await open(hornet)
    await Promise.all(Array.from({ length: 20 }, () => ask(first, '/')))
    const second = await open(hornet)
    await assert.rejects(connectSecurely(hornet, { ALPNProtocols: ['h2'] }))
    second.destroy()
    await asked('room', async () => {
      const third = await open(hornet).catch(() => undefined)
      third?.destroy()
      return third !== undefined
    })
    assert.equal((await ask(first, '/')).status, 200)
  })

  test('--max-connections: an idle connection makes room, a busy one does not', async () => {
    await using hornet = await startHttp2(['--max-connections', '2', '--keep-alive', '1m'])
    await using busy = await open(hornet)
    const held = ask(busy, '/held')
    await using idle = await open(hornet)
    await ask(idle, '/')
    const left = closed(idle)
    await using third = await open(hornet)
    await left
    await ask(third, '/release')
    assert.equal((await held).text, 'released')
  })
})

describe('beside the application', () => {
  test('files of --static, in parts as well, and --health', async () => {
    const content = randomBytes(3_000_000)
    const files = join(folder, 'files')
    mkdirSync(files)
    writeFileSync(join(files, 'large.bin'), content)
    await using hornet = await startHttp2(['--static', `/files=${files}`, '--health', '/health'])
    await using session = await open(hornet)
    const part = { range: 'bytes=16380-2000000' }
    const [live, whole, partial, head] = await Promise.all([
      ask(session, '/health/live'),
      ask(session, '/files/large.bin'),
      ask(session, '/files/large.bin', part),
      ask(session, '/files/large.bin', { ':method': 'HEAD' }),
    ])
    assert.equal(live.text, 'OK\n')
    assert.ok(whole.body.equals(content))
    assert.equal(partial.status, 206)
    assert.ok(partial.body.equals(content.subarray(16_380, 2_000_001)))
    assert.equal(head.headers['content-length'], '3000000')
    const many = await Promise.all(Array.from({ length: 30 }, () => ask(session, '/files/large.bin', part)))
    assert.ok(many.every(({ body }) => body.equals(partial.body)))
    const { headers } = await ask(session, '/files/large.bin', { 'if-none-match': String(whole.headers.etag) })
    assert.equal(headers[':status'], 304)
  })

  test('the PROXY protocol goes before TLS', async () => {
    await using hornet = await startHttp2(['--proxy-protocol', 'v1'])
    const wire = await openWire(hornet, { ahead: 'PROXY TCP4 192.0.2.7 10.0.0.1 4711 443\r\n' })
    await using session = await openOver(await connectSecurely(hornet, { socket: wire, ALPNProtocols: ['h2'] }))
    for (let i = 0; i < 2; i++) {
      assert.equal(JSON.parse((await ask(session, '/seen')).text).socket.remoteAddress, '192.0.2.7')
    }
  })

  test('--sticky: the streams of a client go to the worker that its cookie names', async () => {
    await using hornet = await startHttp2(['--workers', '3', '--sticky', 'cookie:client'], {
      app: 'test/sticky/fixtures/app.cjs',
    })
    for (const id of [1, 2, 3]) await hornet.waitForLog(new RegExp(`worker ${id} ready`))
    await using session = await open(hornet)
    const spread = new Set<string>()
    for (let client = 0; client < 12; client++) {
      // In two pieces, as browsers send them.
      const once = () => ask(session, '/', { cookie: ['a=1', `client=c${client}`] })
      const workers = new Set((await Promise.all([once(), once(), once()])).map(({ text }) => text))
      assert.equal(workers.size, 1)
      for (const worker of workers) spread.add(worker)
    }
    assert.ok(spread.size > 1)
  })
})

describe('applications', () => {
  const apps: Record<string, string> = {
    Express: 'test/tls/fixtures/express.mjs',
    Koa: 'test/http2/fixtures/koa.mjs',
    Fastify: 'test/http2/fixtures/fastify.mjs',
    Hono: 'test/http2/fixtures/hono.mjs',
    'a fetch handler': 'test/http2/fixtures/fetch.mjs',
  }
  for (const [name, path] of Object.entries(apps)) {
    test(`of ${name}`, async () => {
      await using hornet = await startHttp2([], { app: path })
      await using session = await open(hornet)
      const answers = await Promise.all(Array.from({ length: 10 }, () => ask(session, '/')))
      for (const { status, text } of answers) {
        assert.equal(status, 200)
        assert.match(text, /https/)
      }
      if (name === 'Express') return
      const body = JSON.stringify({ text: 'x'.repeat(50_000) })
      const headers = { ':method': 'POST', 'content-type': 'application/json' }
      const stream = session.request({ ':path': '/', ...headers }, { endStream: false })
      stream.end(body)
      assert.equal((await answerOf(stream)).text, '50000')
    })
  }
})
