/**
 * What one client does, and what the application does with each of its requests: calls on `req` and `res`, drawn.
 */
import type { Random } from '../../chaos/random.js'

/** What JSON has, and stands for what it has not (`meant` in app.ts). */
export type Value = string | number | boolean | null | Value[] | { [name: string]: Value }

/** A call on `req` or `res`, or something that the application waits for: see `perform` in app.ts. */
export type Call = [name: string, ...values: Value[]]

export interface Program {
  /** Which events are listened to from the beginning. */
  listens: 'all' | 'some' | 'none'
  /** What becomes of the body from the beginning. */
  body: 'ignored' | 'resumed' | 'data' | 'iterated'
  calls: Call[]
}

export interface Planned {
  method: string
  isOld: boolean
  fields: string[]
  /** Bytes of its body. */
  size: number
  /** Sizes of its chunks, if it comes in chunks; and whether there are trailers behind them. */
  chunks: number[] | null
  hasTrailers: boolean
  program: Program
}

/** Before its next step the client waits for this. */
export type Wait = 'nothing' | 'begun' | 'settled'

export interface Plan {
  requests: Planned[]
  /** How the bytes are sent: all at once, each request when the one before is over, its body later, or cut anywhere. */
  sending: 'whole' | 'lockstep' | 'late-body' | 'cut'
  /** Where, if they are cut anywhere. */
  cuts: number[]
  /** The client leaves when this request has begun and is over, or without waiting for its end. */
  leaving: { request: number; how: 'reset' | 'close' | 'half-close'; when: 'begun' | 'settled' } | null
}

const names = ['X-A', 'x-b', 'Content-Type', 'ETag', 'Set-Cookie', 'Vary', 'Cookie', 'Location', 'Server', 'Link']
const framing = ['Connection', 'Keep-Alive', 'Transfer-Encoding', 'Trailer', 'Date', 'Content-Length', 'Upgrade']
/** Bytes of a body that all come at once. */
const readAloneMax = 10_000
const absent = { $: 'undefined' }

/** @param oddness How often something is drawn that no application means to do. */
export class Planner {
  readonly #random: Random
  readonly #oddness: number

  constructor(random: Random, oddness: number) {
    this.#random = random
    this.#oddness = oddness
  }

