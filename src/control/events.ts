/**
 * `GET /events`: what happens, told to whoever listens (server-sent events).
 */
import type { ServerResponse } from 'node:http'
import type { ControlEvent } from './api.js'
import { Problem } from './problem.js'

// A client that does not read is cut off; it may come back and ask for the state. 256 KiB are some thousand events.
const unsentBytesMax = 256 * 1024
const clientsMax = 32
// Proxies and clients take silence for death.
const heartbeatMs = 15_000

export class EventStream {
  readonly #clients = new Set<ServerResponse>()
  #heartbeat: NodeJS.Timeout | undefined
  #lastId = 0

  /** @throws Problem `too-many`. */
  add(response: ServerResponse): void {
    if (this.#clients.size >= clientsMax) {
      throw new Problem('too-many', `${clientsMax} clients listen already; close one`)
    }
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' })
    response.write('retry: 1000\n\n')
    this.#clients.add(response)
    response.on('close', () => this.#remove(response))
    this.#heartbeat ??= setInterval(() => this.#send(':\n\n'), heartbeatMs).unref()
  }

  publish(event: ControlEvent): void {
    this.#lastId += 1
    // JSON holds no line breaks; the type is one of ours.
    this.#send(`id: ${this.#lastId}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
  }

  close(): void {
    for (const client of this.#clients) client.end()
  }

  #send(text: string): void {
    for (const client of this.#clients) {
      client.write(text)
      if (client.writableLength > unsentBytesMax) client.destroy()
    }
  }

  #remove(response: ServerResponse): void {
    this.#clients.delete(response)
    if (this.#clients.size > 0) return
    clearInterval(this.#heartbeat)
    this.#heartbeat = undefined
  }
}
