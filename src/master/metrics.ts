/**
 * What `GET /metrics` shows of the server itself, as families for the exposition.
 */
import { readdirSync } from 'node:fs'
import { type Family, type Histogram, histogramSamples, labelled, single } from '../metrics/exposition.js'
import type { NativeHistogram, NativeStats } from '../seam/addon.js'
import { formatAddress } from './listeners.js'
import type { Pool } from './pool.js'
import type { WorkerVitals } from './worker-handle.js'

export interface MetricsSource {
  stats: NativeStats
  pool: Pool
  /** Workers that ended, by reason. */
  workerExits: Readonly<Record<string, number>>
  workersBlocked: number
  /** Records of the log by level. */
  logCounts: Readonly<Record<string, number>>
  /** With --guard. */
  guardRestarts: number | undefined
  ioThreads: number
  scheme: 'http' | 'https'
  /** When each certificate ends, by the path of its file. */
  certificates: readonly { file: string; expiresMs: number }[]
  version: string
  startedMs: number
  vitals: readonly (WorkerVitals & { workerId: number })[]
}

const states = ['starting', 'serving', 'degraded', 'draining', 'stopping']

export function collectFamilies(source: MetricsSource): Family[] {
  return [
    ...serverFamilies(source),
    ...requestFamilies(source.stats, source.scheme),
    ...tlsFamilies(source),
    ...workerFamilies(source),
    ...processFamilies(),
  ]
}

function serverFamilies(source: MetricsSource): Family[] {
  const { version, ioThreads, startedMs, pool, logCounts, guardRestarts } = source
  return [
    {
      name: 'hornet_info',
      help: 'Version of the server and of Node.js; always 1.',
      type: 'gauge',
      samples: [{ labels: { version, node_version: process.version }, value: 1 }],
    },
    labelled(
      'hornet_state',
      'gauge',
      'State of the server: 1 for the one it is in.',
      'state',
      Object.fromEntries(states.map((name) => [name, name === pool.state ? 1 : 0])),
    ),
    single('hornet_start_time_seconds', 'gauge', 'Start of the server, in seconds since 1970.', startedMs / 1000),
    single('hornet_io_threads', 'gauge', 'Native threads that own the connections.', ioThreads),
    single(
      'hornet_generation',
      'gauge',
      'Generation of the workers: 1 and the reloads since the start.',
      pool.generation,
    ),
    labelled('hornet_log_records_total', 'counter', 'Records of the log, by level.', 'level', { ...logCounts }),
    ...(guardRestarts === undefined
      ? []
      : [
          single(
            'hornet_guard_restarts_total',
            'counter',
            'Times the guard started a server that died.',
            guardRestarts,
          ),
        ]),
  ]
}

