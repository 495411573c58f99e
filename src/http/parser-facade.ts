/**
 * `req.socket.parser` of a connection that the native core parses. Node documents none of it; code that looks at it
 * wants to know whose turn it is, or to hear when the parser is let go of with the connection.
 */
import type { IncomingMessage } from 'node:http'
import { createRequire } from 'node:module'
import type { Exchange } from './exchange.js'

/** What Node keeps under numbers, by the names it gives them. */
interface HttpParserType {
  readonly kOnTimeout: number
}
const { HTTPParser } = createRequire(import.meta.url)('_http_common') as { HTTPParser: HttpParserType }
const kOnTimeout = HTTPParser.kOnTimeout | 0

export class ParserFacade {
  /** The connection it parses for; null once it is closed. */
  socket: object | null
  /** The request that is served; null once it has come and is answered. */
  incoming: IncomingMessage | null = null
  onIncoming: (() => void) | null = ignore
  joinDuplicateHeaders: boolean | null = null;
  [index: number]: unknown
  /** The request that it was told of last. */
  #latest: IncomingMessage | null = null

  constructor(socket: object) {
    this.socket = socket
    this[kOnTimeout] = ignore
  }

  /** The exchange is the one that is served now. */
  serve({ req, res }: Exchange): void {
    if (this.#latest === req) return
    this.#latest = this.incoming = req
    const clear = (): void => {
      if (this.incoming !== req) return
      if (req?.readableEnded === false) req.once('end', () => process.nextTick(clear))
      else if (res?.writableFinished === false) res.once('finish', clear)
      else this.incoming = null
    }
    process.nextTick(clear)
  }

  /** Called when the connection is closed. */
  free(): void {}
  remove(): void {}
  close(): void {}

  /** What Node does when it is done with a parser. */
  release(): void {
    this.socket = this.incoming = this.onIncoming = this.joinDuplicateHeaders = null
    this[kOnTimeout] = null
    this.free()
  }
}

function ignore(): void {}
