/**
 * Heads of responses that come again: most applications answer most requests with the same few fields. One that was made
 * and checked before is not put together, checked and encoded anew.
 */
import { Buffer } from 'node:buffer'
import type { HeaderEntries } from './headers.js'

/** Status line and fields of a response, in ASCII. Never changed once made. */
export interface Head {
  readonly status: number
  readonly reason: string
  readonly names: readonly string[]
  readonly values: readonly unknown[]
  readonly text: string
  readonly bytes: Uint8Array
  /** Content-Length; -1: not among the fields. */
  readonly length: number
  /** Date is among the fields. */
  readonly hasDate: boolean
}

const SLOTS = 16
/** Of so many heads that are not the one in their slot, one takes its place: those that never come again cost little. */
const MISSES = 8
/** Bytes of a head that is kept, so that all together are at most 64 KiB. */
const HEAD_MAX = 4096

const slots: (Head | null)[] = new Array(SLOTS).fill(null)
const misses: number[] = new Array(SLOTS).fill(MISSES - 1)

/** The last value tells responses apart that are alike otherwise: most often it is the length. */
function slotOf(status: number, count: number, last: unknown): number {
  const salt = typeof last === 'string' ? last.length : typeof last === 'number' ? last : 0
  return (status + count * 5 + salt) & (SLOTS - 1)
}

function candidate(status: number, reason: string, count: number, last: unknown): Head | null {
  const head = slots[slotOf(status, count, last)]
  return head !== null && head.status === status && head.names.length === count && head.reason === reason ? head : null
}

// The fields of a response come in three forms. Each is looked through where it lies: an array of names and one of values
// would cost more than the rest, and be garbage at once.

/** The head with just the fields of a table, in this order. */
export function recallTable(status: number, reason: string, table: HeaderEntries): Head | null {
  let count = 0
  let last: unknown
  for (const lower in table) {
    last = table[lower][1]
    count++
  }
  const head = candidate(status, reason, count, last)
  if (head === null) return null
  const { names, values } = head
  let at = 0
  for (const lower in table) {
    const entry = table[lower]
    if (entry[1] !== values[at] || entry[0] !== names[at]) return null
    at++
  }
  return head
}

/** The same of an array of names and values in turn. */
export function recallList(status: number, reason: string, list: readonly unknown[]): Head | null {
  const head = candidate(status, reason, list.length >> 1, list[list.length - 1])
  if (head === null) return null
  const { names, values } = head
  for (let at = 0; at < names.length; at++) {
    if (list[at * 2 + 1] !== values[at] || list[at * 2] !== names[at]) return null
  }
  return head
}

/** The same of the object's own properties. */
export function recallObject(status: number, reason: string, fields: HeaderObject): Head | null {
  const keys = Object.keys(fields)
  const count = keys.length
  const head = candidate(status, reason, count, count === 0 ? undefined : fields[keys[count - 1]])
  if (head === null) return null
  const { names, values } = head
  for (let at = 0; at < count; at++) {
    const key = keys[at]
    if (key !== names[at] || fields[key] !== values[at]) return null
  }
  return head
}

export interface HeaderObject {
  readonly [name: string]: unknown
}

/** Told of each head that was not known. The values must be strings and numbers, the text ASCII. */
export function rememberHead(
  status: number,
  reason: string,
  names: readonly string[],
  values: readonly unknown[],
  text: string,
  length: number,
  hasDate: boolean,
): void {
  const slot = slotOf(status, values.length, values[values.length - 1])
  misses[slot]++
  if (misses[slot] < MISSES || text.length > HEAD_MAX) return
  misses[slot] = 0
  const bytes = Buffer.from(text, 'latin1')
  // Read back, the text is one piece, and not the tree of all it was put together from.
  slots[slot] = { status, reason, names, values, text: bytes.toString('latin1'), bytes, length, hasDate }
}
