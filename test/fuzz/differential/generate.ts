/**
 * Makes request streams up: mostly right ones, with the oddities that parsers are known to differ on, then perhaps
 * bytes changed at random, and cut into pieces anywhere.
 */
import { METHODS } from 'node:http'
import type { Random } from '../random.js'
import type { Stream } from './transcript.js'

const oddMethods = ['get', 'GETS', 'G', '', ' GET', 'PRI', 'FOO', 'GET\t', 'G\0T', 'GE T', 'OPTION', 'PUTT', 'M-SEARC']
const targets = ['/', '/a', '/a/b?c=d&e=%20', '/%00', "/!$&'()*+,;=:@-._~", '/{}|\\^`"<>', '/?', '//a', '/a%']
const oddTargets = [
  '*',
  'a',
  '',
  '?a',
  'http://a.test/',
  'http://a.test',
  'HTTP://a.test:80/x?y',
  'https://[::1]:8/',
  'http://u:p@a.test/',
  'http:///',
  'http:/a',
  'ftp://a.test/',
  'a.test:80',
  '[::1]:80',
  '/#f',
  '/a#',
  '/\xe9',
  '/\x7f',
  '/\0',
  '/a b',
  '/a\tb',
  '/\x01',
]
const oddVersions = [
  'HTTP/1.2',
  'HTTP/0.9',
  'HTTP/2.0',
  'HTTP/1.10',
  'HTTP/1.',
  'HTTP/11',
  'http/1.1',
  'HTTP/1.1 ',
  'HTTP/1.1\t',
  '',
  'HTTP /1.1',
  'ICE/1.0',
  'RTSP/1.0',
  'HTTP/3',
  'HTTP/+1.1',
]
const lineEnds = ['\n', '\r', '\r\r\n', '\n\r', '\r\n\r\n', ' \r\n', '']
const hosts = ['a.test', 'a.test:80', '127.0.0.1', '[::1]', '[::1]:8000', 'A.TEST', 'a_b.test']
const oddHosts = [
  '',
  ' ',
  'a b',
  'a,b',
  'a/b',
  'u@a',
  'a:b',
  '[::1',
  '[zz]',
  'a:99999',
  'a:',
  ':80',
  '%41',
  '\xe9',
  'a\0',
]
const connections = ['keep-alive', 'close', 'Keep-Alive', 'CLOSE', 'close, x', 'x, keep-alive', 'upgrade', 'te, close']
const oddConnections = ['', ',', 'close,', ', close', 'close keep-alive', 'close;x', 'clos', 'closed', '"close"', 'a/b']
const expectations = ['100-continue', '100-Continue']
const oddExpectations = ['', '200-ok', '100-continue, x', 'x 100-continue', '100-continue;a', '100continue']
const codings = ['chunked', 'Chunked', 'CHUNKED']
const oddCodings = [
  'gzip, chunked',
  'gzip',
  'chunked, gzip',
  'chunked, chunked',
  'chunked,',
  ', chunked',
  'chunked;q=1',
  'xchunked',
  'chunkedx',
  'chunked\x0b',
  '"chunked"',
  'identity',
  'identity, chunked',
  '',
  'chunked identity',
  'chunke',
  'gzip,chunked',
]
const names = [
  'Accept',
  'X-A',
  'x-b',
  'Cookie',
  'User-Agent',
  'Content-Type',
  'Keep-Alive',
  'Via',
  'X_Y',
  "!#$%&'*+.^`|~",
]
const oddNames = [
  '',
  ' X',
  'X ',
  'X\t',
  'X Y',
  'X(Y)',
  'X/Y',
  'X[',
  '\xe9',
  'X\0',
  'X\x7f',
  '"X"',
  'X;',
  'X@Y',
  'X\r',
  'X,',
]
const closeNames = [
  'Content-Lengt',
  'Content-Length2',
  'Transfer-Encodin',
  'Transfer-Encodings',
  'Hos',
  'Hosts',
  'Connectio',
]
const values = ['', 'a', 'a b', ' a', 'a ', '\ta\t ', 'a, b', '"q"', 'a:b', 'text/html;q=0.5', '*/*', 'x'.repeat(40)]
const oddValues = [
  '\xe9',
  '\x80\xff',
  'a\0b',
  'a\x01',
  'a\x7f',
  'a\rb',
  'a\nb',
  'a\r\n b',
  'a\r\n\tb',
  '\x0b',
  '\x0ca',
  '\r',
  'a\x1f',
]
const oddLengths = ['', '+5', '-1', '0x5', '5 ', ' 5', '5,5', '5, 5', '5a', '05', '1e1', '5.0', '99999999999999999999']
const hugeLengths = ['9223372036854775807', '9223372036854775808', '18446744073709551615', '18446744073709551616']
const extensions = [';a', ';a=b', ';a="b"', '; a=b', ' ;a', ';a = b', ';a="\\"";c', ';a=b;c=d']
const oddExtensions = [
  ';',
  ' ',
  '\t',
  ' a',
  ';=',
  ';a=',
  ';"a"',
  ';a="',
  ';a="\xe9"',
  ';a\0',
  ';;',
  ';a=b c',
  ';a="b"c',
  ';\n',
  ';a\r',
  ';a="\n"',
]
const oddSizes = [
  '',
  '0x5',
  '+5',
  '-5',
  ' 5',
  '5 ',
  'g',
  '5g',
  '5_0',
  'ffffffffffffffff',
  '10000000000000000',
  '5.0',
  '00000000000000005',
]
const forbidden = ['Content-Length', 'Transfer-Encoding', 'Host', 'Connection', 'Trailer', 'Cookie', 'Authorization']
/** What byte-wise changes put in. */
const sharp = [
  '\r',
  '\n',
  '\r\n',
  ' ',
  '\t',
  ':',
  ',',
  ';',
  '"',
  '\0',
  '\x7f',
  '\x80',
  '\xff',
  '0',
  '1',
  'f',
  '-',
  '\\',
  '=',
  'A',
  '#',
]

