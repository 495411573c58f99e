/**
 * Promise: every request leaves one line, also those that were refused or given up, and nothing a client sends makes a
 * second line or ends a quoted value. The file follows USR1.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, test } from 'node:test'
import { parseAccessFormat } from '../../src/config/access-format.js'
import { eventually } from '../support/deadline.js'
import { type Hornet, startHornet } from '../support/hornet.js'
import { connect, get, message, request } from '../support/http.js'

const app = 'test/log/fixtures/access-app.mjs'

let folder = ''
let running: Hornet | undefined
afterEach(async () => {
  await running?.stop()
  running = undefined
  if (folder !== '') rmSync(folder, { recursive: true })
  folder = ''
})

/** A server with an access log in a file of its own; `lines` waits until there are so many. */
function start(...args: string[]) {
  return startApp(app, ...args)
}

async function startApp(app: string, ...args: string[]) {
  folder = mkdtempSync(join(tmpdir(), 'hornet-access-'))
  const path = join(folder, 'access.log')
  const hornet = await startHornet({ app, args: ['--workers', '1', '--access-logfile', path, ...args] })
  running = hornet
  return { hornet, path, lines: (count: number, file = path) => linesOf(file, count) }
}

function linesOf(path: string, count: number): Promise<string[]> {
  const read = () => readFileSync(path, 'latin1')
  const look = () => {
    const lines = read().split('\n')
    assert.equal(lines.pop(), '', 'only whole lines')
    assert.ok(lines.length <= count, `more than ${count} lines:\n${lines.join('\n')}`)
    return lines.length === count ? lines : undefined
  }
  return eventually(`${count} lines in ${path}`, look, read)
}

const date = String.raw`\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]`

