/**
 * Promise: a config file may be TypeScript, an ES module, CommonJS or JSON; its values go before the environment and
 * after HORNET_CMD_ARGS, and whatever is wrong with it is said with its path.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { findConfigFile, readConfigFile } from '../../src/config/config-file.js'
import { defineConfig } from '../../src/config/define-config.js'
import { type LoadedRun, loadConfiguration } from '../../src/config/load.js'
import { printConfiguration } from '../../src/config/print.js'
import { type AnySetting, configName, settingEntries } from '../../src/config/settings.js'
import { HornetError } from '../../src/errors.js'
import { root } from '../support/root.js'

const top = mkdtempSync(join(tmpdir(), 'hornet-config-'))
after(() => rmSync(top, { recursive: true }))

/** A folder with these files. */
function folder(files: Record<string, string>): string {
  const path = mkdtempSync(join(top, 'case-'))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text)
  return path
}

async function load(files: Record<string, string>, argv: string[] = [], env: Record<string, string> = {}) {
  const loaded = await loadConfiguration({ argv, env, version: '1' }, folder(files))
  assert.ok(loaded.kind === 'run')
  return loaded satisfies LoadedRun
}

async function refuses(files: Record<string, string>, ...fragments: string[]): Promise<void> {
  await assert.rejects(load(files, ['app.mjs']), (error) => {
    assert.ok(error instanceof HornetError, String(error))
    assert.equal(error.code, 'ERR_HORNET_CONFIG')
    for (const fragment of fragments) assert.ok(error.message.includes(fragment), `${fragment} in: ${error.message}`)
    return true
  })
}

test('every format says the same', async () => {
  const forms: Record<string, string> = {
    'hornet.config.mjs': `export default { workers: 3, keepAlive: '7s' }`,
    'hornet.config.cjs': `module.exports = { workers: 3, keepAlive: '7s' }`,
    'hornet.config.js': `module.exports = { workers: 3, keepAlive: '7s' }`,
    'hornet.config.json': `{ "workers": 3, "keepAlive": "7s" }`,
  }
  for (const [name, text] of Object.entries(forms)) {
    const { settings, configPath, origins } = await load({ [name]: text }, ['app.mjs'])
    assert.deepEqual([settings.workers, settings.keepAliveMs], [3, 7000], name)
    assert.ok(configPath?.endsWith(name))
    assert.equal(origins.workers, configPath)
    assert.equal(origins.backlog, 'default')
  }
  assert.equal((await load({}, ['app.mjs'])).configPath, undefined)
  assert.equal(
    (await load({ 'hornet.config.mjs': 'export default Promise.resolve({ workers: 2 })' }, ['a'])).settings.workers,
    2,
  )
})

test('TypeScript, with tsx beside it or a Node that strips types', async () => {
  const text = `const workers: number = 3\nexport default { workers } satisfies { workers: number }`
  const path = folder({ 'hornet.config.ts': text, 'package.json': '{"type":"module"}' })
  symlinkSync(join(root, 'node_modules'), join(path, 'node_modules'))
  const file = await readConfigFile(join(path, 'hornet.config.ts'), 10_000)
  assert.deepEqual(file.content, { workers: 3 })
})

test('TypeScript without either says what to do', { skip: 'typescript' in process.features }, async () => {
  await refuses({ 'hornet.config.ts': 'export default {}' }, 'hornet.config.ts', 'runs no TypeScript', 'install tsx')
})

test('it goes before the environment, and after HORNET_CMD_ARGS and the command line', async () => {
  const files = { 'hornet.config.mjs': 'export default { workers: 3, app: "shop.mjs", backlog: 7 }' }
  const env = { HORNET_WORKERS: '2', HORNET_BACKLOG: '9', HORNET_KEEP_ALIVE: '9' }
  const only = await load(files, [], env)
  assert.deepEqual([only.app, only.settings.workers, only.settings.keepAliveMs], ['shop.mjs', 3, 9000])
  assert.equal(only.origins.keepAliveMs, 'HORNET_KEEP_ALIVE')
  const args = await load(files, [], { ...env, HORNET_CMD_ARGS: '-w 4' })
  assert.deepEqual([args.settings.workers, args.origins.workers], [4, 'HORNET_CMD_ARGS'])
  const line = await load(files, ['-w', '5', 'other.mjs'], env)
  assert.deepEqual([line.app, line.settings.workers, line.origins.workers], ['other.mjs', 5, 'command line'])
})

