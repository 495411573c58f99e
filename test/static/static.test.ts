/**
 * Promise: files of --static are served without the application, as RFC 9110 has it; no request gets at a file outside
 * the folder, or at a hidden one; and whatever is no file is the application's.
 */
import assert from 'node:assert/strict'
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { loadSettings } from '../../src/config/load.js'
import { checkFolders } from '../../src/master/static-files.js'
import { eventually } from '../support/deadline.js'
import { type Hornet, runHornet, startHornet } from '../support/hornet.js'
import { connect, get, message, type RawResponse, request } from '../support/http.js'

const app = 'test/static/fixtures/app.mjs'
const date = 'Sun, 06 Nov 1994 08:49:37 GMT'

const base = mkdtempSync(join(tmpdir(), 'hornet-static-'))
const root = join(base, 'root')
const log = join(base, 'access.log')
after(() => rmSync(base, { recursive: true }))

/** A file that was last changed long ago: its tag is a strong one. */
function write(name: string, content: string | Buffer, folder = root): void {
  const path = join(folder, name)
  writeFileSync(path, content)
  utimesSync(path, new Date(date), new Date(date))
}

let hornet: Hornet
before(async () => {
  for (const folder of ['', 'sub', 'bare', 'extra', '.git', '.well-known'])
    mkdirSync(join(root, folder), { recursive: true })
  mkdirSync(join(base, 'other'))
  write('a.txt', 'plain text\n')
  write('é ü.txt', 'umlaut')
  write('empty.css', '')
  write('style.css', 'identity')
  write('style.css.br', 'brotli')
  write('style.css.gz', 'gzip')
  write('sub/index.html', '<p>index')
  write('.env', 'secret')
  write('.git/config', 'secret')
  write('.well-known/security.txt', 'public')
  write('medium.bin', Buffer.alloc(500_000, 'abcdefghij'))
  write('secret', 'secret', base)
  write('x.js', 'other', join(base, 'other'))
  symlinkSync('a.txt', join(root, 'inside'))
  symlinkSync('../secret', join(root, 'out'))
  symlinkSync('/etc/hostname', join(root, 'absolute'))
  const mounts = ['--static', `/=${root}`, '--static', `/extra/deep=${join(base, 'other')}`]
  const format = ['--access-logfile', log, '--access-logformat', '%(m)s %(R)s %(s)s %(B)s %(X)s %(Q)s %({etag}o)s']
  hornet = await startHornet({ app, args: ['--workers', '1', ...mounts, '--static-max-age', '1h', ...format] })
})
after(() => hornet.stop())

const isFromApp = (response: RawResponse) => response.headers['x-app'] === 'yes'

