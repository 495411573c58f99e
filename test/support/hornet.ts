/**
 * Starts real `hornet` processes. The test binds the listening socket itself, on a port the kernel picks, and hands the
 * descriptor down (`--bind fd://3`): connections queue from the first instant, so no test polls for readiness.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { join, resolve } from 'node:path'
import { defaultDeadlineMs, within } from './deadline.js'
import { root } from './root.js'
import { until } from './until.js'

export interface HornetOptions {
  /** The application, relative to the repository, with its `:export` if there is one. None: `args` say it all. */
  app?: string
  /** Options of the command. */
  args?: string[]
  /** Added to the environment of the test; `undefined` takes a variable away. */
  env?: Record<string, string | undefined>
  /** The command to run. Default: the one that this repository builds. */
  cli?: string
  /** Options of node itself. */
  nodeArgs?: string[]
  cwd?: string
  /** How many listening sockets to hand down, as descriptors 3, 4, …; 0 when `args` hold a `--bind` of their own. */
  listeners?: number
  /** Where those sockets listen. */
  host?: string
  /** What standard output is: a pipe that is read, one that is not until `readStdout()`, or a descriptor. */
  stdout?: 'read' | 'unread' | number
}

export interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
}

/** A running hornet. Use with `await using`, or call `stop()`. */
export interface Hornet {
  readonly pid: number
  readonly host: string
  /** Port of the first listening socket handed down. */
  readonly port: number
  readonly ports: number[]
  /** `http://host:port` of the first listening socket. */
  readonly url: string
  /** All it has written so far. */
  readonly stderr: string
  readonly stdout: string
  readonly exited: Promise<Exit>
  /** Waits until standard error matches, at `from` characters or later; rejects too when the process ends before. */
  waitForLog(pattern: RegExp, options?: { ms?: number; from?: number }): Promise<RegExpMatchArray>
  /** The same of standard output. */
  waitForOutput(pattern: RegExp, options?: { ms?: number; from?: number }): Promise<RegExpMatchArray>
  signal(name: NodeJS.Signals): void
  /** Begins to read standard output that was left unread. */
  readStdout(): void
  /** Closes the reading end of standard output. */
  closeStdout(): void
  /**
   * Ends it by SIGTERM (or `signal`) and waits. Fails when it does not end in time, or when a process it started
   * outlives it; either is killed first. A second call gives the first one's result.
   */
  stop(options?: { signal?: NodeJS.Signals; ms?: number }): Promise<Exit>
  [Symbol.asyncDispose](): Promise<void>
}

const running = new Set<ChildProcess>()

export async function startHornet(options: HornetOptions = {}): Promise<Hornet> {
  const host = options.host ?? '127.0.0.1'
  const servers = await Promise.all(Array.from({ length: options.listeners ?? 1 }, () => bind(host)))
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  const binds = servers.flatMap((_, index) => ['--bind', `fd://${3 + index}`])
  const command = [
    ...(options.nodeArgs ?? []),
    options.cli ?? join(root, 'dist/cli.js'),
    ...binds,
    ...(options.args ?? []),
  ]
  if (options.app !== undefined) command.push(resolve(root, options.app))

  const child = spawn(process.execPath, command, {
    cwd: options.cwd ?? root,
    env: environment(options.env),
    stdio: ['ignore', typeof options.stdout === 'number' ? options.stdout : 'pipe', 'pipe', ...servers.map(descriptor)],
    // A process group of its own: stop() can tell whether anything it started is left.
    detached: true,
  })
  // Our copies go at once. No event-loop turn has passed since listen(), so this process accepted nothing.
  for (const server of servers) server.close()
  return watch(child, host, ports, options.stdout !== 'unread')
}

/** Runs the command to its end, for tests of its messages and exit status. Nothing is handed down unless asked. */
export async function runHornet(options: HornetOptions = {}): Promise<Exit & { stdout: string; stderr: string }> {
  const hornet = await startHornet({ listeners: 0, ...options })
  try {
    const exit = await within(hornet.exited, 'end of the process', defaultDeadlineMs, () => hornet.stderr)
    return { ...exit, stdout: hornet.stdout, stderr: hornet.stderr }
  } finally {
    await hornet.stop()
  }
}

async function bind(host: string): Promise<Server> {
  const server = createServer()
  server.listen({ host, port: 0, backlog: 2048 })
  await once(server, 'listening')
  return server
}

/** Node shows the descriptor of a listening socket nowhere but on its handle. */
function descriptor(server: Server): number {
  const { _handle: handle } = server as Server & { _handle?: { fd?: number } }
  if (handle?.fd === undefined) throw new Error('this Node shows no descriptor of a listening socket')
  return handle.fd
}

