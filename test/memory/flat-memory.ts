/**
 * Requests of everyday kinds through Express in great number, while the server's memory is watched. Shared by the short
 * and the long form of the test.
 */
import assert from 'node:assert/strict'
import { residentBytes } from '../limits/memory.js'
import { within } from '../support/deadline.js'
import { connect, message, type RawConnection } from '../support/http.js'
import { type AppOptions, type RunningServer, startServer, type Way } from '../support/servers.js'
import { inMebibytes, mebibyte } from './process-memory.js'

const app = 'test/frameworks/apps/express5.mjs'
const roundMs = 120_000

/** So many are on their way on one connection. */
const depth = 8

const json = { 'Content-Type': 'application/json' }
const requests: Buffer[] = [
  message('GET', '/route/1?q=1'),
  message('POST', '/json', json, JSON.stringify({ text: 'a body', list: [1, 2, 3] })),
  message('GET', '/static/shared.mjs', { Range: 'bytes=0-99' }),
  message('GET', '/cookies', { Cookie: 'a=1; b=2' }),
  message('GET', '/nowhere'),
  message('POST', '/json', { ...json, 'Transfer-Encoding': 'chunked' }, '2\r\n[]\r\n0\r\n\r\n'),
  message('GET', '/stream'),
  message('GET', '/sync-error'),
]

/** One connection that sends one request again and again; every answer is as long as the first. */
class Repeater {
  readonly #connection: RawConnection
  readonly #request: Buffer
  readonly #status: string
  readonly #bytes: number

  static async open(server: RunningServer, request: Buffer): Promise<Repeater> {
    const connection = await connect(server.target)
    connection.write(request)
    const head = await connection.readUntil('\r\n\r\n')
    const isChunked = /^transfer-encoding: chunked/im.test(head.toString('latin1'))
    const length = Number(/^content-length: (\d+)/im.exec(head.toString('latin1'))?.[1])
    const body = isChunked ? await connection.readUntil('\r\n0\r\n\r\n') : await connection.readBytes(length)
    return new Repeater(connection, request, head.toString('latin1', 0, 12), head.length + body.length)
  }

  private constructor(connection: RawConnection, request: Buffer, status: string, bytes: number) {
    this.#connection = connection
    this.#request = Buffer.concat(Array.from({ length: depth }, () => request))
    this.#status = status
    this.#bytes = bytes
  }

  async run(count: number): Promise<void> {
    for (let done = 0; done < count; done += depth) {
      this.#connection.write(this.#request)
      const answers = await this.#connection.readBytes(this.#bytes * depth, roundMs)
      for (let at = 0; at < answers.length; at += this.#bytes) {
        assert.equal(answers.toString('latin1', at, at + this.#status.length), this.#status)
      }
    }
  }

  close(): void {
    this.#connection.destroy()
  }
}

/** Sends `count` requests in all, over connections that are new. */
async function send(server: RunningServer, count: number): Promise<void> {
  const repeaters = await Promise.all([...requests, ...requests].map((request) => Repeater.open(server, request)))
  const share = Math.ceil(count / repeaters.length)
  await within(Promise.all(repeaters.map((repeater) => repeater.run(share))), 'end of the requests', roundMs)
  for (const repeater of repeaters) repeater.close()
}

/**
 * Sends `warmUp` requests, then `count` more in ten rounds; the memory must be what it was, give or take `boundBytes`,
 * and Node must have warned of nothing (a leak of listeners is one of its warnings).
 */
export async function checkFlatMemory(way: Way, counts: { warmUp: number; count: number }): Promise<void> {
  const boundBytes = 20 * mebibyte
  const options: AppOptions = { args: ['--workers', '1'], nodeArgs: ['--trace-warnings'] }
  const server = await startServer(way, app, options)
  try {
    const { pid } = server.process
    await send(server, counts.warmUp)
    const before = residentBytes(pid)
    const rounds: number[] = []
    for (let round = 0; round < 10; round++) {
      await send(server, counts.count / 10)
      rounds.push(residentBytes(pid) - before)
    }
    const grown = rounds.map(inMebibytes).join(', ')
    console.log(`${way}: ${counts.count} requests over ${inMebibytes(before)}: ${grown}`)
    const last = rounds.at(-1) ?? 0
    assert.ok(Math.abs(last) <= boundBytes, `the memory changed by ${grown}`)
  } finally {
    await server.stop()
  }
}
