// Who is measured, and how each is started with an application.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compile } from './compile.mjs'
import { certificate, session } from './tls.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const root = join(here, '../..')
const packages = join(root, 'bench/node_modules')
const scratch = join(root, 'build/bench')
const program = (name) => join(here, 'peers', `${name}.mjs`)

/** The floor is a program of ours in C, see bench/floor/floor.c. */
const floorBinary = join(scratch, 'floor')

const idleConnectionsMax = 20_000

/**
 * What a peer is started for.
 *
 * @typedef {object} Order
 * @property {string} node The Node.js to run on.
 * @property {string} app Path of the application.
 * @property {{ path: string, name: string }} [fetchApp] Its twin with `fetch`, and the name of the export.
 * @property {boolean} keepsIdle Whether connections are to stay open for two minutes without a request.
 * @property {boolean} closes Whether each connection gets one request.
 * @property {'http' | 'https' | 'http2'} transport
 * @property {{ type: string, body: string }} answer What is right, for a peer that runs no application.
 * @property {string} [uws] Folder of uWebSockets.js.
 *
 * @typedef {object} Start
 * @property {string[]} command
 * @property {Record<string, string>} [env]
 * @property {number} [port] Of a peer that does not print `http://127.0.0.1:PORT`, or `https:`.
 */

const hornet = (workers, ...more) => ({
  title: `Hornet, ${workers} worker${workers === 1 ? '' : 's'}`,
  start: ({ node, app, keepsIdle, transport }) => ({
    command: [
      ...[node, join(root, 'dist/cli.js'), '--workers', `${workers}`, '--io-threads', '1', '--bind', '127.0.0.1:0'],
      ...(transport === 'http' ? [] : ['--certfile', certificate.cert, '--keyfile', certificate.key]),
      ...(keepsIdle ? ['--keep-alive', '120s', '--max-connections', `${idleConnectionsMax}`] : []),
      ...more,
      app,
    ],
  }),
  /** Resolves when the new workers have taken over. */
  async reload(server) {
    const offset = server.outputLength
    server.signal('SIGHUP')
    await server.said(/reloaded: generation \d+/, offset, 20_000)
  },
})

/** The modules of Node that serve each transport. They take what TLS they have from make-server.mjs. */
const nodeServer = (title) => ({
  title,
  start: ({ node, app, keepsIdle, transport }) => ({
    command: [node, program('node-http'), app],
    env: { BENCH_TRANSPORT: transport, ...(keepsIdle ? { BENCH_KEEP_ALIVE: '120' } : {}) },
  }),
})

const cluster = (workers) => ({
  title: `node:cluster, ${workers} workers`,
  start: ({ node, app }) => ({ command: [node, program('node-cluster'), app, `${workers}`] }),
})

const pm2 = (workers) => ({
  title: `PM2 cluster, ${workers} workers`,
  missing: () => (existsSync(join(packages, 'pm2')) ? undefined : 'not installed'),
  start: ({ node, app }) => {
    const home = join(scratch, `pm2-${workers}`)
    mkdirSync(home, { recursive: true })
    const file = join(home, 'ecosystem.json')
    const name = 'bench'
    const process = { name, script: program('pm2-app'), interpreter: node, exec_mode: 'cluster', instances: workers }
    writeFileSync(file, JSON.stringify({ apps: [{ ...process, env: { BENCH_APP: app, NODE_ENV: 'production' } }] }))
    return { command: [node, join(packages, 'pm2/bin/pm2-runtime'), 'start', file], env: { PM2_HOME: home } }
  },
  async reload() {
    const env = { ...process.env, PM2_HOME: join(scratch, `pm2-${workers}`) }
    const child = spawn(process.execPath, [join(packages, 'pm2/bin/pm2'), 'reload', 'bench'], { env, stdio: 'ignore' })
    const status = await new Promise((resolve) => child.once('exit', resolve))
    if (status !== 0) throw new Error(`pm2 reload failed (${status})`)
  },
})

