/**
 * Whether two servers did the same, and where not, what it is, and whether that is excused.
 */
import { readText } from '../../support/tree.js'
import type { Transcript } from './client.js'
import { asksForLast, type Call, hasBody, type Plan, type Planned } from './plan.js'

export interface Verdict {
  /** What kind of thing differs; faults of the same name are taken for one. */
  name: string
  node: string
  hornet: string
}

/** A row of differences.json. */
export interface Difference {
  id: string
  /** What an application could notice. */
  what: string
  reason: string
  /** How little of a comparison is left out for it. */
  scope: string
  /** The first major version of Node on which the example shows it, and the first on which it does no more. */
  since?: number
  until?: number
  /** The peer that shows it in this plan. */
  example: { peer: string; plan: Plan }
}

export type Outcome =
  | { kind: 'same' }
  /** By the last of these, all were needed or came before it. */
  | { kind: 'excused'; id: string }
  | { kind: 'different'; verdict: Verdict }

interface Excuse {
  id: string
  /** Takes out of both what may differ; nothing unless it applies. */
  forgive(scene: { plan: Plan; peer: string; node: Transcript; hornet: Transcript }): void
}

export function readDifferences(): Difference[] {
  return JSON.parse(readText('test/fuzz/calls/differences.json'))
}

export function judge(plan: Plan, peer: string, node: Transcript, hornet: Transcript): Outcome {
  let verdict = compare(plan, node, hornet)
  if (verdict === undefined) return { kind: 'same' }
  const scene = { plan, peer, node: structuredClone(node), hornet: structuredClone(hornet) }
  for (const { id, forgive } of excuses) {
    forgive(scene)
    verdict = compare(plan, scene.node, scene.hornet)
    if (verdict === undefined) return { kind: 'excused', id }
  }
  return { kind: 'different', verdict }
}

/** The first difference; undefined when there is none. */
export function compare(plan: Plan, node: Transcript, hornet: Transcript): Verdict | undefined {
  // Whoever leaves may do so before it has read all.
  const mayBeShort = plan.leaving !== null && plan.leaving.how !== 'half-close'
  const areBytesSame = mayBeShort
    ? node.bytes.startsWith(hornet.bytes) || hornet.bytes.startsWith(node.bytes)
    : node.bytes === hornet.bytes
  if (!areBytesSame) return { name: 'bytes', node: node.bytes, hornet: hornet.bytes }
  if (node.ending !== hornet.ending) {
    return { name: `ending: ${node.ending}, ${hornet.ending}`, node: node.ending, hornet: hornet.ending }
  }
  for (const index of plan.requests.keys()) {
    const there = node.seen[index] ?? []
    const here = hornet.seen[index] ?? []
    const at = there.findIndex((line, each) => line !== here[each])
    if (at === -1 && here.length <= there.length) continue
    const place = at === -1 ? there.length : at
    const [one = 'nothing', other = 'nothing'] = [there[place], here[place]]
    return { name: `seen: ${kindOf(one)}, ${kindOf(other)}`, node: there.join('\n'), hornet: here.join('\n') }
  }
  return undefined
}

function kindOf(line: string): string {
  return line.replace(/\d+/g, 'n').split(/[:=]/, 1)[0]
}

/** Up to so many bytes the pool waits for, before it begins with the request. */
const bufferedMax = 64 * 1024

/** Its body comes behind the beginning of the request, and not with it. */
function isStreamed(request: Planned, peer: string): boolean {
  const isBuffered = peer === 'hornet' && request.size <= bufferedMax && request.chunks === null
  return hasBody(request) && !isBuffered
}

/**
 * Whether the plan says what comes first: bodies that come in turns of their own and the calls that a program makes
 * meanwhile, in one case, and a body that is waited for before the program begins in the other.
 */
export function isInStep({ requests, sending }: Plan, peer: string): boolean {
  return requests.every((request) => {
    if (!hasBody(request)) return true
    if (sending === 'late-body') return peer !== 'hornet' || request.size > bufferedMax
    const [[first, what] = []] = request.program.calls
    return !isStreamed(request, peer) || first === 'echo' || (first === 'wait' && what === 'end')
  })
}

const expectation = 'Expect: 100-continue'
const internalError =
  'HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain; charset=utf-8\r\nDate: now\r\n' +
  'Connection: close\r\nContent-Length: 22\r\n\r\n'
