/** What the tests of hostile clients share: many connections at once, and what the server says of itself. */
import { readFileSync } from 'node:fs'
import { type Controlled, startControlled } from '../control/fixtures/control.js'
import { asked } from '../support/deadline.js'
import { connect, get, type RawConnection } from '../support/http.js'

export const app = 'test/http/fixtures/app.mjs'
export const MiB = 1024 * 1024

export interface Besieged extends Controlled {
  /** Requests that the application saw. */
  seen(): Promise<number>
  /** Value of a metric, with its labels as they are printed. */
  metric(name: string): Promise<number>
  /** Fails unless another client is served; `others` says how often that was asked. */
  servesOthers(): Promise<void>
  readonly others: number
  /** Waits until nothing is open but connections of the asker's. */
  isQuiet(): Promise<void>
}

export async function besiege(...args: string[]): Promise<Besieged> {
  const controlled = await startControlled({ app, workers: 1, args })
  const { hornet, ask } = controlled
  const metric = async (name: string) => {
    const { text } = await ask('GET', '/metrics')
    const line = text.split('\n').find((each) => each.startsWith(`${name} `))
    if (line === undefined) throw new Error(`no metric ${name}`)
    return Number(line.slice(name.length + 1))
  }
  let others = 0
  return {
    ...controlled,
    metric,
    get others() {
      return others
    },
    seen: async () => Number((await get(hornet, '/seen/count')).text),
    async servesOthers() {
      others += 1
      const { text } = await get(hornet, '/text/other')
      if (text !== 'other') throw new Error(`another client was answered ${text}`)
    },
    isQuiet: () =>
      asked('quiet', async () => {
        const { connectionsOpen, requestsInFlight, requestsQueued } = (await ask('GET', '/status')).json
        return connectionsOpen + requestsInFlight + requestsQueued === 0
      }),
    [Symbol.asyncDispose]: () => controlled[Symbol.asyncDispose](),
  }
}

/** Opens `count` connections, some at a time, and writes to each. */
export async function swarm(
  { hornet }: Controlled,
  count: number,
  first: (number: number) => string | Buffer,
): Promise<RawConnection[]> {
  const connections: RawConnection[] = []
  while (connections.length < count) {
    const size = Math.min(200, count - connections.length)
    const batch = await Promise.all(Array.from({ length: size }, () => connect(hornet)))
    for (const connection of batch) {
      const bytes = first(connections.push(connection) - 1)
      if (bytes.length > 0) connection.write(bytes)
    }
  }
  return connections
}

export function residentMiB({ hornet }: Controlled): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${hornet.pid}/status`, 'utf8'))?.[1]
  return Number(kib) / 1024
}

/** Processor time of the server so far, all threads; in steps of 10 ms. */
export function processorMs({ hornet }: Controlled): number {
  const fields = readFileSync(`/proc/${hornet.pid}/stat`, 'utf8').split(') ')[1].split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

/** The same noise in every run. */
export function noise(bytes: number, seed: number): Buffer {
  const buffer = Buffer.alloc(bytes)
  let state = seed >>> 0
  for (let at = 0; at < bytes; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    buffer[at] = state >>> 24
  }
  return buffer
}
