/**
 * Promise: the small parts of the master do what the loop relies on.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { runInNewContext } from 'node:vm'
import { loadSettings } from '../../src/config/load.js'
import { HornetError } from '../../src/errors.js'
import { formatBanner, summarize } from '../../src/master/banner.js'
import { CommandQueue } from '../../src/master/command-queue.js'
import { LaneMemory } from '../../src/master/lane-memory.js'
import { nativeLimits } from '../../src/master/limits.js'
import { acquirePidFile } from '../../src/master/pid-file.js'
import { SpareMemory } from '../../src/master/spare-memory.js'
import { describeExit } from '../../src/master/worker-handle.js'
import { LANE_RINGS_OFFSET, loadAddon } from '../../src/seam/addon.js'

const folder = mkdtempSync(join(tmpdir(), 'hornet-parts-'))
after(() => rmSync(folder, { recursive: true }))

function settings(...argv: string[]) {
  const loaded = loadSettings({ argv: [...argv, 'app'], env: {}, version: '' })
  assert.ok(loaded.kind === 'run')
  return loaded.settings
}

test('the queue gives commands in order, whether they came before or after the asking', async () => {
  const queue = new CommandQueue<number>()
  queue.push(1)
  queue.push(2)
  assert.equal(await queue.take(Number.POSITIVE_INFINITY), 1)
  assert.equal(await queue.take(0), 2)
  const third = queue.take(Number.POSITIVE_INFINITY)
  queue.push(3)
  queue.push(4)
  assert.equal(await third, 3)
  assert.equal(await queue.take(Number.POSITIVE_INFINITY), 4)
})

test('the queue gives nothing when the time is over, or was before', async () => {
  const queue = new CommandQueue<number>()
  assert.equal(await queue.take(1), undefined)
  assert.equal(await queue.take(0), undefined)
  assert.equal(await queue.take(-5), undefined)
})

test('a head is limited as a whole, also when its parts are not', () => {
  assert.equal(nativeLimits(settings()).headBytesMax, 256 * 1024)
  const small = settings(
    '--limit-request-line',
    '1k',
    '--limit-request-fields',
    '10',
    '--limit-request-field-size',
    '100',
  )
  assert.equal(nativeLimits(small).headBytesMax, 1024 + 10 * 100 + 4)
})

test('a pid file is written, refused and removed', () => {
  const path = join(folder, 'pid')
  const remove = acquirePidFile(path)
  assert.equal(readFileSync(path, 'utf8'), `${process.pid}\n`)
  remove()
  assert.ok(!existsSync(path))

  writeFileSync(path, `${process.ppid}\n`)
  const isRefused = (error: unknown) => error instanceof HornetError && error.message.includes(String(process.ppid))
  assert.throws(() => acquirePidFile(path), isRefused, 'the parent of this process lives')

  for (const stale of [`${process.pid}\n`, '', '0\n', 'x', '4194305\n']) {
    writeFileSync(path, stale)
    const removeAgain = acquirePidFile(path)
    writeFileSync(path, '1\n')
    removeAgain()
    assert.ok(existsSync(path), 'what others wrote since stays')
  }
  const isConfigError = (error: unknown) => error instanceof HornetError && error.code === 'ERR_HORNET_CONFIG'
  assert.throws(() => acquirePidFile(join(folder, 'nowhere', 'pid')), isConfigError)
})

test('why a thread ended', () => {
  const code = 'ERR_HORNET_APP_BOOT'
  assert.deepEqual(describeExit(3, undefined), { code, message: 'its thread ended with exit code 3' })
  const error = new Error('outer', { cause: new Error('inner') })
  const told = describeExit(1, { thrown: error })
  assert.equal(told.message, 'outer')
  assert.match(told.stack ?? '', /Error: outer\n[\s\S]*inner/)
  assert.deepEqual(describeExit(1, { thrown: null }), { code, message: 'null was thrown', stack: undefined })
})

test('the banner', () => {
  const facts = {
    version: '1.0.0',
    nodeVersion: 'v20.0.0',
    pid: 7,
    appPath: '/srv/app.mjs',
    addresses: [
      { kind: 'tcp', address: '::1', family: 'IPv6', port: 80, index: 0 },
      { kind: 'unix', address: '/run/a.sock', family: 'unix', port: 0, index: 1 },
    ],
    scheme: 'http',
    workers: 1,
    ioThreads: 2,
  } as const
  assert.equal(
    formatBanner(facts),
    `hornet 1.0.0 on Node.js v20.0.0
  app        /srv/app.mjs
  listening  http://[::1]:80
             unix:/run/a.sock
  threads    1 worker, 2 I/O threads
  pid        7; stop with Ctrl-C, or kill -TERM 7 to let requests finish
`,
  )
  assert.match(
    summarize(facts),
    /^hornet 1\.0\.0 .* serves \/srv\/app\.mjs on http:\/\/\[::1\]:80 unix:\/run\/a\.sock \(1 worker, 2 I\/O threads\)$/,
  )
  assert.match(
    formatBanner({ ...facts, scheme: 'https' }),
    /listening {2}https:\/\/\[::1\]:80\n +unix:\/run\/a\.sock\n/,
  )
})

test('the memory of lanes is used again, with its positions at zero, and given back meanwhile', () => {
  const bytes = 1024 * 1024
  const laneMemory = new LaneMemory(bytes, loadAddon())
  const [first, second] = [laneMemory.take(), laneMemory.take()]
  assert.notEqual(first, second)
  new Uint8Array(first).fill(1)
  new Uint8Array(second).fill(2)
  laneMemory.giveBack(first)
  assert.deepEqual([...new Set(new Uint8Array(second))], [2], 'what is in use is left alone')
  assert.equal(laneMemory.take(), first)
  assert.deepEqual([...new Set(new Uint8Array(first, 0, LANE_RINGS_OFFSET))], [0])
  // The kernel gives zeros in the place of what was given back to it.
  const left = new Uint8Array(first).filter((byte) => byte !== 0).length
  if (process.platform === 'linux') assert.ok(left < 128 * 1024, `${left} bytes of ${bytes} were kept`)
  assert.notEqual(laneMemory.take(), first, 'each is given out once')
})

test('a second after workers have ended, garbage about them is collected, then the allocator trimmed, once', async (t) => {
  const calls: string[] = []
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const spareMemory = new SpareMemory({
    limitSpareMemory: () => calls.push('limit'),
    trimMemory: () => calls.push(`trim, garbage ${garbage.deref() === undefined ? 'collected' : 'left'}`),
  })
  assert.equal(globalThis.gc ?? runInNewContext('globalThis.gc'), undefined, 'applications do not see the collector')
  const garbage = new WeakRef(new Array(100))
  // What a reference has been made to stays until the end of the task.
  await new Promise((next) => setImmediate(next))
  spareMemory.noteEnd()
  t.mock.timers.tick(500)
  spareMemory.noteEnd()
  t.mock.timers.tick(499)
  assert.deepEqual(calls, ['limit'])
  t.mock.timers.tick(1)
  assert.deepEqual(calls, ['limit', 'trim, garbage collected'])
  t.mock.timers.tick(5000)
  spareMemory.noteEnd()
  spareMemory.close()
  t.mock.timers.tick(5000)
  assert.equal(calls.length, 2, 'nothing after the end')
})
