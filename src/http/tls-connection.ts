/**
 * The stand-in for the socket of a connection with TLS: what a `tls.TLSSocket` tells of its handshake and its client.
 * The I/O thread is asked when the application asks, and what it told stays after the end of the connection. Plain
 * connections have none of this: libraries look for these methods to tell the two apart.
 */
import type { X509Certificate } from 'node:crypto'
import type { CipherNameAndProtocol, PeerCertificate } from 'node:tls'
import { builtins } from '../builtins.js'
import type { NativeTlsSession } from '../seam/addon.js'
import { Connection } from './connection.js'
import type { Exchange } from './exchange.js'

/** What Node's types leave out of a certificate that is asked for with its issuers. */
type LinkedCertificate = PeerCertificate & { issuerCertificate?: PeerCertificate }

const pemCertificate = /-----BEGIN [^-]+-----[^-]+-----END [^-]+-----/g
/** Node's word for a client that was asked for a certificate and has none. */
const noCertificate = 'UNABLE_TO_GET_ISSUER_CERT'

export class TlsConnection extends Connection {
  #session: NativeTlsSession | null = null

  /** Null when the connection was closed before anybody asked. */
  #ask(): NativeTlsSession | null {
    this.#session ??= this.exchange.core.tlsSessionOf(this.exchange)
    return this.#session
  }

  get authorized(): boolean {
    const session = this.#ask()
    return session !== null && session.certificates.length > 0 && session.verifyError === ''
  }

  set authorized(value: boolean) {
    own(this, 'authorized', value)
  }

  /** A code of OpenSSL's, which Node's types take for an Error; null when nothing is wrong, or no certificate was asked for. */
  get authorizationError(): string | null {
    const session = this.#ask()
    if (session === null || this.exchange.core.tls?.clientCertificates === 'none') return null
    return session.verifyError || (session.certificates.length === 0 ? noCertificate : null)
  }

  set authorizationError(value: string | null) {
    own(this, 'authorizationError', value)
  }

  /** The host that the client named, or false. */
  get servername(): string | false {
    return this.#ask()?.servername || false
  }

  set servername(value: string | false) {
    own(this, 'servername', value)
  }

  get alpnProtocol(): string | false {
    return this.#ask()?.alpnProtocol || false
  }

  set alpnProtocol(value: string | false) {
    own(this, 'alpnProtocol', value)
  }

  getProtocol(): string | null {
    return this.#ask()?.protocol ?? null
  }

  getCipher(): CipherNameAndProtocol | null {
    const session = this.#ask()
    if (session === null) return null
    return { name: session.cipher, standardName: session.cipherStandardName, version: session.cipherVersion }
  }

  isSessionReused(): boolean | null {
    return this.#ask()?.isResumed ?? null
  }

  /** `{}` without a certificate; with `detailed` each has its `issuerCertificate`, as far as that is known. */
  getPeerCertificate(detailed?: boolean): LinkedCertificate | Record<string, never> | null {
    if (this.#ask() === null) return null
    const [first, ...sent] = this.#sent()
    if (first === undefined) return {}
    // Made anew for each caller, as in Node: they are the application's to change.
    if (!detailed) return first.toLegacyObject() as LinkedCertificate
    // A client need not send what the server has.
    const known = this.exchange.core.tls?.caPem?.match(pemCertificate) ?? []
    const line = issuerLine(first, [...sent, ...known.map(parse)])
    const shown = line.map((certificate) => certificate.toLegacyObject() as LinkedCertificate)
    shown.forEach((certificate, index) => {
      const issuer = shown[index + 1] ?? (isSelfIssued(line[index]) ? certificate : undefined)
      if (issuer !== undefined) certificate.issuerCertificate = issuer
    })
    return shown[0]
  }

  /** With its issuers as far as the client sent them. */
  getPeerX509Certificate(): X509Certificate | undefined {
    const [first, ...sent] = this.#sent()
    if (first === undefined) return undefined
    const line = issuerLine(first, sent)
    for (const [index, issuer] of line.slice(1).entries()) {
      Object.defineProperty(line[index], 'issuerCertificate', { value: issuer, configurable: true })
    }
    return first
  }

  /** The client's certificate, and the others that it sent. */
  #sent(): X509Certificate[] {
    return (this.#ask()?.certificates ?? []).map(parse)
  }
}

/** With TLS of ours, what has its methods; `encrypted` alone may also be what a proxy says of its client. */
export function makeConnection(exchange: Exchange): Connection {
  return exchange.core.tls !== undefined ? new TlsConnection(exchange) : new Connection(exchange)
}

function parse(certificate: string | Buffer): X509Certificate {
  const { X509Certificate } = builtins.crypto()
  return new X509Certificate(certificate)
}

/** The certificate, the one that it is signed by, and so on; a client may send them in any order. */
function issuerLine(first: X509Certificate, others: X509Certificate[]): X509Certificate[] {
  const line = [first]
  for (;;) {
    const last = line[line.length - 1]
    const at = isSelfIssued(last) ? -1 : others.findIndex((other) => last.checkIssued(other))
    if (at === -1) return line
    line.push(...others.splice(at, 1))
  }
}

function isSelfIssued(certificate: X509Certificate): boolean {
  return certificate.checkIssued(certificate)
}

/** In Node these are properties that anybody may set. */
function own(connection: TlsConnection, name: string, value: unknown): void {
  Object.defineProperty(connection, name, { value, writable: true, enumerable: true, configurable: true })
}
