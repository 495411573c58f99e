/**
 * Promise: hornetctl says what the server says, in words or as JSON, and its exit status tells whether it was done.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Look } from '../../src/control/top.js'
import { renderTop } from '../../src/control/top.js'
import { within } from '../support/deadline.js'
import { connect, message } from '../support/http.js'
import { root } from '../support/root.js'
import { ctl, startControlled } from './fixtures/control.js'

test('every command, against a running server', async () => {
  await using server = await startControlled()
  const { hornet, folder } = server
  const env = { HORNET_CONTROL: `unix:${server.path}` }
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await ctl(args, env)
    assert.equal(stderr, '', args.join(' '))
    assert.equal(code, 0, args.join(' '))
    return stdout
  }
  assert.match(await run('status'), /^state +serving\n[\s\S]*^workers +2 of 2 ready$/m)
  assert.equal(JSON.parse(await run('status', '--json')).pid, hornet.pid)
  assert.match(await run('workers'), /^ID {2}GEN {2}STATE {2}LOAD {2}IN FLIGHT +HEAP +AGE\n 1 {4}1 {2}ready /)
  assert.equal(JSON.parse(await run('--json', 'workers')).workers.length, 2)
  assert.equal(await run('requests'), 'no requests in flight\n')
  const held = await connect(hornet)
  held.write(message('GET', '/hold?me'))
  let requests = ''
  while (!requests.includes('/hold')) requests = await run('requests')
  assert.match(requests, /^ *AGE {2}WORKER {2}STATE {4}REQUEST\n.* running {2}GET \/hold\?me$/m)
  held.destroy()

  assert.equal(await run('scale', '3'), 'workers: 3\n')
  assert.equal(await run('scale', '-1'), 'workers: 2\n')
  assert.equal(await run('scale', '+1'), 'workers: 3\n')
  assert.match(await run('stack', '2'), /^worker 2 is /)
  assert.equal(await run('reload'), 'reloaded: generation 2\n')
  const { workers } = JSON.parse(await run('workers', '--json'))
  const id = String(workers.find(({ state }: { state: string }) => state === 'ready').id)
  const profile = join(folder, 'cpu')
  assert.match(await run('profile', id, '--seconds', '0.1', '-o', profile), /developer tools/)
  assert.ok(JSON.parse(readFileSync(profile, 'utf8')).nodes.length > 0)
  const again = await ctl(['profile', id, '--seconds', '0.1', '-o', profile], env)
  assert.equal(again.code, 1)
  assert.match(again.stderr, /EEXIST/)
  assert.ok(existsSync(profile), 'what was there is kept')
  const heap = join(folder, 'heap')
  await run('heap', id, '-o', heap)
  assert.equal(statSync(heap).mode & 0o777, 0o600)
  assert.ok(JSON.parse(readFileSync(heap, 'utf8')).snapshot)
  assert.match(await run('restart', id), /leaves as soon as another one is ready/)
  assert.equal(await run('logs', 'reopen'), 'logs opened again\n')
  assert.equal(await run('stop'), 'stopping (graceful)\n')
  assert.deepEqual(await hornet.exited, { code: 0, signal: null })
})

test('what went wrong is said, in one line', async () => {
  const cases: [args: string[], env: Record<string, string>, code: number, stderr: RegExp][] = [
    [['status'], {}, 2, /no address given: use --control/],
    [['status'], { HORNET_CONTROL: 'nonsense' }, 2, /'nonsense' is not an address: unix:PATH, HOST:PORT/],
    [
      ['status'],
      { HORNET_CONTROL: 'unix:/nowhere/x.sock' },
      1,
      /no answer from unix:\/nowhere\/x\.sock: there is no such socket/,
    ],
    [['stats'], {}, 2, /'stats' is not a command \(did you mean status\?\)/],
    [['status', '--jsno'], {}, 2, /unknown option '--jsno'/],
    [['stack'], {}, 2, /missing required argument/],
    [['stack', 'x'], {}, 2, /'x' is not the number of a worker/],
    [['scale', 'many'], {}, 2, /'many' is not a number of workers: N, \+N or -N/],
    [['logs', 'rotate'], {}, 2, /'rotate' is not what can be done with logs: reopen/],
    [['completion', 'tcsh'], {}, 2, /'tcsh' is not a shell known here: bash, zsh, fish/],
    [['top'], { HORNET_CONTROL: 'unix:/nowhere/x.sock' }, 2, /top needs a terminal/],
  ]
  for (const [args, env, code, stderr] of cases) {
    const result = await ctl(args, env)
    assert.equal(result.code, code, args.join(' '))
    assert.match(result.stderr, stderr)
    assert.match(result.stderr, /^hornetctl: [^\n]*\n$/)
    assert.equal(result.stdout, '')
  }
})

test('top shows the server on a terminal of any size, and leaves with q', async () => {
  await using server = await startControlled()
  const command = `stty rows 20 cols 70; ${process.execPath} ${join(root, 'dist/hornetctl.js')} top --interval 0.2`
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    env: { ...process.env, HORNET_CONTROL: `unix:${server.path}`, TERM: 'xterm' },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let screen = ''
  let look = () => {}
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    screen += text
    look()
  })
  const frames = new Promise<void>((resolve) => {
    look = () => {
      if (screen.split('\x1b[H').length > 3) resolve()
    }
  })
  await within(frames, 'third frame', undefined, () => screen)
  child.stdin.write('q')
  const code = await within(new Promise((resolve) => child.once('close', resolve)), 'end of top')
  assert.equal(code, 0)
  assert.ok(screen.startsWith('\x1b[?1049h'), 'on a screen of its own')
  assert.ok(screen.trimEnd().endsWith('\x1b[?25h\x1b[?1049l'), 'and the old one comes back')
  const lines = screen.split('\x1b[H')[2].split(/\r+\n/)
  assert.equal(lines.length, 20)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the sequences that move the cursor.
  for (const line of lines) assert.ok(line.replace(/\x1b\[[\d;?]*\w/g, '').length <= 70, JSON.stringify(line))
  assert.match(lines[0], /^hornet .* serving {2}generation 1 /)
})

const look = (atMs: number, requests: number): Look => ({
  atMs,
  status: {
    version: '1.0.0',
    nodeVersion: 'v20',
    pid: 1,
    guard: null,
    app: '/srv/app.mjs',
    state: 'serving',
    isReloading: false,
    generation: 2,
    uptimeMs: 60_000,
    addresses: ['http://127.0.0.1:8000'],
    tls: null,
    ioThreads: 1,
    workers: { wanted: 1, ready: 1, booting: 0, draining: 0 },
    connectionsOpen: 3,
    requestsInFlight: 2,
    requestsQueued: 1,
    residentBytes: 1e8,
    nativeBytes: 1e6,
    totals: {
      connections: 9,
      requests,
      requestsShed: 0,
      requestsFailed: 0,
      requestsAborted: 0,
      requestsRejected: {},
      bytesRead: 0,
      bytesWritten: 0,
      workerExits: {},
      workersBlocked: 0,
    },
    durations: Object.fromEntries(
      ['accept', 'queue', 'handler', 'write', 'total'].map((name) => [
        name,
        { bounds: [0.001, 0.002], counts: [requests, 0, 0], sum: 1 },
      ]),
    ) as unknown as Look['status']['durations'],
  },
  workers: [
    {
      id: 7,
      generation: 2,
      state: 'ready',
      leaving: null,
      ageMs: 60_000,
      requestsInFlight: 2,
      eventLoopUtilization: 1,
      blockedMs: 3210,
      heapUsedBytes: 5e7,
      heapTotalBytes: 6e7,
    },
  ],
  requests: {
    requests: [{ id: '0-1-1', workerId: 7, method: 'GET', url: `/${'x'.repeat(90)}`, ageMs: 3300, state: 'running' }],
    total: 1,
  },
})

test('top computes rates between two looks, marks blocked workers, and fits', () => {
  const model = { previous: look(0, 100), current: look(2000, 300), history: [10, 100, 50] }
  const lines = renderTop(model, { columns: 100, rows: 30 })
  assert.equal(lines.length, 30)
  assert.match(lines.join('\n'), /requests {2}100\/s {3}in flight 2 {3}queued 1/)
  assert.match(lines.join('\n'), /latency {3}p50 0\.50 ms {3}p95 0\.95 ms/)
  assert.match(lines.join('\n'), /^ 7 +2 +blocked 3\.2 s +█{12} 100% +2 +50\.0 MB +1m 0s$/m)
  assert.match(lines.join('\n'), /3\.3 s +7 +running +GET \/x+/)
  for (const [columns, rows] of [
    [20, 5],
    [1, 1],
    [300, 100],
  ]) {
    const small = renderTop(model, { columns, rows })
    assert.equal(small.length, rows)
    assert.ok(small.every((line) => line.length <= columns))
  }
})

test('completions: scripts that the shells accept, with what the tables hold', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'hornet-completion-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const words = (script: string, program: string, line: string[]) =>
    execFileSync(
      'bash',
      [
        '--norc',
        '-c',
        `${script}\nCOMP_WORDS=(${line.map((word) => `'${word}'`).join(' ')})
COMP_CWORD=${line.length - 1}\n_${program}\nprintf '%s\\n' "\${COMPREPLY[@]}"`,
      ],
      { encoding: 'utf8', cwd: root },
    )
      .trim()
      .split('\n')
  const bash = (await ctl(['completion', 'bash'])).stdout
  assert.deepEqual(words(bash, 'hornetctl', ['hornetctl', 're']), ['requests', 'reload', 'restart'])
  assert.deepEqual(words(bash, 'hornetctl', ['hornetctl', 'stop', '--q']), ['--quick'])
  assert.deepEqual(words(bash, 'hornetctl', ['hornetctl', 'completion', 'z']), ['zsh'])
  assert.deepEqual(words(bash, 'hornet', ['hornet', '--worker-c']), ['--worker-connections'])
  assert.deepEqual(words(bash, 'hornet', ['hornet', '--log-level', 'w']), ['warn'])
  assert.ok(words(bash, 'hornet', ['hornet', 'READ']).includes('README.md'), 'the application is a file')
  assert.ok(words(bash, 'hornet', ['hornet', 'doc']).includes('doctor'))
  assert.deepEqual(words(bash, 'hornet', ['hornet', 'doctor', '--js']), ['--json'])
  assert.deepEqual(words(bash, 'hornet', ['hornet', 'app.mjs', '--js']), [''])
  assert.ok(!words(bash, 'hornet', ['hornet', 'doctor', 'doc']).includes('doctor'), 'it is the first word only')
  for (const [shell, check] of [
    ['zsh', '-n'],
    ['fish', '--no-execute'],
  ]) {
    const script = (await ctl(['completion', shell])).stdout
    assert.match(script, /worker-connections/)
    const file = join(folder, shell)
    writeFileSync(file, script)
    if (spawnSync(shell, ['--version']).error) t.diagnostic(`there is no ${shell} here: its script was not checked`)
    else execFileSync(shell, [check, file])
  }
})
