/**
 * What became of every request: right, aborted by us, failed for a reason that is known, or lost.
 */

/** A request that was not answered as it should have been. Times as of `performance.now()`. */
export interface Failure {
  id: number
  kind: string
  /** `status`: another answer than the one wanted; `cut`: the connection ended in the middle of the answer, or before. */
  what: 'status' | 'wrong' | 'cut' | 'late' | 'behind'
  status?: number
  /** Something of the answer had come. */
  hasBegun?: boolean
  /** When its connection was opened, and when the failure was seen. */
  openedMs: number
  endedMs: number
  detail: string
}

/** A connection that the server closed while it owed nothing and had not said that it would. */
export interface Closure {
  openedMs: number
  endedMs: number
  detail: string
}

/** What is known about the servers when all is over. */
export interface Facts {
  /** The worker that began a request, as `pid:number`. */
  begun: ReadonlyMap<number, string>
  /** Workers that were given a request that ends its worker. */
  doomed: ReadonlySet<string>
  /** Workers that have ended, for whatever reason. */
  left: ReadonlySet<string>
  /** When doomed workers died, as the log says. */
  workerDeathsMs: readonly number[]
  /** When a whole process was killed: from before it was until it was known to be dead. */
  deaths: readonly { fromMs: number; toMs: number }[]
}

export interface Judgement {
  /** Failed requests by the reason for it. */
  excused: Record<string, number>
  lost: string[]
  /** Connections that died with a process. */
  closedByDeath: number
  closed: string[]
}

export class Ledger {
  sent = 0
  aborted = 0
  refused: string[] = []
  readonly right: Record<string, number> = {}
  readonly failures: Failure[] = []
  readonly closures: Closure[] = []

  /** The number of the next request. */
  begin(): number {
    this.sent += 1
    return this.sent
  }

  noteRight(kind: string): void {
    this.right[kind] = (this.right[kind] ?? 0) + 1
  }
}

export function judge({ failures, closures }: Ledger, facts: Facts): Judgement {
  const judgement: Judgement = { excused: {}, lost: [], closedByDeath: 0, closed: [] }
  for (const failure of failures) {
    const excuse = excuseFor(failure, facts)
    if (excuse !== undefined) judgement.excused[excuse] = (judgement.excused[excuse] ?? 0) + 1
    else judgement.lost.push(describe(failure, facts))
  }
  for (const closure of closures) {
    if (diedMeanwhile(closure, facts)) judgement.closedByDeath += 1
    else judgement.closed.push(closure.detail)
  }
  return judgement
}

function excuseFor(failure: Failure, facts: Facts): string | undefined {
  const { id, kind, what, status, hasBegun } = failure
  if (what === 'wrong' || what === 'late') return undefined
  // Nothing was begun for it: HTTP lets a client send it again.
  if (what === 'behind') return 'behind a last answer on its connection'
  if (what === 'cut' && diedMeanwhile(failure, facts)) return 'its process was killed'
  const worker = facts.begun.get(id)
  if (worker === undefined) {
    // Node's own parser reads an upgrade in the worker, a turn before the application hears of it.
    const isUpgrade = kind === 'websocket' && (status === 502 || status === 504)
    const hasDied = (ms: number) => Math.abs(ms - failure.endedMs) < 1000
    return isUpgrade && facts.workerDeathsMs.some(hasDied) ? 'its worker was killed: before an upgrade' : undefined
  }
  if (facts.doomed.has(worker)) {
    if (what === 'status') return status === 502 || status === 504 ? `its worker was killed: ${status}` : undefined
    return hasBegun ? 'its worker was killed: cut within the answer' : 'its worker was killed: cut before the answer'
  }
  // A WebSocket lasts no longer than its worker, which may be told to leave.
  if (kind === 'websocket' && what === 'cut' && facts.left.has(worker)) return 'its worker left: WebSocket closed'
  return undefined
}

/** Whether the connection was open when a whole process was killed. */
function diedMeanwhile({ openedMs, endedMs }: Closure | Failure, { deaths }: Facts): boolean {
  return deaths.some(({ fromMs, toMs }) => openedMs <= toMs && endedMs >= fromMs)
}

function describe({ id, kind, what, status, detail }: Failure, { begun }: Facts): string {
  const where = begun.has(id) ? `begun in worker ${begun.get(id)}` : 'never begun'
  return `request ${id} (${kind}), ${where}: ${what}${status === undefined ? '' : ` ${status}`}: ${detail}`
}