/** A chunk, trailer or field lines at or beyond the limits would fill every stream: once in so many of them. */
const longOnce = 400

export class Generator {
  readonly #random: Random
  /** Other streams to take pieces from. */
  readonly #seeds: readonly Buffer[]
  /** Probability that a part is an odd one. */
  #oddness = 0

  constructor(random: Random, seeds: readonly Buffer[]) {
    this.#random = random
    this.#seeds = seeds
  }

  stream(): Stream {
    const random = this.#random
    // Many streams have one fault or none, so that they go deep.
    this.#oddness = random.pick([0, 0.005, 0.01, 0.02, 0.05, 0.2])
    let text = ''
    if (this.#seeds.length > 0 && random.chance(0.1)) {
      text = random.pick(this.#seeds).toString('latin1')
    } else {
      for (let count = random.pick([1, 1, 1, 2, 3]); count > 0; count--) text += this.#request()
    }
    if (random.chance(0.25)) {
      for (let count = random.pick([1, 1, 2, 4]); count > 0; count--) text = this.#change(text)
    }
    return { pieces: this.#cut(Buffer.from(text, 'latin1')) }
  }

  #request(): string {
    const random = this.#random
    const before = this.#isOdd() ? random.pick(['\r\n', '\n', '\r\n\r\n', '\r', ' ', '\0']) : ''
    const isOld = random.chance(0.1)
    // A transfer coding is refused on HTTP/1.0, and then nothing more is to be seen.
    const isChunked = isOld ? random.chance(0.1) : random.chance(0.4)
    const body = isChunked ? random.pick(['chunked', 'chunked', 'both']) : random.pick(['none', 'length'])
    const method = this.#some(
      body === 'none' ? ['GET', 'HEAD', 'DELETE', ...METHODS] : ['POST', 'PUT', 'PATCH', 'POST'],
      oddMethods,
    )
    const blank = this.#isOdd() ? random.pick(['  ', '\t', '', ' \t']) : ' '
    const target = this.#some(targets, oddTargets)
    const version = this.#some(isOld ? ['HTTP/1.0'] : ['HTTP/1.1'], oddVersions)
    let lines = before + method + blank + target + blank + version + this.#lineEnd()

    const fields: [name: string, value: string][] = []
    if (!isOld || random.chance(0.5)) fields.push(['Host', this.#some(hosts, oddHosts)])
    if (this.#isOdd()) fields.push(['Host', random.pick(hosts)])
    if (random.chance(0.25)) fields.push(['Connection', this.#some(connections, oddConnections)])
    if (this.#isOdd())
      fields.push([random.pick(['Connection', 'Proxy-Connection']), this.#some(connections, oddConnections)])
    if (random.chance(0.05)) fields.push(['Upgrade', random.pick(['websocket', 'h2c', ''])])
    if (random.chance(0.04)) fields.push(['Expect', this.#some(expectations, oddExpectations)])
    for (let count = random.below(4); count > 0; count--) {
      fields.push([
        random.chance(0.05) ? random.pick(closeNames) : this.#some(names, oddNames),
        this.#some(values, oddValues),
      ])
    }
    if (random.below(longOnce) === 0) fields.push(['X-Long', 'x'.repeat(random.pick([8182, 8184, 9000, 40_000]))])
    if (random.below(longOnce) === 0)
      for (let count = random.pick([98, 120]); count > 0; count--) fields.push(['X', 'y'])
    const content = this.#content()
    let after = ''
    if (body === 'length' || (body === 'both' && this.#isOdd())) {
      fields.push([
        'Content-Length',
        this.#isOdd() ? random.pick([...oddLengths, ...hugeLengths]) : String(content.length),
      ])
      if (this.#isOdd()) fields.push(['Content-Length', random.pick([String(content.length), '0', '5'])])
      after = this.#isOdd() ? content.slice(1) : content
    }
    if (body === 'chunked' || body === 'both') {
      fields.push(['Transfer-Encoding', this.#some(codings, oddCodings)])
      if (this.#isOdd()) fields.push(['Transfer-Encoding', this.#some(codings, oddCodings)])
      after = this.#chunks(content)
    }
    this.#shuffle(fields)
    for (const [name, value] of fields) lines += this.#fieldLine(this.#someCase(name), value)
    return lines + this.#lineEnd() + after
  }

  #fieldLine(name: string, value: string): string {
    const random = this.#random
    const colon = this.#isOdd()
      ? random.pick([' :', ':  ', ':\t', '', '::', ' : ', '\r\n:', ':\r\n '])
      : random.pick([': ', ':'])
    const behind = this.#isOdd() ? random.pick([' ', '\t', ' \t', '\x0b']) : random.chance(0.1) ? ' ' : ''
    return name + colon + value + behind + this.#lineEnd()
  }

  #content(): string {
    const random = this.#random
    if (random.chance(0.2)) return ''
    // Content that looks like framing shows who reads it as such.
    return random.pick([
      'hello',
      '0\r\n\r\n',
      'GET /smuggled HTTP/1.1\r\nHost: b\r\n\r\n',
      '\r\n',
      '\0\xff',
      'x'.repeat(random.below(300)),
    ])
  }

  #chunks(content: string): string {
    const random = this.#random
    let text = ''
    let at = 0
    while (at < content.length) {
      const length = 1 + random.below(content.length - at)
      const part = content.slice(at, at + length)
      at += length
      text += this.#chunkLine(length) + part + this.#lineEnd()
      if (this.#isOdd()) text += random.pick(['x', '\r\n', '\n', ' '])
    }
    text += this.#chunkLine(0)
    if (random.chance(0.15)) {
      for (let count = 1 + random.below(3); count > 0; count--) {
        text += this.#fieldLine(
          this.#isOdd() ? random.pick(forbidden) : this.#some(names, oddNames),
          this.#some(values, oddValues),
        )
      }
    }
    if (random.below(longOnce) === 0) text += `X: ${'t'.repeat(random.pick([8187, 8192, 9000]))}\r\n`
    return text + this.#lineEnd()
  }

  #chunkLine(length: number): string {
    const random = this.#random
    let size = length.toString(16)
    if (random.chance(0.2)) size = size.toUpperCase()
    if (random.chance(0.1)) size = '0'.repeat(random.below(12)) + size
    if (this.#isOdd()) size = random.pick(oddSizes)
    if (this.#isOdd()) size = (length + random.pick([-1, 1, 16])).toString(16)
    let extension = random.chance(0.15) ? random.pick(extensions) : ''
    if (this.#isOdd()) extension = random.pick(oddExtensions)
    if (random.below(longOnce) === 0)
      extension = `;a=${'e'.repeat(random.pick([4000, 16_380, 16_381, 16_382, 17_000]))}`
    return size + extension + this.#lineEnd()
  }

  #lineEnd(): string {
    return this.#isOdd() ? this.#random.pick(lineEnds) : '\r\n'
  }

  #isOdd(): boolean {
    return this.#oddness > 0 && this.#random.chance(this.#oddness)
  }

  #some(usual: readonly string[], odd: readonly string[]): string {
    return this.#random.pick(this.#isOdd() ? odd : usual)
  }

  #someCase(name: string): string {
    const random = this.#random
    if (random.chance(0.9)) return name
    return random.chance(0.5) ? name.toLowerCase() : name.toUpperCase()
  }

  #shuffle(list: unknown[]): void {
    for (let i = list.length - 1; i > 0; i--) {
      const other = this.#random.below(i + 1)
      ;[list[i], list[other]] = [list[other], list[i]]
    }
  }

  #change(text: string): string {
    const random = this.#random
    const at = random.below(text.length + 1)
    const length = 1 + random.below(random.pick([1, 2, 8, 40]))
    switch (random.below(6)) {
      case 0:
        return text.slice(0, at) + random.pick(sharp) + text.slice(at)
      case 1:
        return text.slice(0, at) + random.pick(sharp) + text.slice(at + 1)
      case 2:
        return text.slice(0, at) + text.slice(at + length)
      case 3:
        return text.slice(0, at + length) + text.slice(at)
      case 4:
        return text.slice(0, at) + String.fromCharCode(random.below(256)) + text.slice(at + 1)
      default: {
        if (this.#seeds.length === 0) return text.slice(0, at)
        const other = random.pick(this.#seeds).toString('latin1')
        return random.chance(0.3) ? text.slice(0, at) : text.slice(0, at) + other.slice(random.below(other.length + 1))
      }
    }
  }

  #cut(bytes: Buffer): Buffer[] {
    const random = this.#random
    if (bytes.length < 2) return bytes.length === 0 ? [] : [bytes]
    const kind = random.below(10)
    if (kind < 4) return [bytes]
    const pieces: Buffer[] = []
    let at = 0
    // A few cuts anywhere, or small pieces throughout; these cost a parse each, so of short streams only.
    const largest = kind < 9 || bytes.length > 600 ? Math.ceil(bytes.length / (1 + random.below(3))) : 7
    while (at < bytes.length) {
      const length = 1 + random.below(largest)
      pieces.push(bytes.subarray(at, at + length))
      at += length
    }
    return pieces
  }
}