describe('a file', () => {
  test('comes with what a browser and a cache must know', async () => {
    const response = await get(hornet, '/a.txt?query')
    assert.equal(response.status, 200)
    assert.equal(response.text, 'plain text\n')
    const { date: sent, etag, ...headers } = response.headers
    assert.ok(Date.parse(sent) > 0)
    assert.match(etag, /^"[\da-f]+-b-[\da-f]+"$/)
    assert.deepEqual(headers, {
      'content-type': 'text/plain; charset=utf-8',
      'last-modified': date,
      'accept-ranges': 'bytes',
      vary: 'Accept-Encoding',
      'cache-control': 'public, max-age=3600',
      connection: 'keep-alive',
      'keep-alive': 'timeout=5',
      'content-length': '11',
    })
  })

  test('of any size is the same bytes, and HEAD says the same without them', async () => {
    for (const [path, type] of [
      ['/medium.bin', 'application/octet-stream'],
      ['/empty.css', 'text/css; charset=utf-8'],
      ['/%C3%A9%20%c3%bc.txt', 'text/plain; charset=utf-8'],
      ['/inside', 'application/octet-stream'],
      ['/.well-known/security.txt', 'text/plain; charset=utf-8'],
    ]) {
      const whole = await get(hornet, path)
      assert.equal(whole.status, 200, path)
      assert.deepEqual(whole.body, readFileSync(join(root, decodeURIComponent(path))), path)
      assert.equal(whole.headers['content-type'], type)
      const head = await request(hornet, message('HEAD', path))
      assert.deepEqual({ ...head.headers, date: '' }, { ...whole.headers, date: '' })
      assert.equal(head.body.length, 0)
    }
  })

  test('that was changed a moment ago has a weak tag', async () => {
    writeFileSync(join(root, 'fresh.txt'), 'fresh')
    const { headers } = await get(hornet, '/fresh.txt')
    assert.match(headers.etag, /^W\/"/)
    assert.equal((await get(hornet, '/fresh.txt', { 'If-None-Match': headers.etag })).status, 304)
  })

  test('is the longest prefix that matches, and not the next shorter one', async () => {
    assert.equal((await get(hornet, '/extra/deep/x.js')).text, 'other')
    assert.ok(isFromApp(await get(hornet, '/extra/deep/a.txt')))
    assert.ok(isFromApp(await get(hornet, '/extra/deeper/x.js')))
  })

  test('for HTTP/1.0, and for a client that wants the connection closed', async () => {
    const old = await request(hornet, 'GET /a.txt HTTP/1.0\r\n\r\n')
    assert.equal(old.headers.connection, 'close')
    assert.equal(old.text, 'plain text\n')
    const connection = await connect(hornet)
    connection.write(message('GET', '/medium.bin', { Connection: 'close' }))
    const last = await connection.readResponse()
    assert.equal(last.headers.connection, 'close')
    assert.equal(last.body.length, 500_000)
    assert.equal((await connection.readToEnd()).length, 0)
    const halfClosed = await connect(hornet)
    halfClosed.write(message('GET', '/medium.bin'))
    halfClosed.end()
    assert.equal((await halfClosed.readResponse()).body.length, 500_000)
  })
})

describe('a folder', () => {
  test('is its index; without the slash it leads there', async () => {
    const index = await get(hornet, '/sub/')
    assert.equal(index.text, '<p>index')
    assert.equal(index.headers['content-type'], 'text/html; charset=utf-8')
    const moved = await get(hornet, '/sub?a=b')
    assert.equal(moved.status, 301)
    assert.equal(moved.headers.location, '/sub/?a=b')
    assert.equal(moved.headers['content-length'], '0')
    const connection = await connect(hornet)
    connection.write(message('HEAD', '/sub'))
    assert.equal((await connection.readResponse({ method: 'HEAD' })).status, 301)
    connection.write(message('GET', '/a.txt'))
    assert.equal((await connection.readResponse()).status, 200)
    connection.destroy()
  })

  test('without an index is the application’s', async () => {
    for (const path of ['/', '/bare', '/bare/', '/extra/deep', '/extra/deep/']) {
      assert.ok(isFromApp(await get(hornet, path)), path)
    }
  })
})

describe('the application gets', () => {
  test('what is no file, with the target as it came', async () => {
    for (const path of ['/none.txt', '/a.txt/', '/a.txt/x', '/a.txt%00', '/%zz']) {
      const response = await get(hornet, path)
      assert.equal(response.text, `GET ${path}`)
    }
    assert.equal((await request(hornet, message('HEAD', '/none.txt'))).headers['x-app'], 'yes')
  })

  test('every other method, and requests with a body', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PROPFIND']) {
      assert.equal((await request(hornet, message(method, '/a.txt'))).text, `${method} /a.txt`)
    }
    for (const [headers, body] of [
      [{}, 'body'],
      [{ 'Transfer-Encoding': 'chunked' }, '4\r\nbody\r\n0\r\n\r\n'],
    ] as const) {
      assert.equal((await request(hornet, message('GET', '/a.txt', headers, body))).text, 'GET /a.txt')
    }
  })

  test('every attempt at what is not to be served', async () => {
    for (const path of [
      '/.env',
      '/%2eenv',
      '/.git/config',
      '/out',
      '/absolute',
      '/../secret',
      '/%2e%2e/secret',
      '/sub/../../secret',
      '/..%2fsecret',
      '/sub%2f..%2f..%2fsecret',
      '/..\\secret',
      '/..%5csecret',
      '//etc/hostname',
      '/./a.txt',
      '/sub/../a.txt',
      '/sub//index.html',
      '/extra/deep/../../a.txt',
      '/a.txt%2f..%2fa.txt',
      '/%00/a.txt',
    ]) {
      const response = await request(hornet, `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
      assert.equal(response.text, `GET ${path}`)
    }
  })
})

describe('conditions', () => {
  test('a copy that is still good is not sent again', async () => {
    const { headers } = await get(hornet, '/style.css')
    const known = await get(hornet, '/style.css', { 'If-None-Match': headers.etag })
    assert.equal(known.status, 304)
    assert.equal(known.body.length, 0)
    const { date: _, connection: __, 'keep-alive': ___, ...fields } = known.headers
    assert.deepEqual(fields, {
      etag: headers.etag,
      vary: 'Accept-Encoding',
      'cache-control': 'public, max-age=3600',
    })
    assert.equal((await get(hornet, '/style.css', { 'If-Modified-Since': date })).status, 304)
    assert.equal((await get(hornet, '/style.css', { 'If-None-Match': '"x"', 'If-Modified-Since': date })).status, 200)
    const failed = await get(hornet, '/style.css', { 'If-Match': '"x"' })
    assert.equal(failed.status, 412)
    assert.equal(failed.headers['content-length'], '0')
  })

  test('a part is sent where one is asked for', async () => {
    const part = await get(hornet, '/medium.bin', { Range: 'bytes=499990-' })
    assert.equal(part.status, 206)
    assert.equal(part.headers['content-range'], 'bytes 499990-499999/500000')
    assert.equal(part.text, 'abcdefghij')
    const long = await get(hornet, '/medium.bin', { Range: 'bytes=3-400002', 'If-Range': part.headers.etag })
    assert.equal(long.headers['content-range'], 'bytes 3-400002/500000')
    assert.deepEqual(long.body, readFileSync(join(root, 'medium.bin')).subarray(3, 400_003))
    const beyond = await get(hornet, '/medium.bin', { Range: 'bytes=500000-' })
    assert.equal(beyond.status, 416)
    assert.equal(beyond.headers['content-range'], 'bytes */500000')
    assert.equal(beyond.headers['content-length'], '0')
    for (const [range, condition] of [
      ['bytes=0-1,4-5', part.headers.etag],
      ['bytes=0-1', '"x"'],
    ]) {
      const whole = await get(hornet, '/medium.bin', { Range: range, 'If-Range': condition })
      assert.equal(whole.status, 200)
      assert.equal(whole.body.length, 500_000)
    }
  })
})

test('a compressed copy beside the file goes to who takes it, and is another version', async () => {
  const ask = (accepted?: string, path = '/style.css', more: Record<string, string> = {}) =>
    get(hornet, path, accepted === undefined ? more : { 'Accept-Encoding': accepted, ...more })
  const plain = await ask()
  const brotli = await ask('gzip, deflate, br')
  const gzip = await ask('br;q=0, gzip')
  assert.deepEqual(
    [plain, brotli, gzip].map(({ text, headers }) => [text, headers['content-encoding'], headers['content-type']]),
    [
      ['identity', undefined, 'text/css; charset=utf-8'],
      ['brotli', 'br', 'text/css; charset=utf-8'],
      ['gzip', 'gzip', 'text/css; charset=utf-8'],
    ],
  )
  assert.equal(new Set([plain, brotli, gzip].map(({ headers }) => headers.etag)).size, 3)
  for (const { headers } of [plain, brotli, gzip]) assert.equal(headers.vary, 'Accept-Encoding')
  assert.equal((await ask('br', '/style.css', { 'If-None-Match': plain.headers.etag })).status, 200)
  assert.equal((await ask('br', '/a.txt')).headers['content-encoding'], undefined)
  assert.equal((await ask('br', '/medium.bin')).headers.vary, undefined)
})

test('pipelined answers come in the order of their requests', async () => {
  const connection = await connect(hornet)
  const paths = ['/later', '/a.txt', '/medium.bin', '/none', '/style.css', '/later', '/medium.bin', '/sub']
  connection.write(Buffer.concat(paths.map((path) => message('GET', path))))
  const seen: (string | number)[] = []
  for (const _ of paths) {
    const { status, text, body } = await connection.readResponse()
    seen.push(status === 200 && body.length < 100 ? text : status === 200 ? body.length : status)
  }
  assert.deepEqual(seen, ['later', 'plain text\n', 500_000, 'GET /none', 'identity', 'later', 500_000, 301])
  connection.destroy()
})

test('while its only worker is blocked, files are served', async () => {
  const release = join(base, 'release')
  const from = hornet.stderr.length
  const blocked = await connect(hornet)
  blocked.write(message('GET', `/block?${release}`))
  await hornet.waitForLog(/blocked/, { from })
  assert.equal((await get(hornet, '/a.txt')).text, 'plain text\n')
  assert.equal((await get(hornet, '/medium.bin')).body.length, 500_000)
  assert.equal((await get(hornet, '/sub')).status, 301)
  writeFileSync(release, '')
  assert.equal((await blocked.readResponse()).status, 200)
  blocked.destroy()
})

test('the folder is the one that has its name now', async () => {
  const next = join(base, 'next')
  mkdirSync(next)
  write('x.js', 'replaced', next)
  rmSync(join(base, 'other'), { recursive: true })
  assert.ok(isFromApp(await get(hornet, '/extra/deep/x.js')))
  renameSync(next, join(base, 'other'))
  assert.equal((await get(hornet, '/extra/deep/x.js')).text, 'replaced')
})

test('each request has its line in the access log', async () => {
  const { headers } = await get(hornet, '/a.txt?log')
  await get(hornet, '/a.txt?log', { 'If-None-Match': headers.etag })
  await request(hornet, message('HEAD', '/medium.bin?log', { Connection: 'close' }))
  await get(hornet, '/medium.bin?log', { Range: 'bytes=0-99999' })
  await get(hornet, '/sub?log')
  const lines = await eventually('five lines', () => {
    const found = readFileSync(log, 'latin1')
      .split('\n')
      .filter((line) => line.includes('?log'))
    return found.length === 5 ? found.map((line) => line.replace(/(?:W\/)?\\"\S+"$/, 'TAG')) : undefined
  })
  assert.deepEqual(lines, [
    'GET /a.txt?log 200 11 + - TAG',
    'GET /a.txt?log 304 0 + - TAG',
    'HEAD /medium.bin?log 200 0 - - TAG',
    'GET /medium.bin?log 206 100000 + - TAG',
    'GET /sub?log 301 0 + - -',
  ])
})

describe('settings', () => {
  test('that cannot be meant are refused at the start', async () => {
    const exit = await runHornet({ app, args: ['--static', `/x=${base}/none`] })
    assert.equal(exit.code, 1)
    assert.match(exit.stderr, /^hornet: --static \/x=\S+none: ENOENT: [^\n]+\n$/)
    assert.throws(
      () => checkFolders([{ prefix: '', folder: join(base, 'secret') }]),
      /--static \/=\S+: \S+ is not a folder/,
    )
    const load = (...values: string[]) => {
      const argv = [...values.flatMap((value) => ['--static', value]), 'app.mjs']
      const loaded = loadSettings({ argv, env: {}, version: '' })
      return loaded.kind === 'run' ? loaded.settings.static : undefined
    }
    assert.throws(() => load('/x=a', '/x/=b'), /--static: two folders are given for \/x/)
    for (const wrong of ['x=a', '/x', '/x=', '=a', '/x/../y=a', '/./x=a', '//=a', '/a//b=a', '/a?b=c', '/%61=a', '']) {
      assert.throws(() => load(wrong), /is not of the form URL=DIR/, wrong)
    }
    assert.deepEqual(load('/=a=b', '/x/y/=../c', '/.well-known=d'), [
      { prefix: '', folder: 'a=b' },
      { prefix: '/x/y', folder: '../c' },
      { prefix: '/.well-known', folder: 'd' },
    ])
  })

  test('follow the config file; a wrong one changes nothing', async () => {
    const path = join(base, 'config.json')
    const config = (value: object) => writeFileSync(path, JSON.stringify(value))
    config({ workers: 1 })
    await using server = await startHornet({ app, args: ['--config', path], cwd: base })
    assert.ok(isFromApp(await get(server, '/files/a.txt')))
    config({ workers: 1, static: { '/files': 'root' }, staticMaxAge: '2m' })
    server.signal('SIGHUP')
    await server.waitForLog(/reloaded: generation 2\n/)
    const file = await get(server, '/files/a.txt')
    assert.deepEqual([file.text, file.headers['cache-control']], ['plain text\n', 'public, max-age=120'])
    config({ workers: 1, static: { '/files': 'none' } })
    server.signal('SIGHUP')
    await server.waitForLog(/reload failed, the old workers go on: --static \/files=none: ENOENT/)
    assert.equal((await get(server, '/files/a.txt')).text, 'plain text\n')
    config({ workers: 1 })
    server.signal('SIGHUP')
    await server.waitForLog(/reloaded: generation 3\n/)
    assert.ok(isFromApp(await get(server, '/files/a.txt')))
  })
})
