/**
 * The kinds of value a setting can have: how each is written, what is accepted, and what it means.
 */
import { builtins } from '../builtins.js'
import { quoteShellWord, splitShellWords } from './shell-words.js'

/** What a value may depend on besides its text. */
export interface Machine {
  /** Threads that can run at once (`os.availableParallelism()`). */
  parallelism: number
}

export interface ValueKind<T> {
  /** Stands for the value in the help; empty for a switch, which takes none on the command line. */
  readonly metavar: string
  /** Completes the sentence "… is not …" in error messages. */
  readonly accepts: string
  /** @returns Undefined when the text is not accepted. */
  parse(text: string, machine: Machine): T | undefined
  /** A value the way it is written on a command line; what must not be shown is left out. */
  format(value: T): string
  /** The text of a number in a config file; absent where only text will do. */
  numberText?(value: number): string
}

/** An address to listen on, as the operator wrote it. Host names are not resolved yet. */
export type BindSpec =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'fd'; readonly fd: number }

const msPerUnit = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const
const bytesPerUnit = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 } as const

const portMax = 65_535
// sizeof(sockaddr_un.sun_path) less its final NUL. Checked here because a longer path would be cut, not refused, by
// the system interface.
const unixPathBytesMax = process.platform === 'darwin' ? 103 : 107
// 0, 1 and 2 are the standard streams.
const inheritedFdMin = 3

/** A whole number from `min` to `max`. */
export function integer(min: number, max: number): ValueKind<number> {
  return {
    metavar: 'N',
    accepts: `a whole number from ${min} to ${max}`,
    parse: (text) => parseInteger(text, min, max),
    format: String,
    numberText: String,
  }
}

/** A count of workers, or `auto` for one per thread the machine can run at once. */
export function workerCount(max: number): ValueKind<number> {
  return {
    metavar: 'N',
    accepts: `a whole number from 1 to ${max}, or auto`,
    parse: (text, machine) => (text === 'auto' ? Math.min(machine.parallelism, max) : parseInteger(text, 1, max)),
    format: String,
    numberText: String,
  }
}

/** A time span; its value is in milliseconds. */
export function duration(minMs: number, maxMs: number): ValueKind<number> {
  return {
    metavar: 'TIME',
    accepts: `a duration from ${formatDuration(minMs)} to ${formatDuration(maxMs)} (seconds, or with a unit: ms, s, m, h)`,
    parse(text) {
      const match = /^(\d+(?:\.\d+)?|\.\d+)(ms|s|m|h)?$/i.exec(text)
      if (!match) return undefined
      const unit = (match[2]?.toLowerCase() ?? 's') as keyof typeof msPerUnit // the pattern admits no other
      const ms = Math.round(Number(match[1]) * msPerUnit[unit])
      return inRange(ms, minMs, maxMs)
    },
    format: formatDuration,
    numberText: String,
  }
}

/** As a kind, but with one more word for "off": its value is 0. */
export function orZero(kind: ValueKind<number>): ValueKind<number> {
  return {
    ...kind,
    accepts: `${kind.accepts}, or 0`,
    parse: (text, machine) => (text === '0' ? 0 : kind.parse(text, machine)),
  }
}

/** A quantity of memory or data; its value is in bytes. */
export function size(minBytes: number, maxBytes: number): ValueKind<number> {
  return {
    metavar: 'SIZE',
    accepts: `a size from ${formatSize(minBytes)} to ${formatSize(maxBytes)} (bytes, or with a unit: k, m, g)`,
    parse(text) {
      const match = /^(\d+(?:\.\d+)?|\.\d+)([kmg])?$/i.exec(text)
      if (!match) return undefined
      const unit = (match[2]?.toLowerCase() ?? '') as keyof typeof bytesPerUnit // the pattern admits no other
      const bytes = Number(match[1]) * bytesPerUnit[unit]
      return Number.isInteger(bytes) ? inRange(bytes, minBytes, maxBytes) : undefined
    },
    format: formatSize,
    numberText: String,
  }
}

