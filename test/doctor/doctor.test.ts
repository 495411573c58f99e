/**
 * Promise: `hornet doctor APP` says what will and will not work in workers, each finding for an application that has it
 * and none for one that has nothing; its exit status says the same.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { type Finding, findingTable } from '../../src/master/findings.js'
import { runHornet } from '../support/hornet.js'
import { root } from '../support/root.js'

const fixtures = join(root, 'test/doctor/fixtures')
const folder = mkdtempSync(join(tmpdir(), 'hornet-doctor-'))
after(() => rmSync(folder, { recursive: true }))
const seen = new Set<string>()

interface Report {
  code: number | null
  findings: Finding[]
  stderr: string
}

async function examine(app: string, args: string[] = [], appArgs: string[] = []): Promise<Report> {
  const exit = await runHornet({
    cwd: fixtures,
    env: { NODE_ENV: 'production' },
    args: ['doctor', '--json', '-w', '4', ...args, app, '--', ...appArgs],
  })
  const findings: Finding[] = JSON.parse(exit.stdout)
  for (const { code } of findings) seen.add(code)
  return { code: exit.code, findings, stderr: exit.stderr }
}

function codesOf(findings: Finding[], level?: string): string[] {
  const usual = ['app-kind', 'boot-time', 'memory']
  return findings.filter((one) => (level ? one.level === level : !usual.includes(one.code))).map(({ code }) => code)
}

/** What is found of does.cjs when it does this. */
async function found(deed: string, args: string[] = [], ...rest: string[]): Promise<Report & { only: Finding }> {
  const report = await examine('does.cjs', args, [deed, ...rest])
  const [code] = codesOf(report.findings)
  assert.equal(codesOf(report.findings).length, 1, `${deed}: ${JSON.stringify(report.findings)}\n${report.stderr}`)
  const only = report.findings.find((one) => one.code === code)
  assert.ok(only)
  return { ...report, only }
}