function requestFamilies(stats: NativeStats, scheme: 'http' | 'https'): Family[] {
  const { durations, durationBoundsUs } = stats
  const { accept, queue, handler, write, total } = durations
  const phases = Object.entries({ accept, queue, handler, write })
  return [
    single('hornet_connections_accepted_total', 'counter', 'Connections accepted.', stats.connectionsAccepted),
    labelled('hornet_connections', 'gauge', 'Open connections by what they are doing.', 'state', stats.connections),
    single('hornet_accept_errors_total', 'counter', 'Connections that could not be accepted.', stats.acceptErrors),
    single(
      'hornet_accept_pauses_total',
      'counter',
      'Times that a connection had to wait because --max-connections were open.',
      stats.acceptPauses,
    ),
    labelled(
      'hornet_connections_closed_total',
      'counter',
      'Connections closed to make room for others (room), or because their client had too many (client_limit).',
      'reason',
      stats.connectionsClosed,
    ),
    labelled(
      'hornet_proxy_errors_total',
      'counter',
      'Connections closed over the PROXY protocol, by reason.',
      'reason',
      stats.proxyErrors,
    ),
    ...backlogFamilies(stats, scheme),
    single('hornet_requests_total', 'counter', 'Requests whose head was read.', stats.requests),
    {
      name: 'hornet_responses_total',
      help: 'Requests that ended, by method and class of status; "none" when the client had gone before there was one.',
      type: 'counter',
      samples: stats.responses.map(({ method, statusClass, count }) => ({
        labels: { method, status: statusName(statusClass) },
        value: count,
      })),
    },
    single('hornet_requests_in_flight', 'gauge', 'Requests that have not ended.', stats.requestsInFlight),
    single('hornet_requests_queued', 'gauge', 'Requests that wait because no worker has room.', stats.requestsQueued),
    single('hornet_requests_waiting', 'gauge', 'Requests that no worker has begun.', stats.requestsWaiting),
    single(
      'hornet_oldest_waiting_seconds',
      'gauge',
      'Age of the request that has waited longest for a worker; 0 when none does.',
      stats.oldestWaitingMs / 1000,
    ),
    {
      name: 'hornet_request_duration_seconds',
      help: 'From the first byte of a request to the last byte of its response.',
      type: 'histogram',
      samples: histogramSamples(coarse(total, durationBoundsUs)),
    },
    {
      name: 'hornet_request_phase_duration_seconds',
      help: 'The same in parts: accept (until a worker could begin), queue (until one did), handler (until the head of the response), write (until the kernel had all of it).',
      type: 'histogram',
      samples: phases.flatMap(([phase, histogram]) => histogramSamples(coarse(histogram, durationBoundsUs), { phase })),
    },
    labelled(
      'hornet_requests_shed_total',
      'counter',
      'Requests answered 503 for want of a worker, by reason.',
      'reason',
      {
        ...stats.shed,
      },
    ),
    single(
      'hornet_requests_reassigned_total',
      'counter',
      'Requests taken back from a worker that made no progress, and given to another.',
      stats.requestsReassigned,
    ),
    single(
      'hornet_requests_retried_total',
      'counter',
      'Requests run again because their worker died (--retry-idempotent).',
      stats.requestsRetried,
    ),
    single('hornet_requests_for_files_total', 'counter', 'Requests answered by --static.', stats.requestsForFiles),
    single('hornet_requests_failed_total', 'counter', 'Requests whose worker was lost.', stats.requestsFailed),
    single(
      'hornet_requests_aborted_total',
      'counter',
      'Requests whose response did not reach the client whole.',
      stats.requestsAborted,
    ),
    labelled(
      'hornet_requests_rejected_total',
      'counter',
      'Requests refused before any worker saw them, by status.',
      'status',
      stats.rejected,
    ),
    labelled('hornet_timeouts_total', 'counter', 'Connections that took too long, by what they were at.', 'reason', {
      ...stats.timeouts,
    }),
    labelled(
      'hornet_parse_errors_total',
      'counter',
      'Malformed or oversized requests, by fault.',
      'fault',
      stats.parseErrors,
    ),
    single('hornet_received_bytes_total', 'counter', 'Bytes read from connections.', stats.bytesRead),
    single('hornet_sent_bytes_total', 'counter', 'Bytes written to connections.', stats.bytesWritten),
    single('hornet_native_memory_bytes', 'gauge', 'Memory that the native core holds.', stats.memoryBytes),
  ]
}

/** Connections that the kernel holds for us; nothing where the system does not tell. */
function backlogFamilies({ listeners }: NativeStats, scheme: 'http' | 'https'): Family[] {
  const each = (
    name: string,
    help: string,
    pick: (listener: NativeStats['listeners'][number]) => number | null,
  ): Family => ({
    name,
    help,
    type: 'gauge',
    samples: listeners.flatMap((listener) => {
      const value = pick(listener)
      return value === null ? [] : [{ labels: { listener: formatAddress(listener, scheme) }, value }]
    }),
  })
  return [
    each('hornet_listener_backlog', 'Connections that wait in the kernel to be accepted.', ({ backlog }) => backlog),
    each('hornet_listener_backlog_max', 'How many may wait there.', ({ backlogMax }) => backlogMax),
  ]
}

/** Nothing without TLS: it cannot be switched on while the server runs. */
function tlsFamilies({ scheme, certificates, stats: { tls } }: MetricsSource): Family[] {
  if (scheme === 'http') return []
  return [
    labelled(
      'hornet_tls_handshakes_total',
      'counter',
      'TLS handshakes that were completed, by whether they resumed a session.',
      'resumed',
      { yes: tls.resumed, no: tls.handshakes - tls.resumed },
    ),
    labelled(
      'hornet_tls_handshake_failures_total',
      'counter',
      'TLS handshakes that failed, by reason: no common version or cipher (protocol), a certificate that one side does not accept (certificate), HTTP without TLS (plain_http), or anything else (malformed).',
      'reason',
      tls.failures,
    ),
    {
      name: 'hornet_tls_certificate_expiry_seconds',
      help: 'When a certificate ends, in seconds since 1970, by its file.',
      type: 'gauge',
      samples: certificates.map(({ file, expiresMs }) => ({ labels: { file }, value: expiresMs / 1000 })),
    },
  ]
}

