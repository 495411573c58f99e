/**
 * Answers of the control API as `hornetctl` prints them.
 */
import type { RequestsView, RequestView, StackView, StatusView, WorkerView } from './api.js'
import { type Column, formatBytes, formatCount, formatPercent, formatSpan, formatTable, formatText } from './format.js'

// A worker answers within microseconds; what takes longer than this is worth a look.
const blockedMsMin = 1000

export function describeStatus(status: StatusView): string[] {
  const { workers, totals } = status
  const rejected = Object.values(totals.requestsRejected).reduce((sum, count) => sum + count, 0)
  const exits = Object.entries(totals.workerExits).map(([reason, count]) => `${reason} ${formatCount(count)}`)
  const rows: [name: string, value: string][] = [
    ['state', `${status.state}${status.isReloading ? ', reloading' : ''}`],
    ['version', `hornet ${status.version} on Node.js ${status.nodeVersion}`],
    ['app', `${formatText(status.app)}, generation ${status.generation}`],
    ['listening', status.addresses.map(formatText).join(' ')],
    ...describeTls(status.tls),
    ['pid', `${status.pid}, up ${formatSpan(status.uptimeMs)}${describeGuard(status.guard)}`],
    [
      'workers',
      `${workers.ready} of ${workers.wanted} ready${count(workers.booting, 'booting')}${count(workers.draining, 'draining')}`,
    ],
    [
      'requests',
      `${formatCount(totals.requests)}; ${formatCount(status.requestsInFlight)} in flight, ${formatCount(status.requestsQueued)} queued`,
    ],
    [
      'trouble',
      `${formatCount(totals.requestsFailed)} failed, ${formatCount(totals.requestsShed)} shed, ${formatCount(rejected)} refused`,
    ],
    ['connections', `${formatCount(status.connectionsOpen)} open, ${formatCount(totals.connections)} in all`],
    ['traffic', `${formatBytes(totals.bytesRead)} in, ${formatBytes(totals.bytesWritten)} out`],
    ['memory', `${formatBytes(status.residentBytes)}, of which ${formatBytes(status.nativeBytes)} for connections`],
    ['exits', exits.length > 0 ? exits.join(', ') : 'none'],
  ]
  return rows.map(([name, value]) => `${name.padEnd(12)}${value}`)
}

function describeTls(tls: StatusView['tls']): [name: string, value: string][] {
  if (tls === null) return []
  const failed = Object.values(tls.failures).reduce((sum, count) => sum + count, 0)
  const counts = `${formatCount(tls.handshakes)} handshakes, ${formatCount(tls.resumed)} resumed, ${formatCount(failed)} failed`
  return [
    ['tls', counts],
    ...tls.certificates.map(({ file, expiresAt }): [string, string] => [
      'certificate',
      `${formatText(file)}, until ${formatText(expiresAt)}`,
    ]),
  ]
}

function describeGuard(guard: StatusView['guard']): string {
  return guard === null ? '' : `; guarded by ${guard.pid}, which restarted it ${formatCount(guard.restarts)} times`
}

export function describeWorkers(workers: readonly WorkerView[]): string[] {
  return formatTable(workerColumns, workers)
}

export function describeRequests({ requests, total }: RequestsView): string[] {
  const lines = formatTable(requestColumns, requests)
  if (total > requests.length) lines.push(`… and ${formatCount(total - requests.length)} younger ones`)
  return requests.length === 0 ? ['no requests in flight'] : lines
}

export function describeStack({ workerId, state, frames }: StackView): string[] {
  switch (state) {
    case 'idle':
      return [`worker ${workerId} is idle: it runs no JavaScript and waits for events`]
    case 'unresponsive':
      return [`worker ${workerId} does not answer: it is inside native code (a file, a computation, a lock)`]
    case 'running':
      return [
        `worker ${workerId} is running:`,
        ...frames.map(({ function: name, file, line, column }) => `    at ${name} (${file}:${line}:${column})`),
      ]
    default:
      return state satisfies never
  }
}

export function workerState({ state, blockedMs }: WorkerView): string {
  return blockedMs >= blockedMsMin && state !== 'stuck' ? `blocked ${formatSpan(blockedMs)}` : state
}

export const workerColumns: readonly Column<WorkerView>[] = [
  { title: 'ID', isNumber: true, cell: ({ id }) => String(id) },
  { title: 'GEN', isNumber: true, cell: ({ generation }) => String(generation) },
  { title: 'STATE', cell: workerState },
  { title: 'LOAD', isNumber: true, cell: ({ eventLoopUtilization }) => formatPercent(eventLoopUtilization) },
  { title: 'IN FLIGHT', isNumber: true, cell: ({ requestsInFlight }) => formatCount(requestsInFlight) },
  {
    title: 'HEAP',
    isNumber: true,
    cell: ({ heapUsedBytes }) => (heapUsedBytes === null ? '-' : formatBytes(heapUsedBytes)),
  },
  { title: 'AGE', isNumber: true, cell: ({ ageMs }) => formatSpan(ageMs) },
]

export const requestColumns: readonly Column<RequestView>[] = [
  { title: 'AGE', isNumber: true, cell: ({ ageMs }) => formatSpan(ageMs) },
  { title: 'WORKER', isNumber: true, cell: ({ workerId }) => (workerId === null ? '-' : String(workerId)) },
  { title: 'STATE', cell: ({ state }) => state },
  { title: 'REQUEST', cell: ({ method, url }) => `${method} ${formatText(url)}` },
]

function count(number: number, what: string): string {
  return number === 0 ? '' : `, ${number} ${what}`
}
