/**
 * Does what a plan says and looks at all that comes back: each request is answered, in its turn and rightly, or the
 * connection has ended for a reason that is listed here.
 */
import { connect, type RawConnection, type RawResponse, type Target } from '../../support/http.js'
import { bodyOf, type Plan, type Planned } from './plan.js'

/** Why requests of a pipeline have no answer of the application's, if that is as it should be. */
export type Reason =
  | 'all answered'
  | 'the last answer said that it would be'
  | 'the client left'
  | 'the application cut the connection'
  | 'a worker was killed'
  | 'the client had ended its side'

export interface Outcome {
  answered: number
  /** Answers of the server for a worker that was killed. */
  excused: number
  reason: Reason
}

export interface Scene {
  target: Target
  /** How often a worker has been told to die, and how often one is known to be dead. */
  killsBegun(): number
  killsOver(): number
}

const answerMsMax = 20_000
/** Less than the second for which an application may go on once the client has ended its side (docs/limits.md). */
const halfCloseMs = 900
const slowPieces = 40

export class Finding extends Error {}

export async function runPipeline(plan: Plan, scene: Scene): Promise<Outcome> {
  const killsBefore = scene.killsOver()
  const isKilled = () => scene.killsBegun() > killsBefore
  const connection = await connect(scene.target, answerMsMax)
  let hasLeft = false
  const leave = (isReset: boolean) => {
    hasLeft = true
    if (isReset) connection.reset()
    else connection.destroy()
  }
  const { leavesAfter } = plan
  if (leavesAfter?.bytes !== undefined) {
    const { bytes, isReset } = leavesAfter
    connection.socket.on('data', () => {
      if (!hasLeft && connection.socket.bytesRead >= bytes) leave(isReset)
    })
  }
  if (plan.isSlow) readInPieces(connection)
  let lastByteMs = performance.now()
  connection.socket.on('data', () => {
    lastByteMs = performance.now()
  })
  const isExcused = () => hasLeft || whyEnded(plan, 0, isKilled(), 0) !== undefined
  const sent = send(connection, plan)
  const outcome: Outcome = { answered: 0, excused: 0, reason: 'all answered' }
  try {
    for (const [index, request] of plan.requests.entries()) {
      if (leavesAfter?.answers === index) leave(leavesAfter.isReset)
      if (hasLeft) return { ...outcome, reason: 'the client left' }
      let response: RawResponse
      try {
        response = await connection.readResponse({ method: request.method, ms: answerMsMax })
      } catch (error) {
        if (hasLeft) return { ...outcome, reason: 'the client left' }
        const reason = whyEnded(plan, index, isKilled(), performance.now() - lastByteMs)
        if (reason === undefined || connection.state === 'open') throw found(plan, index, (error as Error).message)
        return { ...outcome, reason }
      }
      const isForKill = (response.status === 502 || response.status === 504) && isKilled()
      const fault = isForKill ? undefined : faultOf(request, response)
      if (fault !== undefined) {
        // The reset of one that was cut, which libuv shows as a mere end if bytes come in the same turn.
        const isShort = response.framing === 'close' && isStartOf(request, response)
        if (hasLeft) return { ...outcome, reason: 'the client left' }
        const silentMs = performance.now() - lastByteMs
        const reason = isShort ? whyEnded(plan, index, isKilled(), silentMs) : undefined
        if (reason === undefined) throw found(plan, index, fault)
        return { ...outcome, reason }
      }
      if (isForKill) outcome.excused += 1
      else outcome.answered += 1
      if (!isLast(response)) {
        if (request.closes && !isForKill) throw found(plan, index, 'the connection is kept behind a last answer')
        continue
      }
      if (!request.mayClose && !isForKill) throw found(plan, index, 'the connection is closed for no reason')
      await isAtEnd(connection, plan, index, isExcused)
      return index === plan.requests.length - 1
        ? outcome
        : { ...outcome, reason: 'the last answer said that it would be' }
    }
    if (connection.buffered.length > 0) throw found(plan, plan.requests.length - 1, 'there is more than the answers')
    if (plan.halfCloses) await isAtEnd(connection, plan, plan.requests.length - 1, isExcused)
    return outcome
  } finally {
    connection.destroy()
    await sent
  }
}

