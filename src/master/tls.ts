/**
 * The files of certificates and keys: read and looked through at the start and by each reload, so that what cannot
 * serve is an error that names the option and the file, and never a server without its certificate.
 */
import type { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { builtins } from '../builtins.js'
import type { Settings } from '../config/settings.js'
import { sniCertificate } from '../config/values.js'
import { HornetError } from '../errors.js'
import type { NativeTls } from '../seam/addon.js'

export interface TlsFiles {
  native: NativeTls
  /** When each certificate ends, by the path of its file. */
  expiries: { file: string; expiresMs: number }[]
  /** What an operator should know of them. */
  warnings: string[]
}

/** A certificate as the settings name it. */
interface Source {
  /** For messages. */
  option: string
  certfile: string
  keyOption: string
  keyfile: string
  /** Whom it is for, when that is said; otherwise the names in it. */
  host: string | undefined
}

interface ReadCertificate {
  source: Source
  leaf: X509Certificate
  chainPem: string
  keyPem: string
}

interface PemBlock {
  label: string
  text: string
}

const dayMs = 24 * 60 * 60 * 1000
const warnDays = 14

/**
 * Relative paths start in the folder of the process.
 *
 * @param nowMs Milliseconds since 1970.
 * @returns Undefined without `--certfile`.
 * @throws HornetError `ERR_HORNET_CONFIG`.
 */
export function readTls(settings: Settings, nowMs = Date.now()): TlsFiles | undefined {
  const { caCerts, certReqs, ciphers, tlsMinVersion, http2 } = settings
  const certificates = sourcesOf(settings).map(readCertificate)
  if (certificates.length === 0) return undefined
  checkCiphers(settings)
  const names = shareNames(certificates)
  return {
    native: {
      certificates: certificates.map(({ chainPem, keyPem }, index) => ({ chainPem, keyPem, names: names[index] })),
      clientCertificates: certReqs,
      caPem: caCerts === undefined ? undefined : readAuthorities(caCerts),
      ciphers,
      minVersion: tlsMinVersion,
      http2,
    },
    expiries: certificates.map(({ source, leaf }) => ({ file: source.certfile, expiresMs: Date.parse(leaf.validTo) })),
    warnings: certificates.flatMap((certificate) => warningsOf(certificate, nowMs)),
  }
}

/**
 * Makes the native server, or gives it other certificates.
 *
 * @throws HornetError `ERR_HORNET_CONFIG` when its OpenSSL refuses what was read, and whatever else is thrown.
 */
export function withTls<T>(native: NativeTls | undefined, act: () => T): T {
  if (native === undefined) return act()
  try {
    return act()
  } catch (error) {
    // Those of the system, and ours, have a code: they are about something else.
    const isOpenSsl = error instanceof Error && !('code' in error)
    throw isOpenSsl ? new HornetError('ERR_HORNET_CONFIG', `TLS: ${error.message}`, { cause: error }) : error
  }
}

/** The default certificate first. */
function sourcesOf({ certfile, keyfile, sni }: Settings): Source[] {
  if (certfile === undefined) return []
  const first: Source = {
    option: '--certfile',
    certfile,
    keyOption: keyfile === undefined ? '--certfile' : '--keyfile',
    keyfile: keyfile ?? certfile,
    host: undefined,
  }
  const others = sni.map((spec) => {
    const option = `--sni ${sniCertificate.format(spec)}`
    const { host, certfile } = spec
    return { option, certfile, keyOption: option, keyfile: spec.keyfile ?? certfile, host }
  })
  return [first, ...others]
}

function readCertificate(source: Source): ReadCertificate {
  const { option, certfile, keyOption, keyfile } = source
  const blocks = readPem(option, certfile, 'certificate')
  const certificates = parseCertificates(option, certfile, blocks)
  const [leaf] = certificates
  const keyBlock = (keyfile === certfile ? blocks : readPem(keyOption, keyfile, 'private key')).find(isKey)
  if (keyBlock === undefined) {
    const remedy =
      keyfile === certfile ? `: name its file as ${option === '--certfile' ? '--keyfile' : ',KEYFILE'}` : ''
    throw unusable(keyOption, `there is no private key in ${keyfile}${remedy}`)
  }
  const keyPem = keyBlock.text
  if (isEncrypted(keyBlock)) {
    throw unusable(
      keyOption,
      `the key in ${keyfile} is encrypted: decrypt it with openssl pkey -in ${keyfile} -out FILE, which only the user that starts the server may read`,
    )
  }
  const key = attempt(
    () => builtins.crypto().createPrivateKey(keyPem),
    (why) => unusable(keyOption, `the key in ${keyfile} cannot be read: ${why}`),
  )
  if (!leaf.checkPrivateKey(key)) {
    const isBehind = certificates.some((other) => other.checkPrivateKey(key))
    throw unusable(
      keyOption,
      isBehind
        ? `the key in ${keyfile} does not belong to the first certificate in ${certfile}, but to one behind it: that must be the first`
        : `the key in ${keyfile} does not belong to the certificate in ${certfile}`,
    )
  }
  const chainPem = joinPem(blocks.filter(isCertificate))
  // What only OpenSSL knows: keys that are too short for it, for example. Without `ca` it would load its own list.
  attempt(
    () => builtins.tls().createSecureContext({ cert: chainPem, key: keyPem, ca: [] }),
    (why, cause) => unusable(option, `OpenSSL cannot use the certificate in ${certfile}: ${why}`, cause),
  )
  return { source, leaf, chainPem, keyPem }
}

function readAuthorities(path: string): string {
  const option = '--ca-certs'
  const blocks = readPem(option, path, 'certificate')
  parseCertificates(option, path, blocks)
  return joinPem(blocks.filter(isCertificate))
}

function checkCiphers({ ciphers, tlsMinVersion }: Settings): void {
  if (ciphers === undefined) return
  if (tlsMinVersion === 'TLSv1.3' && !ciphers.split(':').some((name) => name.startsWith('TLS_'))) {
    throw unusable('--ciphers', `'${ciphers}' has none of TLS 1.3, the least that --tls-min-version allows`)
  }
  attempt(
    () => builtins.tls().createSecureContext({ ciphers, ca: [] }),
    (why, cause) => unusable('--ciphers', `OpenSSL knows no cipher of '${ciphers}': ${why}`, cause),
  )
}

/** Which host names each certificate serves; each name is in one list. */
function shareNames(certificates: readonly ReadCertificate[]): string[][] {
  const shared: string[][] = certificates.map(() => [])
  const taken = new Set<string>()
  const give = (index: number, names: readonly string[]): void => {
    for (const name of names) if (!taken.has(name)) shared[index].push(name)
    for (const name of names) taken.add(name)
  }
  // What was said goes before what was found, and the default certificate comes last: the others are there to be used.
  const order = certificates.map((_, index) => index)
  for (const index of order) give(index, hostOf(certificates[index]))
  for (const index of [...order.slice(1), 0]) {
    const { source, leaf } = certificates[index]
    if (source.host !== undefined) continue
    const names = hostNames(leaf)
    if (index > 0 && names.length === 0) {
      const form = `--sni HOST=${source.option.slice('--sni '.length)}`
      throw unusable(source.option, `the certificate in ${source.certfile} names no host: say which, as ${form}`)
    }
    give(index, names)
  }
  return shared
}

function hostOf({ source: { host } }: ReadCertificate): string[] {
  return host === undefined ? [] : [host]
}

/** Of its subjectAltName; what a client cannot send as a name is left out. */
function hostNames({ subjectAltName }: X509Certificate): string[] {
  // Node puts what has commas or other characters of note into quotes.
  const found = [...(subjectAltName ?? '').matchAll(/(?:^|, )DNS:((?:\*\.)?[\w-]+(?:\.[\w-]+)*)\.?(?=,|$)/g)]
  return [...new Set(found.map(([, name]) => name.toLowerCase()))]
}

function warningsOf({ source, leaf }: ReadCertificate, nowMs: number): string[] {
  const { option, certfile, host } = source
  const warnings: string[] = []
  const place = `${option}: the certificate in ${certfile}`
  const [fromMs, toMs] = [Date.parse(leaf.validFrom), Date.parse(leaf.validTo)]
  const days = Math.floor((toMs - nowMs) / dayMs)
  if (toMs < nowMs) warnings.push(`${place} expired on ${day(toMs)}`)
  else if (fromMs > nowMs) warnings.push(`${place} is not valid before ${new Date(fromMs).toISOString()}`)
  else if (toMs - nowMs <= warnDays * dayMs) warnings.push(`${place} expires on ${day(toMs)}, in ${formatDays(days)}`)
  // Of a wildcard, any name that it stands for.
  if (host !== undefined && leaf.checkHost(host.replace('*', 'any')) === undefined) {
    warnings.push(`${place} is not for ${host}: clients will refuse it`)
  }
  return warnings
}

function readPem(option: string, path: string, what: 'certificate' | 'private key'): PemBlock[] {
  let bytes: Buffer
  try {
    bytes = readFileSync(path)
  } catch (error) {
    const { message } = error as Error // fs throws nothing else
    throw unusable(option, message, error)
  }
  const found = bytes.toString('latin1').matchAll(/-----BEGIN ([A-Z0-9 ]+)-----\r?\n[\s\S]*?-----END \1-----/g)
  const blocks = [...found].map(([text, label]) => ({ label, text }))
  if (blocks.some(what === 'certificate' ? isCertificate : isKey)) return blocks
  // DER begins with an ASN.1 sequence of more than 255 bytes.
  const remedy =
    bytes[0] === 0x30 && bytes[1] === 0x82
      ? `; it looks like DER: openssl ${what === 'certificate' ? 'x509' : 'pkey'} -inform der -in ${path} makes PEM of it`
      : ''
  throw unusable(option, `there is no ${what} in ${path} (PEM)${remedy}`)
}

function parseCertificates(option: string, path: string, blocks: readonly PemBlock[]): X509Certificate[] {
  const { X509Certificate } = builtins.crypto()
  return blocks.filter(isCertificate).map(({ text }, index) =>
    attempt(
      () => new X509Certificate(text),
      (why, cause) => unusable(option, `certificate ${index + 1} in ${path} cannot be read: ${why}`, cause),
    ),
  )
}

function isCertificate({ label }: PemBlock): boolean {
  return label === 'CERTIFICATE' || label === 'X509 CERTIFICATE'
}

function isKey({ label }: PemBlock): boolean {
  return label.endsWith('PRIVATE KEY')
}

function isEncrypted({ label, text }: PemBlock): boolean {
  return label === 'ENCRYPTED PRIVATE KEY' || /^Proc-Type: *4, *ENCRYPTED/m.test(text)
}

function joinPem(blocks: readonly PemBlock[]): string {
  return blocks.map(({ text }) => `${text}\n`).join('')
}

function attempt<T>(act: () => T, refuse: (why: string, cause: unknown) => HornetError): T {
  try {
    return act()
  } catch (error) {
    const { reason, message } = error as Error & { reason?: string } // node:crypto and node:tls throw nothing else
    throw refuse(reason ?? message, error)
  }
}

function unusable(option: string, why: string, cause?: unknown): HornetError {
  return new HornetError('ERR_HORNET_CONFIG', `${option}: ${why}`, { cause })
}

function formatDays(days: number): string {
  if (days === 0) return 'less than a day'
  return days === 1 ? '1 day' : `${days} days`
}

function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}
