/**
 * Many plans, played against Node and against Hornet: its pool, and `hornet/http`.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Random } from '../../chaos/random.js'
import { environment, startHornet } from '../../support/hornet.js'
import { root } from '../../support/root.js'
import { type Peer, peerAt, play, type Transcript } from './client.js'
import { isInStep, judge, type Verdict } from './compare.js'
import { hasBody, type Plan, Planner } from './plan.js'

export interface Fault {
  peer: string
  plan: Plan
  verdict: Verdict
}

export interface Account {
  plans: number
  requests: number
  /** Differences that did not come again. */
  unsteady: number
  /** How often each known difference was seen. */
  excused: Map<string, number>
  faults: Fault[]
}

/** The three servers, and what ends them. */
export interface Scene extends AsyncDisposable {
  readonly node: Peer
  readonly hornets: readonly Peer[]
  /** What they wrote. */
  output(): string
}

/** Plans that are played at once: most of a plan's time is waiting. */
const clients = 8
/** A difference must be there so often, one after another. */
const repetitions = 3
/** So many faults, each of another name, are enough to look at. */
const faultsMax = 10
/** Of so many plans one has what no application means to do. */
const oddOnce = 3
const oddness = 0.15

export async function startScene(): Promise<Scene> {
  const app = fileURLToPath(new URL('app.js', import.meta.url))
  const pool = await startHornet({ app, args: ['--workers', '1', '--log-level', 'warn'] })
  const served: Served[] = []
  for (const module of ['node:http', 'hornet/http']) served.push(await serve(module))
  const [node, module] = served
  return {
    node: node.peer,
    hornets: [peerAt('hornet', pool.port), module.peer],
    output: () => [pool.stderr, ...served.map(({ output }) => output())].join('\n'),
    async [Symbol.asyncDispose]() {
      for (const { stop } of served) await stop()
      await pool.stop()
    },
  }
}

interface Served {
  peer: Peer
  output(): string
  stop(): Promise<void>
}