describe('hornet doctor', { concurrency: 2 }, () => {
  test('an application with nothing to say about', async () => {
    const { code, findings } = await examine('clean.cjs')
    assert.deepEqual(codesOf(findings, 'works'), ['app-kind', 'boot-time', 'memory'])
    assert.equal(findings.length, 3)
    assert.equal(code, 0)
    assert.match(findings[2].message, /^JavaScript memory once loaded: \d+ MiB for a worker, \d+ MiB for 4$/)
  })

  for (const [deed, code, words] of [
    ['chdir', 'process-chdir', /--chdir \//],
    ['umask', 'process-umask', /--umask 0123/],
    ['user', 'process-user', /start hornet as that user/],
    ['abort', 'process-abort', /process\.exit/],
    ['cluster', 'cluster', /--workers/],
    ['https', 'https-server', /--certfile/],
    ['http2', 'http2-server', /a proxy in front/],
  ] as const) {
    test(`will not work, even when the application caught the error: ${deed}`, async () => {
      const { only, code: status, stderr } = await found(deed)
      assert.deepEqual([only.code, only.level, status], [code, 'will not work', 1])
      assert.match(only.advice, words)
      // What the application writes is not in the report.
      assert.match(stderr, /^loading$/m)
    })
  }

  test('an https server where the server has a certificate', async () => {
    const certificate = ['pem', 'key'].map((end) => join(root, `test/tls/certs/server.${end}`))
    const { findings } = await examine(
      'does.cjs',
      ['--certfile', certificate[0], '--keyfile', certificate[1]],
      ['https'],
    )
    assert.deepEqual(codesOf(findings), ['listens'])
  })

  test('will not work: an addon that registers itself once in a process', async () => {
    const addon = join(folder, 'legacy.node')
    const flags = ['-shared', '-fPIC', `-DABI_VERSION=${process.versions.modules}`]
    const undefinedAllowed = process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : []
    execFileSync(process.env.CXX ?? 'g++', [
      ...flags,
      ...undefinedAllowed,
      '-o',
      addon,
      join(fixtures, 'legacy_addon.cc'),
    ])
    const { only, code } = await found('addon', [], addon)
    assert.deepEqual([only.code, code], ['addon', 1])
    assert.match(only.message, /did not self-register: .*legacy\.node/)
  })

  test('will not work: what only one can have', async () => {
    const { only, code } = await found('lock', [], join(folder, 'lock'))
    assert.deepEqual([only.code, code], ['second-worker', 1])
    assert.match(only.message, /EEXIST/)
  })

  test('to look at: one finding each, exit status 0', async () => {
    const prom = join(folder, 'node_modules/prom-client')
    mkdirSync(prom, { recursive: true })
    writeFileSync(join(prom, 'index.js'), 'exports.register = {}')
    for (const [deed, code, words] of [
      ['interval', 'interval', /does\.cjs:\d+ runs in each of 4 workers/],
      ['sessions', 'memory-sessions', /memory of one worker/],
      ['sockets', 'socket-io', /long polling/],
      ['metrics', 'prom-client', /counts in each worker/],
      ['zone', 'warning', /process\.env\.TZ/],
    ] as const) {
      const { only, code: status } = await found(deed, [], prom)
      assert.deepEqual([only.code, only.level, status], [code, 'look at this', 0])
      assert.match(only.message, words)
    }
  })

  test('nothing to look at: a store that is shared, --sticky, one worker', async () => {
    for (const [deed, ...args] of [['store'], ['sockets', '--sticky', 'ip'], ['interval', '-w', '1']]) {
      const { findings } = await examine('does.cjs', args, [deed])
      assert.deepEqual(codesOf(findings), [], deed)
    }
  })

  test('an ES module', async () => {
    const { findings, stderr } = await examine('module.mjs')
    const codes = ['interval', 'memory-sessions', 'process-chdir', 'https-server']
    assert.deepEqual(codesOf(findings), codes, stderr)
    assert.match(findings[3].message, /module\.mjs:8 /)
  })

  test('the command line', async () => {
    const none = await runHornet({ args: ['doctor'] })
    assert.match(none.stderr, /no application given/)
    const mixed = await runHornet({ cwd: fixtures, args: ['doctor', '--check-config', 'clean.cjs'] })
    assert.match(mixed.stderr, /doctor does not go with --check-config/)
    assert.deepEqual([none.code, mixed.code], [2, 2])
  })

  test('servers that listen, and those that only look', async () => {
    const listening = await found('listen')
    assert.deepEqual([listening.only.code, listening.code], ['listens', 0])
    assert.match(listening.only.message, /127\.0\.0\.1:8123/)
    assert.equal((await found('probe')).only.code, 'port-probe')
  })

  test('the environment, from the options that a start would have', async () => {
    const { findings } = await examine('clean.cjs', ['--env', 'NODE_ENV=development'])
    assert.deepEqual(codesOf(findings), ['node-env'])
    assert.match(findings.at(-1)?.message ?? '', /development/)
  })

  test('an application that cannot be loaded: why, and what was seen until then; exit status 3', async () => {
    const { code, findings } = await examine('throws.cjs')
    assert.equal(code, 3)
    assert.deepEqual(codesOf(findings), ['process-chdir', 'app-boot'])
    assert.match(findings.at(-1)?.message ?? '', /throws\.cjs failed while it was loaded/)
  })

  test('TypeScript that this Node does not run: what to add', async () => {
    const app = join(folder, 'app.ts')
    writeFileSync(app, 'enum Status { Ok = 200 }\nexport default (_req: object, _res: object) => Status.Ok\n')
    const { code, findings } = await examine(app)
    assert.deepEqual([code, ...codesOf(findings)], [3, 'app-boot'])
    assert.match(findings[0].message, /--node-arg=--import=tsx/)
  })

  test('for a person', async () => {
    const { code, stdout, stderr } = await runHornet({
      cwd: fixtures,
      args: ['doctor', '-w', '2', 'does.cjs', '--', 'chdir'],
    })
    assert.match(stdout, /^works\n {2}default export \(request listener\) \(app-kind\)\n/)
    assert.match(stdout, /\n\nlook at this\n {2}NODE_ENV is not set \(node-env\)\n {4}in production, start with/)
    assert.match(stdout, /\n\nwill not work\n {2}process\.chdir\('\/'\) \(process-chdir\)\n {4}the working directory/)
    assert.deepEqual([code, stderr], [1, 'loading\nloading\n'])
  })
})

test('every finding of the table has an application above that brings it about', () => {
  assert.deepEqual([...seen].sort(), Object.keys(findingTable).sort())
})
