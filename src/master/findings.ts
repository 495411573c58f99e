/**
 * What `hornet doctor` makes of an application: from facts to findings. `docs/doctor.md` is written from the table.
 */
import type { AppFacts } from '../protocol.js'

export const levels = ['works', 'look at this', 'will not work'] as const
export type Level = (typeof levels)[number]

export const findingTable = {
  'app-kind': { level: 'works', summary: 'What was found to serve requests.' },
  listens: { level: 'works', summary: 'An http server listens by itself: bound once, shared by all workers.' },
  'port-probe': { level: 'works', summary: 'A server listened and closed again, to see whether a port is free.' },
  'boot-time': { level: 'works', summary: 'How long a worker takes to be ready.' },
  memory: { level: 'works', summary: 'JavaScript memory of one worker, and of all that `--workers` asks for.' },
  'node-env': {
    level: 'look at this',
    summary: 'NODE_ENV is not `production`: frameworks do more work and show errors.',
  },
  interval: { level: 'look at this', summary: 'An interval started while loading runs in every worker.' },
  'memory-sessions': {
    level: 'look at this',
    summary: 'express-session keeps sessions in memory, which workers do not share.',
  },
  'socket-io': { level: 'look at this', summary: 'Socket.IO (engine.io) was loaded, and there is no `--sticky`.' },
  'prom-client': {
    level: 'look at this',
    summary: 'prom-client was loaded, and no registry was given to `registerMetrics()`.',
  },
  warning: { level: 'look at this', summary: 'A worker warned of something while it loaded the application.' },
  'process-chdir': { level: 'will not work', summary: '`process.chdir()` to another folder.' },
  'process-umask': { level: 'will not work', summary: '`process.umask()` with another mask.' },
  'process-user': { level: 'will not work', summary: '`process.setuid()` and its kin.' },
  'process-abort': { level: 'will not work', summary: '`process.abort`, which would end all workers.' },
  cluster: { level: 'will not work', summary: '`cluster.fork()`.' },
  'https-server': { level: 'will not work', summary: 'An https server that listens, and no `--certfile`.' },
  'http2-server': { level: 'will not work', summary: 'An http2 server that listens.' },
  addon: { level: 'will not work', summary: 'A native addon that does not support several threads.' },
  'second-worker': {
    level: 'will not work',
    summary: 'The application can be loaded once, but not twice at the same time.',
  },
  'app-boot': {
    level: 'will not work',
    summary: 'The application cannot be loaded: the reason a start would give. Exit status 3.',
  },
} as const satisfies Record<string, { level: Level; summary: string }>

export type FindingCode = keyof typeof findingTable

export interface Finding {
  level: Level
  code: FindingCode
  message: string
  /** What to do; empty when there is nothing to. */
  advice: string
}

/** One of the two workers that loaded the application at the same time. */
export interface Examined {
  facts: AppFacts | undefined
  warnings: readonly string[]
  /** Why it could not be loaded. */
  failure?: string
}

export interface Circumstances {
  workers: number
  isSticky: boolean
}

export function diagnose(examined: readonly Examined[], { workers, isSticky }: Circumstances): Finding[] {
  const findings: Finding[] = []
  const add = (code: FindingCode, message: string, advice = ''): void => {
    if (findings.some((one) => one.code === code && one.message === message)) return
    findings.push({ level: findingTable[code].level, code, message, advice })
  }
  const all = examined.flatMap(({ facts }) => facts ?? [])
  const loaded = examined.find(({ failure }) => failure === undefined)
  if (loaded?.facts) addGood(loaded.facts, workers, add)
  for (const { nodeEnv, app } of all) {
    if (app === undefined || nodeEnv === 'production') continue
    add('node-env', `NODE_ENV is ${nodeEnv ?? 'not set'}`, 'in production, start with --env NODE_ENV=production')
  }
  for (const facts of all) addSharedState(facts, { workers, isSticky }, add)
  for (const { warnings } of examined) for (const warning of warnings) add('warning', warning)
  for (const { refused } of all) {
    for (const { name, message } of refused) {
      const at = message.indexOf(': ')
      add(codeOf(name), message.slice(0, at), message.slice(at + 2))
    }
  }
  // Other reasons (a missing library) are the application's, which may have a way around.
  for (const error of all.flatMap(({ addonErrors }) => addonErrors)) {
    if (!/did not self-register|context-aware/.test(error)) continue
    add('addon', error, 'use a version of the addon that supports worker threads: a process can load this one once')
  }
  const failures = examined.flatMap(({ failure }) => failure ?? [])
  if (failures.length > 0 && loaded === undefined) add('app-boot', failures[0])
  else if (failures.length > 0) {
    add('second-worker', failures[0], 'what only one can have (a port, a lock, a file) must be left to one process')
  }
  return findings.sort((a, b) => levels.indexOf(a.level) - levels.indexOf(b.level))
}