/** `2xx`, as dashboards know it. */
export function statusName(statusClass: number): string {
  return statusClass === 0 ? 'none' : `${statusClass}xx`
}

/**
 * The core counts in half octaves, which is more than a time series is worth: one bound for each power of two is enough
 * to tell 10 ms from 20.
 */
function coarse({ counts, sumUs }: NativeHistogram, boundsUs: readonly number[]): Histogram {
  const bounds: number[] = []
  const merged: number[] = []
  for (let index = 0; index < boundsUs.length; index += 2) {
    bounds.push(boundsUs[index] / 1e6)
    merged.push((counts[index - 1] ?? 0) + counts[index])
  }
  merged.push(counts[boundsUs.length])
  return { bounds, counts: merged, sum: sumUs / 1e6 }
}

function workerFamilies({ pool, stats, vitals, workerExits, workersBlocked }: MetricsSource): Family[] {
  const count = (state: string) => pool.workers.filter((worker) => worker.state === state).length
  const each = (
    name: string,
    type: 'counter' | 'gauge',
    help: string,
    value: (worker: WorkerVitals & { workerId: number }) => number | null,
  ): Family => ({
    name,
    help,
    type,
    samples: vitals.flatMap((worker) => {
      const known = value(worker)
      return known === null ? [] : [{ labels: { worker: worker.workerId }, value: known }]
    }),
  })
  return [
    single('hornet_workers_wanted', 'gauge', 'Workers that are wanted.', pool.wanted),
    labelled('hornet_workers', 'gauge', 'Workers by state.', 'state', {
      booting: count('booting'),
      ready: count('ready'),
      draining: count('draining'),
      stopping: count('stopping'),
      stuck: count('stuck'),
    }),
    single(
      'hornet_workers_blocked_total',
      'counter',
      'Workers terminated because their event loop stood still (--timeout).',
      workersBlocked,
    ),
    labelled('hornet_worker_exits_total', 'counter', 'Workers that ended, by reason.', 'reason', workerExits),
    each(
      'hornet_worker_requests_in_flight',
      'gauge',
      'Requests in flight in a worker.',
      ({ workerId }) => stats.workerLoads[workerId] ?? 0,
    ),
    each(
      'hornet_worker_event_loop_active_seconds_total',
      'counter',
      'Time that a worker ran JavaScript or handled events.',
      ({ loopActiveMs }) => loopActiveMs / 1000,
    ),
    each(
      'hornet_worker_event_loop_idle_seconds_total',
      'counter',
      'Time that a worker waited for events.',
      ({ loopIdleMs }) => loopIdleMs / 1000,
    ),
    each(
      'hornet_worker_event_loop_utilization_ratio',
      'gauge',
      'Part of the last second or two that a worker was busy.',
      ({ eventLoopUtilization }) => eventLoopUtilization,
    ),
    each(
      'hornet_worker_blocked_seconds',
      'gauge',
      'Time that a worker has not answered the master; 0 when it does.',
      ({ blockedMs }) => blockedMs / 1000,
    ),
    each('hornet_worker_heap_used_bytes', 'gauge', 'Heap in use in a worker.', ({ heapUsedBytes }) => heapUsedBytes),
    each(
      'hornet_worker_heap_total_bytes',
      'gauge',
      'Heap that a worker has taken from the system.',
      ({ heapTotalBytes }) => heapTotalBytes,
    ),
  ]
}

/** Under the names that Prometheus's own client libraries give them. */
function processFamilies(): Family[] {
  const { userCPUTime, systemCPUTime } = process.resourceUsage() // microseconds
  const startedMs = Date.now() - process.uptime() * 1000
  return [
    single(
      'process_cpu_seconds_total',
      'counter',
      'User and system time of the process, all threads.',
      (userCPUTime + systemCPUTime) / 1e6,
    ),
    single('process_resident_memory_bytes', 'gauge', 'Resident memory of the process.', process.memoryUsage.rss()),
    single('process_start_time_seconds', 'gauge', 'Start of the process, in seconds since 1970.', startedMs / 1000),
    ...descriptorFamilies(),
  ]
}

/** Linux lists them; elsewhere there is no cheap way to know. */
function descriptorFamilies(): Family[] {
  if (process.platform !== 'linux') return []
  return [
    single('process_open_fds', 'gauge', 'Descriptors that the process has open.', readdirSync('/proc/self/fd').length),
  ]
}