describe('the default format', () => {
  test('is the combined one with the seconds it took', async () => {
    const { hornet, lines } = await start()
    const fields = { Referer: 'http://r/', 'User-Agent': 'test/1', Authorization: 'Basic YW5uOnNlY3JldA==' }
    await get(hornet, '/hello?a=b', fields)
    await get(hornet, '/empty')
    await get(hornet, '/chunks')
    const [hello, empty, chunks] = await lines(3)
    assert.match(
      hello,
      RegExp(`^127\\.0\\.0\\.1 - ann ${date} "GET /hello\\?a=b HTTP/1\\.1" 200 5 "http://r/" "test/1" \\d+\\.\\d{6}$`),
    )
    assert.match(empty, RegExp(`^127\\.0\\.0\\.1 - - ${date} "GET /empty HTTP/1\\.1" 204 - "-" "-" \\d+\\.\\d{6}$`))
    // A body in chunks counts as it was sent: 5, CRLF, five octets, CRLF, 0, CRLF, CRLF.
    assert.match(chunks, /"GET \/chunks HTTP\/1\.1" 200 15 /)
  })

  test('tells of requests that were refused, with what came of them', async () => {
    const { hornet, lines } = await start('--header-timeout', '200ms', '--limit-request-body', '10')
    assert.equal((await request(hornet, 'GET /\x01" HTTP/1.1\r\nHost: x\r\n\r\n')).status, 400)
    assert.equal((await request(hornet, 'GET /slow HT')).status, 408)
    assert.equal((await request(hornet, message('POST', '/big', {}, '12345678901'))).status, 413)
    const [bad, slow, big] = await lines(3)
    assert.match(bad, /"GET \/\\x01\\" HTTP\/1\.1" 400 \d+ "-" "-" /)
    assert.match(slow, /"GET \/slow HT" 408 /)
    assert.match(big, /"POST \/big HTTP\/1\.1" 413 /)
  })

  test('tells of requests that the client gave up, before and within the response', async () => {
    const { hornet, lines } = await start('--access-logformat', '%(r)s %(s)s %(B)s %(X)s')
    const before = await connect(hornet)
    before.write(message('GET', '/never'))
    await hornet.waitForLog(/never came/)
    before.socket.resetAndDestroy()
    await lines(1)
    const within = await connect(hornet)
    within.write(message('GET', '/part'))
    await within.readUntil('part')
    within.socket.resetAndDestroy()
    assert.deepEqual(await lines(2), ['GET /never HTTP/1.1 499 0 X', 'GET /part HTTP/1.1 200 4 X'])
  })
})

describe('an upgraded connection', () => {
  const upgrade = (path: string) => message('GET', path, { Connection: 'upgrade', Upgrade: 'echo', 'X-Id': '42' })

  test('leaves its line when it ends, with what was sent over it', async () => {
    const format = '%(r)s %(s)s %(B)s %(X)s %(Q)s %({x-id}i)s %({x-reply}o)s'
    const { hornet, lines } = await startApp(
      'test/log/fixtures/upgrade-app.mjs',
      '--access-logformat',
      `${format} %(D)s`,
    )
    const open = await connect(hornet)
    open.write(message('GET', '/before'))
    assert.equal((await open.readResponse()).text, 'plain')
    const [before] = await lines(1)
    assert.match(before, /^GET \/before HTTP\/1\.1 200 5 \+ /)
    open.write(upgrade('/echo?a=b'))
    await open.readUntil('\r\n\r\n')
    open.write('0123456789')
    await open.readBytes(10)
    await lines(1)
    open.end()
    await open.readToEnd()
    const [, whole] = await lines(2)
    assert.match(whole, /^GET \/echo\?a=b HTTP\/1\.1 101 10 - [\d.]+ 42 yes \d+$/)
    const refused = await connect(hornet)
    refused.write(upgrade('/refused'))
    await refused.readToEnd()
    const [, , refusal] = await lines(3)
    assert.match(refusal, /^GET \/refused HTTP\/1\.1 403 2 - [\d.]+ 42 - \d+$/)
    const reset = await connect(hornet)
    reset.write(upgrade('/reset'))
    await reset.readUntil('\r\n\r\n')
    reset.socket.resetAndDestroy()
    const [, , , left] = await lines(4)
    assert.match(left, /^GET \/reset HTTP\/1\.1 101 0 - /)
  })
})

describe('formats', () => {
  test("know Gunicorn's atoms, fields both ways, and our own", async () => {
    const letters = 'h l u r m U q H s B b f a T M D L p R Q W X'.split(' ')
    const format = `${letters.map((letter) => `${letter}=%(${letter})s`).join('|')}|%({x-id}i)s|%({x-reply}o)s|%({date}o)s|%({none}o)s|%%`
    const { hornet, lines } = await start('--access-logformat', format)
    await get(hornet, '/hello?a=b', { 'X-Id': '42' })
    const [line] = await lines(1)
    const values = line.split('|')
    const named = Object.fromEntries(values.slice(0, letters.length).map((value) => value.split(/=(.*)/s)))
    const { T, M, D, L, Q, W, ...fixed } = named
    assert.deepEqual(fixed, {
      h: '127.0.0.1',
      l: '-',
      u: '-',
      r: 'GET /hello?a=b HTTP/1.1',
      m: 'GET',
      U: '/hello',
      q: 'a=b',
      H: 'HTTP/1.1',
      s: '200',
      B: '5',
      b: '5',
      f: '-',
      a: '-',
      p: `<${hornet.pid}>`,
      R: '/hello?a=b',
      X: '+',
    })
    assert.equal(Math.trunc(Number(D) / 1000), Number(M))
    assert.equal(Math.round(Number(L) * 1e6), Number(D))
    assert.equal(Math.trunc(Number(L)), Number(T))
    const us = (ms: string) => Math.round(Number(ms) * 1000)
    assert.ok(us(Q) >= 0 && us(W) >= 0 && us(Q) + us(W) <= Number(D))
    const [id, reply, sent, none, percent] = values.slice(letters.length)
    assert.deepEqual([id, reply, none, percent], ['42', 'yes', '-', '%'])
    assert.ok(Date.parse(sent) > 0)
  })

  test('json is one object a line, whatever the request says', async () => {
    const { hornet, lines } = await start('--access-logformat', 'json')
    await get(hornet, '/hello', { 'User-Agent': 'a"b\\c\xe9\t', Host: 'example.org' })
    await request(hornet, 'nonsense\r\n\r\n')
    const [hello, refused] = (await lines(2)).map((line) => JSON.parse(line))
    const { time, durationMs, queueMs, handlerMs, ...rest } = hello
    assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000)
    const us = (ms: number) => Math.round(ms * 1000)
    assert.ok(us(durationMs) >= us(queueMs) + us(handlerMs))
    assert.deepEqual(rest, {
      remoteAddress: '127.0.0.1',
      user: null,
      method: 'GET',
      url: '/hello',
      requestLine: 'GET /hello HTTP/1.1',
      httpVersion: 'HTTP/1.1',
      host: 'example.org',
      status: 200,
      bytes: 5,
      referer: null,
      userAgent: 'a"b\\c\xe9',
      aborted: false,
    })
    assert.equal(refused.requestLine, 'nonsense')
    assert.equal(refused.method, null)
    assert.equal(refused.queueMs, null)
    assert.equal(refused.status, 400)
  })

  test('that name what there is not are refused', () => {
    for (const text of ['', '%(y)s', '%(h)', '%(h)d', '%h', '%({a b}i)s', '%({PATH}e)s', '%', 'a\nb', '%(toString)s']) {
      assert.equal(parseAccessFormat(text), undefined, text)
    }
    assert.deepEqual(parseAccessFormat('a%%%(h)s\t%({X-Y}i)s')?.parts, [
      { atom: 'literal', text: 'a' },
      { atom: 'literal', text: '%' },
      { atom: 'remoteAddress', text: '' },
      { atom: 'literal', text: '\t' },
      { atom: 'requestHeader', text: 'x-y' },
    ])
  })
})

describe('the file', () => {
  test('is opened again on USR1, and no line is lost', async () => {
    const { hornet, path, lines } = await start('--access-logformat', '%(U)s')
    await get(hornet, '/hello')
    await lines(1)
    renameSync(path, `${path}.1`)
    await get(hornet, '/empty')
    // The client has its answer a moment before the log has its line.
    await lines(2, `${path}.1`)
    const from = hornet.stderr.length
    hornet.signal('SIGUSR1')
    await hornet.waitForLog(/log reopened/, { from })
    await get(hornet, '/chunks')
    assert.deepEqual(await lines(1), ['/chunks'])
    assert.deepEqual(await lines(2, `${path}.1`), ['/hello', '/empty'])
  })

  test('may be standard output, and holds all lines when the server has ended', async () => {
    const hornet = await startHornet({
      app,
      args: ['--workers', '1', '--access-logfile', '-', '--access-logformat', '%(U)s'],
    })
    running = hornet
    const connection = await connect(hornet)
    for (let i = 0; i < 100; i++) connection.write(message('GET', `/hello/${i}`))
    for (let i = 0; i < 100; i++) await connection.readResponse()
    connection.destroy()
    await hornet.stop()
    assert.deepEqual(hornet.stdout, Array.from({ length: 100 }, (_, i) => `/hello/${i}\n`).join(''))
  })

  test('that cannot be opened is an error at the start', async () => {
    const hornet = await startHornet({ app, args: ['--access-logfile', '/no/such/folder/log'] })
    const { code } = await hornet.exited
    assert.equal(code, 1)
    assert.match(hornet.stderr, /cannot open the access log '\/no\/such\/folder\/log': ENOENT/)
  })
})
