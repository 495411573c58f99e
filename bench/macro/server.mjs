// One server under test: a process that is started on its processor, proven right, watched through /proc and stopped.
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { exchange } from './exchange.mjs'

const startMsMax = 10_000
const answerMsMax = 5_000
const stopMsMax = 10_000

/** /proc counts in hundredths of a second (USER_HZ) on every architecture that Node runs on. */
const microsecondsPerTick = 1e6 / 100

export class Server {
  #process
  #exited
  #output = ''
  #waiters = new Set()
  port

  /**
   * @param {string[]} command Program and arguments, any pinning included.
   * @param {{ env?: Record<string, string>, port?: number }} options `port`: where a server that says no address listens.
   */
  constructor(command, { env = {}, port } = {}) {
    const stdio = ['ignore', 'pipe', 'pipe']
    this.port = port
    this.#process = spawn(command[0], command.slice(1), { env: { ...serverEnv(), ...env }, stdio })
    // Read to the end of its life, so that no pipe fills; kept only as long as it may say something of use.
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk) => {
        if (this.#output.length < 256 * 1024) this.#output += chunk
        for (const look of this.#waiters) look()
      })
    }
    this.#exited = new Promise((resolve) => {
      this.#process.once('error', (error) => resolve(error.message))
      this.#process.once('exit', (code, signal) => resolve(signal ?? `status ${code}`))
    })
  }

  get pid() {
    return this.#process.pid
  }

  /** Resolves once the server has said its address, or takes connections where it is known to. */
  async start() {
    const ended = this.#exited.then((how) => this.#fail(`ended at its start (${how})`))
    ended.catch(() => {})
    if (this.port !== undefined) {
      await before(Promise.race([acceptsOn(this.port), ended]), startMsMax, () => this.#fail('took no connection'))
      return
    }
    const said = this.said(/https?:\/\/127\.0\.0\.1:(\d+)\b/, 0, startMsMax)
    this.port = Number((await Promise.race([said, ended]))[1])
  }

  /** How much the server has written so far. */
  get outputLength() {
    return this.#output.length
  }

  /** Resolves with the match once the server writes, from `offset` of its output on, what is looked for. */
  async said(pattern, offset, msMax) {
    let look
    const found = new Promise((resolve) => {
      look = () => {
        const match = pattern.exec(this.#output.slice(offset))
        if (match) resolve(match)
      }
      this.#waiters.add(look)
      look()
    })
    try {
      return await before(found, msMax, () => this.#fail(`did not write ${pattern}`))
    } finally {
      this.#waiters.delete(look)
    }
  }

  signal(name) {
    this.#process.kill(name)
  }

  /**
   * Proves that the server answers right, on one connection and with the load's number of requests sent at once.
   *
   * @param {{ type: string, body: string }} answer
   * @param {import('./load.mjs').Load} load
   * @throws Error that says what is wrong with which answer.
   */
  async check({ type, body }, load) {
    const { depth } = load
    const closes = load.headers.includes('Connection: close')
    const answers = await before(exchange(this.port, load), answerMsMax, () => this.#fail('did not answer'))
    answers.forEach(({ status, headers, text }, index) => {
      const connection = headers.get('connection')?.toLowerCase()
      const facts = [
        ['status', status, status === 200],
        ['content-type', headers.get('content-type'), headers.get('content-type')?.split(';')[0] === type],
        ['content-length', headers.get('content-length'), headers.get('content-length') === `${body.length}`],
        ['date', headers.get('date'), !Number.isNaN(Date.parse(headers.get('date') ?? ''))],
        ['connection', connection, closes ? connection === 'close' : connection !== 'close'],
        ['body', text.slice(0, 100), text === body],
      ]
      for (const [name, value, isRight] of facts) {
        if (!isRight) this.#fail(`gave a wrong ${name} in answer ${index + 1} of ${depth}: ${value}`)
      }
    })
  }

  /** Processor time of the server and all its children so far, in microseconds. */
  cpuUs() {
    let ticks = 0
    for (const pid of processTree(this.#process.pid)) {
      const fields = statFields(pid)
      ticks += Number(fields[utime]) + Number(fields[stime])
    }
    return ticks * microsecondsPerTick
  }

  /**
   * The same in fine steps, for when the server has little to do: a tick of the clock would be a fifth of it. Threads that
   * have ended are not in it.
   */
  threadsCpuUs() {
    let ns = 0
    for (const pid of processTree(this.#process.pid)) {
      for (const thread of readdirSync(`/proc/${pid}/task`)) {
        try {
          ns += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0])
        } catch {
          // It ended since the folder was read.
        }
      }
    }
    return ns / 1000
  }

  /** Highest resident memory of the server plus that of each child, in KiB. */
  peakKib() {
    let kib = 0
    for (const pid of processTree(this.#process.pid)) {
      kib += Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
    }
    return kib
  }

  /** Resident memory of the server and all its children now, in bytes. */
  residentBytes() {
    let kib = 0
    for (const pid of processTree(this.#process.pid)) {
      kib += Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
    }
    return kib * 1024
  }

  async stop() {
    const child = this.#process
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGTERM')
    await before(this.#exited, stopMsMax, () => {
      child.kill('SIGKILL')
      this.#fail(`did not stop within ${stopMsMax / 1000} s of SIGTERM`)
    })
  }

  #fail(what) {
    throw new Error(`the server ${what}\n  ${this.#process.spawnargs.join(' ')}\n${this.#output}`)
  }
}

/** Ours without what would change a server from outside. */
function serverEnv() {
  const foreign = /^(HORNET_|NODE_|PORT$|WEB_CONCURRENCY$)/
  const kept = Object.entries(process.env).filter(([name]) => !foreign.test(name))
  return { ...Object.fromEntries(kept), NODE_ENV: 'production' }
}

/** Resolves once something listens on the port. For servers that do not say so. */
async function acceptsOn(port) {
  for (;;) {
    const socket = connect(port, '127.0.0.1')
    const isOpen = await new Promise((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    })
    socket.destroy()
    if (isOpen) return
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

/** Settles as the promise does, or with what `expire` throws when that takes too long. */
async function before(promise, ms, expire) {
  let timer
  const expired = new Promise((_resolve, reject) => {
    timer = setTimeout(() => {
      try {
        expire()
      } catch (error) {
        reject(error)
      }
    }, ms)
  })
  try {
    return await Promise.race([promise, expired])
  } finally {
    clearTimeout(timer)
  }
}

// ---- /proc

/**
 * Processor time so far that is anybody's, and that of this process with the children it has waited for (wrk is one;
 * servers are not, as they still run). In microseconds.
 *
 * @param {number[]} cpus Processors to count; all of them when empty.
 */
export function machineUs(cpus) {
  const wanted = cpus.length === 0 ? ['cpu'] : cpus.map((cpu) => `cpu${cpu}`)
  let ticks = 0
  for (const line of readFileSync('/proc/stat', 'utf8').split('\n')) {
    const [name, user, nice, system, , , irq, softirq, steal] = line.split(/\s+/)
    if (!wanted.includes(name)) continue
    // Interrupts count: loopback's run in the middle of a process, whose own time has them as well.
    for (const part of [user, nice, system, irq, softirq, steal]) ticks += Number(part)
  }
  const fields = statFields('self')
  const own = [utime, stime, cutime, cstime].reduce((sum, index) => sum + Number(fields[index]), 0)
  return { busyUs: ticks * microsecondsPerTick, ownUs: own * microsecondsPerTick }
}

// Indexes into what follows the name in /proc/PID/stat (proc_pid_stat(5) counts from 1 and has two fields before).
const ppid = 4 - 3
const utime = 14 - 3
const stime = 15 - 3
const cutime = 16 - 3
const cstime = 17 - 3

function statFields(pid) {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The name may hold blanks and brackets, so the last one ends it.
  return text.slice(text.lastIndexOf(')') + 2).split(' ')
}

/** The process and its descendants. */
function processTree(rootPid) {
  const childrenOf = new Map()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const parent = Number(statFields(name)[ppid])
      childrenOf.set(parent, [...(childrenOf.get(parent) ?? []), Number(name)])
    } catch {
      // It ended since the folder was read; none of ours does.
    }
  }
  const tree = [rootPid]
  for (const pid of tree) tree.push(...(childrenOf.get(pid) ?? []))
  return tree
}