async function isAtEnd(connection: RawConnection, plan: Plan, index: number, isExcused: () => boolean): Promise<void> {
  try {
    const rest = await connection.readToEnd(answerMsMax)
    if (rest.length > 0)
      throw new Error(`${rest.length} bytes behind the last answer: ${rest.toString('latin1', 0, 200)}`)
  } catch (error) {
    if (!isExcused()) throw found(plan, index, (error as Error).message)
  }
}

async function send({ socket }: RawConnection, plan: Plan): Promise<void> {
  const whole = Buffer.concat(plan.requests.map(({ bytes }) => bytes))
  let from = 0
  for (const to of [...plan.cuts, whole.length]) {
    if (socket.destroyed || !socket.writable) return
    socket.write(whole.subarray(from, to))
    from = to
    await new Promise((next) => setImmediate(next))
  }
  if (plan.halfCloses) socket.end()
}

/** Slowness itself is under test: so many pieces, each after a while, and then all. */
function readInPieces({ socket }: RawConnection): void {
  let left = slowPieces
  socket.on('data', () => {
    left -= 1
    if (left < 0) return
    socket.pause()
    setTimeout(() => socket.resume(), 5)
  })
}

function whyEnded(plan: Plan, index: number, isKilled: boolean, silentMs: number): Reason | undefined {
  // As in Node, what the application cuts is the connection, with the answers of earlier requests that wait on it.
  if (plan.requests.slice(index).some(({ isCut }) => isCut)) return 'the application cut the connection'
  if (isKilled) return 'a worker was killed'
  // A slow one still reads what the kernel holds for it when the server has had nothing to do for that long.
  if (plan.halfCloses && (plan.isSlow || silentMs > halfCloseMs)) return 'the client had ended its side'
  return undefined
}

function faultOf(request: Planned, response: RawResponse): string | undefined {
  const { status, headers, framing, body } = response
  if (headers['x-id'] !== String(request.id)) return `it is answered ${describe(response)}`
  if (status !== request.status) return `its status is ${status}, not ${request.status}`
  if (request.isCut) return request.style === 'destroyed' ? 'it is answered, and was cut' : undefined
  if (!request.hasBody) return framing === 'none' ? undefined : 'it has a body'
  const wanted = bodyOf(request.id, request.size)
  if (!body.equals(wanted)) {
    const at = body.findIndex((byte, index) => byte !== wanted[index])
    return `of its body of ${wanted.length} bytes came ${body.length}, right up to ${at}: ${describe(response)}`
  }
  return undefined
}

function isStartOf({ id, size }: Planned, { body }: RawResponse): boolean {
  return body.equals(bodyOf(id, size).subarray(0, body.length))
}

function isLast({ headers, framing }: RawResponse): boolean {
  return framing === 'close' || /\bclose\b/.test(headers.connection ?? '')
}

function describe({ status, headers, text }: RawResponse): string {
  return `${status} ${JSON.stringify(headers)} ${JSON.stringify(text.slice(0, 100))}`
}

function found(plan: Plan, index: number, what: string): Finding {
  const lines = plan.requests.map(({ bytes }, at) => {
    const head = bytes.toString('latin1', 0, bytes.indexOf('\r\n\r\n')).replaceAll('\r\n', ' | ')
    return `${at === index ? '>' : ' '} ${head} (${bytes.length} bytes)`
  })
  const { cuts, leavesAfter, halfCloses, isSlow } = plan
  const how = JSON.stringify({ cuts, leavesAfter, halfCloses, isSlow })
  return new Finding(`request ${index + 1} of ${plan.requests.length}: ${what}\n${how}\n${lines.join('\n')}`)
}
