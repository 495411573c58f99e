/**
 * Promise: a script that makes servers and calls listen() runs in every worker of the pool as it does under node: each
 * address is bound once and shared, and what the servers say of themselves is true.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { within } from '../support/deadline.js'
import { freePort } from '../support/free-port.js'
import { type Hornet, runHornet, startHornet } from '../support/hornet.js'
import { connect, get, message, type Target } from '../support/http.js'
import { root } from '../support/root.js'

const folder = mkdtempSync(join(tmpdir(), 'hornet-adopt-'))
after(() => rmSync(folder, { recursive: true }))

const script = join(root, 'test/adopt/fixtures/script.cjs')

/** Runs the script without a --bind, so that its own addresses count. */
function start(how: string, port: number | string = 0, ...rest: string[]): Promise<Hornet> {
  return startHornet({ listeners: 0, args: ['-w', '2', script, '--', how, String(port), ...rest] })
}

async function bothReady(hornet: Hornet): Promise<void> {
  for (const id of [1, 2]) await hornet.waitForLog(new RegExp(`worker ${id} ready`))
}

let blocks = 0

/** What a server answers by turns: while one worker is blocked by a request, the other has the next. */
async function answersOfBoth(target: Target, name: string): Promise<void> {
  const blocking = await connect(target)
  const file = join(folder, String(++blocks))
  blocking.write(message('GET', `/block?${encodeURIComponent(file)}`))
  const other = (await get(target)).text
  writeFileSync(file, '')
  const first = (await blocking.readResponse()).text
  blocking.destroy()
  assert.deepEqual([first, other].sort(), [`${name} worker 1`, `${name} worker 2`])
}

test('a port of its choice: bound once, served by all workers, and nothing else is listened on', async () => {
  await using hornet = await start('plain')
  await bothReady(hornet)
  const { stdout, stderr } = hornet
  const ports = new Set(
    [...stdout.matchAll(/listening \{"address":"127.0.0.1","family":"IPv4","port":(\d+)\}/g)].map(([, port]) =>
      Number(port),
    ),
  )
  assert.equal(ports.size, 1, stdout)
  const [port = 0] = ports
  assert.match(stderr, new RegExp(`listening {2}http://127\\.0\\.0\\.1:${port}\\n {2}threads`))
  await answersOfBoth({ port }, 'plain')
})

test('a given port, on every address or on those of a name, at once or later', async () => {
  for (const how of ['anywhere', 'later']) {
    const port = await freePort()
    await using hornet = await start(how, port)
    await bothReady(hornet)
    assert.match((await get({ port })).text, new RegExp(`^${how} worker`))
  }
})

test('several servers', async () => {
  await using hornet = await start('several')
  await bothReady(hornet)
  for (const name of ['one', 'two']) {
    const [, port] = await hornet.waitForOutput(new RegExp(`${name} (\\d+)`))
    await answersOfBoth({ port: Number(port) }, name)
  }
})

test('frameworks that listen by themselves: Express with an export, Fastify with two servers on localhost', async () => {
  for (const how of ['express', 'fastify']) {
    const port = await freePort()
    await using hornet = await start(how, port)
    await bothReady(hornet)
    assert.match((await get({ port })).text, new RegExp(`^${how} worker [12]$`))
    assert.doesNotMatch(hornet.stderr, /:8000/)
  }
})

test('a port that is looked at before it is used is free in every worker', async () => {
  const port = await freePort()
  await using hornet = await start('probes', port)
  await bothReady(hornet)
  assert.equal(hornet.stdout.match(new RegExp(`free ${port}\\n`, 'g'))?.length, 6, hornet.stdout)
  assert.match((await get({ port })).text, /^probes worker/)
})

test('an address in use: an error event when it is ours, and the reason why the command ends when nobody listens', async () => {
  const port = await freePort()
  await using hornet = await start('twice', port)
  await hornet.waitForOutput(
    new RegExp(`EADDRINUSE listen listen EADDRINUSE: address already in use 127.0.0.1:${port}`),
  )
  assert.match((await get({ port })).text, /^first worker/)
  const { code, stderr } = await runHornet({ args: ['-w', '1', script, '--', 'unhandled', String(port)] })
  assert.equal(code, 3)
  assert.match(stderr, /^hornet: .*EADDRINUSE: address already in use 127/)
})