type Add = (code: FindingCode, message: string, advice?: string) => void

function addGood({ app, listens, probeCount, bootMs, memoryBytes }: AppFacts, workers: number, add: Add): void {
  if (app !== undefined) add('app-kind', app)
  for (const { address, isOpen } of listens) {
    if (isOpen) add('listens', `it listens on ${address}: bound once, shared by all workers`)
  }
  const closedCount = listens.filter(({ isOpen }) => !isOpen).length + probeCount
  if (closedCount > 0)
    add('port-probe', 'it looked whether a port is free: each worker hears that a port of the pool is')
  if (bootMs !== undefined) add('boot-time', `a worker is ready in ${Math.round(bootMs)} ms`)
  if (memoryBytes === undefined) return
  const sizes = [memoryBytes, memoryBytes * workers].map((bytes) => `${(bytes / 2 ** 20).toFixed(0)} MiB`)
  add('memory', `JavaScript memory once loaded: ${sizes[0]} for a worker, ${sizes[1]} for ${workers}`)
}

/** What is harmless in one worker. */
function addSharedState(facts: AppFacts, { workers, isSticky }: Circumstances, add: Add): void {
  if (facts.hasPromClient && !facts.hasRegistry) {
    const advice = "call registerMetrics(register), which 'hornet' exports: /metrics of --control adds up all workers"
    add('prom-client', 'prom-client counts in each worker by itself', advice)
  }
  if (workers === 1) return
  for (const place of facts.intervals) {
    const advice = 'if it must run once, move it to a process of its own, or let a lock in the database decide'
    add('interval', `the interval started at ${place} runs in each of ${workers} workers`, advice)
  }
  if (isSticky) return
  if (facts.hasMemorySessions) {
    add(
      'memory-sessions',
      'express-session keeps sessions in the memory of one worker: the others do not know them',
      'give it a store (connect-redis and the like), or add --sticky ip',
    )
  }
  if (facts.hasEngineIo) {
    add(
      'socket-io',
      'Socket.IO by long polling needs all requests of a client on one worker',
      "add --sticky ip, or allow transports: ['websocket'] only",
    )
  }
}

function codeOf(name: string): FindingCode {
  switch (name) {
    case 'process.chdir':
      return 'process-chdir'
    case 'process.umask':
      return 'process-umask'
    case 'process.abort':
      return 'process-abort'
    case 'cluster.fork':
      return 'cluster'
    case 'https':
      return 'https-server'
    case 'http2':
      return 'http2-server'
    default:
      return 'process-user'
  }
}

/** What the command ends with. */
export function statusOf(findings: readonly Finding[]): number {
  if (findings.some(({ code }) => code === 'app-boot')) return 3
  return findings.some(({ level }) => level === 'will not work') ? 1 : 0
}

/** For a person. */
export function formatFindings(findings: readonly Finding[]): string {
  const lines: string[] = []
  for (const level of levels) {
    const group = findings.filter((finding) => finding.level === level)
    if (group.length === 0) continue
    lines.push(...(lines.length > 0 ? [''] : []), level)
    for (const { code, message, advice } of group) {
      lines.push(`  ${message.replaceAll('\n', '\n    ')} (${code})`)
      if (advice !== '') lines.push(`    ${advice}`)
    }
  }
  return `${lines.join('\n')}\n`
}
