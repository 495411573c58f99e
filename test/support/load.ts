/**
 * Steady load from keep-alive connections, each sending one request after another and checking every answer. What goes
 * wrong is counted and described, never retried: a test of a reload asks for no failure at all.
 */
import { defaultDeadlineMs, within } from './deadline.js'
import { connect, message, type RawConnection, type RawResponse, type Target } from './http.js'

export interface LoadOptions {
  target: Target
  /** Opens one connection, where it is not a plain one. */
  open?: () => Promise<RawConnection>
  connections?: number
  /** Bytes of the next request; `sequence` counts over all connections. */
  request?: (sequence: number) => Buffer
  /** Throws when an answer is not the one wanted. The default wants status 200. */
  check?: (response: RawResponse, sequence: number) => void
  /** Open a new connection in place of one the server closed (it counts all the same). Otherwise it stays away. */
  reconnect?: boolean
}

export interface LoadReport {
  /** Answers that came whole, whatever they said. */
  answers: number
  byStatus: Record<number, number>
  /** Answers that `check` refused, and requests that got none. The first 20 are described. */
  failures: number
  /** Connections that ended before `stop()`. */
  closed: number
  descriptions: string[]
}

export interface Load {
  readonly report: LoadReport
  /** Resolves when `count` more answers have come: "the load goes on" as a fact. */
  progress(count: number, ms?: number): Promise<void>
  /** Lets every connection get its outstanding answer, closes them, and gives the final report. */
  stop(ms?: number): Promise<LoadReport>
}

/** Resolves once every connection is open. */
export async function startLoad(options: LoadOptions): Promise<Load> {
  const { target, open = () => connect(target), connections = 64, reconnect = false } = options
  const request = options.request ?? (() => message('GET', '/'))
  const check = options.check ?? wants200
  const report: LoadReport = { answers: 0, byStatus: {}, failures: 0, closed: 0, descriptions: [] }
  const waiters = new Set<() => void>()
  let sequence = 0
  let isStopping = false

  const note = (description: string) => {
    if (report.descriptions.length < 20) report.descriptions.push(description)
  }

  async function drive(first: RawConnection): Promise<void> {
    let connection = first
    for (;;) {
      const number = sequence++
      const bytes = request(number)
      let isLast = false
      const method = bytes.toString('latin1', 0, bytes.indexOf(' '))
      try {
        connection.write(bytes)
        const response = await connection.readResponse({ method, ms: defaultDeadlineMs })
        report.answers += 1
        // From then on the server owes nothing more: a client that asks again all the same has itself to blame.
        isLast = response.headers.connection?.toLowerCase() === 'close'
        report.byStatus[response.status] = (report.byStatus[response.status] ?? 0) + 1
        check(response, number)
      } catch (error) {
        report.failures += 1
        note(`request ${number}: ${error instanceof Error ? error.message : String(error)}`)
      }
      for (const waiter of waiters) waiter()
      if (isStopping) break
      if (connection.state === 'open' && !isLast) continue
      report.closed += 1
      note(`connection closed after request ${number}: ${JSON.stringify(connection.state)}`)
      if (!reconnect) break
      connection.destroy()
      connection = await open()
    }
    connection.destroy()
  }

  const opened = await Promise.all(Array.from({ length: connections }, open))
  const drivers = opened.map(drive)
  return {
    report,
    progress(count, ms) {
      const goal = report.answers + count
      const reached = new Promise<void>((settle) => {
        const look = () => {
          if (report.answers < goal) return
          waiters.delete(look)
          settle()
        }
        waiters.add(look)
        look()
      })
      return within(reached, `${count} more answers under load`, ms, () => JSON.stringify(report))
    },
    async stop(ms) {
      isStopping = true
      await within(Promise.all(drivers), 'end of the load', ms ?? 2 * defaultDeadlineMs, () => JSON.stringify(report))
      return report
    },
  }
}

function wants200(response: RawResponse): void {
  if (response.status !== 200) throw new Error(`status ${response.status}: ${response.text.slice(0, 200)}`)
}
