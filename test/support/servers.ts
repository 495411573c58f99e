/**
 * Runs one list of checks against an application served in several ways, and compares what they answered: on node:http,
 * which proves the checks right, in hornet's pool, and on hornet/http in place of node:http.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { within } from './deadline.js'
import { environment, type Hornet, startHornet, watch } from './hornet.js'
import type { RawResponse, Target } from './http.js'
import { root } from './root.js'

/** `hornet` is the pool: `hornet --workers 2 APP`. */
export type Way = 'node:http' | 'hornet' | 'hornet/http'

const everyWay: Way[] = ['node:http', 'hornet', 'hornet/http']

export interface RunningServer {
  name: Way
  target: Target & { port: number }
  process: Hornet
  stop(): Promise<unknown>
}

export interface Check {
  name: string
  /** Asserts what must hold, and may return what must be the same from all servers. */
  run(server: RunningServer): Promise<unknown>
  /** For what node:http does not do, such as outliving a listener that throws. */
  hornetOnly?: boolean
}

export interface AppOptions {
  /** Options of the command. Two workers unless they say otherwise. */
  args?: string[]
  /** Options of the node that runs the application. */
  nodeArgs?: string[]
  /** Added to the environment. Asked when the servers start, so that it may name what `before` hooks have made. */
  env?: () => Record<string, string>
  factory?: boolean
  exportName?: string
  /** Default: all of them. */
  ways?: Way[]
  /** The checks do not mind each other: up to this many run at once. Default 1. */
  concurrency?: number
  /** What the application may write to standard error when nothing is wrong. Default: nothing. */
  mayLog?: RegExp
  /** A loader it is started with runs a process of its own, which ends a moment after hornet. */
  hasHelperProcess?: boolean
}

/** Declares the tests. `app` is relative to the repository. */
export function onServers(app: string, checks: Check[], options: AppOptions = {}): void {
  const { ways = everyWay, concurrency = 1 } = options
  const title = options.exportName === undefined ? app : `${app}:${options.exportName}`
  describe(title, { concurrency: ways.length }, () => {
    const answers = new Map<Way, Map<string, unknown>>()
    for (const way of ways) {
      const seen = new Map<string, unknown>()
      answers.set(way, seen)
      describe(`on ${way}`, { concurrency }, () => {
        let server: RunningServer
        before(async () => {
          server = await startServer(way, app, options)
        })
        after(() => server?.stop())
        for (const { name, run, hornetOnly = false } of checks) {
          if (hornetOnly && way !== 'hornet') continue
          test(name, async () => {
            const answer = await run(server)
            if (!hornetOnly) seen.set(name, answer)
          })
        }
      })
    }
    // A hook, as a test would be run beside the servers.
    after(() => {
      const expected = answers.get('node:http') ?? new Map()
      for (const [way, seen] of answers) {
        for (const [name, answer] of seen) {
          if (expected.has(name)) assert.deepEqual(answer, expected.get(name), `${name}: ${way} differs from node:http`)
        }
      }
    })
  })
}

export function startServer(way: Way, app: string, options: AppOptions): Promise<RunningServer> {
  return way === 'hornet' ? startInPool(app, options) : startScript(way, app, options)
}

/** In one process, on the `http` that it finds. */
async function startScript(way: Way, app: string, options: AppOptions): Promise<RunningServer> {
  const { nodeArgs = [], env, factory = false, exportName, mayLog = /^$/ } = options
  const spec = { path: join(root, app), factory, exportName }
  const script = join(root, 'test/support/serve-app.mjs')
  const swap = way === 'hornet/http' ? [`--import=${pathToFileURL(join(root, 'test/support/swap-http.mjs'))}`] : []
  const child = spawn(process.execPath, ['--trace-warnings', ...swap, ...nodeArgs, script, JSON.stringify(spec)], {
    cwd: root,
    env: environment(env?.()),
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    detached: true,
  })
  const ports: number[] = []
  const running = watch(child, '127.0.0.1', ports)
  const ready = Promise.race([
    once(child, 'message'),
    running.exited.then(() => assert.fail(`the application ended\n${running.stderr}`)),
  ])
  const [message] = await within(ready, 'port of the application', undefined, () => running.stderr)
  const { port, isHornet } = message as { port: number; isHornet: boolean }
  assert.equal(isHornet, way === 'hornet/http', 'the server is of the module it should be of')
  ports.push(port)
  const stop = async () => {
    await stopProcess(running, options)
    assert.match(running.stderr, mayLog)
  }
  return { name: way, target: { port }, process: running, stop }
}

async function startInPool(app: string, options: AppOptions): Promise<RunningServer> {
  const { args = [], nodeArgs = [], env, factory, exportName } = options
  const hornet = await startHornet({
    app: exportName === undefined ? app : `${app}:${exportName}`,
    args: ['--workers', '2', ...(factory ? ['--factory'] : []), ...nodeArgs.map((arg) => `--node-arg=${arg}`), ...args],
    env: env?.(),
  })
  const stop = () => stopProcess(hornet, options)
  return { name: 'hornet', target: { port: hornet.port }, process: hornet, stop }
}

async function stopProcess(running: Hornet, { hasHelperProcess = false }: AppOptions): Promise<void> {
  try {
    await running.stop()
  } catch (error) {
    if (!hasHelperProcess) throw error
  }
  assert.deepEqual(await running.exited, { code: 0, signal: null }, running.stderr)
  assert.doesNotMatch(running.stderr, /Warning: /, 'Node warned, of a leak of listeners or of something deprecated')
}

/** What of a response must not depend on the server: all but its clock and its connection. */
export function answerOf({ status, headers, body, text, framing }: RawResponse): unknown {
  const { date, connection, 'keep-alive': keepAlive, ...others } = headers
  return { status, headers: sorted(others), body: body.length > 1_000 ? sha256(body) : text, framing }
}

function sorted(headers: Record<string, string>): [string, string][] {
  return Object.entries(headers).sort(([a], [b]) => (a < b ? -1 : 1))
}

export function sha256(bytes: string | Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
