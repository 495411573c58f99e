/**
 * Promise: what a program does with its process works in a worker, or fails with words that say what to do instead;
 * never does it reach past its worker.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { runHornet, startHornet } from '../support/hornet.js'
import { get } from '../support/http.js'
import { root } from '../support/root.js'

const fixtures = 'test/process/fixtures'
const calls = `${fixtures}/calls.mjs`

/** The fixture's arguments go behind its name, so that `app` cannot be used. */
function appArgs(file: string, ...args: string[]): string[] {
  return ['--workers', '1', join(root, fixtures, file), '--', ...args]
}

test('the CommonJS entry is the main module, and finds its own arguments', async () => {
  await using hornet = await startHornet({ args: appArgs('main.cjs', '--port', '1') })
  const path = join(root, fixtures, 'main.cjs')
  assert.deepEqual(JSON.parse((await get(hornet)).text), { argv: [path, '--port', '1'], main: path, id: '.' })
})

test('the ES module entry is the main module where Node tells, and what it requires is not', async () => {
  await using hornet = await startHornet({ args: appArgs('main.mjs') })
  const { isMain, isRequiredMain, argv } = JSON.parse((await get(hornet)).text)
  assert.equal(isMain, 'main' in import.meta ? true : undefined)
  assert.deepEqual({ isRequiredMain, argv }, { isRequiredMain: false, argv: [join(root, fixtures, 'main.mjs')] })
})

test('-- ends the options; more than one application before it is an error', async () => {
  await using hornet = await startHornet({ args: ['-w1', '--', join(root, fixtures, 'main.mjs'), '-w', 'x'] })
  assert.deepEqual(JSON.parse((await get(hornet)).text).argv.slice(1), ['-w', 'x'])
  const { code, stderr } = await runHornet({ args: ['a.mjs', 'b.mjs', '--', 'c'] })
  assert.equal(code, 2)
  assert.match(stderr, /too many arguments/)
})

test('calls a thread cannot make say what to do; those that would change nothing pass', async () => {
  await using hornet = await startHornet({ app: calls, args: ['--workers', '1'] })
  const refused: [call: string, words: RegExp][] = [
    ['chdir', /^ERR_HORNET_UNSUPPORTED process\.chdir\('\/tmp'\): .*--chdir \/tmp/],
    ['umask', /^ERR_HORNET_UNSUPPORTED process\.umask\(027\): .*--umask 027/],
    ['abort', /^ERR_HORNET_UNSUPPORTED process\.abort\(\): .*process\.exit ends/],
    ['setuid', /^ERR_HORNET_UNSUPPORTED process\.setuid\(12345\): .*start hornet as that user/],
    ['setgroups', /^ERR_HORNET_UNSUPPORTED process\.setgroups\(\): .*start hornet as that user/],
    ['fork', /^ERR_HORNET_UNSUPPORTED cluster\.fork\(\): hornet is the cluster: .*--workers/],
  ]
  for (const [call, words] of refused) {
    const { status, text } = await get(hornet, `/${call}`)
    assert.equal(status, 501, call)
    assert.match(text, words)
  }
  const passed: [call: string, answer: string][] = [
    ['chdir-here', 'undefined'],
    ['umask-same', 'true'],
    ['setuid-same', 'undefined'],
    ['stdin', 'end'],
    ['alive', 'true'],
    ['winch', 'true'],
    ['hangup', 'SIGHUP 1'],
  ]
  for (const [call, answer] of passed) assert.equal((await get(hornet, `/${call}`)).text, answer, call)
})

test('process.title is the title of the process', { skip: process.platform !== 'linux' }, async () => {
  await using hornet = await startHornet({ app: calls, args: ['--workers', '1'] })
  assert.equal((await get(hornet, '/title')).text, 'the-shop')
  // The worker's message reaches the main thread before this worker's next one does: an exit that is logged.
  assert.equal((await get(hornet, '/kill')).status, 502)
  await hornet.waitForLog(/worker 1 died/)
  assert.match(readFileSync(`/proc/${hornet.pid}/cmdline`, 'utf8'), /^the-shop/)
})

test('an application that forks hears that hornet is the cluster', async () => {
  const { code, stderr } = await runHornet({ args: ['-b', '127.0.0.1:0', ...appArgs('calls.mjs', '--fork')] })
  assert.equal(code, 3)
  assert.match(stderr, /^hornet: .*cluster\.fork\(\): hornet is the cluster: [\s\S]*at .*calls\.mjs:5/)
})

test('a time zone that the application sets has no effect, and the log says what has', async () => {
  await using hornet = await startHornet({ env: { TZ: 'UTC' }, args: appArgs('calls.mjs', '--time-zone') })
  await hornet.waitForLog(/worker 1: process\.env\.TZ, set by the application, has no effect: .* TZ=Asia\/Tokyo in/)
  assert.equal((await get(hornet, '/hour')).text, '0')
  await using other = await startHornet({ env: { TZ: 'Asia/Tokyo' }, args: appArgs('calls.mjs', '--time-zone') })
  assert.equal((await get(other, '/hour')).text, '9')
  assert.doesNotMatch(other.stderr, /no effect/)
})

test('a signal that a worker sends itself ends that worker alone', async () => {
  await using hornet = await startHornet({ app: calls, args: ['--workers', '1'] })
  assert.equal((await get(hornet, '/kill')).status, 502)
  await hornet.waitForLog(/worker 1 died, replaced at once: it sent itself SIGTERM\n\s+at .*calls\.mjs/)
  assert.equal((await get(hornet, '/alive')).text, 'true')
  assert.doesNotMatch(hornet.stderr, /stopping/)
})
