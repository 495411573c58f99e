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
    if (session === null || !this.exchange.core.asksForCertificates) return null
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

  /** `{}` without a certificate; with `detailed` each has its `issuerCertificate`, as far as the client sent those. */
  getPeerCertificate(detailed?: boolean): LinkedCertificate | Record<string, never> | null {
    if (this.#ask() === null) return null
    const line = this.#issuerLine()
    if (line.length === 0) return {}
    // Made anew for each caller, as in Node: they are the application's to change.
    const shown = line.map((certificate) => certificate.toLegacyObject() as LinkedCertificate)
    if (!detailed) return shown[0]
    shown.forEach((certificate, index) => {
      const issuer = shown[index + 1] ?? (isSelfIssued(line[index]) ? certificate : undefined)
      if (issuer !== undefined) certificate.issuerCertificate = issuer
    })
    return shown[0]
  }

  getPeerX509Certificate(): X509Certificate | undefined {
    const line = this.#issuerLine()
    line.forEach((certificate, index) => {
      const issuer = line[index + 1]
      if (issuer !== undefined) Object.defineProperty(certificate, 'issuerCertificate', { value: issuer })
    })
    return line[0]
  }

  /** The client's certificate, the one that it is signed by, and so on. A client may send them in any order. */
  #issuerLine(): X509Certificate[] {
    const { X509Certificate } = builtins.crypto()
    const [first, ...others] = (this.#ask()?.certificates ?? []).map((der) => new X509Certificate(der))
    if (first === undefined) return []
    const line = [first]
    for (;;) {
      const last = line[line.length - 1]
      const at = others.findIndex((other) => last.checkIssued(other))
      if (at === -1) return line
      line.push(...others.splice(at, 1))
    }
  }
}

/** With TLS of ours, what has its methods; `encrypted` alone may also be what a proxy says of its client. */
export function makeConnection(exchange: Exchange): Connection {
  return exchange.core.hasTls ? new TlsConnection(exchange) : new Connection(exchange)
}

function isSelfIssued(certificate: X509Certificate): boolean {
  return certificate.checkIssued(certificate)
}

/** In Node these are properties that anybody may set. */
function own(connection: TlsConnection, name: string, value: unknown): void {
  Object.defineProperty(connection, name, { value, writable: true, enumerable: true, configurable: true })
}