async function serve(module: string): Promise<Served> {
  const script = fileURLToPath(new URL('server.js', import.meta.url))
  const child = spawn(process.execPath, [script, module], {
    cwd: root,
    env: environment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  const exited = once(child, 'exit')
  const [line] = (await Promise.race([
    once(child.stdout, 'data'),
    exited.then(() => {
      throw new Error(`the server of ${module} ended: ${errors}`)
    }),
  ])) as [Buffer]
  return {
    peer: peerAt(module, Number(line)),
    output: () => errors,
    async stop() {
      child.kill('SIGTERM')
      await exited
    },
  }
}

export class Campaign {
  readonly account: Account = { plans: 0, requests: 0, unsteady: 0, excused: new Map(), faults: [] }
  /** Told of each. */
  onExcused: ((id: string, peer: string, plan: Plan) => void) | undefined
  readonly #scene: Scene

  constructor(scene: Scene) {
    this.#scene = scene
  }

  /** Ends when `isEnough` says so, or after too many faults. */
  async run(seed: number, isEnough: (account: Account) => boolean): Promise<void> {
    const { account } = this
    const random = new Random(seed)
    const client = async (): Promise<void> => {
      while (!isEnough(account) && account.faults.length < faultsMax) {
        const planner = new Planner(random.fork(), account.plans % oddOnce === 0 ? oddness : 0)
        account.plans += 1
        const plan = planner.plan()
        account.requests += plan.requests.length
        await this.#judge(plan).catch((error: Error) => {
          throw new Error(`${error.message}\n${JSON.stringify(plan)}\n${this.#scene.output().slice(-4000)}`)
        })
      }
    }
    await Promise.all(Array.from({ length: clients }, client))
  }

  async #judge(plan: Plan): Promise<void> {
    const { node, hornets } = this.#scene
    const { account } = this
    const asked = hornets.filter(({ name }) => isInStep(plan, name))
    if (asked.length === 0) return
    const [there, ...here] = await Promise.all([node, ...asked].map((peer) => play(peer, plan)))
    for (const [index, peer] of asked.entries()) {
      const outcome = judge(plan, peer.name, there, here[index])
      if (outcome.kind === 'excused') {
        account.excused.set(outcome.id, (account.excused.get(outcome.id) ?? 0) + 1)
        this.onExcused?.(outcome.id, peer.name, plan)
      }
      if (outcome.kind !== 'different') continue
      const verdict = await this.verdictOf(peer, plan)
      if (verdict === undefined) account.unsteady += 1
      else if (!account.faults.some((fault) => fault.verdict.name === verdict.name)) {
        account.faults.push({ peer: peer.name, plan, verdict })
      }
    }
  }

  /** The difference, if it is there each time, whatever either did at other times. */
  async verdictOf(peer: Peer, plan: Plan): Promise<Verdict | undefined> {
    const there: Transcript[] = []
    const here: Transcript[] = []
    let verdict: Verdict | undefined
    for (let time = 0; time < repetitions; time++) {
      const [one, other] = await Promise.all([play(this.#scene.node, plan), play(peer, plan)])
      there.push(one)
      here.push(other)
      for (const each of there) {
        for (const every of here) {
          const outcome = judge(plan, peer.name, each, every)
          if (outcome.kind !== 'different') return undefined
          verdict = outcome.verdict
        }
      }
    }
    return verdict
  }

  /** The same fault with as little around it as leaving parts out shows. */
  async shorten(fault: Fault): Promise<Fault> {
    const peer = this.#scene.hornets.find(({ name }) => name === fault.peer) as Peer // it is one of them
    let best = fault
    for (let isShorter = true; isShorter; ) {
      isShorter = false
      for (const plan of shortened(best.plan)) {
        const verdict = await this.verdictOf(peer, plan)
        if (verdict?.name !== fault.verdict.name) continue
        best = { ...fault, plan, verdict }
        isShorter = true
        break
      }
    }
    return best
  }
}

export function* shortened(plan: Plan): Generator<Plan> {
  const { requests } = plan
  for (const at of requests.keys()) {
    if (requests.length > 1 && plan.leaving === null) yield { ...plan, requests: requests.toSpliced(at, 1) }
  }
  if (plan.leaving !== null) yield { ...plan, leaving: null }
  if (plan.sending !== 'lockstep') yield { ...plan, sending: 'lockstep' }
  for (const [at, request] of requests.entries()) {
    const { program } = request
    const instead = (change: object): Plan => ({ ...plan, requests: requests.with(at, { ...request, ...change }) })
    for (const call of program.calls.keys()) {
      yield instead({ program: { ...program, calls: program.calls.toSpliced(call, 1) } })
    }
    if (program.body !== 'ignored') yield instead({ program: { ...program, body: 'ignored' } })
    if (program.listens !== 'none') yield instead({ program: { ...program, listens: 'none' } })
    if (request.method !== 'GET' && !hasBody(request)) yield instead({ method: 'GET' })
    if (request.isOld) yield instead({ isOld: false })
  }
}

export function describeFault({ peer, plan, verdict }: Fault): string {
  const { requests, ...how } = plan
  const clip = (text: string): string => text.replace(/([BSq])\1{40,}/g, (run, letter) => `${letter}*${run.length}`)
  return [
    `${peer}: ${verdict.name}`,
    `  ${JSON.stringify(how)}`,
    ...requests.flatMap(({ method, isOld, fields, size, program: { listens, body, calls } }) => [
      `  ${method} ${isOld ? '1.0' : '1.1'} ${fields.join(' | ')} (${size}) listens: ${listens}, body: ${body}`,
      `    ${calls.map((call) => JSON.stringify(call)).join(' ')}`,
    ]),
    ...beside(clip(verdict.node).split('\n'), clip(verdict.hornet).split('\n')),
  ].join('\n')
}

/** What both have, and of lines that differ the part that does. */
function beside(there: string[], here: string[]): string[] {
  return Array.from({ length: Math.max(there.length, here.length) }, (_, at) => {
    const [one = 'nothing', other = 'nothing'] = [there[at], here[at]]
    if (one === other) return [`    both:   ${one.slice(0, 100)}`]
    let from = 0
    while (one[from] === other[from]) from += 1
    const part = (text: string): string => `${from > 40 ? '…' : ''}${text.slice(from > 40 ? from - 40 : 0, from + 200)}`
    return [`    node:   ${part(one)}`, `    hornet: ${part(other)}`]
  })
    .flat()
    .map((line) => line.replaceAll('\r', '\\r'))
}
