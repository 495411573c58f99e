/**
 * Promise: what the control API says is so, what it is told is done, and what it cannot do it explains.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { RequestView, WorkerView } from '../../src/control/api.js'
import { runHornet, startHornet } from '../support/hornet.js'
import { connect, get, message } from '../support/http.js'
import { app, startControlled } from './fixtures/control.js'

test('state, workers, requests, configuration and metrics', async () => {
  await using server = await startControlled()
  const { hornet, ask } = server
  const status = (await ask('GET', '/status')).json
  assert.equal(status.state, 'serving')
  assert.equal(status.pid, hornet.pid)
  assert.deepEqual(status.workers, { wanted: 2, ready: 2, booting: 0, draining: 0 })
  assert.deepEqual(status.addresses, [hornet.url])

  for (let count = 0; count < 3; count++) await get(hornet, '/job')
  const held = await connect(hornet)
  held.write(message('GET', `/hold?${'x'.repeat(200)}`))
  // Asked until it runs: it travels through two threads.
  let request: RequestView | undefined
  while (request?.state !== 'running') [request] = (await ask('GET', '/requests')).json.requests
  assert.equal(request.method, 'GET')
  assert.equal(request.url, `/hold?${'x'.repeat(200)}`.slice(0, 104))
  assert.ok(request.workerId === 1 || request.workerId === 2)
  assert.ok(request.ageMs >= 0)

  const { workers } = (await ask('GET', '/workers')).json
  assert.deepEqual(
    workers.map(({ id, generation, state, leaving, blockedMs }: WorkerView) => ({
      id,
      generation,
      state,
      leaving,
      blockedMs,
    })),
    [1, 2].map((id) => ({ id, generation: 1, state: 'ready', leaving: null, blockedMs: 0 })),
  )
  for (const worker of workers) {
    assert.equal(worker.requestsInFlight, worker.id === request.workerId ? 1 : 0)
    assert.ok(worker.heapUsedBytes > 1e6 && worker.heapUsedBytes < worker.heapTotalBytes * 1.5)
    assert.ok(worker.eventLoopUtilization >= 0 && worker.eventLoopUtilization <= 1)
  }

  const config = (await ask('GET', '/config')).json
  assert.deepEqual(config.workers, { value: '2', origin: 'command line' })
  assert.equal(config.backlog.value, '2048')
  assert.deepEqual(config.controlToken.value, null)

  const metrics = await ask('GET', '/metrics')
  assert.equal(metrics.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8')
  const lines = metrics.text.split('\n')
  const value = (name: string) => Number(lines.find((line) => line.startsWith(`${name} `))?.slice(name.length + 1))
  assert.equal(value('hornet_requests_total'), 4)
  assert.equal(value('hornet_requests_in_flight'), 1)
  assert.equal(value('hornet_workers{state="ready"}'), 2)
  assert.equal(value('hornet_responses_total{method="GET",status="2xx"}'), 3)
  assert.equal(value('hornet_request_duration_seconds_count'), 3)
  assert.equal(value('hornet_request_duration_seconds_bucket{le="+Inf"}'), 3)
  assert.ok(value('hornet_worker_heap_used_bytes{worker="1"}') > 1e6)
  assert.ok(value('process_resident_memory_bytes') > 1e7)
  // Registries of two workers, added up; the label holds a quote.
  assert.equal(value('jobs_total{kind="a\\"b"}'), 3)
  assert.equal(value('pool_size'), 7)
  for (const line of lines) {
    assert.match(
      line,
      /^$|^# (?:HELP|TYPE) \w+ .+|^[a-z_:][\w:]*(?:\{(?:\w+="(?:[^"\\\n]|\\["\\n])*",?)*\})? (?:[-+]?[\d.e+-]+|[-+]Inf|NaN)$/i,
    )
  }
  assert.equal((await ask('HEAD', '/status')).body.length, 0)
  held.destroy()
})

test('scaling, restarting, reloading and stopping', async () => {
  await using server = await startControlled()
  const { hornet, ask } = server
  assert.deepEqual((await ask('POST', '/workers', { count: 3 })).json, { wanted: 3 })
  await hornet.waitForLog(/worker 3 ready/)
  assert.deepEqual((await ask('POST', '/workers', { delta: -1 })).json, { wanted: 2 })
  await hornet.waitForLog(/worker 1 ended/)

  await get(hornet, '/job')
  assert.deepEqual((await ask('POST', '/workers/2/restart')).json, { workerId: 2 })
  await hornet.waitForLog(/worker 4 ready[\s\S]*worker 2 ended/)

  assert.deepEqual((await ask('POST', '/reload')).json, { generation: 2 })
  const { workers } = (await ask('GET', '/workers')).json
  const ready = workers.filter(({ state }: WorkerView) => state === 'ready')
  assert.deepEqual(
    ready.map(({ id, generation }: WorkerView) => [id, generation]),
    [
      [5, 2],
      [6, 2],
    ],
  )
  await hornet.waitForLog(/worker 4 ended/)
  await hornet.waitForLog(/worker 3 ended/)
  const { totals } = (await ask('GET', '/status')).json
  assert.deepEqual(totals.workerExits, { scale: 1, restart: 1, reload: 2 })

  assert.deepEqual((await ask('POST', '/logs/reopen')).json, { reopened: true })
  const stopping = await ask('POST', '/shutdown', { mode: 'quick' })
  assert.equal(stopping.status, 202)
  assert.deepEqual(await hornet.exited, { code: 0, signal: null })
  assert.match(hornet.stderr, /stopping \(quick/)
  assert.ok(!existsSync(server.path), 'the socket is gone')
})

test('a reload that fails says why, and the old workers go on', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hornet-control-app-'))
  const file = join(folder, 'app.mjs')
  writeFileSync(file, 'export default (req, res) => res.end("old")')
  try {
    await using server = await startControlled({ app: file, workers: 1 })
    writeFileSync(file, 'throw new Error("not today")')
    const { status, headers, json } = await server.ask('POST', '/reload')
    assert.equal(status, 422)
    assert.equal(headers['content-type'], 'application/problem+json')
    assert.equal(json.type, 'urn:hornet:problem:reload-failed')
    assert.match(json.detail, /not today/)
    assert.match(json.stack, /app\.mjs:1/)
    assert.equal((await get(server.hornet)).text, 'old')
    assert.equal((await server.ask('GET', '/health/ready')).status, 200)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('what cannot be done is a problem that says why', async () => {
  await using server = await startControlled({ workers: 1 })
  const { ask } = server
  const cases: [method: string, path: string, body: unknown, status: number, detail: RegExp][] = [
    ['GET', '/nothing', undefined, 404, /nothing at \/nothing/],
    ['GET', '/reload', undefined, 405, /takes POST/],
    ['DELETE', '/workers', undefined, 405, /takes GET, POST/],
    ['PUT', '/events', undefined, 405, /takes GET/],
    ['GET', '/workers/7/stack', undefined, 404, /no worker 7; there are 1/],
    ['POST', '/workers/7/restart', undefined, 404, /no worker 7/],
    ['GET', '/workers/1/cpu-profile?seconds=0', undefined, 400, /more than 0 and at most 300, not '0'/],
    ['GET', '/workers/1/cpu-profile?seconds=x', undefined, 400, /not 'x'/],
    ['POST', '/workers', {}, 400, /send \{"count": N\} or \{"delta": N\}/],
    ['POST', '/workers', { count: 0 }, 400, /whole number from 1, not 0/],
    ['POST', '/workers', { count: 1e6 }, 400, /at most 1024/],
    ['POST', '/workers', { count: 1, delta: 1 }, 400, /send/],
    ['POST', '/workers', { cuont: 2 }, 400, /unknown member 'cuont'/],
    ['POST', '/workers', '{"count":', 400, /not JSON/],
    ['POST', '/workers', '[]', 400, /must be a JSON object/],
    ['POST', '/shutdown', { mode: 'now' }, 400, /"graceful" or "quick", not "now"/],
    ['POST', '/workers', `{"count": ${' '.repeat(20_000)}1}`, 413, /may have 16384 bytes/],
  ]
  for (const [method, path, body, status, detail] of cases) {
    const answer = await ask(method, path, body)
    assert.equal(answer.headers['content-type'], 'application/problem+json', `${method} ${path}`)
    assert.equal(answer.status, status, `${method} ${path} ${answer.text}`)
    assert.equal(answer.json.status, status)
    assert.match(answer.json.detail, detail)
  }
  assert.equal((await ask('DELETE', '/workers')).headers.allow, 'GET, POST')
  const form = await ask('POST', '/workers', 'count=2', { 'Content-Type': 'application/x-www-form-urlencoded' })
  assert.equal(form.status, 415)
  const foreign = await ask('POST', '/reload', undefined, { Origin: 'http://evil.example' })
  assert.equal(foreign.status, 403)
  assert.equal((await ask('GET', '/status')).json.generation, 1, 'nothing was reloaded')
})

test('events are told as they happen, and a client that does not read is cut off from none but itself', async () => {
  await using server = await startControlled({ workers: 1 })
  const listening = await connect({ path: server.path })
  listening.write(message('GET', '/events'))
  await listening.readUntil('retry: 1000')
  await server.ask('POST', '/reload')
  const text = (await listening.readUntil('event: reload-finished')).toString() + (await listening.readUntil('\n\n'))
  const types = [...text.matchAll(/^event: (.*)$/gm)].map((match) => match[1])
  assert.deepEqual(types.slice(0, 3), ['reload-started', 'worker-spawned', 'worker-ready'])
  assert.match(text, /^data: \{"type":"reload-finished","generation":2,"time":"20.*Z"\}$/m)
  listening.destroy()
  const many = await Promise.all(Array.from({ length: 33 }, () => connect({ path: server.path })))
  const answers = []
  for (const connection of many) {
    connection.write(message('GET', '/events'))
    answers.push((await connection.readUntil('\r\n')).toString())
  }
  assert.equal(answers.filter((line) => / 200 /.test(line)).length, 32)
  assert.match(answers.at(-1) ?? '', / 429 /)
  for (const connection of many) connection.destroy()
})

test('the socket is for its owner alone, taken from the dead and not from the living', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hornet-control-'))
  const path = join(folder, 'control.sock')
  const args = ['--workers', '1', '--control', `unix:${path}`]
  try {
    const first = await startHornet({ app, args })
    await first.waitForLog(/worker 1 ready/)
    assert.equal(statSync(path).mode & 0o777, 0o600)
    const second = await runHornet({ app, args, listeners: 1 })
    assert.equal(second.code, 1)
    assert.match(second.stderr, /another process serves unix:/)
    assert.ok(existsSync(path), 'and the first one keeps it')
    // It dies without a chance to tidy up.
    process.kill(first.pid, 'SIGKILL')
    await first.exited
    assert.ok(existsSync(path))
    const third = await startHornet({ app, args })
    await third.waitForLog(/worker 1 ready/)
    await third.stop()
    assert.ok(!existsSync(path))
    writeFileSync(path, 'a file')
    const fourth = await runHornet({ app, args, listeners: 1 })
    assert.equal(fourth.code, 1)
    assert.match(fourth.stderr, /exists and is not a socket/)
    assert.ok(existsSync(path))
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('a TCP port takes a token, and never shows it', async () => {
  const refused = await runHornet({ app, args: ['--control', '127.0.0.1:0'], listeners: 1 })
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /--control on a TCP port needs a token: set HORNET_CONTROL_TOKEN/)
  const short = await runHornet({
    app,
    args: ['--control', '127.0.0.1:0', '--control-token', 'tooshort'],
    listeners: 1,
  })
  assert.equal(short.code, 2)
  assert.doesNotMatch(short.stderr, /tooshort/)

  const token = 'correct-horse-battery'
  await using hornet = await startHornet({
    app,
    args: ['--workers', '1', '--control', '127.0.0.1:0'],
    env: { HORNET_CONTROL_TOKEN: token },
  })
  const [, port] = await hornet.waitForLog(/control API on 127\.0\.0\.1:(\d+)/)
  const control = { port: Number(port) }
  await hornet.waitForLog(/worker 1 ready/)
  const wrong = await get(control, '/status', { Host: 'localhost', Authorization: 'Bearer wrong' })
  assert.equal(wrong.status, 401)
  assert.match(wrong.headers['www-authenticate'], /^Bearer/)
  assert.equal((await get(control, '/nothing')).status, 401, 'without it nobody learns what there is')
  assert.equal((await get(control, '/health/live')).status, 200)
  assert.equal((await get(control, '/health/ready')).status, 200)
  assert.equal((await get(control, '/')).status, 200)
  const config = await get(control, '/config', { Authorization: `Bearer ${token}` })
  assert.equal(config.status, 200)
  assert.doesNotMatch(config.text, new RegExp(token))
  assert.equal(JSON.parse(config.text).controlToken.value, '(hidden)')
  const rebound = await get(control, '/status', { Host: 'evil.example', Authorization: `Bearer ${token}` })
  assert.equal(rebound.status, 421)
  assert.doesNotMatch(hornet.stderr, new RegExp(token))
})