const cuts = ['destroy', 'req.destroy', 'socket', 'abort']
const interims = ['writeContinue', 'writeProcessing', 'writeEarlyHints']
const continues = 'HTTP/1.1 100 Continue\r\n\r\n'

function isSentAtOnce({ sending }: Plan): boolean {
  return sending === 'whole' || sending === 'cut'
}

function eachLine(transcripts: Transcript[], change: (line: string) => string): void {
  for (const { seen } of transcripts) for (const [index, lines] of Object.entries(seen)) seen[index] = lines.map(change)
}

function leaveOut(transcripts: Transcript[], pattern: RegExp): void {
  for (const { seen } of transcripts) {
    for (const [index, lines] of Object.entries(seen)) seen[index] = lines.filter((line) => !pattern.test(line))
  }
}

function withoutChunks(bytes: string): string {
  return bytes.replace(/\r\n[\da-f]+\r\n/g, '')
}

/** The ids are those of differences.json, which tells why. */
export const excuses: readonly Excuse[] = [
  {
    id: 'waits-for-its-turn',
    forgive({ plan, node, hornet }) {
      if (!isSentAtOnce(plan) || plan.requests.length === 1) return
      // In the midst of one there is nothing to take out.
      const isWhole = plan.leaving === null
      for (const transcript of [node, hornet]) if (isWhole) transcript.bytes = withoutChunks(transcript.bytes)
      for (const index of plan.requests.keys()) {
        node.seen[index] = hornet.seen[index] = []
        const isCut = plan.requests[index].program.calls.some(([name]) => cuts.includes(name))
        if (index > 0 && isCut && node.bytes.startsWith(hornet.bytes)) Object.assign(hornet, node)
      }
    },
  },
  {
    id: 'body-is-here-already',
    forgive({ plan, peer, node, hornet }) {
      if (peer !== 'hornet' || !plan.requests.some(({ fields }) => fields.includes(expectation))) return
      for (const transcript of [node, hornet]) transcript.bytes = transcript.bytes.replaceAll(continues, '')
    },
  },
  {
    id: 'half-closed',
    forgive({ plan, peer, node, hornet }) {
      if (plan.leaving === null || plan.leaving.how === 'reset') return
      if (peer === 'hornet/http') {
        // Closed either way.
        if (hornet.ending === 'ECONNRESET') hornet.ending = 'ended'
        // What was corked goes with the connection.
        const isCorked = plan.requests.some(({ program }) => program.calls.some(([name]) => name === 'cork'))
        const isBehind = plan.requests.length > 1 || plan.requests.some(({ fields }) => fields.includes(expectation))
        if (!isCorked && !isBehind) return
      }
      hornet.ending = node.ending
      hornet.bytes = node.bytes
      hornet.seen = node.seen
    },
  },
  {
    id: 'body-in-turns-of-its-own',
    forgive({ plan, peer, node, hornet }) {
      for (const [index, request] of plan.requests.entries()) {
        if (!isStreamed(request, peer)) continue
        // It was over before the body came.
        const hasEnd = !hornet.seen[index]?.at(-1)?.includes('"req":{"complete":false')
        for (const { seen } of [node, hornet]) {
          // Of each of both all in its order, but not among each other.
          const lines = seen[index] ?? []
          const ofRequest = hasEnd ? lines.filter((line) => line.startsWith('req')) : []
          seen[index] = [...ofRequest, ...lines.filter((line) => !line.startsWith('req'))]
          // Where it is given up, its last piece may have come.
          seen[index] = seen[index].map((line) => line.replace(/^(req \w+ \w+) complete=(true|false)/, '$1'))
          if (!hasEnd) seen[index] = seen[index].map((line) => line.replace(/"req":.*/, ''))
        }
      }
    },
  },
  {
    id: 'end-on-demand',
    forgive({ plan, node, hornet }) {
      for (const [index, request] of plan.requests.entries()) {
        if (hasBody(request)) continue
        const isCut = request.program.calls.some(([name]) => cuts.includes(name))
        for (const { seen } of [node, hornet]) {
          const lines = seen[index] ?? []
          const ofRequest = lines.filter(
            (line) => line.startsWith('req') && !(isCut && /^req (end|is|read)/.test(line)),
          )
          seen[index] = [...ofRequest.sort(), ...lines.filter((line) => !line.startsWith('req'))]
          if (isCut) seen[index] = seen[index].map((line) => line.replace(/"read":{[^}]*}/, ''))
        }
      }
    },
  },
  {
    id: 'pieces-of-a-body',
    forgive({ plan, node, hornet }) {
      if (!plan.requests.some(({ program }) => program.calls.some(([name]) => name === 'echo'))) return
      for (const transcript of [node, hornet]) transcript.bytes = withoutChunks(transcript.bytes)
    },
  },
  {
    id: 'readable-more-often',
    forgive({ node, hornet }) {
      leaveOut([node, hornet], /^req readable/)
    },
  },
  {
    id: 'interim-behind-its-answer',
    forgive({ plan, node, hornet }) {
      const isInterim = ([name]: Call): boolean => interims.includes(name)
      if (!plan.requests.some(({ program }) => program.calls.some(isInterim))) return
      for (const transcript of [node, hornet]) {
        transcript.bytes = transcript.bytes.replace(/HTTP\/1\.1 10[023] [^\r]*\r\n(?:[^\r]+\r\n)*\r\n/g, '')
      }
      leaveOut([node, hornet], /^callback \d+ write(Continue|Processing|EarlyHints)/)
    },
  },
  {
    id: 'framing-not-kept',
    forgive({ plan, node, hornet }) {
      const breaking = /content-length|transfer-encoding|"writeEarlyHints"|"writeProcessing"|"writeContinue"/i
      const at = plan.requests.findIndex(({ program }) => breaking.test(JSON.stringify(program.calls)))
      if (at === -1 || !node.bytes.startsWith(hornet.bytes)) return
      node.bytes = hornet.bytes
      node.ending = hornet.ending
      for (const index of plan.requests.keys()) if (index > at) node.seen[index] = hornet.seen[index] = []
    },
  },
  {
    id: 'prefinish-of-what-is-over',
    forgive({ node, hornet }) {
      leaveOut([node, hornet], /^res prefinish.* destroyed=true/)
    },
  },
  {
    id: 'faulty-framing',
    forgive({ node, hornet }) {
      const at = hornet.bytes.indexOf(internalError)
      if (at === -1) return
      hornet.bytes = hornet.bytes.slice(0, at)
      node.bytes = node.bytes.slice(0, at)
      hornet.ending = node.ending
      hornet.seen = node.seen
    },
  },
  {
    id: 'ended-socket',
    forgive({ plan, node, hornet }) {
      const isEnding = ([name, what]: Call): boolean => name === 'socket' && what === 'end'
      for (const [index, { program }] of plan.requests.entries()) {
        if (program.calls.some(isEnding)) node.seen[index] = hornet.seen[index] = []
      }
    },
  },
  {
    id: 'cut-behind-its-end',
    forgive({ plan, node, hornet }) {
      const isCut = plan.requests.some(({ program }) => program.calls.some(([name]) => cuts.includes(name)))
      if (isCut && hornet.bytes.startsWith(node.bytes)) hornet.bytes = node.bytes
    },
  },
  {
    id: 'last-after-all',
    forgive({ node, hornet }) {
      if (
        !Object.values(node.seen)
          .flat()
          .some((line) => /writeHead throws/.test(line))
      )
        return
      const fields = /Connection: (close|keep-alive)\r\n(Keep-Alive: .*\r\n)?/g
      for (const transcript of [node, hornet]) transcript.bytes = transcript.bytes.replace(fields, '')
    },
  },
  {
    id: 'asked-to-close',
    forgive({ plan, node, hornet }) {
      if (plan.requests.some(asksForLast) && node.ending === 'open' && hornet.ending === 'ended') node.ending = 'ended'
    },
  },
  {
    id: 'drained-more-or-less',
    forgive({ node, hornet }) {
      leaveOut([node, hornet], /^res drain/)
    },
  },
  {
    id: 'details-of-what-is-over',
    forgive({ node, hornet }) {
      leaveOut([node, hornet], /^(req (resume|pause) complete=true|callback \d+ write ECONNRESET)/)
      eachLine([node, hornet], (line) => {
        const flow = line
          .replace(/^(final.*"readableFlowing":|.*"readableEnded":true,"readableFlowing":)(true|false|null)/, '$1')
          .replace(/(closed=true) socket=(true|false)/, '$1')
        return /"res":[^}]*"closed":true/.test(flow) ? flow.replace(/"writableCorked":-?\d+|"socket":[^}]*/g, '') : flow
      })
      const hasThrown = Object.values(node.seen)
        .flat()
        .some((line) => line.includes(' throws '))
      if (hasThrown) eachLine([node, hornet], (line) => line.replace(/"writableCorked":-?\d+/, ''))
    },
  },
]
