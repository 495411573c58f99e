/**
 * Header names and values on the way out: what is known to be fine without asking Node, and what needs Node's own care.
 */
import { Buffer } from 'node:buffer'

/** What a field means to the framing of a response. */
export enum FieldRole {
  Plain = 0,
  ContentLength = 1,
  Date = 2,
  /** Connection, Transfer-Encoding and others that change the framing: Node's own code handles them. */
  Special = 3,
}

export interface FieldInfo {
  readonly lower: string
  readonly role: FieldRole
  /** A value that was found to be plain. */
  plain: string
  /** Values since then that were others. */
  misses: number
}

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** Values that are the same in ASCII, latin1 and UTF-8 and allowed by every Node. */
const plainValue = /^[\t\x20-\x7e]*$/
const plainText = /^[\t\r\n\x20-\x7e]*$/

const special = new Set(['connection', 'keep-alive', 'transfer-encoding', 'trailer', 'expect', 'upgrade'])

// Names are few and come again; the bound is for apps that make them up.
const KNOWN_MAX = 512
const known = new Map<string, FieldInfo>()
/** Characters of a value that is kept to be known again, so that all together are at most 128 KiB. */
const PLAIN_MAX = 256
/** Of so many values that are not the one kept, one takes its place: those that never come again cost little. */
const PLAIN_MISSES = 8

/** Facts about a valid field name; undefined for what Node must judge. */
export function fieldInfo(name: string): FieldInfo | undefined {
  const found = known.get(name)
  return found !== undefined ? found : learn(name)
}

function learn(name: string): FieldInfo | undefined {
  if (typeof name !== 'string' || !token.test(name)) return undefined
  const lower = name.toLowerCase()
  const role =
    lower === 'content-length'
      ? FieldRole.ContentLength
      : lower === 'date'
        ? FieldRole.Date
        : special.has(lower)
          ? FieldRole.Special
          : FieldRole.Plain
  const info = { lower, role, plain: '', misses: PLAIN_MISSES - 1 }
  if (known.size < KNOWN_MAX) known.set(name, info)
  return info
}

export function isPlainValue(value: string): boolean {
  return plainValue.test(value)
}

/** The same of a value of this field. Most have the same one in every response: that is compared faster than judged. */
export function isPlainFieldValue(info: FieldInfo, value: string): boolean {
  if (value === info.plain) return true
  if (!plainValue.test(value)) return false
  if (++info.misses >= PLAIN_MISSES && value.length <= PLAIN_MAX) {
    info.misses = 0
    // A copy: the value itself may be a piece of a long text, which it would keep.
    info.plain = Buffer.from(value, 'latin1').toString('latin1')
  }
  return true
}

/** The same of a whole head. */
export function isPlainText(text: string): boolean {
  return plainText.test(text)
}

/**
 * The prototype of header tables: null-prototype objects in effect, as Node's are, but made by a constructor, so that
 * V8 gives tables with the same names one shape instead of a dictionary each.
 */
function HeaderTable(this: object): void {}
HeaderTable.prototype = Object.create(null)

export type HeaderEntries = { [lower: string]: [name: string, value: unknown] }

export function newHeaderTable(): HeaderEntries {
  // A function called with `new` for its prototype alone: TypeScript has no type for that.
  return new (HeaderTable as unknown as new () => HeaderEntries)()
}
