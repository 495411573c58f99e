/**
 * Servers with certificates, and clients that know their authority. The certificates are made by `certs/make.mjs`.
 */
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls'
import { within } from '../support/deadline.js'
import { type Hornet, type HornetOptions, startHornet } from '../support/hornet.js'
import { message, RawConnection, type RawResponse, request } from '../support/http.js'
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

/** A folder with a config file that may be written anew; it goes when the tests end. */
export function configFolder(): { folder: string; path: string; write(settings: object): void } {
  const folder = mkdtempSync(join(tmpdir(), 'hornet-tls-'))
  after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'hornet.config.json')
  const write = (settings: object) =>
    writeFileSync(
      path,
      JSON.stringify({ workers: 1, certfile: cert('server.pem'), keyfile: cert('server.key'), ...settings }),
    )
  return { folder, path, write }
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

/**
 * How the server refuses: the alert that it sends, in the handshake or at the first read after it (where the server
 * judges last), or whatever else the client finds.
 */
export async function refusal(where: Where, options: ConnectionOptions): Promise<string> {
  let connection: SecureConnection
  try {
    connection = await connectSecurely(where, options)
  } catch (error) {
    return alertIn((error as NodeJS.ErrnoException).code ?? String(error))
  }
  connection.write(message('GET', '/'))
  try {
    return `served: ${(await connection.readResponse()).status}`
  } catch {
    return typeof connection.state === 'string' ? connection.state : alertIn(connection.state.error)
  } finally {
    connection.destroy()
  }
}

/** Versions of OpenSSL differ in what they put before it. */
function alertIn(code: string): string {
  return /ALERT_\w+$/.exec(code)?.[0] ?? code
}

/** One request on a connection of its own. */
export async function getSecurely(where: Where, path = '/', options?: ConnectionOptions): Promise<RawResponse> {
  const connection = await connectSecurely(where, options)
  connection.write(message('GET', path))
  try {
    return await connection.readResponse()
  } finally {
    connection.destroy()
  }
}

export class SecureConnection extends RawConnection {
  readonly tls: TLSSocket

  constructor(socket: TLSSocket) {
    super(socket)
    this.tls = socket
  }
}

/** Of the certificate that the server has shown. */
export function serialOf({ tls }: SecureConnection): string | undefined {
  return tls.getPeerX509Certificate()?.serialNumber
}

export async function servedSerial(where: { port: number }): Promise<string | undefined> {
  const connection = await connectSecurely(where)
  const serial = serialOf(connection)
  connection.destroy()
  return serial
}

export async function textOf(connection: SecureConnection, path = '/'): Promise<string> {
  connection.write(message('GET', path))
  return (await connection.readResponse()).text
}

/** A server whose certificate lies in `folder`, to be renewed in place as an ACME client does it. */
export async function startRenewable(folder: string, name: string, ...args: string[]) {
  const [certfile, keyfile, control] = ['pem', 'key', 'sock'].map((end) => join(folder, `${name}.${end}`))
  const renew = (from: string) => {
    copyFileSync(cert(`${from}.pem`), certfile)
    copyFileSync(cert(`${from}.key`), keyfile)
  }
  renew('server')
  const hornet = await startHornet({
    app,
    args: ['--workers', '1', '--certfile', certfile, '--keyfile', keyfile, '--control', `unix:${control}`, ...args],
  })
  const reload = () => request({ path: control }, message('POST', '/reload'))
  return { hornet, certfile, keyfile, control, renew, reload }
}

/** That of `server.pem`. */
export function serverSerial(): string {
  return new X509Certificate(readFileSync(cert('server.pem'))).serialNumber
}