test('numbers are seconds and bytes, lists may be one value, and variables an object', async () => {
  const text = `export default {
    keepAlive: 1.5, limitRequestBody: 1024, bind: ':80', umask: 0o027, factory: true,
    env: { A: '1', B: 'two words' }, nodeArg: ['--import tsx', '--no-warnings'] }`
  const { settings } = await load({ 'hornet.config.mjs': text }, ['app.mjs'])
  const { keepAliveMs, limitRequestBodyBytes, bind, umask, factory, env, nodeArgs } = settings
  assert.deepEqual([keepAliveMs, limitRequestBodyBytes, umask, factory], [1500, 1024, 0o27, true])
  assert.deepEqual(bind, [{ kind: 'tcp', host: '0.0.0.0', port: 80 }])
  assert.deepEqual(env, [
    ['A', '1'],
    ['B', 'two words'],
  ])
  assert.deepEqual(nodeArgs.flat(), ['--import', 'tsx', '--no-warnings'])
})

test('what is wrong is said with path, name, value and what is accepted', async () => {
  const mjs = (text: string) => ({ 'hornet.config.mjs': text })
  await refuses(
    mjs('export default { worker: 1 }'),
    'hornet.config.mjs: unknown setting worker',
    'did you mean workers?',
  )
  await refuses(mjs('export default { logFile: "a" }'), 'did you mean errorLogfile?')
  await refuses(mjs('export default { whenRead() {} }'), 'did you mean whenReady?')
  await refuses(mjs('export default { workers: 0 }'), "workers: '0' is not a whole number from 1")
  await refuses(mjs('export default { workers: true }'), 'workers: true is not')
  await refuses(mjs('export default { bind: [8000] }'), 'bind: 8000 is not an address')
  await refuses(mjs('export default { factory: "yes" }'), "factory: 'yes' is not true or false")
  await refuses(mjs('export default { workers: null }'), 'workers: null is not')
  await refuses(mjs('export default { config: "x" }'), 'unknown setting config')
  await refuses(mjs('export default { whenReady: 3 }'), 'whenReady: 3 is not a function')
  await refuses(mjs('export default { app: 3 }'), 'app: 3 is not the path')
  await refuses(mjs('export default 3'), 'exports 3', 'must be an object')
  await refuses(mjs('export const workers = 3'), 'exports nothing by default')
  await refuses(mjs('throw new Error("no such vault")'), 'hornet.config.mjs', 'no such vault')
  await refuses(mjs('export default {'), 'SyntaxError')
  await refuses({ 'hornet.config.json': '{ workers: 3 }' }, 'hornet.config.json', 'JSON')
  await refuses(
    { 'hornet.config.js': '', 'hornet.config.mjs': '' },
    'hornet.config.mjs and hornet.config.js',
    '--config',
  )
})

test('--config names another file, from any layer but the file itself', async () => {
  const files = { 'a.mjs': 'export default { workers: 4 }', 'hornet.config.mjs': 'export default { workers: 5 }' }
  assert.equal((await load(files, ['-c', 'a.mjs', 'app'])).settings.workers, 4)
  assert.equal((await load(files, ['app'], { HORNET_CONFIG: 'a.mjs' })).settings.workers, 4)
  assert.equal((await load(files, ['app'], { HORNET_CMD_ARGS: '-c a.mjs' })).settings.workers, 4)
  await assert.rejects(load(files, ['-c', 'b.mjs', 'app']), /no config file 'b\.mjs'/)
})