/** One of a few words. */
export function choice<const T extends string>(words: readonly T[]): ValueKind<T> {
  return {
    metavar: words.join('|'),
    accepts: `one of ${words.join(', ')}`,
    parse: (text) => words.find((word) => word === text),
    format: String,
  }
}

/** As `ssl.CERT_NONE`, `CERT_OPTIONAL` and `CERT_REQUIRED`, which Gunicorn is given as numbers. */
const certReqsWords = ['none', 'optional', 'required'] as const

/** Whether clients show a certificate. */
export const certReqs: ValueKind<(typeof certReqsWords)[number]> = {
  ...choice(certReqsWords),
  accepts: `one of ${certReqsWords.join(', ')} (or 0, 1, 2)`,
  parse: (text) => certReqsWords.find((word, index) => word === text || String(index) === text),
  numberText: String,
}

/** What OpenSSL makes of it is seen when it is used. */
export const cipherList: ValueKind<string> = {
  metavar: 'LIST',
  accepts: 'a list of cipher names, separated by colons',
  parse: (text) => (/^[\w!+@=:.-]*\w[\w!+@=:.-]*$/.test(text) ? text : undefined),
  format: String,
}

/** A certificate for some host names. */
export interface SniSpec {
  /** In lower case; `*.example.com` stands for one label. Undefined: the names in the certificate. */
  readonly host: string | undefined
  readonly certfile: string
  /** Undefined: the certificate's file has the key as well. */
  readonly keyfile: string | undefined
}

export const sniCertificate: ValueKind<SniSpec> = {
  metavar: '[HOST=]CERTFILE,KEYFILE',
  accepts: 'of the form [HOST=]CERTFILE,KEYFILE: a host name such as www.example.com or *.example.com, and two paths',
  parse(text) {
    const match = /^(?:((?:\*\.)?[\w-]+(?:\.[\w-]+)*)=)?([^,\0]+)(?:,([^,\0]+))?$/.exec(text)
    return match ? { host: match[1]?.toLowerCase(), certfile: match[2], keyfile: match[3] } : undefined
  },
  format: ({ host, certfile, keyfile }) =>
    `${host === undefined ? '' : `${host}=`}${certfile}${keyfile === undefined ? '' : `,${keyfile}`}`,
}

