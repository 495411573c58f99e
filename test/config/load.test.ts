/**
 * Promise: every setting can be given on the command line, in HORNET_CMD_ARGS and in the environment, in that order of
 * precedence; what cannot be used is refused by name, source and value, and nothing is silently ignored.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Loaded, loadSettings } from '../../src/config/load.js'
import { environmentName, type SettingKey, type Settings, settingEntries } from '../../src/config/settings.js'
import { type ErrorCode, HornetError } from '../../src/errors.js'

const machine = { parallelism: 6 }

function load(argv: string[], env: Record<string, string> = {}): Loaded {
  return loadSettings({ argv, env, version: '1.2.3', machine })
}

function settings(argv: string[], env: Record<string, string> = {}): Settings {
  const loaded = load([...argv, 'app.mjs'], env)
  assert.equal(loaded.kind, 'run')
  return loaded.settings
}

function refuses(run: () => unknown, code: ErrorCode, ...fragments: string[]): void {
  assert.throws(run, (error) => {
    assert.ok(error instanceof HornetError, String(error))
    assert.equal(error.code, code, error.message)
    for (const fragment of fragments) assert.ok(error.message.includes(fragment), `${fragment} in: ${error.message}`)
    assert.ok(!error.message.includes('\n'), 'one line')
    return true
  })
}

test('defaults are those of the table, and fit the machine', () => {
  const { bind, workers, ioThreads, backlog, keepAliveMs, limitRequestLineBytes, errorLogfile, env } = settings([])
  assert.deepEqual(bind, [{ kind: 'tcp', host: '127.0.0.1', port: 8000 }])
  assert.deepEqual(
    { workers, ioThreads, backlog, keepAliveMs },
    { workers: 6, ioThreads: 1, backlog: 2048, keepAliveMs: 5000 },
  )
  assert.deepEqual(
    { limitRequestLineBytes, errorLogfile, env },
    { limitRequestLineBytes: 8190, errorLogfile: '-', env: [] },
  )
  const big = loadSettings({ argv: ['a'], env: {}, version: '', machine: { parallelism: 17 } })
  assert.ok(big.kind === 'run')
  assert.equal(big.settings.ioThreads, 3)
})

test('what the help says of a default is what the parser makes of it', () => {
  const inWords: Partial<Record<SettingKey, string>> = {
    bind: '127.0.0.1:8000, or 0.0.0.0:$PORT',
    workers: '$WEB_CONCURRENCY, or auto',
    ioThreads: 'one per 8 processors',
    umask: 'inherited',
    keyfile: 'the file of --certfile',
  }
  for (const [key, setting] of settingEntries) {
    const value = setting.default(machine)
    if (key in inWords) assert.equal(setting.defaultText, inWords[key])
    else if (setting.defaultText) assert.deepEqual(setting.kind.parse(setting.defaultText, machine), value, key)
    else assert.ok(value === undefined || value === false || (Array.isArray(value) && value.length === 0), key)
  }
})

test('flags and environment names are unique, and keys say the unit', () => {
  const flags = settingEntries.flatMap(([, { flag, short, alias }]) => [flag, short, alias].filter(Boolean))
  assert.equal(new Set(flags).size, flags.length)
  for (const [key, { kind }] of settingEntries) {
    assert.equal(key.endsWith('Ms'), kind.metavar === 'TIME', key)
    assert.equal(key.endsWith('Bytes'), kind.metavar === 'SIZE', key)
  }
  assert.equal(environmentName('--limit-request-field-size'), 'HORNET_LIMIT_REQUEST_FIELD_SIZE')
})

test('each layer goes before the ones under it', () => {
  const layers: [Record<string, string>, string[], number][] = [
    [{}, [], 6],
    [{ WEB_CONCURRENCY: '2' }, [], 2],
    [{ WEB_CONCURRENCY: '2', HORNET_WORKERS: '3' }, [], 3],
    [{ WEB_CONCURRENCY: '2', HORNET_WORKERS: '3', HORNET_CMD_ARGS: '--workers 4' }, [], 4],
    [{ WEB_CONCURRENCY: '2', HORNET_WORKERS: '3', HORNET_CMD_ARGS: '--workers 4' }, ['-w', '5'], 5],
    [{ WEB_CONCURRENCY: '2' }, ['-w', 'auto'], 6],
    [{}, ['-w', '5', '--workers=7'], 7],
  ]
  for (const [env, argv, workers] of layers) assert.equal(settings(argv, env).workers, workers)
})

test('a higher layer replaces the whole list of a repeatable setting', () => {
  const env = { PORT: '3000', HORNET_BIND: '127.0.0.1:1 unix:/tmp/a.sock' }
  assert.deepEqual(settings([], { PORT: '3000' }).bind, [{ kind: 'tcp', host: '0.0.0.0', port: 3000 }])
  assert.deepEqual(settings([], env).bind, [
    { kind: 'tcp', host: '127.0.0.1', port: 1 },
    { kind: 'unix', path: '/tmp/a.sock' },
  ])
  assert.deepEqual(settings(['-b', ':80', '--bind', 'fd://3'], env).bind, [
    { kind: 'tcp', host: '0.0.0.0', port: 80 },
    { kind: 'fd', fd: 3 },
  ])
})

test('an empty variable of the platform is none', () => {
  assert.equal(settings([], { PORT: '', WEB_CONCURRENCY: '' }).workers, 6)
})

test('a switch is turned on, off again, and spelt out in the environment', () => {
  assert.equal(settings(['--factory']).factory, true)
  assert.equal(settings([], { HORNET_FACTORY: 'yes' }).factory, true)
  assert.equal(settings(['--no-factory'], { HORNET_FACTORY: '1' }).factory, false)
  assert.equal(settings(['--factory', '--no-factory']).factory, false)
  refuses(
    () => settings([], { HORNET_FACTORY: 'perhaps' }),
    'ERR_HORNET_CONFIG',
    'HORNET_FACTORY',
    "'perhaps'",
    'true or false',
  )
})

test('both names of the log file mean the same', () => {
  assert.equal(settings(['--log-file', 'a']).errorLogfile, 'a')
  assert.equal(settings(['--error-logfile', 'b']).errorLogfile, 'b')
  assert.equal(settings([], { HORNET_LOG_FILE: 'c' }).errorLogfile, 'c')
  const both = { HORNET_LOG_FILE: 'c', HORNET_ERROR_LOGFILE: 'd' }
  refuses(() => settings([], both), 'ERR_HORNET_CONFIG', 'HORNET_LOG_FILE', 'HORNET_ERROR_LOGFILE')
})

test('arguments of node may come in one value or in several', () => {
  const expected = ['--import', 'tsx', '--no-warnings']
  assert.deepEqual(settings(['--node-arg', '--import tsx', '--node-arg=--no-warnings']).nodeArgs.flat(), expected)
  assert.deepEqual(
    settings(['--node-arg', '--import', '--node-arg', 'tsx', '--node-arg', '--no-warnings']).nodeArgs.flat(),
    expected,
  )
  assert.deepEqual(settings([], { HORNET_NODE_ARG: '--import tsx --no-warnings' }).nodeArgs.flat(), expected)
})

test('variables for the application keep everything after the first equals sign', () => {
  assert.deepEqual(settings(['-e', 'A=b=c', '--env', 'EMPTY=']).env, [
    ['A', 'b=c'],
    ['EMPTY', ''],
  ])
  assert.deepEqual(settings([], { HORNET_ENV: `A="two words" B='$x'` }).env, [
    ['A', 'two words'],
    ['B', '$x'],
  ])
})

test('a wrong value is refused with its name, its source and what is accepted', () => {
  refuses(() => settings(['-w', 'lots']), 'ERR_HORNET_USAGE', '--workers (command line)', "'lots'", 'from 1 to 1024')
  refuses(() => settings(['--workers', '0']), 'ERR_HORNET_USAGE', "'0'")
  refuses(() => settings([], { HORNET_WORKERS: '-1' }), 'ERR_HORNET_CONFIG', 'HORNET_WORKERS (environment)', "'-1'")
  refuses(() => settings([], { WEB_CONCURRENCY: 'x' }), 'ERR_HORNET_CONFIG', 'WEB_CONCURRENCY (environment)', "'x'")
  refuses(() => settings([], { PORT: '70000' }), 'ERR_HORNET_CONFIG', 'PORT (environment)', "'70000'", '65535')
  const args = { HORNET_CMD_ARGS: '--keep-alive never' }
  refuses(
    () => settings([], args),
    'ERR_HORNET_CONFIG',
    '--keep-alive (HORNET_CMD_ARGS)',
    "'never'",
    'a duration from 1ms to 24h',
  )
  refuses(() => settings(['--log-level', 'loud']), 'ERR_HORNET_USAGE', "'loud'", 'debug, info, warn, error')
})

test('unknown names are refused with the nearest match', () => {
  refuses(
    () => load(['--worker', '2', 'app']),
    'ERR_HORNET_USAGE',
    "unknown option '--worker'",
    'did you mean --workers?',
  )
  refuses(() => load(['--gracefull-timeout=2', 'app']), 'ERR_HORNET_USAGE', '--graceful-timeout')
  refuses(() => load(['-z', 'app']), 'ERR_HORNET_USAGE', "'-z'")
  refuses(
    () => settings([], { HORNET_WORKER: '2' }),
    'ERR_HORNET_CONFIG',
    'HORNET_WORKER ',
    'did you mean HORNET_WORKERS?',
  )
  refuses(() => settings([], { HORNET_CMD_ARG: '2' }), 'ERR_HORNET_CONFIG', 'did you mean HORNET_CMD_ARGS?')
  refuses(() => settings([], { HORNET_CMD_ARGS: '--bakclog 5' }), 'ERR_HORNET_CONFIG', 'HORNET_CMD_ARGS: ', '--backlog')
})

test('the command line must name one application', () => {
  refuses(() => load([]), 'ERR_HORNET_USAGE', 'no application given')
  refuses(() => load(['a.js', 'b.js']), 'ERR_HORNET_USAGE', 'too many arguments')
  refuses(() => load(['a.js', '--workers']), 'ERR_HORNET_USAGE', '--workers', 'argument missing')
  refuses(() => load(['a.js'], { HORNET_CMD_ARGS: 'b.js' }), 'ERR_HORNET_CONFIG', 'HORNET_CMD_ARGS', "'b.js'")
  refuses(() => load(['a.js'], { HORNET_CMD_ARGS: '--help' }), 'ERR_HORNET_CONFIG', '--help')
  refuses(() => load(['a.js'], { HORNET_CMD_ARGS: '-e "A=b' }), 'ERR_HORNET_CONFIG', 'quote')
  const loaded = load(['app.mjs:make', '-w', '1'])
  assert.ok(loaded.kind === 'run')
  assert.equal(loaded.app, 'app.mjs:make')
  const dashed = load(['-w', '1', '--', '-app.mjs'])
  assert.ok(dashed.kind === 'run')
  assert.equal(dashed.app, '-app.mjs')
})

test('help names every option, whatever the environment says', () => {
  const loaded = load(['--help'], { HORNET_NONSENSE: '1' })
  assert.ok(loaded.kind === 'print')
  for (const [, { flag, short, alias }] of settingEntries) {
    for (const name of [flag, short, alias]) if (name) assert.match(loaded.text, new RegExp(`(^|[ ,])${name}\\b`, 'm'))
  }
  assert.ok(!loaded.text.includes('--no-factory'))
  assert.deepEqual(load(['-V']), { kind: 'print', text: 'hornet 1.2.3\n' })
})

test('settings are frozen, lists and all', () => {
  const frozen = settings(['-e', 'A=b'])
  assert.ok(Object.isFrozen(frozen) && Object.isFrozen(frozen.bind) && Object.isFrozen(frozen.env[0]))
})

test('an error is one line, whatever was written', () => {
  refuses(() => load(['--workers', 'a\nb', 'app.mjs']), 'ERR_HORNET_USAGE', "'a\\nb'")
  refuses(() => load(['--work\ners', '2', 'app.mjs']), 'ERR_HORNET_USAGE', '--work\\ners')
  refuses(() => load(['app.mjs'], { HORNET_WORKERS: '\u001b[2J' }), 'ERR_HORNET_CONFIG', "'\\u001b[2J'")
  refuses(() => load(['app.mjs'], { HORNET_CMD_ARGS: '"a\nb' }), 'ERR_HORNET_CONFIG', '"a\\nb')
})