test('it is looked for in the folder of --chdir', async () => {
  const path = folder({ 'hornet.config.mjs': 'export default { workers: 6 }' })
  const loaded = await loadConfiguration({ argv: ['--chdir', path, 'app'], env: {}, version: '' }, tmpdir())
  assert.ok(loaded.kind === 'run')
  assert.equal(loaded.settings.workers, 6)
  assert.equal(findConfigFile(undefined, tmpdir()), undefined)
})

test('a file is read anew when it has changed', async () => {
  for (const [name, text] of [
    ['a.mjs', (n: number) => `export default { workers: ${n} }`],
    ['a.cjs', (n: number) => `module.exports = { workers: ${n} }`],
    ['a.json', (n: number) => `{ "workers": ${n} }`],
  ] as const) {
    const path = join(folder({ [name]: text(1) }), name)
    assert.deepEqual((await readConfigFile(path, 1000)).content, { workers: 1 })
    writeFileSync(path, text(20))
    assert.deepEqual((await readConfigFile(path, 1000)).content, { workers: 20 }, name)
  }
})

test('a file that never ends is given up', async () => {
  const path = join(folder({ 'a.mjs': 'await new Promise(() => setInterval(() => {}, 1000).unref())' }), 'a.mjs')
  await assert.rejects(readConfigFile(path, 50), /did not end within 0\.05 s/)
})

test('switches of one command stay out of the environment and of HORNET_CMD_ARGS', async () => {
  await assert.rejects(load({}, ['app'], { HORNET_CHECK_CONFIG: '1' }), /unknown variable HORNET_CHECK_CONFIG/)
  await assert.rejects(
    load({}, ['app'], { HORNET_CMD_ARGS: '--print-config' }),
    /--print-config belongs on the command/,
  )
  const alone = settingEntries.filter(([, { scope }]) => scope !== undefined).map(([key]) => key)
  assert.deepEqual(alone, ['config', 'checkConfig', 'printConfig'], 'src/config/define-config.ts leaves out the same')
})

test('what --print-config shows is what the settings were written as, secrets hidden', async () => {
  const text = `export default defineConfig({ app: 'a.mjs', env: { PASSWORD: 'hunter2' }, bind: ['unix:/a b', '[::1]:1'] })
    function defineConfig(config) { return config }`
  const printed = printConfiguration(await load({ 'hornet.config.mjs': text }, ['--keep-alive', '1500ms']))
  assert.match(printed, /^# application: a\.mjs\n# config file: \/.*hornet\.config\.mjs\n/)
  assert.match(printed, /^bind +unix:\/a b +\/.*hornet\.config\.mjs\nbind +\[::1\]:1 +\//m)
  assert.match(printed, /^keepAlive +1500ms +command line\n/m)
  assert.match(printed, /^env +PASSWORD=\(hidden\)/m)
  assert.ok(!printed.includes('hunter2'))
  for (const [, setting] of settingEntries) {
    if (setting.scope !== 'command line') assert.match(printed, new RegExp(`^${configName(setting.flag)} `, 'm'))
  }
})

test('what a kind formats, it parses back', () => {
  const machine = { parallelism: 2 }
  for (const [key, setting] of settingEntries as [string, AnySetting][]) {
    if (key === 'env') continue
    const value = setting.default(machine)
    for (const item of setting.repeatable ? (value as unknown[]) : [value]) {
      if (item !== undefined) assert.deepEqual(setting.kind.parse(setting.kind.format(item), machine), item, key)
    }
  }
})

test('defineConfig gives back what it is given', () => {
  const config = defineConfig({ workers: 'auto', logLevel: 'debug', bind: [':80'], umask: 0o22, onExit() {} })
  assert.equal(config.workers, 'auto')
  // @ts-expect-error: the nearest is maxConnections.
  defineConfig({ maxConections: 1 })
  // @ts-expect-error: none of the words.
  defineConfig({ logLevel: 'loud' })
  // @ts-expect-error: there is no such place for it.
  defineConfig({ checkConfig: true })
})
