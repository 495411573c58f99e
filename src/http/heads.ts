/**
 * Heads of responses that come again: most applications answer most requests with the same few fields. One that was made
 * and checked before is not put together, checked and encoded anew.
 */
import { Buffer } from 'node:buffer'

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
function slotOf(status: number, values: readonly unknown[]): number {
  const last = values.length === 0 ? 0 : values[values.length - 1]
  const salt = typeof last === 'string' ? last.length : typeof last === 'number' ? last : 0
  return (status + values.length * 5 + salt) & (SLOTS - 1)
}

/** The head with just these fields, in this order. */
export function recallHead(
  status: number,
  reason: string,
  names: readonly string[],
  values: readonly unknown[],
): Head | null {
  const head = slots[slotOf(status, values)]
  if (head === null || head.status !== status || head.reason !== reason || head.names.length !== names.length)
    return null
  // What is most likely to differ comes last in most heads.
  for (let i = names.length - 1; i >= 0; i--) {
    if (head.values[i] !== values[i] || head.names[i] !== names[i]) return null
  }
  return head
}

/** Told of each head that `recallHead` did not know. The values must be strings and numbers, the text ASCII. */
export function rememberHead(
  status: number,
  reason: string,
  names: readonly string[],
  values: readonly unknown[],
  text: string,
  length: number,
  hasDate: boolean,
): void {
  const slot = slotOf(status, values)
  misses[slot]++
  if (misses[slot] < MISSES || text.length > HEAD_MAX) return
  misses[slot] = 0
  const bytes = Buffer.from(text, 'latin1')
  // Read back, the text is one piece, and not the tree of all it was put together from.
  slots[slot] = { status, reason, names, values, text: bytes.toString('latin1'), bytes, length, hasDate }
}