test('--bind replaces the address of the first server', async () => {
  const other = await freePort()
  await using hornet = await startHornet({ args: ['-w', '2', script, '--', 'plain', String(other)] })
  await bothReady(hornet)
  await answersOfBoth(hornet, 'plain')
  assert.match(hornet.stdout, new RegExp(`listening .*"port":${hornet.port}\\}`))
  await assert.rejects(connect({ port: other }))
})

test('PORT is for the script', async () => {
  const port = await freePort()
  await using hornet = await startHornet({
    listeners: 0,
    env: { PORT: String(port) },
    args: ['-w', '1', script, '--', 'plain', String(port)],
  })
  await hornet.waitForLog(/worker 1 ready/)
  assert.equal((await get({ port })).text, 'plain worker 1')
})

test('an application that is exported is served on the default address: PORT', async () => {
  const port = await freePort()
  await using hornet = await startHornet({
    listeners: 0,
    env: { PORT: String(port) },
    args: ['-w', '1', join(root, 'test/cli/fixtures/hello.mjs')],
  })
  await hornet.waitForLog(/worker 1 ready/)
  assert.equal((await get({ port })).status, 200)
})

test('a unix socket, with its permissions; the file goes with the server', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hornet-adopt-'))
  try {
    const path = join(folder, 'socket')
    await using hornet = await start('unix', 0, path)
    await hornet.waitForOutput(new RegExp(`worker 1 ${path}`))
    await bothReady(hornet)
    assert.equal(statSync(path).mode & 0o222, 0o222)
    assert.match((await get({ path })).text, /^unix worker/)
    await hornet.stop()
    assert.throws(() => statSync(path), { code: 'ENOENT' })
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('close() in one worker: its requests finish first, and the others go on', async () => {
  const port = await freePort()
  await using hornet = await start('close', port)
  await bothReady(hornet)
  const connection = await connect({ port })
  connection.write(message('GET', '/close'))
  assert.equal((await connection.readResponse()).text, 'begun;done')
  const [, id] = await hornet.waitForOutput(/worker (\d) closed/)
  for (let i = 0; i < 10; i++) assert.equal((await get({ port })).text, `close worker ${3 - Number(id)}`)
  connection.write(message('GET', '/'))
  assert.equal((await connection.readResponse()).text, `close worker ${3 - Number(id)}`, 'connections stay')
  connection.destroy()
})

test('TERM and reload: each worker closes its server, nothing is lost and the address stays', async () => {
  const port = await freePort()
  await using hornet = await start('graceful', port)
  await bothReady(hornet)
  hornet.signal('SIGHUP')
  await hornet.waitForLog(/reloaded: generation 2/)
  await hornet.waitForOutput(
    /worker 1 closed well[\s\S]*worker 2 closed well|worker 2 closed well[\s\S]*worker 1 closed well/,
  )
  assert.match((await get({ port })).text, /^graceful worker [34]$/)
  await hornet.stop()
  assert.match(hornet.stdout, /worker 4 closed well/)
})

test('upgrades reach the server', async () => {
  const port = await freePort()
  await using hornet = await start('upgrade', port)
  await bothReady(hornet)
  const connection = await connect({ port })
  connection.write(message('GET', '/', { Connection: 'Upgrade', Upgrade: 'echo' }))
  await connection.readUntil('101 Switching Protocols')
  await connection.readUntil('\r\n\r\n')
  connection.write('hello')
  await connection.readUntil('hello')
  connection.destroy()
})

test('https and nothing at all are said early', async () => {
  const https = await runHornet({ args: ['-w', '1', script, '--', 'https'] })
  assert.equal(https.code, 3)
  assert.match(https.stderr, /^hornet: .*https servers cannot listen in a worker by themselves: .*--certfile/)
  const nothing = await within(runHornet({ args: ['-w', '1', script, '--', 'nothing'] }), 'end of the command')
  assert.equal(nothing.code, 3)
  assert.match(nothing.stderr, /^hornet: .*exports nothing that can serve requests/)
})
