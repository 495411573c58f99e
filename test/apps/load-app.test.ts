/**
 * Promise: whatever shape an application is exported in, it is found and served; and when it cannot be, the error says
 * what was found and what to do.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { HornetError } from '../../src/errors.js'
import type { LoadedApp } from '../../src/worker/app-kind.js'
import { loadApp } from '../../src/worker/load-app.js'
import { get } from '../support/http.js'
import { root } from '../support/root.js'

// Under the repository, so that the modules find the frameworks.
mkdirSync(join(root, 'build'), { recursive: true })
const folder = mkdtempSync(join(root, 'build/load-app-'))
after(() => rmSync(folder, { recursive: true }))

interface Case {
  file?: string
  code: string
  exportName?: string
  factory?: boolean
}

let files = 0

function write({ file = 'app.mjs', code }: Case): string {
  // A folder each: a module is loaded once per path.
  const path = join(folder, String(++files), file)
  mkdirSync(join(path, '..'), { recursive: true })
  writeFileSync(path, code)
  return path
}

function load(given: Case, adopted?: () => LoadedApp | null): Promise<LoadedApp> {
  return loadApp({ path: write(given), exportName: given.exportName, factory: given.factory ?? false }, adopted)
}

async function answerFrom({ listener }: LoadedApp): Promise<string> {
  const server = createServer((req, res) => void listener(req, res))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { text } = await get({ port: (server.address() as AddressInfo).port }, '/', { Connection: 'close' })
  server.close()
  await once(server, 'close')
  return text
}

const listener = `(req, res) => res.end('served')`
const served: Record<string, Case & { kind: LoadedApp['kind'] }> = {
  'a default export': { kind: 'listener', code: `export default ${listener}` },
  'a listener with next': { kind: 'listener', code: `export default (req, res, next) => res.end('served')` },
  'an export named app': { kind: 'listener', code: `export const other = 1; export const app = ${listener}` },
  'an export named handler': { kind: 'listener', code: `export const handler = ${listener}` },
  'an export named application': { kind: 'listener', code: `export const application = ${listener}` },
  'the one named': {
    kind: 'listener',
    code: `export default (req, res) => res.end('wrong'); export const mine = ${listener}`,
    exportName: 'mine',
  },
  'one that fits after one that does not': {
    kind: 'listener',
    code: `export default { some: 'settings' }; export const app = ${listener}`,
  },
  'top-level await': { kind: 'listener', code: `await null; const app = ${listener}; export default app` },
  'an exported promise': { kind: 'listener', code: `export default Promise.resolve(${listener})` },
  'module.exports': { kind: 'listener', file: 'app.cjs', code: `module.exports = ${listener}` },
  'module.exports.app': { kind: 'listener', file: 'app.cjs', code: `module.exports = { app: ${listener} }` },
  'a member of module.exports, named': {
    kind: 'listener',
    file: 'app.cjs',
    code: `module.exports['mi' + 'ne'] = ${listener}`,
    exportName: 'mine',
  },
  'the default of transpiled CommonJS': {
    kind: 'listener',
    file: 'app.cjs',
    code: `exports.__esModule = true; exports.default = ${listener}`,
  },
  'a folder with an index.js': { kind: 'listener', file: 'index.js', code: `export default ${listener}` },
  Express: {
    kind: 'listener',
    code: `import express from 'express'; const app = express()
      app.get('/', (req, res) => res.send('served')); export { app }`,
  },
  Koa: {
    kind: 'koa',
    code: `import Koa from 'koa'; const app = new Koa()
      app.use((ctx) => { ctx.body = 'served' }); export default app`,
  },
  'Fastify, made ready': {
    kind: 'fastify',
    code: `import fastify from 'fastify'; const app = fastify(); let text = 'not ready'
      app.register(async () => { text = 'served' }); app.get('/', async () => text); export default app`,
  },
  Hono: {
    kind: 'fetch',
    code: `import { Hono } from 'hono'; const app = new Hono(); app.get('/', (c) => c.text('served')); export default app`,
  },
  'an object with fetch, bound to it': {
    kind: 'fetch',
    code: `export default { text: 'served', fetch() { return new Response(this.text) } }`,
  },
  'an http server': {
    kind: 'server',
    code: `import http from 'node:http'; export const server = http.createServer(${listener})`,
  },
  'an https server': {
    kind: 'server',
    code: `import https from 'node:https'; export default https.createServer({}, ${listener})`,
  },
  'a Nest application': {
    kind: 'nest',
    code: `let text = 'not ready'
      const adapter = { getInstance: () => (req, res) => res.end(text) }
      export default { init: async () => { text = 'served' }, getHttpAdapter: () => adapter }`,
  },
  'a factory': { kind: 'listener', code: `export default () => ${listener}`, factory: true },
  'an async factory': { kind: 'listener', code: `export const app = async () => ${listener}`, factory: true },
  'a named factory': {
    kind: 'listener',
    code: `export const make = () => ${listener}`,
    exportName: 'make',
    factory: true,
  },
  'a factory of a module-like object': {
    kind: 'fetch',
    code: `export default () => ({ app: { fetch: () => new Response('served') } })`,
    factory: true,
  },
  'a factory of a thenable application': {
    kind: 'fastify',
    code: `import fastify from 'fastify'
      export default async () => { const app = fastify(); app.get('/', async () => 'served'); return app }`,
    factory: true,
  },
}

describe('found and served', () => {
  for (const [name, { kind, ...given }] of Object.entries(served)) {
    test(name, async () => {
      const app = await load(given)
      assert.equal(app.kind, kind)
      assert.equal(await answerFrom(app), 'served')
    })
  }

  test('a path without its extension, as node finds it', async () => {
    const path = write({ file: 'app.js', code: `export default ${listener}` })
    assert.equal((await loadApp({ path: path.slice(0, -3), factory: false })).kind, 'listener')
    const index = write({ file: 'index.js', code: `export default ${listener}` })
    assert.equal((await loadApp({ path: join(index, '..'), factory: false })).kind, 'listener')
  })

  test('the description says which export it is', async () => {
    assert.equal((await load({ code: `export const app = ${listener}` })).describe, 'export "app" (request listener)')
    assert.equal((await load({ code: `export default ${listener}` })).describe, 'default export (request listener)')
  })

  test('the server an http server application made comes along', async () => {
    const app = await load(served['an http server'])
    assert.equal(app.server?.listenerCount('request'), 1)
  })

  test('an adopted server is asked for when nothing else fits, and only then', async () => {
    const adopted: LoadedApp = { kind: 'server', listener: () => {}, describe: 'adopted' }
    assert.equal(await load({ code: 'export const nothing = 1' }, () => adopted), adopted)
    assert.notEqual(await load({ code: `export default ${listener}` }, () => adopted), adopted)
    const named = { code: 'export const nothing = 1', exportName: 'nothing' }
    await assert.rejects(
      load(named, () => adopted),
      { code: 'ERR_HORNET_APP_EXPORT' },
    )
  })
})

interface Failure extends Case {
  error: HornetError['code']
  says: RegExp[]
}

const failures: Record<string, Failure> = {
  'no export at all': {
    code: 'const app = 1',
    error: 'ERR_HORNET_APP_EXPORT',
    says: [/exports nothing that can serve/, /It exports nothing\./, /default, app, handler, application, server/],
  },
  'exports of other kinds': {
    code: `export const count = 1; export class App {}; export const settings = { port: 1, host: 'a' }`,
    error: 'ERR_HORNET_APP_EXPORT',
    says: [/count: number/, /App: class App/, /settings: object with port, host/],
  },
  'what looks like a factory': {
    code: `export default function createApp() { return ${listener} }`,
    error: 'ERR_HORNET_APP_EXPORT',
    says: [/default: function with 0 parameters/, /"default".*--factory/],
  },
  'an error handler for Express': {
    code: `export default (error, req, res, next) => {}`,
    error: 'ERR_HORNET_APP_EXPORT',
    says: [/default: function with 4 parameters/],
  },
  'a name that is not exported': {
    code: `export const app = ${listener}`,
    exportName: 'ap',
    error: 'ERR_HORNET_APP_EXPORT',
    says: [/no export "ap"/, /app: function with 2 parameters/],
  },
  'a named export that cannot serve': {
    code: `export const app = ${listener}; export const port = 3`,
    exportName: 'port',
    error: 'ERR_HORNET_APP_EXPORT',
    says: [/"port".*cannot serve/, /port: number/],
  },
  '--factory without a function': {
    code: `export default { fetch() {} }`,
    factory: true,
    error: 'ERR_HORNET_APP_EXPORT',
    says: [/With --factory one of these must be a function/],
  },
  'a factory of something else': {
    code: `export default () => 5`,
    factory: true,
    error: 'ERR_HORNET_APP_EXPORT',
    says: [/--factory called "default"/],
  },
  'a module that throws': {
    code: `throw new RangeError('while loading')`,
    error: 'ERR_HORNET_APP_BOOT',
    says: [/app\.mjs failed while it was loaded: RangeError: while loading/],
  },
  'a module that throws no error': {
    code: `throw null`,
    error: 'ERR_HORNET_APP_BOOT',
    says: [/it threw null/],
  },
  'a module that lacks a dependency': {
    code: `import './none.mjs'`,
    error: 'ERR_HORNET_APP_BOOT',
    says: [/Cannot find module.*none\.mjs/],
  },
  'a syntax error in an ES module, with its place': {
    code: `const fine = 1\nconst = 2`,
    error: 'ERR_HORNET_APP_BOOT',
    says: [/SyntaxError/, /app\.mjs:2/],
  },
  'a factory that throws': {
    code: `export default async () => { throw new Error('in the factory') }`,
    factory: true,
    error: 'ERR_HORNET_APP_BOOT',
    says: [/made the application.*in the factory/],
  },
  'a Fastify plugin that fails': {
    code: `import fastify from 'fastify'; const app = fastify()
      app.register(async () => { throw new Error('in the plugin') }); export default app`,
    error: 'ERR_HORNET_APP_BOOT',
    says: [/made the Fastify application ready.*in the plugin/],
  },
  'TypeScript this Node cannot strip': {
    file: 'app.ts',
    code: `enum Kind { A }; export default (req: unknown, res: any) => res.end(Kind.A)`,
    error: 'ERR_HORNET_APP_BOOT',
    says: [/--node-arg=--import=tsx/],
  },
}

describe('refused with reasons', () => {
  for (const [name, { error, says, ...given }] of Object.entries(failures)) {
    test(name, async () => {
      await assert.rejects(load(given), (thrown) => {
        assert.ok(thrown instanceof HornetError)
        assert.equal(thrown.code, error)
        for (const pattern of says) assert.match(thrown.message, pattern)
        return true
      })
    })
  }

  test('a file that is not there', async () => {
    const path = join(folder, 'none.mjs')
    await assert.rejects(loadApp({ path, factory: false }), {
      code: 'ERR_HORNET_APP_NOT_FOUND',
      message: `${path} does not exist`,
    })
    await assert.rejects(loadApp({ path: folder, factory: false }), { message: /folder without an application/ })
  })

  test('the stack is that of the application, and the error it threw is the cause', async () => {
    const code = `function deepInside() { throw new Error('with a stack') }\ndeepInside()`
    await assert.rejects(load({ code }), (thrown) => {
      assert.ok(thrown instanceof HornetError && thrown.cause instanceof Error)
      assert.equal(thrown.cause.message, 'with a stack')
      assert.match(thrown.stack ?? '', /at deepInside .*app\.mjs:1/)
      return true
    })
  })
})