/** The key is for the command line. `missing` says why a peer cannot be measured here, or undefined. */
export const peers = {
  'hornet-1': hornet(1),
  'hornet-2': hornet(2),
  'hornet-4': hornet(4),
  'hornet-1-log': {
    ...hornet(1, '--access-logfile', join(scratch, 'access.log')),
    title: 'Hornet, 1 worker, access log on',
  },
  'node:http': nodeServer('node:http'),
  'node:https': nodeServer('node:https'),
  'node:http2': nodeServer('node:http2'),
  'cluster-2': cluster(2),
  'cluster-4': cluster(4),
  'pm2-2': pm2(2),
  'pm2-4': pm2(4),
  bun: {
    title: 'Bun',
    missing: () => (bunBinary() === undefined ? 'not installed' : undefined),
    start: ({ app, fetchApp, transport }) => ({
      command: [bunBinary(), program('bun'), ...appArguments(app, fetchApp)],
      env: { BENCH_TRANSPORT: transport },
    }),
  },
  deno: {
    title: 'Deno',
    missing: () => (denoBinary() === undefined ? 'not installed' : undefined),
    start: ({ app, fetchApp, transport }) => ({
      command: [denoBinary(), 'run', '--allow-all', '--quiet', program('deno'), ...appArguments(app, fetchApp)],
      env: { DENO_NO_UPDATE_CHECK: '1', BENCH_TRANSPORT: transport },
    }),
  },
  nginx: { title: 'nginx, `return 200`', missing: missingNginx, start: (order) => startNginx(order, false) },
  'nginx-file': { title: 'nginx, a file', missing: missingNginx, start: (order) => startNginx(order, true) },
  uws: {
    title: 'uWebSockets.js',
    missing: ({ uws }) => (uws === undefined ? 'where it is was not said (--uws FOLDER)' : undefined),
    start: ({ node, uws, transport }) => ({
      command: [node, program('uws'), uws],
      env: { BENCH_TRANSPORT: transport },
    }),
  },
  floor: {
    title: 'C epoll floor',
    missing: buildFloor,
    start: ({ closes }) => ({ command: [floorBinary, ...(closes ? ['--close'] : [])] }),
  },
}

const appArguments = (app, fetchApp) => (fetchApp === undefined ? [app] : [fetchApp.path, fetchApp.name])

/** The Node.js of a version that bench/package.json brings, or undefined. */
export function nodeBinary(version) {
  return firstThere([`node-${version}-x64/bin/node`, `node-${version}-arm64/bin/node`])
}

/** Versions of what the peers are, for the report. */
export function peerVersions() {
  return [
    ...['express', 'koa', 'fastify', 'hono', '@hono/node-server', 'pm2'].map(
      (name) => `${name} ${packageVersion(name)}`,
    ),
    ...(bunBinary() === undefined ? [] : [`Bun ${versionOf(bunBinary(), '--version')}`]),
    ...(denoBinary() === undefined ? [] : [`Deno ${versionOf(denoBinary(), '--version')}`]),
    ...(versionOf('nginx', '-v') === undefined ? [] : [`nginx ${versionOf('nginx', '-v')}`]),
  ]
}

/** The platform's binaries are packages of their own, so that no install script has to fetch or link anything. */
function bunBinary() {
  // The usual one needs AVX2.
  const hasAvx2 = /\bavx2\b/.test(readFileSync('/proc/cpuinfo', 'utf8'))
  return firstThere([
    ...(hasAvx2 ? ['@oven/bun-linux-x64/bin/bun'] : []),
    ...['@oven/bun-linux-x64-baseline/bin/bun', '@oven/bun-linux-aarch64/bin/bun'],
  ])
}

function denoBinary() {
  return firstThere(['@deno/linux-x64-glibc/deno', '@deno/linux-arm64-glibc/deno'])
}

function firstThere(paths) {
  return paths.map((path) => join(packages, path)).find((path) => existsSync(path))
}

function packageVersion(name) {
  const file = join(packages, name, 'package.json')
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).version : '(missing)'
}

/** What a program says of its version, or undefined when it is not there. */
function versionOf(command, flag) {
  const { stdout, stderr, error } = spawnSync(command, [flag], { encoding: 'utf8' })
  return error === undefined ? /\d+\.\d+[.\d]*/.exec(stdout + stderr)?.[0] : undefined
}

/** Compiles the floor. Returns why not, when it cannot be. */
function buildFloor() {
  return compile(join(root, 'bench/floor/floor.c'), floorBinary)
}

function missingNginx() {
  return versionOf('nginx', '-v') === undefined ? 'no nginx (Debian: apt install nginx-light)' : undefined
}

/** @param {boolean} hasFile Whether it answers with a file, which may be larger than what its configuration can hold. */
async function startNginx({ transport, answer: { type, body } }, hasFile) {
  const folder = join(scratch, 'nginx')
  mkdirSync(folder, { recursive: true })
  const port = await freePort()
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  )
  const how = { http: '', https: ' ssl', http2: ' ssl http2' }[transport]
  // By itself it speaks 1.3 from 1.23.4 on.
  const tls = `ssl_certificate ${certificate.cert}; ssl_certificate_key ${certificate.key}; ssl_protocols ${session.protocol};`
  if (hasFile) writeFileSync(join(folder, 'answer'), body)
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off;
worker_processes 1;
error_log stderr;
pid ${folder}/nginx.pid;
events { worker_connections ${idleConnectionsMax}; }
http {
  ${temporary.join('\n  ')}
  access_log off;
  default_type ${type};
  keepalive_requests 1000000000;
  keepalive_timeout 120s;
  server {
    listen 127.0.0.1:${port}${how} backlog=2048;
    ${transport === 'http' ? '' : tls}
    root ${folder};
    location / { ${hasFile ? 'try_files /answer =500' : `return 200 '${body}'`}; }
  }
}
`,
  )
  return { command: ['nginx', '-e', 'stderr', '-p', folder, '-c', join(folder, 'nginx.conf')], port }
}

/** nginx cannot be told to take any port and say which. */
async function freePort() {
  const server = createServer()
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}
