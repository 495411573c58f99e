/**
 * The format of the access log: Gunicorn's atoms, and those of our own, from the operator's text to the parts of a line.
 */
import type { ValueKind } from './values.js'

export interface AccessPart {
  readonly atom: string
  /** A literal, or the lower-case name of a header; empty for the others. */
  readonly text: string
}

/** What the operator wrote, and what it means. */
export interface AccessFormat {
  readonly text: string
  readonly parts: readonly AccessPart[]
  /** One JSON object a line. */
  readonly isJson: boolean
}

/** The combined format, then the duration in seconds. */
const combined = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s" %(L)s'

/** By letter. The first block is Gunicorn's; its `{NAME}e` has no counterpart, for there is no WSGI environment. */
const atoms: Readonly<Record<string, string>> = {
  h: 'remoteAddress',
  l: 'dash',
  u: 'user',
  t: 'time',
  r: 'requestLine',
  m: 'method',
  U: 'path',
  q: 'query',
  H: 'protocol',
  s: 'status',
  B: 'bytes',
  b: 'bytesOrDash',
  f: 'referer',
  a: 'userAgent',
  T: 'seconds',
  M: 'milliseconds',
  D: 'microseconds',
  L: 'secondsDecimal',
  p: 'process',

  R: 'target',
  Z: 'timeIso',
  Q: 'queueDecimal',
  W: 'handlerDecimal',
  X: 'connectionState',
}

const jsonMembers: readonly (readonly [name: string, atom: string, text?: string])[] = [
  ['remoteAddress', 'remoteAddress'],
  ['user', 'user'],
  ['method', 'method'],
  ['url', 'target'],
  ['requestLine', 'requestLine'],
  ['httpVersion', 'protocol'],
  ['host', 'requestHeader', 'host'],
  ['status', 'status'],
  ['bytes', 'bytes'],
  ['durationMs', 'millisecondsDecimal'],
  ['queueMs', 'queueDecimal'],
  ['handlerMs', 'handlerDecimal'],
  ['referer', 'referer'],
  ['userAgent', 'userAgent'],
  ['aborted', 'isAborted'],
]

export const accessFormat: ValueKind<AccessFormat> = {
  metavar: 'FORMAT',
  accepts:
    'combined, json, or a format of %(ATOM)s, %({Header}i)s and %({Header}o)s (docs/access-log.md lists the atoms)',
  parse: parseAccessFormat,
  format: ({ text }) => text,
}

/** @returns Undefined when the text names an atom that there is not, or could end a line. */
export function parseAccessFormat(text: string): AccessFormat | undefined {
  if (text === 'combined') return { text, parts: textParts(combined) ?? [], isJson: false }
  if (text === 'json') return { text, parts: jsonParts(), isJson: true }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for; a tab is a fine separator.
  if (text === '' || /[\x00-\x08\x0a-\x1f\x7f]/.test(text)) return undefined
  const parts = textParts(text)
  return parts && { text, parts, isJson: false }
}

function textParts(text: string): AccessPart[] | undefined {
  const parts: AccessPart[] = []
  let rest = text
  while (rest !== '') {
    const literal = /^[^%]+/.exec(rest)?.[0] ?? (rest.startsWith('%%') ? '%%' : '')
    if (literal !== '') {
      parts.push({ atom: 'literal', text: literal === '%%' ? '%' : literal })
      rest = rest.slice(literal.length)
      continue
    }
    const match = /^%\((?:(?<letter>[A-Za-z])|\{(?<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+)\}(?<side>[io]))\)s/.exec(rest)
    if (!match?.groups) return undefined
    const { letter, name, side } = match.groups
    if (letter !== undefined) {
      if (!Object.hasOwn(atoms, letter)) return undefined
      parts.push({ atom: atoms[letter], text: '' })
    } else {
      parts.push({ atom: side === 'i' ? 'requestHeader' : 'responseHeader', text: name.toLowerCase() })
    }
    rest = rest.slice(match[0].length)
  }
  return parts
}

function jsonParts(): AccessPart[] {
  const parts: AccessPart[] = [
    { atom: 'literal', text: '{"time":"' },
    { atom: 'timeIso', text: '' },
    { atom: 'literal', text: '"' },
  ]
  for (const [name, atom, text = ''] of jsonMembers) {
    parts.push({ atom: 'literal', text: `,"${name}":` }, { atom, text })
  }
  parts.push({ atom: 'literal', text: '}' })
  return parts
}
