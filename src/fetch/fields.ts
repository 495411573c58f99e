/**
 * Response header fields as a flat list of names and values, which is what `writeHead` takes: the cheap form of a
 * `HeadersInit`, checked by the same rules.
 */
import { RequestHeaders } from './headers.js'

const RealHeaders = globalThis.Headers

export type HeadersInit = NonNullable<ResponseInit['headers']>

/** What a field means to the sender. */
export enum FieldKind {
  Ordinary,
  ContentType,
  ContentLength,
  ContentEncoding,
  /** Framing and connection: the server's business, and upstream's when a fetched response is passed on. */
  TransferEncoding,
  Connection,
  KeepAlive,
  /** Hono's mark on a response that stands for one already written to the Node response. */
  AlreadySent,
}

// Every name seen, so that checking and classing one is a look-up. Names come from the application's code, but it may
// pass on what others send, hence the bound.
const namesMax = 512
const wellKnown: [string, FieldKind][] = [
  ['content-type', FieldKind.ContentType],
  ['content-length', FieldKind.ContentLength],
  ['content-encoding', FieldKind.ContentEncoding],
  ['transfer-encoding', FieldKind.TransferEncoding],
  ['connection', FieldKind.Connection],
  ['keep-alive', FieldKind.KeepAlive],
  ['x-hono-already-sent', FieldKind.AlreadySent],
]
const kinds = new Map(wellKnown)

const token = /^[!#$%&'*+\-.^_`|~\w]+$/
const plainValue = /^(?:[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?$/

/** The kind of a valid field name in any case; null when the name is not one. */
export function kindOf(name: string): FieldKind | null {
  const known = kinds.get(name)
  if (known !== undefined) return known
  if (!token.test(name)) return null
  const kind = kinds.get(name.toLowerCase()) ?? FieldKind.Ordinary
  if (kinds.size >= namesMax) {
    kinds.clear()
    for (const [wellKnownName, wellKnownKind] of wellKnown) kinds.set(wellKnownName, wellKnownKind)
  }
  kinds.set(name, kind)
  return kind
}

/** Copies `init` into a list. Throws the TypeErrors `new Headers(init)` throws. */
export function fieldsOf(init: HeadersInit): string[] {
  const fields: string[] = []
  if (init instanceof RealHeaders && !(init instanceof RequestHeaders)) {
    for (const [name, value] of init) fields.push(name, value)
    return fields
  }
  if (!isPlainObject(init)) return fieldsOf(new RealHeaders(init))
  for (const name of Object.keys(init)) {
    const value = init[name]
    if (typeof value !== 'string' || kindOf(name) === null || !plainValue.test(value)) {
      return fieldsOf(new RealHeaders(init))
    }
    fields.push(name, value)
  }
  return fields
}

/** Which kinds occur, as bits: one pass for all the questions a sender has. */
export function kindsIn(fields: readonly string[]): number {
  let kinds = 0
  for (let i = 0; i < fields.length; i += 2) kinds |= 1 << (kindOf(fields[i]) ?? FieldKind.Ordinary)
  return kinds
}

export function hasKind(kinds: number, kind: FieldKind): boolean {
  return (kinds & (1 << kind)) !== 0
}

export function headersOf(fields: readonly string[]): Headers {
  const headers = new RealHeaders()
  for (let i = 0; i < fields.length; i += 2) headers.append(fields[i], fields[i + 1])
  return headers
}

function isPlainObject(value: object): value is Record<string, string> {
  const prototype = Object.getPrototypeOf(value)
  return (prototype === Object.prototype || prototype === null) && !(Symbol.iterator in value)
}
