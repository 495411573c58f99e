/**
 * Metrics to a StatsD server, under the names Gunicorn gives them, so that what was built for those goes on working:
 * UDP datagrams, once a second, sums rather than a line per request.
 */
import { builtins } from '../builtins.js'

/** Totals at one moment. */
export interface StatsdLook {
  requests: number
  /** Responses by class: `2xx`. */
  statuses: Readonly<Record<string, number>>
  /** Whole durations; bounds in milliseconds. */
  durations: { boundsMs: readonly number[]; counts: readonly number[] }
  workers: number
  /** Requests that no worker has begun. */
  backlog: number
  logRecords: { error: number; warn: number }
}

export interface StatsdOptions {
  /** Numeric. */
  host: string
  port: number
  /** Stands before every name; a dot between is added. */
  prefix: string
  look: () => StatsdLook
  /** A datagram could not be sent; at most once a minute. */
  onError: (error: Error) => void
}

const intervalMs = 1000
// What crosses any network in one piece: an Ethernet frame less the headers of IPv6 and UDP, and some for tunnels.
const datagramBytesMax = 1400
const errorEveryMs = 60_000

/** @returns Stops it. */
export function startStatsd({ host, port, prefix, look, onError }: StatsdOptions): () => void {
  const socket = builtins.dgram().createSocket(host.includes(':') ? 'udp6' : 'udp4')
  let toldMs = Number.NEGATIVE_INFINITY
  const tell = (error: Error | null) => {
    if (error === null || performance.now() - toldMs < errorEveryMs) return
    toldMs = performance.now()
    onError(error)
  }
  socket.on('error', tell)
  socket.unref()
  let before = look()
  const timer = setInterval(() => {
    const now = look()
    for (const datagram of packLines(statsdLines(now, before, prefix))) socket.send(datagram, port, host, tell)
    before = now
  }, intervalMs)
  timer.unref()
  return () => {
    clearInterval(timer)
    socket.close()
  }
}

/** What happened between two looks. */
export function statsdLines(now: StatsdLook, before: StatsdLook, prefix: string): string[] {
  const start = prefix === '' || prefix.endsWith('.') ? prefix : `${prefix}.`
  const lines = [`${start}gunicorn.workers:${now.workers}|g`, `${start}gunicorn.backlog:${now.backlog}|g`]
  const counter = (name: string, count: number) => {
    if (count > 0) lines.push(`${start}gunicorn.${name}:${count}|c`)
  }
  counter('requests', now.requests - before.requests)
  for (const [status, count] of Object.entries(now.statuses)) {
    counter(`request.status.${status}`, count - (before.statuses[status] ?? 0))
  }
  counter('log.error', now.logRecords.error - before.logRecords.error)
  counter('log.warning', now.logRecords.warn - before.logRecords.warn)
  const { boundsMs, counts } = now.durations
  for (const [index, count] of counts.entries()) {
    const fresh = count - before.durations.counts[index]
    if (fresh <= 0) continue
    const high = boundsMs[index] ?? boundsMs[boundsMs.length - 1]
    const middle = ((boundsMs[index - 1] ?? 0) + high) / 2
    // "One of n": a server of statistics counts this line n times.
    const rate = fresh === 1 ? '' : `|@${Number((1 / fresh).toPrecision(6))}`
    lines.push(`${start}gunicorn.request.duration:${Number(middle.toPrecision(4))}|ms${rate}`)
  }
  return lines
}

/** As many lines in each datagram as fit. */
export function packLines(lines: readonly string[]): string[] {
  const datagrams: string[] = []
  let current = ''
  for (const line of lines) {
    if (current !== '' && Buffer.byteLength(current) + 1 + Buffer.byteLength(line) > datagramBytesMax) {
      datagrams.push(current)
      current = ''
    }
    current += current === '' ? line : `\n${line}`
  }
  if (current !== '') datagrams.push(current)
  return datagrams
}
