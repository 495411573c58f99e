/**
 * What the native core is told of the settings: limits, times, proxies, the access log.
 */
import { readFileSync } from 'node:fs'
import type { AccessFormat } from '../config/access-format.js'
import type { Settings } from '../config/settings.js'
import type { AccessAtom, NativeAccessFormat, NativeEdge, NativeLimits } from '../seam/addon.js'

// A head is kept whole until its end has come. The product of the limits on its parts (by default 100 fields of
// 8190 bytes and a line of 8190) is far more than any client sends, and times `--max-connections` more than a machine
// has; so the head as a whole is bounded as well. Browsers send less than 4 KiB, and stop at cookies of 8 to 180 KiB.
const headBytesMax = 256 * 1024

// What a slow upload may gather before a worker hears of it; bigger bodies are streamed.
const bodyBufferBytes = 64 * 1024

/** Descriptors this process may have open; infinite where the system does not tell. */
export function descriptorsMax(): number {
  if (process.platform !== 'linux') return Number.POSITIVE_INFINITY
  const soft = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
  return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft)
}

/**
 * Connections to have open at most, where `descriptors` may be: an eighth of them, 64 to 1024, is kept for the
 * application, its workers and logs. Without that a full server could not even reload.
 */
export function connectionsThatFit(wanted: number, descriptors: number): number {
  const kept = Math.min(Math.max(64, Math.floor(descriptors / 8)), 1024)
  return Math.max(1, Math.min(wanted, descriptors - kept))
}

export function nativeLimits(settings: Settings): NativeLimits {
  const { limitRequestLineBytes, limitRequestFields, limitRequestFieldBytes } = settings
  // The 4: CRLF after the last field, and the empty line's. Those of the other lines count with their lines.
  const partsBytesMax = limitRequestLineBytes + limitRequestFields * limitRequestFieldBytes + 4
  return {
    requestLineBytesMax: limitRequestLineBytes,
    fieldsMax: limitRequestFields,
    fieldBytesMax: limitRequestFieldBytes,
    headBytesMax: Math.min(partsBytesMax, headBytesMax),
    bodyBytesMax: settings.limitRequestBodyBytes,
    bodyBufferBytes,
    connectionsMax: connectionsThatFit(settings.maxConnections, descriptorsMax()),
    clientConnectionsMax: settings.maxConnectionsPerIp,
    clientRequestsPerSecond: settings.limitRequestRate,
    clientRequestsBurst: settings.limitRequestBurst || settings.limitRequestRate,
    requestQueueMax: settings.requestQueue,
    queueTimeoutMs: settings.queueTimeoutMs,
    reassignAfterMs: settings.reassignAfterMs,
    requestTimeoutMs: settings.requestTimeoutMs,
    retriesSafe: settings.retryIdempotent,
    headerTimeoutMs: settings.headerTimeoutMs,
    bodyTimeoutMs: settings.bodyTimeoutMs,
    bodyBytesPerSecondMin: settings.bodyMinRateBytes,
    keepAliveMs: settings.keepAliveMs,
    writeTimeoutMs: settings.writeTimeoutMs,
    writeBytesPerSecondMin: settings.writeMinRateBytes,
  }
}

export function nativeEdge(settings: Settings): NativeEdge {
  const { forwardedAllowIps, forwardedSocket, proxyProtocol, proxyAllowFrom, health } = settings
  return { forwardedAllowIps, forwardedSocket, proxyProtocol, proxyAllowFrom, healthPrefix: health }
}

export function nativeAccessLog({ parts, isJson }: AccessFormat, fd: number): NativeAccessFormat & { fd: number } {
  // The parser of formats gives no other names: a test writes a line with each.
  return { parts: parts as { atom: AccessAtom; text: string }[], isJson, fd }
}
