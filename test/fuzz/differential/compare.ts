/**
 * Compares what Node and what Hornet made of the same stream. The first thing they differ in decides: what follows it
 * is no longer the same conversation.
 */
import type { SeenRequest, Transcript } from './transcript.js'

export type Verdict =
  | { kind: 'same' }
  /** Hornet refuses, closes or waits where Node goes on: allowed when differences.json has a row `id`. */
  | { kind: 'stricter'; id: string }
  /** Node has refused what Hornet has no verdict on yet: to be asked again with more behind it. */
  | { kind: 'pending' }
  /** Hornet goes on where Node does not: never allowed. */
  | { kind: 'looser'; what: string }
  /** Both go on, and understand different things: never allowed. */
  | { kind: 'other'; what: string }

const same: Verdict = { kind: 'same' }

export function compare(node: Transcript, hornet: Transcript): Verdict {
  const count = Math.max(node.requests.length, hornet.requests.length)
  for (let index = 0; index < count; index++) {
    const verdict = compareRequest(node, hornet, index)
    if (verdict !== undefined) return verdict
  }
  return compareEndings(node, hornet)
}

/** Undefined: the same so far. */
function compareRequest(node: Transcript, hornet: Transcript, index: number): Verdict | undefined {
  const theirs: SeenRequest | undefined = node.requests[index]
  const ours: SeenRequest | undefined = hornet.requests[index]
  const wanted = node.ending.kind === 'refused' ? `Node refused (${node.ending.fault})` : `Node: ${node.ending.kind}`
  if (theirs === undefined) return { kind: 'looser', what: `a request where ${wanted}` }
  if (ours === undefined) {
    if (hornet.ending.kind === 'refused') return { kind: 'stricter', id: `refuses ${hornet.ending.fault}` }
    return { kind: 'other', what: `no request, but ${hornet.ending.kind}, where Node has one` }
  }
  for (const part of ['method', 'target', 'version'] as const) {
    if (theirs[part] !== ours[part]) return { kind: 'other', what: part }
  }
  if (!areEqual(theirs.fields, ours.fields)) return { kind: 'other', what: 'fields' }
  if (ours.isTunnel !== theirs.isTunnel) {
    return theirs.isTunnel ? { kind: 'stricter', id: 'upgrades less' } : { kind: 'looser', what: 'an upgrade' }
  }
  if (ours.isTunnel) return undefined

  if (ours.isWhole && !theirs.isWhole) return { kind: 'looser', what: `the end of a body where ${wanted}` }
  if (!theirs.body.startsWith(ours.body)) {
    const reason = ours.body.startsWith(theirs.body) ? 'looser' : 'other'
    return { kind: reason, what: `body bytes, ${wanted}` }
  }
  if (!ours.isWhole && theirs.isWhole) {
    if (hornet.ending.kind === 'refused') return { kind: 'stricter', id: `refuses ${hornet.ending.fault}` }
    return { kind: 'other', what: 'no end of a body' }
  }
  if (ours.isWhole) {
    if (ours.body !== theirs.body) return { kind: 'other', what: 'a body' }
    if (!areEqual(theirs.trailers, ours.trailers)) return { kind: 'other', what: 'trailers' }
  }
  if (ours.keepsAlive !== theirs.keepsAlive) {
    return theirs.keepsAlive ? { kind: 'stricter', id: 'closes sooner' } : { kind: 'looser', what: 'keeps alive' }
  }
  return undefined
}

function compareEndings({ ending: theirs }: Transcript, { ending: ours }: Transcript): Verdict {
  if (ours.kind === 'refused') {
    return theirs.kind === 'refused' ? same : { kind: 'stricter', id: `refuses ${ours.fault}` }
  }
  if (theirs.kind === 'refused') {
    return ours.kind === 'more' ? { kind: 'pending' } : { kind: 'looser', what: `Node refused (${theirs.fault})` }
  }
  // A single CR may be the start of the empty line that both skip: Node does not count that as a message begun.
  if (ours.kind === theirs.kind || ours.kind === 'more') return same
  return { kind: 'looser', what: `${ours.kind} where Node is ${theirs.kind}` }
}

function areEqual(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text, index) => text === b[index])
}
