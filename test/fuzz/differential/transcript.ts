/**
 * What a server made of the bytes of one connection: the requests it saw, and how its reading ended. Octets are kept as
 * Latin-1 text, one character each.
 */

export interface SeenRequest {
  method: string
  target: string
  /** `1.1` */
  version: string
  /** Name, value, name, value, … in the order they came. */
  fields: string[]
  /** Another request may follow on the connection. */
  keepsAlive: boolean
  /** What follows the head is not HTTP: CONNECT, or an Upgrade. */
  isTunnel: boolean
  body: string
  trailers: string[]
  /** Its end was seen. */
  isWhole: boolean
}

export type Ending =
  /** Nothing is half read. */
  | { kind: 'clean' }
  /** It waits for more of a message. */
  | { kind: 'more' }
  /** It has read all it is going to read: of a connection that closes, or that is a tunnel now. */
  | { kind: 'over' }
  /** It refused what came next. */
  | { kind: 'refused'; fault: string }

export interface Transcript {
  requests: SeenRequest[]
  ending: Ending
}

/** One connection's bytes, in the pieces they arrive in. */
export interface Stream {
  pieces: Buffer[]
}

export function wholeOf(stream: Stream): Buffer {
  return Buffer.concat(stream.pieces)
}

/** Leaves out all behind a request that ends the exchange of requests: what follows it is nobody's. */
export function cutAtEnd(transcript: Transcript): Transcript {
  const last = transcript.requests.findIndex((one) => one.isTunnel || (one.isWhole && !one.keepsAlive))
  if (last === -1) return transcript
  return { requests: transcript.requests.slice(0, last + 1), ending: { kind: 'over' } }
}

/** Octets as the HTTP vectors write them (test/http/vectors/README.md). */
export function escapeOctets(bytes: Buffer): string {
  let text = ''
  for (const octet of bytes) {
    if (octet === 13) text += '\\r'
    else if (octet === 10) text += '\\n'
    else if (octet === 9) text += '\\t'
    else if (octet === 92) text += '\\\\'
    else if (octet < 32 || octet > 126) text += `\\x${octet.toString(16).padStart(2, '0')}`
    else text += String.fromCharCode(octet)
  }
  return text
}

/** The other way round; `\(text*count)` is `text` repeated. */
export function unescapeOctets(text: string): Buffer {
  const plain = { r: '\r', n: '\n', t: '\t', '\\': '\\' } as Record<string, string>
  const once = (escaped: string): string =>
    escaped.replace(/\\(?:x([0-9a-f]{2})|(.))/g, (all, hex: string | undefined, letter: string) => {
      if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16))
      if (!(letter in plain)) throw new Error(`no such escape: ${all}`)
      return plain[letter]
    })
  // Innermost first.
  const inner = /\\\(((?:(?!\\\()[\s\S])*?)\*(\d+)\)/
  let repeated = text
  for (let match = inner.exec(repeated); match !== null; match = inner.exec(repeated)) {
    const [all, part, count] = match
    repeated = repeated.slice(0, match.index) + part.repeat(Number(count)) + repeated.slice(match.index + all.length)
  }
  return Buffer.from(once(repeated), 'latin1')
}
