/**
 * Promise: what is wrong with a command is said in one clear line on standard error, with the exit status that tells
 * scripts apart: 1 configuration or address, 2 usage, 3 the application cannot load.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { type HornetOptions, runHornet } from '../support/hornet.js'
import { root } from '../support/root.js'

const fixtures = join(root, 'test/cli/fixtures')

interface Expected {
  code: number
  stderr: RegExp
}

async function says(options: HornetOptions, { code, stderr }: Expected): Promise<void> {
  const exit = await runHornet({ cwd: fixtures, ...options })
  assert.match(exit.stderr, stderr)
  assert.deepEqual({ code: exit.code, signal: exit.signal, stdout: exit.stdout }, { code, signal: null, stdout: '' })
}

/** Told in one line. */
function oneLine(text: RegExp): RegExp {
  return new RegExp(`^hornet: ${text.source}\\n$`)
}

test('--version and --help', async () => {
  const version = await runHornet({ args: ['--version'] })
  assert.match(version.stdout, /^hornet \d+\.\d+\.\d+\n$/)
  assert.equal(version.code, 0)
  const help = await runHornet({ args: ['-h'] })
  assert.match(help.stdout, /^Usage: hornet \[OPTIONS\] APP \[-- ARGUMENTS\]\n/)
  assert.deepEqual({ code: help.code, stderr: help.stderr }, { code: 0, stderr: '' })
})

test('usage: no application, a bad option, a bad value', async () => {
  await says({}, { code: 2, stderr: oneLine(/no application given: .*/) })
  await says(
    { args: ['--worker', '2', 'a.mjs'] },
    { code: 2, stderr: oneLine(/unknown option '--worker' \(did you mean --workers\?\)/) },
  )
  await says(
    { args: ['-w', 'many', 'a.mjs'] },
    { code: 2, stderr: oneLine(/--workers \(command line\): 'many' is not .*/) },
  )
})

test('configuration: a bad environment, a missing folder, a log file that cannot be', async () => {
  await says(
    { args: ['a.mjs'], env: { HORNET_WORKER: '1' } },
    { code: 1, stderr: oneLine(/unknown variable HORNET_WORKER .*HORNET_WORKERS\?\)/) },
  )
  await says({ args: ['--chdir', 'nowhere', 'a.mjs'] }, { code: 1, stderr: oneLine(/--chdir: .*nowhere.*/) })
  await says(
    { args: ['--log-file', 'nowhere/a.log', 'hello.mjs'] },
    { code: 1, stderr: oneLine(/cannot open the log file 'nowhere\/a\.log': .*/) },
  )
})

test('a node argument that workers cannot have', async () => {
  const args = ['--node-arg=--max-old-space-size=100', '--bind', '127.0.0.1:0', 'hello.mjs']
  await says({ args }, { code: 1, stderr: oneLine(/.*--max-old-space-size.*/) })
})

test('no such file, with the nearest name', async () => {
  await says(
    { args: ['helo.mjs'] },
    { code: 3, stderr: oneLine(/no such application: 'helo\.mjs' \(did you mean 'hello\.mjs'\?\)/) },
  )
})

test('a port in use', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const args = ['--bind', `127.0.0.1:${port}`, 'hello.mjs']
  await says(
    { args },
    { code: 1, stderr: oneLine(new RegExp(`cannot listen on 127\\.0\\.0\\.1:${port}: the port is in use.*`)) },
  )
  server.close()
})

test('addresses that cannot be listened on', async () => {
  const cases: [string, RegExp][] = [
    ['192.0.2.1:0', /this machine has no such address/],
    ['fd://99', /no such descriptor/],
    ['unix:nowhere/a.sock', /there is no such folder/],
    ['name.invalid:80', /the host name has no address/],
  ]
  for (const [bind, reason] of cases) {
    await says(
      { args: ['--bind', bind, 'hello.mjs'] },
      { code: 1, stderr: new RegExp(`^hornet: cannot listen on .*${reason.source}.*\\n$`) },
    )
  }
})

test('a module that throws is shown with its stack, once', async () => {
  await says(
    { args: ['-w', '3', '-b', '127.0.0.1:0', 'throws.mjs'] },
    { code: 3, stderr: /^hornet: .*thrown while loading\n(.*\n)*.*at .*throws\.mjs:2/ },
  )
  const { stderr } = await runHornet({ cwd: fixtures, args: ['-w', '3', '-b', '127.0.0.1:0', 'throws.mjs'] })
  assert.equal(stderr.match(/at .*throws\.mjs:2/g)?.length, 1)
})

test('a module without an application: what it exports is listed', async () => {
  await says(
    { args: ['-b', '127.0.0.1:0', 'nothing.mjs'] },
    { code: 3, stderr: /^hornet: .*nothing\.mjs exports nothing that can serve requests[\s\S]*colour/ },
  )
  await says({ args: ['-b', '127.0.0.1:0', 'hello.mjs:nope'] }, { code: 3, stderr: /^hornet: .*no export "nope"/ })
})

test('a module that ends its worker', async () => {
  await says(
    { args: ['-b', '127.0.0.1:0', 'exits.mjs'] },
    { code: 3, stderr: /^hornet: .*it called process\.exit\(7\)\n\s+at .*exits\.mjs/ },
  )
})

test('an application that is not ready in time', async () => {
  const args = ['-b', '127.0.0.1:0', '--boot-timeout', '1s', 'stuck.mjs']
  await says({ args }, { code: 3, stderr: oneLine(/the application was not ready within 1s \(--boot-timeout\)/) })
})
