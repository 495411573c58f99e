// What the feature applications have in common: the same routes give the same answers, each in its framework's way.
import { createHash } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

/** The folder that is served as static files. */
export const folder = fileURLToPath(new URL('.', import.meta.url))

/** Compresses well. */
export const longText = 'All work and no play makes a dull page. '.repeat(1_000)

export function sha256(bytes) {
  return createHash('sha256').update(bytes).digest('hex')
}

export async function hashOf(chunks) {
  const hash = createHash('sha256')
  for await (const chunk of chunks) hash.update(chunk)
  return hash.digest('hex')
}

/** `bytes` bytes in pieces of 64 KiB, each piece different. */
export function* pieces(bytes) {
  for (let sent = 0, piece = 0; sent < bytes; piece++) {
    const size = Math.min(65_536, bytes - sent)
    yield Buffer.alloc(size, `piece ${piece} `)
    sent += size
  }
}

export async function* words() {
  for (const word of ['one ', 'two ', 'three']) {
    yield word
    await turn()
  }
}

export async function* events() {
  for (const id of [1, 2, 3]) {
    yield `id: ${id}\ndata: event ${id}\n\n`
    await turn()
  }
}

/**
 * Who left, by the id in the query: `note` it, or `wait` until it is noted. The request that asks may be in another
 * worker than the one that hung, so what one notes all hear.
 */
const departures = new Map()
const channel = new BroadcastChannel('departures')
channel.onmessage = ({ data: id }) => departureOf(id).note('left')
channel.unref()

function departureOf(id) {
  if (!departures.has(id)) {
    let note
    const noted = new Promise((resolve) => {
      note = resolve
    })
    departures.set(id, { note, noted })
  }
  return departures.get(id)
}

export function noteDeparture(id) {
  departureOf(id).note('left')
  channel.postMessage(id)
}

export function waitForDeparture(id) {
  return departureOf(id).noted
}