  plan(): Plan {
    const count = this.#weighted([
      [6, 1],
      [3, 2],
      [2, 3],
      [1, this.#random.integer(4, 8)],
    ])
    const requests: Planned[] = []
    while (requests.length < count) {
      const request = this.#request()
      requests.push(request)
      if (asksForLast(request)) break
    }
    const length = requests.reduce((sum, request) => sum + bytesOf(request).length, 0)
    const plan: Plan = {
      requests,
      sending: this.#weighted([
        [2, 'whole'],
        [5, 'lockstep'],
        [2, 'late-body'],
        [1, 'cut'],
      ]),
      cuts: Array.from({ length: this.#random.integer(1, 5) }, () => this.#random.integer(1, length)),
      leaving: null,
    }
    plan.cuts.sort((a, b) => a - b)
    if (this.#chance(0.12)) this.#leave(plan)
    return plan
  }

  #leave(plan: Plan): void {
    const request = this.#random.integer(0, plan.requests.length - 1)
    const when = this.#random.pick(['begun', 'settled'] as const)
    plan.leaving = { request, how: this.#random.pick(['reset', 'close', 'half-close'] as const), when }
    if (plan.sending === 'cut') plan.sending = 'lockstep'
    if (when === 'settled') return
    // It waits for that alone: what it does in the time that it takes would be anyone's guess.
    const { program } = plan.requests[request]
    program.calls = program.calls.filter(([name], at) => name !== 'wait' || at === 0)
    program.calls.splice(this.#random.integer(Math.min(1, program.calls.length), program.calls.length), 0, [
      'wait',
      'gone',
    ])
  }

  #request(): Planned {
    const random = this.#random
    const method = this.#weighted([
      [10, 'GET'],
      [3, 'HEAD'],
      [6, 'POST'],
      [0.5, 'OPTIONS'],
      [0.5, 'PUT'],
      [0.3, 'DELETE'],
    ])
    const isOld = this.#chance(0.1)
    const fields = ['Host: localhost']
    const connection = this.#weighted([
      [9, null],
      [1, 'keep-alive'],
      [0.6, 'close'],
      [0.2, 'Keep-Alive, x'],
    ])
    if (connection !== null) fields.push(`Connection: ${connection}`)
    let size = 0
    let chunks: number[] | null = null
    let hasTrailers = false
    if (method === 'POST' || method === 'PUT' || this.#chance(0.03)) {
      size = this.#weighted([
        [2, 0],
        [5, random.integer(1, 20)],
        [2, random.integer(100, 5000)],
        [1, random.integer(20_000, 200_000)],
      ])
      if (!isOld && this.#chance(0.4)) {
        fields.push('Transfer-Encoding: chunked')
        chunks = []
        for (let left = size; left > 0; left -= chunks[chunks.length - 1]) {
          chunks.push(Math.min(left, random.integer(1, 30_000)))
        }
        hasTrailers = this.#chance(0.2)
      } else {
        fields.push(`Content-Length: ${size}`)
      }
      if (!isOld && this.#chance(0.1)) fields.push('Expect: 100-continue')
    }
    const program = this.#program()
    if (size > 0 && this.#chance(0.4)) program.calls.unshift(['wait', 'end'])
    // One reader is enough.
    if (program.calls.some(([name]) => name === 'echo')) program.body = 'ignored'
    // Of two readers the one that is quicker gets it.
    const reads = program.calls.findIndex(([name]) => name === 'read')
    const mayRead = (at: number): boolean => at === reads && program.body === 'ignored'
    program.calls = program.calls.filter(([name], at) => name !== 'read' || mayRead(at))
    // How much of it is there at a time is the kernel's to say: such a one is read.
    if (size > readAloneMax) {
      program.calls = program.calls.filter(([name]) => name !== 'req' && name !== 'read')
      if (!program.calls.some(([name]) => name === 'echo')) {
        if (program.body === 'ignored') program.body = 'data'
        program.calls.unshift(['wait', 'end'])
      }
    }
    return { method, isOld, fields, size, chunks, hasTrailers, program }
  }

  #program(): Program {
    const random = this.#random
    const isCutting = this.#chance(0.1)
    const calls: Call[] = []
    if (this.#chance(0.4)) calls.push(['wait', 'end'])
    const count = this.#chance(0.15) ? random.integer(0, 2) : random.integer(1, 10)
    for (let made = 0; made < count; made++) calls.push(this.#call(isCutting))
    if (this.#chance(0.8)) calls.push(['end', this.#chance(0.6) ? this.#chunk() : absent, this.#chance(0.3)])
    if (this.#isOdd()) calls.push(this.#call(isCutting))
    return {
      listens: random.pick(['all', 'all', 'none', 'some']),
      body: random.pick(['ignored', 'ignored', 'resumed', 'data', 'iterated']),
      calls: sayable(this.#oddness === 0 ? inOrder(calls) : calls),
    }
  }

  #call(isCutting: boolean): Call {
    const random = this.#random
    const draw = this.#weighted<() => Call>([
      [6, () => this.#withName('setHeader', 0.25)],
      [1, () => this.#withName('appendHeader', 0.1)],
      [1.2, () => ['removeHeader', this.#cased(random.pick(this.#chance(0.4) ? framing : names))]],
      [0.6, () => ['setHeaders', random.pick(['map', 'headers', 'object']), this.#fields(0.1)]],
      [2, () => ['set', 'statusCode', this.#usualStatus()]],
      [0.8, () => ['set', 'statusMessage', this.#reason()]],
      [4, () => ['writeHead', this.#status(), this.#chance(0.4) ? this.#reason() : absent, this.#headFields()]],
      [4, () => ['write', this.#chunk(), this.#chance(0.4)]],
      [3, () => ['end', this.#chance(0.7) ? this.#chunk() : absent, this.#chance(0.4)]],
      [1, () => ['flushHeaders']],
      [0.3, () => ['writeContinue', this.#chance(0.3)]],
      [0.4, () => ['writeProcessing', this.#chance(0.3)]],
      [0.5, () => this.#hints()],
      [0.7, () => ['addTrailers', this.#trailers()]],
      [0.6, () => ['cork']],
      [0.7, () => ['uncork']],
      [this.#oddness > 0 ? 0 : 0.3, () => ['set', 'strictContentLength', true]],
      [0.4, () => ['set', 'sendDate', false]],
      [0.4, () => ['set', 'shouldKeepAlive', this.#chance(0.3)]],
      [this.#odd(0.2), () => ['set', 'useChunkedEncodingByDefault', false]],
      [isCutting ? 0.7 : 0, () => ['destroy', this.#chance(0.4)]],
      [isCutting ? 0.3 : 0, () => ['req.destroy', this.#chance(0.4)]],
      [isCutting ? 0.2 : 0, () => ['socket', 'destroy']],
      [isCutting ? 0.2 : 0, () => ['socket', 'end']],
      [isCutting ? 0.2 : 0, () => ['abort', random.pick(['req', 'res'])]],
      [0.6, () => ['probe']],
      [0.3, () => ['sockets']],
      [0.4, () => ['listen', random.pick(['finish', 'close', 'prefinish', 'drain', 'socket', 'pipe', 'unpipe'])]],
      [0.4, () => ['req.listen', random.pick(['end', 'close', 'aborted', 'data', 'readable', 'pause', 'resume'])]],
      [0.5, () => ['req', random.pick(['resume', 'pause', 'read'])]],
      [0.4, () => ['read', random.pick(['data', 'iterate', 'break', 'web', 'text'])]],
      [0.3, () => ['finished', random.pick(['req', 'res', 'both'])]],
      [0.3, () => ['setTimeout', random.pick([0, 60_000])]],
      [0.3, () => ['req.setTimeout', random.pick([0, 60_000])]],
      [0.15, () => ['pipeline', random.integer(0, 3)]],
      [0.15, () => ['echo', random.pick(['pipe', 'pipeline', 'pipe-open'])]],
      [2.5, () => ['wait', random.pick(['tick', 'micro', 'immediate', 'immediate', 'timer', 'end'])]],
    ])
    return draw()
  }

  #withName(call: string, special: number): Call {
    const name = this.#name(special)
    return [call, this.#cased(name), this.#value(name)]
  }

  #name(special: number): string {
    const random = this.#random
    if (this.#chance(special)) return random.pick(framing)
    if (this.#isOdd()) return random.pick(['', 'bad name', 'é', 'a:b', '__proto__', 'constructor', 'Expect'])
    return random.pick(names)
  }

  #cased(name: string): string {
    if (this.#chance(0.15)) return name.toLowerCase()
    return this.#chance(0.05) ? name.toUpperCase() : name
  }

  #value(name: string): Value {
    const random = this.#random
    const isOdd = this.#isOdd()
    switch (name) {
      case 'Connection':
        return random.pick(isOdd ? ['Upgrade', 'close, x', ''] : ['close', 'keep-alive', 'Close'])
      case 'Keep-Alive':
        return random.pick(['timeout=7', 'timeout=7, max=3'])
      case 'Transfer-Encoding':
        return isOdd ? random.pick(['gzip', 'identity']) : 'chunked'
      case 'Trailer':
        return 'X-Sum'
      case 'Date':
        return random.pick(['Mon, 01 Jan 2024 00:00:00 GMT', 'x'])
      case 'Content-Length':
        return random.pick<Value>(isOdd ? ['05', 'x', ' 5', 5.5, -1, '+5', 1e21, '5,5', '0x5', ''] : [5, '5', 0, 3, 10])
      case 'Upgrade':
        return 'foo'
      case 'Expect':
        return '100-continue'
    }
    if (isOdd) {
      return random.pick<Value>([
        -0,
        [],
        ['é', 'b'],
        [1, 'z'],
        '\u20ac',
        'bad\r\nX: y',
        absent,
        null,
        true,
        { $: 'object' },
        'tab\tin',
        ['a', absent],
      ])
    }
    return this.#weighted<Value>([
      [8, random.pick(['a', 'b', 'text/plain', 'x'.repeat(40), ''])],
      [2, random.pick([1, 0, 2.5])],
      [2, ['a', 'b']],
      [0.8, random.pick(['é', ' lead', 'trail '])],
    ])
  }

  #fields(special: number): Value[] {
    return Array.from({ length: this.#random.integer(0, 4) }, () => {
      const name = this.#name(special)
      return [this.#cased(name), this.#value(name)]
    })
  }

  #headFields(): Value {
    if (this.#chance(0.4)) return absent
    const form = this.#weighted([
      [6, 'object'],
      [3, 'flat'],
      [1, 'pairs'],
      [this.#odd(0.3), 'uneven'],
    ])
    return { form, fields: this.#fields(0.25) }
  }

  #status(): Value {
    if (this.#isOdd()) return this.#random.pick<Value>([999, 1000, 99, 101, 100, 103, '200', 200.7, absent])
    return this.#usualStatus()
  }

  #usualStatus(): number {
    return this.#weighted([
      [12, 200],
      [2, 201],
      [3, 204],
      [3, 304],
      [2, 404],
      [1, 500],
      [1, 205],
      [0.5, 299],
      [0.5, 302],
    ])
  }

  #reason(): Value {
    if (this.#isOdd()) return this.#random.pick<Value>(['é', 'bad\r\nX: y', '\u20ac', ''])
    return this.#random.pick(['OK', 'Fine', 'Not Found', 'No Content'])
  }

  #hints(): Call {
    const link = '</a>; rel=preload'
    if (this.#isOdd()) return ['writeEarlyHints', this.#random.pick<Value>([{}, { link: 'bad' }]), false]
    return [
      'writeEarlyHints',
      this.#random.pick<Value>([{ link }, { link: [link, link], 'x-t': '1' }]),
      this.#chance(0.3),
    ]
  }

  #trailers(): Value {
    if (!this.#isOdd()) return { 'X-Sum': 'a' }
    return this.#random.pick<Value>([[['X-Sum', 'b']], { 'X-Sum': 'é' }, { 'bad name': 'x' }, {}])
  }

  #chunk(): Value {
    const random = this.#random
    if (this.#isOdd()) {
      return random.pick<Value>([
        { text: '68656c6c6f', encoding: 'hex' },
        { text: 'hello', encoding: 'utf16le' },
        { text: '\ud800x' },
        { text: 'hello', encoding: 'UTF-8' },
        5,
        null,
        true,
      ])
    }
    return this.#weighted<Value>([
      [7, { text: 'hello' }],
      [1, { text: '' }],
      [2, { text: 'é€ ünï' }],
      [1, { text: 'xyz', encoding: 'latin1' }],
      [1, { text: 'é', encoding: 'latin1' }],
      [4, { bytes: 'hello' }],
      [0.5, { bytes: '' }],
      [1, { array: 'hello' }],
      // Less than any buffer on the way holds: when larger ones are written is the kernel's to say.
      [0.8, { bytes: 'B', times: random.integer(1000, 40_000) }],
      [0.3, { text: 'S', times: random.integer(9000, 60_000) }],
    ])
  }

  #isOdd(): boolean {
    return this.#oddness > 0 && this.#chance(this.#oddness)
  }

  #odd(weight: number): number {
    return this.#oddness > 0 ? weight : 0
  }

  #chance(probability: number): boolean {
    return this.#random.next() < probability
  }

  #weighted<T>(list: readonly (readonly [weight: number, value: T])[]): T {
    return this.#random.weighted(list.map(([weight, value]) => ({ weight, value }))).value
  }
}

const headCalls = ['setHeader', 'appendHeader', 'removeHeader', 'setHeaders', 'writeHead', 'writeEarlyHints', 'set']
const beginning = ['writeHead', 'write', 'end', 'flushHeaders', 'pipeline', 'echo']
const ending = ['end', 'pipeline', 'echo']
const interims = ['writeContinue', 'writeProcessing', 'writeEarlyHints']
const harmless = ['wait', 'probe', 'sockets', 'req', 'listen', 'req.listen', 'finished']

/**
 * Without what brings an exception that nobody could catch, what says how a head is that is made already, interim
 * responses behind the end, and an uncork() of what was not corked, which each version counts in its way.
 */
function sayable(calls: Call[]): Call[] {
  const hasStream = calls.some(([name]) => name === 'pipeline' || name === 'echo')
  const made = calls.findIndex(([name]) => name === 'writeHead')
  const ended = calls.findIndex(([name]) => ending.includes(name))
  let corks = 0
  return calls.filter((call, at) => {
    if (made !== -1 && at > made && call[0] === 'set') return false
    if (call[0] === 'cork') corks += 1
    if (call[0] === 'uncork' && --corks < 0) return false
    if (ended !== -1 && at > ended && interims.includes(call[0])) return false
    return !hasStream || !/trailer|content-length|"writeHead"/i.test(JSON.stringify(call))
  })
}

/** Without what is too late, as applications do it. */
function inOrder(calls: Call[]): Call[] {
  let hasBegun = false
  let hasEnded = false
  return calls.filter(([name]) => {
    if (hasEnded && !harmless.includes(name)) return false
    if (hasBegun && headCalls.includes(name)) return false
    hasBegun ||= beginning.includes(name)
    hasEnded ||= ending.includes(name)
    return true
  })
}

/** The client says with this one that it will send no more. */
export function asksForLast({ fields, isOld }: Planned): boolean {
  const text = fields.join('\n')
  return /^Connection:.*close/im.test(text) || (isOld && !/^Connection:.*keep-alive/im.test(text))
}

export function headOf({ method, isOld, fields }: Planned, target = ''): Buffer {
  return Buffer.from(`${method} ${target} HTTP/1.${isOld ? 0 : 1}\r\n${fields.join('\r\n')}\r\n\r\n`, 'latin1')
}

export function hasBody({ size, chunks }: Planned): boolean {
  return size > 0 || chunks !== null
}

export function bodyOf({ size, chunks, hasTrailers }: Planned): Buffer {
  if (chunks === null) return Buffer.alloc(size, 'q')
  const pieces = chunks.map((length) => `${length.toString(16)}\r\n${'q'.repeat(length)}\r\n`)
  return Buffer.from(`${pieces.join('')}0\r\n${hasTrailers ? 'X-T: v\r\n' : ''}\r\n`)
}

export function bytesOf(planned: Planned, target = ''): Buffer {
  return Buffer.concat([headOf(planned, target), bodyOf(planned)])
}
