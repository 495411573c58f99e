/**
 * `hornetctl top`: a server watched from a terminal. What is shown is made by a pure function from two looks and the
 * size of the terminal; the rest moves it onto the screen.
 */
import type { RequestsView, StatusView, WorkerView } from './api.js'
import type { ControlClient } from './client.js'
import { formatBytes, formatCount, formatPercent, formatSpan, formatTable, formatText } from './format.js'
import { histogramSince, quantile } from './quantile.js'
import { requestColumns, workerColumns, workerState } from './report.js'

/** One look at the server. */
export interface Look {
  atMs: number
  status: StatusView
  workers: WorkerView[]
  requests: RequestsView
}

export interface TopModel {
  current: Look
  /** The one before; undefined at first, and when the server was another one. */
  previous: Look | undefined
  /** Requests per second, the latest last. */
  history: readonly number[]
}

export interface ScreenSize {
  columns: number
  rows: number
}

const historyMax = 512
const sparks = '▁▂▃▄▅▆▇█'

/** The screen, line by line: no more lines than rows, none longer than the columns. */
export function renderTop({ current, previous, history }: TopModel, size: ScreenSize): string[] {
  const { status, workers, requests } = current
  const lines = [
    ...renderHead(status),
    ...renderRates(current, previous),
    '',
    sparkline(history, size.columns),
    '',
    ...formatTable(
      [
        ...workerColumns.slice(0, 3),
        {
          title: 'LOAD',
          cell: ({ eventLoopUtilization: load }: WorkerView) => `${bar(load ?? 0, 12)} ${formatPercent(load)}`,
        },
        ...workerColumns.slice(4),
      ],
      workers,
    ),
  ]
  if (requests.requests.length > 0) lines.push('', ...formatTable(requestColumns, requests.requests.slice(0, 50)))
  // The last line is for the keys.
  const shown = lines.slice(0, Math.max(size.rows - 1, 0))
  while (shown.length < size.rows - 1) shown.push('')
  shown.push('q quit')
  return shown.map((line) => cut(line, size.columns))
}

function renderHead(status: StatusView): string[] {
  const { workers } = status
  const state = `${status.state}${status.isReloading ? ', reloading' : ''}`
  return [
    `hornet ${status.version}  ${state}  generation ${status.generation}  up ${formatSpan(status.uptimeMs)}  pid ${status.pid}`,
    `${formatText(status.app)} on ${status.addresses.map(formatText).join(' ')}`,
    '',
    `workers   ${workers.ready} of ${workers.wanted} ready   memory ${formatBytes(status.residentBytes)}   connections ${formatCount(status.connectionsOpen)}`,
  ]
}

function renderRates(current: Look, previous: Look | undefined): string[] {
  const { status } = current
  const rate = (pick: (status: StatusView) => number): number => ratePerSecond(current, previous, pick)
  const perSecond = (pick: (status: StatusView) => number) => `${formatCount(rate(pick))}/s`
  const lines = [
    `requests  ${perSecond(({ totals }) => totals.requests)}   in flight ${formatCount(status.requestsInFlight)}   queued ${formatCount(status.requestsQueued)}   failed ${perSecond(({ totals }) => totals.requestsFailed)}   shed ${perSecond(({ totals }) => totals.requestsShed)}`,
    `traffic   ${formatBytes(rate(({ totals }) => totals.bytesRead))}/s in   ${formatBytes(rate(({ totals }) => totals.bytesWritten))}/s out`,
  ]
  const { durations } = status
  const total = histogramSince(durations.total, previous?.status.durations.total)
  const queue = histogramSince(durations.queue, previous?.status.durations.queue)
  const span = (seconds: number | undefined) => (seconds === undefined ? '-' : formatSpan(seconds * 1000))
  const latency = [0.5, 0.95, 0.99].map((q) => `p${q * 100} ${span(quantile(total, q))}`).join('   ')
  lines.splice(1, 0, `latency   ${latency}   in queue p99 ${span(quantile(queue, 0.99))}`)
  return lines
}

