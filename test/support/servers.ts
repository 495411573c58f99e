/**
 * Runs one list of checks against an application on node:http and on hornet, and compares what the two answered.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { loadApp } from '../../src/worker/load-app.js'
import { startHornet } from './hornet.js'
import type { RawResponse, Target } from './http.js'
import { root } from './root.js'

export interface RunningServer {
  name: 'node:http' | 'hornet'
  target: Target & { port: number }
  stop(): Promise<unknown>
}

export interface Check {
  name: string
  /** Asserts what must hold, and may return what must be the same from both servers. */
  run(server: RunningServer): Promise<unknown>
  /** For what node:http does not do, such as outliving a listener that throws. */
  hornetOnly?: boolean
}

export interface AppOptions {
  /** Options of the command. Two workers unless they say otherwise. */
  args?: string[]
  factory?: boolean
  exportName?: string
  /** For an application this process cannot load. */
  hornetOnly?: boolean
  /** A loader it is started with runs a process of its own, which ends a moment after hornet. */
  hasHelperProcess?: boolean
}

/** Declares the tests. `app` is relative to the repository. */
export function onBothServers(app: string, checks: Check[], options: AppOptions = {}): void {
  describe(app, () => {
    const answers = new Map<string, Map<string, unknown>>()
    for (const start of options.hornetOnly ? [startOnHornet] : [startNode, startOnHornet]) {
      const seen = new Map<string, unknown>()
      const isHornet = start === startOnHornet
      describe(`on ${isHornet ? 'hornet' : 'node:http'}`, () => {
        let server: RunningServer
        before(async () => {
          server = await start(app, options)
          answers.set(server.name, seen)
        })
        after(() => server.stop())
        for (const { name, run, hornetOnly = false } of checks) {
          if (hornetOnly && !isHornet) continue
          test(name, async () => {
            const answer = await run(server)
            if (!hornetOnly) seen.set(name, answer)
          })
        }
      })
    }
    test('the answers are the same', () => {
      const hornet = answers.get('hornet')
      for (const [name, answer] of answers.get('node:http') ?? []) assert.deepEqual(hornet?.get(name), answer, name)
    })
  })
}

async function startNode(app: string, { factory = false, exportName }: AppOptions): Promise<RunningServer> {
  const { listener, kind } = await loadApp({ path: join(root, app), factory, exportName })
  const server = createServer((req, res) => {
    // A fetch listener has answered before it fails; on node:http nobody else would take the error.
    if (kind === 'fetch') runQuietly(() => listener(req, res))
    else listener(req, res)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    name: 'node:http',
    target: { port },
    stop: async () => {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

async function runQuietly(action: () => unknown): Promise<void> {
  try {
    await action()
  } catch {}
}

async function startOnHornet(app: string, options: AppOptions): Promise<RunningServer> {
  const { args = [], factory, exportName, hasHelperProcess = false } = options
  const hornet = await startHornet({
    app: exportName === undefined ? app : `${app}:${exportName}`,
    args: ['--workers', '2', ...(factory ? ['--factory'] : []), ...args],
  })
  const stop = async () => {
    try {
      await hornet.stop()
    } catch (error) {
      if (!hasHelperProcess) throw error
      assert.deepEqual(await hornet.exited, { code: 0, signal: null }, hornet.stderr)
    }
  }
  return { name: 'hornet', target: { port: hornet.port }, stop }
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