/** By what a client is known again. */
export const stickyRule: ValueKind<string> = {
  metavar: 'RULE',
  accepts: 'ip, cookie:NAME, header:NAME or query:NAME',
  parse: (text) => (/^(?:ip|(?:cookie|header|query):[\w!#$%&'*+.^`|~-]{1,256})$/.test(text) ? text : undefined),
  format: (rule) => rule,
}

/** Permission bits, in octal as everywhere in Unix. */
export const octalMask: ValueKind<number> = {
  metavar: 'MASK',
  accepts: 'an octal mask from 0 to 0777',
  parse(text) {
    const match = /^0?o?([0-7]{1,3})$/.exec(text)
    return match ? Number.parseInt(match[1], 8) : undefined
  },
  format: (mask) => `0${mask.toString(8)}`,
  // JavaScript writes octal numbers itself: 0o027 there is 027 here.
  numberText: (mask) => mask.toString(8),
}

/** On or off. On the command line a switch takes no value; elsewhere it must be spelt out. */
export const onOff: ValueKind<boolean> = {
  metavar: '',
  accepts: 'true or false (also 1/0, yes/no, on/off)',
  parse(text) {
    if (/^(?:true|1|yes|on)$/i.test(text)) return true
    if (/^(?:false|0|no|off)$/i.test(text)) return false
    return undefined
  },
  format: String,
}

/** A path in the file system; relative ones start at `--chdir`. */
export const filePath: ValueKind<string> = {
  metavar: 'PATH',
  accepts: 'a path',
  parse: (text) => (text === '' || text.includes('\0') ? undefined : text),
  format: String,
}

/** A user or group of the system. */
export const accountName: ValueKind<string> = {
  metavar: 'NAME',
  accepts: 'the name or number of an account',
  parse: (text) => (/^[\w.][\w.$-]*$/.test(text) ? text : undefined),
  format: String,
  numberText: String,
}

/** A path, or `-` for the standard stream. */
export const logDestination: ValueKind<string> = {
  metavar: 'PATH',
  accepts: 'a path, or - for standard error',
  parse: filePath.parse,
  format: String,
}

/** IP addresses and CIDR blocks, separated by commas; `*` stands for every address, nothing at all for none. */
export const ipBlocks: ValueKind<readonly string[]> = {
  metavar: 'ADDRESSES',
  accepts: 'a list of IP addresses and CIDR blocks such as 10.0.0.0/8,::1, or *',
  parse(text) {
    const blocks = text.split(',').map((block) => block.trim())
    if (text.trim() === '') return []
    return blocks.every(isIpBlock) ? blocks : undefined
  },
  format: (blocks) => blocks.join(','),
}

function isIpBlock(block: string): boolean {
  if (block === '*') return true
  const match = /^([\d.]+|[\da-f:.]+)(?:\/(\d{1,3}))?$/i.exec(block)
  const family = builtins.net().isIP(match?.[1] ?? '')
  return family !== 0 && Number(match?.[2] ?? 0) <= (family === 4 ? 32 : 128)
}

/** The beginning of request paths. */
export const pathPrefix: ValueKind<string> = {
  metavar: 'PATH',
  accepts: 'a path such as /health: a slash first, none at the end, and no query',
  parse: (text) => (/^(?:\/[\w.~!$&'()*+,;=:@%-]+)+$/.test(text) ? text : undefined),
  format: (path) => path,
}

/** Files of a folder, and the paths of requests for them: those below `prefix`, which is empty for all. */
export interface StaticMount {
  readonly prefix: string
  readonly folder: string
}

export const staticMount: ValueKind<StaticMount> = {
  metavar: 'URL=DIR',
  accepts: 'of the form URL=DIR: a path such as /assets, or /, and a folder',
  parse(text) {
    // Characters that a client has no reason to encode, and no segment that it would resolve.
    const match = /^(?=\/)((?:\/(?!\.\.?[/=])[\w.~!$&'()*+,;:@-]+)*)\/?=([^\0]+)$/.exec(text)
    return match ? { prefix: match[1], folder: match[2] } : undefined
  },
  format: ({ prefix, folder }) => `${prefix || '/'}=${folder}`,
}

/** The same for the access log, which goes to the other stream. */
export const accessLogDestination: ValueKind<string> = {
  ...logDestination,
  accepts: 'a path, or - for standard output',
}

/** Words for the Node.js of a worker: `--import tsx` may be given as one value. */
export const nodeArguments: ValueKind<readonly string[]> = {
  metavar: 'ARG',
  accepts: 'an argument of node, quoted as for a shell',
  parse(text) {
    const words = splitShellWords(text)
    return words?.length ? words : undefined
  },
  format: (words) => words.map(quoteShellWord).join(' '),
}

/** One variable for the application's environment. */
export const environmentVariable: ValueKind<readonly [name: string, value: string]> = {
  metavar: 'NAME=VALUE',
  accepts: 'of the form NAME=VALUE',
  parse(text) {
    const equals = text.indexOf('=')
    if (equals < 1 || text.includes('\0')) return undefined
    return [text.slice(0, equals), text.slice(equals + 1)]
  },
  // What applications are told this way is often a password.
  format: ([name]) => `${name}=(hidden)`,
}

export const bindAddress: ValueKind<BindSpec> = {
  metavar: 'ADDRESS',
  accepts: 'an address: HOST:PORT, [IPV6]:PORT, :PORT, unix:PATH or fd://N',
  parse(text) {
    if (text.startsWith('unix:')) {
      const path = text.slice('unix:'.length)
      const fits = path !== '' && !path.includes('\0') && Buffer.byteLength(path) <= unixPathBytesMax
      return fits ? { kind: 'unix', path } : undefined
    }
    if (text.startsWith('fd://')) {
      const fd = parseInteger(text.slice('fd://'.length), inheritedFdMin, 2 ** 31 - 1)
      return fd === undefined ? undefined : { kind: 'fd', fd }
    }
    const match = /^(?:(?:\[(?<v6>[^\]]+)\]|(?<host>[\w.-]*)):)?(?<port>\d+)$/.exec(text)
    if (!match?.groups) return undefined
    const { v6, host, port: portText } = match.groups
    const port = parseInteger(portText, 0, portMax)
    if (port === undefined || (v6 !== undefined && !builtins.net().isIPv6(v6))) return undefined
    // A port alone means every IPv4 address of the machine, as for Gunicorn.
    return { kind: 'tcp', host: v6 ?? (host || '0.0.0.0'), port }
  },
  format: formatBind,
}

/** Where the control API is served. */
export type ControlSpec = Exclude<BindSpec, { kind: 'fd' }>

export const controlAddress: ValueKind<ControlSpec> = {
  metavar: 'ADDRESS',
  accepts: 'an address: unix:PATH, HOST:PORT, [IPV6]:PORT or :PORT',
  parse(text) {
    const address = bindAddress.parse(text, { parallelism: 1 })
    return address?.kind === 'fd' ? undefined : address
  },
  format: formatBind,
}

// Guessing at a thousand tries a second, twelve characters of a random token take longer than anybody lives.
const secretCharactersMin = 12

/** What only those who are told it can know. */
export const secretText: ValueKind<string> = {
  metavar: 'SECRET',
  accepts: `a secret of ${secretCharactersMin} characters or more, without blanks`,
  parse: (text) => (new RegExp(`^[!-~]{${secretCharactersMin},}$`).test(text) ? text : undefined),
  format: () => '(hidden)',
}

/** Where datagrams go. */
export interface UdpAddress {
  readonly host: string
  readonly port: number
}

export const udpAddress: ValueKind<UdpAddress> = {
  metavar: 'ADDRESS',
  accepts: 'an address: HOST:PORT or [IPV6]:PORT',
  parse(text) {
    const address = /^:|^\d+$/.test(text) ? undefined : bindAddress.parse(text, { parallelism: 1 })
    return address?.kind === 'tcp' && address.port > 0 ? { host: address.host, port: address.port } : undefined
  },
  format: ({ host, port }) => formatBind({ kind: 'tcp', host, port }),
}

/** Part of the names of metrics. */
export const metricPrefix: ValueKind<string> = {
  metavar: 'PREFIX',
  accepts: 'of letters, digits, dots, underscores and hyphens',
  parse: (text) => (/^[\w.-]+$/.test(text) ? text : undefined),
  format: String,
}

/** What `PORT` means to a hosting platform: that port, on every address. */
export const portOfPlatform: ValueKind<BindSpec> = {
  metavar: 'PORT',
  accepts: `a port number from 0 to ${portMax}`,
  parse(text) {
    const port = parseInteger(text, 0, portMax)
    return port === undefined ? undefined : { kind: 'tcp', host: '0.0.0.0', port }
  },
  format: formatBind,
}

/** The way a bind address is written on the command line. */
export function formatBind(bind: BindSpec): string {
  switch (bind.kind) {
    case 'tcp':
      return bind.host.includes(':') ? `[${bind.host}]:${bind.port}` : `${bind.host}:${bind.port}`
    case 'unix':
      return `unix:${bind.path}`
    case 'fd':
      return `fd://${bind.fd}`
    default:
      return bind satisfies never
  }
}

/** Milliseconds in the largest unit that shows them whole. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0'
  for (const unit of ['h', 'm', 's'] as const) {
    if (ms % msPerUnit[unit] === 0) return `${ms / msPerUnit[unit]}${unit}`
  }
  return `${ms}ms`
}

/** Bytes in the largest unit that shows them whole. */
export function formatSize(bytes: number): string {
  for (const unit of ['g', 'm', 'k'] as const) {
    if (bytes > 0 && bytes % bytesPerUnit[unit] === 0) return `${bytes / bytesPerUnit[unit]}${unit}`
  }
  return String(bytes)
}

function parseInteger(text: string, min: number, max: number): number | undefined {
  // Fifteen digits stay exact in a double; the ranges are all far below.
  return /^\d{1,15}$/.test(text) ? inRange(Number(text), min, max) : undefined
}

function inRange(value: number, min: number, max: number): number | undefined {
  return value >= min && value <= max ? value : undefined
}
