/**
 * Promise: a start loads what it needs and no more. Parts of Node that are for TLS, for the control API or for child
 * processes cost a millisecond or two each, in the master and in every worker.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { runHornet, startHornet } from '../support/hornet.js'
import { get } from '../support/http.js'
import { root } from '../support/root.js'

const fixtures = join(root, 'test/cli/fixtures')
const nodeArgs = ['--import', join(fixtures, 'loaded.mjs')]

interface Loaded {
  /** Node's modules in the main thread. */
  builtins: string[]
  /** `.node` files in the process. */
  binaries: string[]
}

function loadedBy(stdout: string): Loaded {
  const text = /^loaded: (.*)$/m.exec(stdout)?.[1]
  assert.ok(text, stdout)
  return JSON.parse(text) as Loaded
}

/** What no plain server uses. */
const unused = ['http', 'https', 'tls', '_tls_wrap', 'crypto', 'dns', 'inspector', 'cluster']

test('--version and --help load neither the native core nor threads', async () => {
  for (const flag of ['--version', '--help']) {
    const { code, stdout } = await runHornet({ nodeArgs, args: [flag] })
    assert.equal(code, 0)
    const { builtins, binaries } = loadedBy(stdout)
    assert.deepEqual(binaries, [], flag)
    const idle = [...unused, 'vm', 'v8']
    assert.deepEqual(
      builtins.filter((name) => idle.includes(name)),
      [],
      flag,
    )
  }
})

test('a master without control API loads no http, and a worker that serves a listener no https', async () => {
  await using hornet = await startHornet({ nodeArgs, args: ['-w', '1', join(fixtures, 'modules.mjs')] })
  const inWorker = JSON.parse((await get(hornet)).text) as string[]
  const tls = ['https', 'tls', '_tls_wrap', 'crypto', 'v8', 'inspector']
  assert.ok(inWorker.includes('http'), 'modules have other names than this test believes')
  assert.deepEqual(
    inWorker.filter((name) => tls.includes(name)),
    [],
  )
  await hornet.stop()
  const { builtins, binaries } = loadedBy(hornet.stdout)
  assert.equal(binaries.length, 1, 'the native core')
  assert.deepEqual(
    builtins.filter((name) => unused.includes(name)),
    [],
  )
})