function ratePerSecond(current: Look, previous: Look | undefined, pick: (status: StatusView) => number): number {
  if (previous === undefined) return 0
  const seconds = (current.atMs - previous.atMs) / 1000
  return Math.max(pick(current.status) - pick(previous.status), 0) / seconds
}

/** The latest values, as many as there are columns; the highest of them fills its line. */
function sparkline(history: readonly number[], columns: number): string {
  const shown = history.slice(-columns)
  const highest = Math.max(...shown, 1)
  return shown
    .map((value) => sparks[Math.min(Math.floor((value / highest) * sparks.length), sparks.length - 1)])
    .join('')
}

function bar(part: number, width: number): string {
  const filled = Math.round(Math.min(Math.max(part, 0), 1) * width)
  return '█'.repeat(filled) + '░'.repeat(width - filled)
}

function cut(line: string, columns: number): string {
  return line.length <= columns ? line : `${line.slice(0, Math.max(columns - 1, 0))}…`
}

/** What of a terminal is used; `process.stdin` and `process.stdout` have it. */
export interface Terminal {
  input: NodeJS.ReadStream
  output: NodeJS.WriteStream
}

/** Shows the server until q or Ctrl-C is pressed. @throws HornetError when the server cannot be asked at the start. */
export async function runTop(client: ControlClient, { input, output }: Terminal, intervalMs: number): Promise<void> {
  let current = await look(client)
  let previous: Look | undefined
  let history: number[] = []
  let trouble = ''
  const draw = () => {
    const size = { columns: output.columns ?? 80, rows: output.rows ?? 24 }
    const lines = renderTop({ current, previous, history }, size)
    if (trouble !== '') lines[lines.length - 1] = cut(`q quit   ${trouble}`, size.columns)
    output.write(`\x1b[H${lines.map((line) => `${emphasize(line, current.workers)}\x1b[K`).join('\r\n')}\x1b[J`)
  }
  let leave = () => {}
  const left = new Promise<void>((resolve) => {
    leave = resolve
  })
  const handleKey = (keys: Buffer) => {
    // Raw mode: Ctrl-C and Ctrl-D come as bytes 3 and 4.
    if ([...'qQ\x03\x04'].some((key) => keys.includes(key))) leave()
  }
  // The alternate screen, without cursor: what was there before comes back at the end.
  output.write('\x1b[?1049h\x1b[?25l')
  input.setRawMode(true).on('data', handleKey).resume()
  output.on('resize', draw)
  try {
    draw()
    for (;;) {
      if (await settled(left, intervalMs)) return
      try {
        const next = await look(client)
        previous = next.status.pid === current.status.pid ? current : undefined
        current = next
        const rate = ratePerSecond(current, previous, ({ totals }) => totals.requests)
        history = [...history, rate].slice(-historyMax)
        trouble = ''
      } catch (error) {
        trouble = error instanceof Error ? error.message : String(error)
      }
      draw()
    }
  } finally {
    output.off('resize', draw)
    input.off('data', handleKey).setRawMode(false).pause()
    output.write('\x1b[?25h\x1b[?1049l')
  }
}

/** Blocked workers stand out: bold, where they are named. */
function emphasize(line: string, workers: readonly WorkerView[]): string {
  const states = workers.map(workerState).filter((state) => /^(?:blocked|stuck)/.test(state))
  const state = states.find((text) => line.includes(text))
  return state === undefined ? line : line.replace(state, `\x1b[1;31m${state}\x1b[0m`)
}

async function look(client: ControlClient): Promise<Look> {
  const [status, { workers }, requests] = await Promise.all([
    client.get<StatusView>('/status'),
    client.get<{ workers: WorkerView[] }>('/workers'),
    client.get<RequestsView>('/requests'),
  ])
  return { atMs: performance.now(), status, workers, requests }
}

async function settled(promise: Promise<void>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, ms, false)
  })
  try {
    return await Promise.race([promise.then(() => true), late])
  } finally {
    clearTimeout(timer)
  }
}
