/**
 * The checking client of the fault tests: keep-alive connections that send bodies and compare what comes back with what
 * was sent, while a fault is caused beside them.
 */
import { createHash } from 'node:crypto'
import { message, type RawResponse, type Target } from '../support/http.js'
import { type Load, startLoad } from '../support/load.js'

export const app = 'test/faults/fixtures/app.mjs'

const body = (sequence: number) => Buffer.alloc((sequence % 7) * 3000, `${sequence};`)
const hash = (sequence: number) => createHash('sha256').update(body(sequence)).digest('hex')

/** @param allowed Statuses, besides 200, that the fault may cost some of its requests. */
export function startChecking(target: Target, allowed: readonly number[] = [], connections = 16): Promise<Load> {
  return startLoad({
    target,
    connections,
    request: (sequence) => message('POST', '/', {}, body(sequence)),
    check(response, sequence) {
      if (allowed.includes(response.status)) return
      if (response.status !== 200 || response.text !== hash(sequence)) throw new Error(describe(response))
    },
  })
}

function describe({ status, text }: RawResponse): string {
  return `${status}: ${text.slice(0, 100)}`
}
