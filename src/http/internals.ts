/**
 * Private fields of Node's own message classes, found on a specimen of the running Node: our objects are built by
 * Node's constructors and keep their state where Node's methods look for it.
 */
import { PerformanceObserver } from 'node:perf_hooks'
import { IncomingMessage, ServerResponse, STATUS_CODES } from './node-http.js'

function symbolsOf(specimen: object): Map<string, symbol> {
  return new Map(Object.getOwnPropertySymbols(specimen).map((symbol) => [symbol.description ?? '', symbol]))
}

// A constructor needs no socket to show its fields.
const incoming = symbolsOf(new IncomingMessage(null as never))
const outgoing = symbolsOf(new ServerResponse({ method: 'GET', httpVersionMajor: 1, httpVersionMinor: 1 } as never))

function need(found: Map<string, symbol>, name: string): symbol {
  const symbol = found.get(name)
  if (symbol === undefined) throw new Error(`this Node (${process.version}) has no http field ${name}`)
  return symbol
}

/** IncomingMessage: how many strings of rawHeaders `headers` takes. */
export const kHeadersCount = need(incoming, 'kHeadersCount')
/** OutgoingMessage: the header table, lower-case name to [name, value]. */
export const kOutHeaders = need(outgoing, 'kOutHeaders')
/** OutgoingMessage: bytes of body written, counted where Node counts them. */
export const kBytesWritten = need(outgoing, 'kBytesWritten')
/** OutgoingMessage: how often it was corked while it had no socket. */
export const kCorked = need(outgoing, 'corked')
/** OutgoingMessage: write() returned false and 'drain' is owed. */
export const kNeedDrain = need(outgoing, 'kNeedDrain')
/** OutgoingMessage: where Node 22 and later keep the socket; Node 20 has a plain field. */
export const kSocket = outgoing.get('kSocket')
/** OutgoingMessage: what `writableFinished` says on Node 24 and later; before, it is computed. */
export const kWritableFinished = outgoing.get('kWritableFinished')
export const kRejectNonStandardBodyWrites = need(outgoing, 'kRejectNonStandardBodyWrites')

/** ServerResponse: there while someone observes 'http' entries. Node's responses have it only then. */
export const kStatistics = observedSymbol('ServerResponseStatistics')

function observedSymbol(name: string): symbol {
  const observer = new PerformanceObserver(() => {})
  observer.observe({ entryTypes: ['http'] })
  const req = { method: 'GET', httpVersionMajor: 1, httpVersionMinor: 1, headers: {} }
  const found = symbolsOf(new ServerResponse(req as never)).get(name)
  observer.disconnect()
  return found ?? Symbol(name)
}

export const statusCodes = STATUS_CODES as { readonly [status: number]: string | undefined }
