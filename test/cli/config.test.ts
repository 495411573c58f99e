/**
 * Promise: --check-config says whether a start would go well, and why not, with the exit status a start would have;
 * --print-config says where each value came from.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { runHornet } from '../support/hornet.js'
import { root } from '../support/root.js'

const fixtures = join(root, 'test/cli/fixtures')
const folder = mkdtempSync(join(tmpdir(), 'hornet-cli-config-'))
after(() => rmSync(folder, { recursive: true }))

const check = (...args: string[]) => runHornet({ cwd: fixtures, args: ['--check-config', ...args] })

test('--check-config: all is well', async () => {
  // A port that nobody may have: nothing is opened.
  const exit = await check('-b', '192.0.2.1:80', 'hello.mjs')
  assert.match(exit.stderr, /^hornet: the settings are well, and .*hello\.mjs can be loaded\n$/)
  assert.equal(exit.code, 0)
})

test('--check-config: an application that cannot be loaded', async () => {
  for (const [app, reason] of [
    ['throws.mjs', /thrown while loading/],
    ['nothing.mjs', /exports nothing that can serve/],
    ['exits.mjs', /process\.exit|exit code 7/],
  ] as const) {
    const exit = await check(app)
    assert.match(exit.stderr, reason)
    assert.equal(exit.code, 3, app)
  }
  const late = await check('--boot-timeout', '500ms', 'stuck.mjs')
  assert.match(late.stderr, /not ready within 500ms/)
  assert.equal(late.code, 3)
})

test('--check-config: a config file that is wrong', async () => {
  const path = join(folder, 'hornet.config.mjs')
  writeFileSync(path, 'export default { wrokers: 2 }')
  const exit = await check('-c', path, 'hello.mjs')
  assert.match(exit.stderr, /^hornet: .*unknown setting wrokers \(did you mean workers\?\)\n$/)
  assert.equal(exit.code, 1)
})

test('--print-config', async () => {
  const exit = await runHornet({
    cwd: fixtures,
    args: ['--print-config', '-w', '3', 'hello.mjs'],
    env: { PORT: '1234', HORNET_LOG_LEVEL: 'warn' },
  })
  assert.match(exit.stdout, /^# application: hello\.mjs\n# config file: none\n/)
  assert.match(exit.stdout, /^bind +0\.0\.0\.0:1234 +PORT\n/m)
  assert.match(exit.stdout, /^workers +3 +command line\n/m)
  assert.match(exit.stdout, /^logLevel +warn +HORNET_LOG_LEVEL\n/m)
  assert.match(exit.stdout, /^backlog +2048 +default\n/m)
  assert.deepEqual({ code: exit.code, stderr: exit.stderr }, { code: 0, stderr: '' })
})