/** The command's own variables in the test's environment must not reach the server under test. */
export function environment(changes: Record<string, string | undefined> = {}): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = {}
  for (const [name, value] of Object.entries(process.env)) {
    if (/^(HORNET_|npm_|NODE_TEST_CONTEXT|NODE_OPTIONS|NODE_ENV|PORT$|WEB_CONCURRENCY$)/.test(name)) continue
    env[name] = value
  }
  return { ...env, ...changes }
}

/** Takes charge of a child that leads a process group of its own; `ports` may be filled in later. */
export function watch(child: ChildProcess, host: string, ports: number[], isStdoutRead = true): Hornet {
  const output = { stdout: '', stderr: '' }
  const listeners = new Set<() => void>()
  const read = (name: 'stdout' | 'stderr') => {
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      output[name] += text
      for (const listener of listeners) listener()
    })
  }
  read('stderr')
  if (isStdoutRead) read('stdout')
  running.add(child)
  // 'close' and not 'exit': by then all output has been read.
  const exited = new Promise<Exit>((settle, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      running.delete(child)
      settle({ code, signal })
      for (const listener of listeners) listener()
    })
  })
  const report = () => `standard error so far:\n${output.stderr || '(nothing)'}`
  let stopping: Promise<Exit> | undefined

  function find(name: 'stdout' | 'stderr', pattern: RegExp, from: number): Promise<RegExpMatchArray> {
    return new Promise((settle, reject) => {
      const look = () => {
        const match = output[name].slice(from).match(pattern)
        if (match === null && running.has(child)) return
        listeners.delete(look)
        if (match === null) reject(new Error(`the process ended without ${pattern} in its ${name}\n${report()}`))
        else settle(match)
      }
      listeners.add(look)
      look()
    })
  }

  const hornet: Hornet = {
    pid: child.pid ?? -1,
    host,
    get port() {
      return ports[0] ?? 0
    },
    ports,
    get url() {
      return `http://${host.includes(':') ? `[${host}]` : host}:${hornet.port}`
    },
    get stderr() {
      return output.stderr
    },
    get stdout() {
      return output.stdout
    },
    exited,
    waitForLog(pattern, { ms, from = 0 } = {}) {
      return within(find('stderr', pattern, from), `log line like ${pattern}`, ms, report)
    },
    waitForOutput(pattern, { ms, from = 0 } = {}) {
      return within(find('stdout', pattern, from), `output like ${pattern}`, ms, () => output.stdout)
    },
    signal(name) {
      child.kill(name)
    },
    readStdout: () => read('stdout'),
    closeStdout: () => child.stdout?.destroy(),
    stop({ signal = 'SIGTERM', ms } = {}) {
      stopping ??= stop(child, exited, signal, ms, report)
      return stopping
    },
    async [Symbol.asyncDispose]() {
      await hornet.stop()
    },
  }
  return hornet
}

async function stop(
  child: ChildProcess,
  exited: Promise<Exit>,
  signal: NodeJS.Signals,
  ms: number | undefined,
  report: () => string,
): Promise<Exit> {
  if (running.has(child)) child.kill(signal)
  try {
    return await within(exited, `end of process ${child.pid} after ${signal}`, ms, report)
  } finally {
    // One that has ended is there until it is reaped, which is another process's task when its parent ended first.
    if (!running.has(child)) await until(() => !signalGroup(child, 0), '', reapMsMax).catch(() => {})
    // The group is empty (ESRCH) unless the server itself or something it started is still there.
    if (signalGroup(child, 'SIGKILL')) {
      // biome-ignore lint/correctness/noUnsafeFinally: a stray process is worse news than what it may replace.
      throw new Error(
        `process ${child.pid} or one it started was still there after ${signal} and had to be killed\n${report()}`,
      )
    }
  }
}

const reapMsMax = 2000

/** Signals what is left of the child's process group; says whether there was anything. */
function signalGroup(child: ChildProcess, signal: NodeJS.Signals | 0): boolean {
  if (child.pid === undefined) return false
  try {
    process.kill(-child.pid, signal)
    return true
  } catch {
    return false
  }
}

// A test file that fails half-way, or that the runner ends at its time limit, leaves nothing behind either.
function killAll(): void {
  for (const child of running) signalGroup(child, 'SIGKILL')
}
process.once('exit', killAll)
for (const [signal, status] of [
  ['SIGTERM', 143],
  ['SIGINT', 130],
] as const) {
  process.once(signal, () => {
    killAll()
    process.exit(status)
  })
}
