/**
 * Servers with certificates, and clients that know their authority. The certificates are made by `certs/make.mjs`.
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls'
import { within } from '../support/deadline.js'
import { type Hornet, type HornetOptions, startHornet } from '../support/hornet.js'
import { RawConnection } from '../support/http.js'
import { root } from '../support/root.js'

export const app = 'test/tls/fixtures/app.mjs'

/** Path of a file beside make.mjs. */
export function cert(name: string): string {
  return join(root, 'test/tls/certs', name)
}

export function pem(name: string): string {
  return readFileSync(cert(name), 'latin1')
}

export const serverCertificate: string[] = ['--certfile', cert('server.pem'), '--keyfile', cert('server.key')]

/** A server for localhost with one worker, unless `args` say otherwise. */
export function startTls(args: string[] = [], options: HornetOptions = {}): Promise<Hornet> {
  return startHornet({ app, ...options, args: ['--workers', '1', ...serverCertificate, ...args] })
}

export type Where = { port: number } | { path: string }

/** What a client of these tests says: it trusts our authority alone. */
export function clientOptions(where: Where, options: ConnectionOptions = {}): ConnectionOptions {
  const place = 'path' in where ? { path: where.path } : { host: '127.0.0.1', port: where.port }
  return { ...place, ca: pem('ca.pem'), servername: 'localhost', ...options }
}

/** Opens a connection and waits for the handshake; rejects with the error that the client sees. */
export async function connectSecurely(where: Where, options: ConnectionOptions = {}): Promise<SecureConnection> {
  const socket = connectTls(clientOptions(where, options))
  try {
    await within(once(socket, 'secureConnect'), 'handshake')
  } catch (error) {
    socket.destroy()
    throw error
  }
  return new SecureConnection(socket)
}

export class SecureConnection extends RawConnection {
  readonly tls: TLSSocket

  constructor(socket: TLSSocket) {
    super(socket)
    this.tls = socket
  }
}
