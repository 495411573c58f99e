/**
 * A TCP connection beneath a TLS client: sends bytes ahead of the handshake, or all of it byte by byte, and keeps what
 * the server sent as it came.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { within } from '../support/deadline.js'
import type { Where } from './support.js'

export interface WireOptions {
  /** Goes before the ClientHello. */
  ahead?: string | Buffer
  /** One byte a write, and a turn of the event loop between them. */
  isDribbling?: boolean
}

export class Wire extends Duplex {
  readonly socket: Socket
  readonly received: Buffer[] = []
  /** What the client has sent, `ahead` apart. */
  readonly sent: Buffer[] = []
  readonly #isDribbling: boolean

  constructor(socket: Socket, { ahead, isDribbling = false }: WireOptions = {}) {
    super({ allowHalfOpen: true })
    this.socket = socket
    this.#isDribbling = isDribbling
    socket.setNoDelay(true)
    if (ahead !== undefined) socket.write(ahead)
    socket.on('data', (chunk: Buffer) => {
      this.received.push(chunk)
      if (!this.push(chunk)) socket.pause()
    })
    socket.on('end', () => this.push(null))
    socket.on('error', (error) => this.destroy(error))
    socket.on('close', () => this.destroy())
  }

  override _read(): void {
    this.socket.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.sent.push(chunk)
    if (!this.#isDribbling) this.socket.write(chunk, callback)
    else this.#dribble(chunk).then(() => callback(), callback)
  }

  override _final(callback: () => void): void {
    this.socket.end(callback)
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.socket.destroy()
    callback(error)
  }

  async #dribble(chunk: Buffer): Promise<void> {
    for (let at = 0; at < chunk.length; at++) {
      await new Promise<void>((settle) => this.socket.write(chunk.subarray(at, at + 1), () => settle()))
      await setImmediate()
    }
  }

  /** Types of the TLS records that came: 20 change cipher, 21 alert, 22 handshake, 23 data. */
  recordTypes(): number[] {
    const bytes = Buffer.concat(this.received)
    const types: number[] = []
    for (let at = 0; at + 5 <= bytes.length; at += 5 + bytes.readUInt16BE(at + 3)) types.push(bytes[at])
    return types
  }
}

export async function openWire(where: Where, options?: WireOptions): Promise<Wire> {
  const socket = connect('path' in where ? { path: where.path } : { host: '127.0.0.1', port: where.port })
  await within(once(socket, 'connect'), 'connection')
  return new Wire(socket, options)
}
