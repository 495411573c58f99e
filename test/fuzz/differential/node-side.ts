/**
 * What Node makes of a stream: a real `http.Server`, and so llhttp as Node sets it up and the checks that Node's server
 * adds, given connections that are no sockets. All of it runs while the bytes are handed over, without a turn of the
 * event loop, so a million streams take minutes.
 */
import http from 'node:http'
import { Duplex } from 'node:stream'
import { cutAtEnd, type Ending, type SeenRequest, type Stream, type Transcript } from './transcript.js'

/** Limits are settings, here and there: only ours are to count. */
const headBytesMax = 16 * 1024 * 1024

class Connection extends Duplex {
  readonly requests: SeenRequest[] = []
  ending: Ending = { kind: 'clean' }
  isOver = false

  override _read(): void {}

  override _write(_chunk: unknown, _encoding: string, callback: () => void): void {
    callback()
  }

  refuse(fault: string): void {
    if (!this.isOver) this.ending = { kind: 'refused', fault }
    this.isOver = true
  }
}

class Incoming extends http.IncomingMessage {
  seen: SeenRequest | undefined

  // Node's parser hands the body over by this.
  override push(chunk: Buffer | null): boolean {
    const { seen } = this
    if (seen === undefined) return true
    if (chunk === null) {
      seen.isWhole = true
      seen.trailers = this.rawTrailers
    } else {
      seen.body += chunk.toString('latin1')
    }
    return true
  }
}

/** Says nothing; what Node would say by itself is how it refuses. */
class Outgoing extends http.ServerResponse<Incoming> {
  override writeHead(status: number): this {
    connectionOf(this.req).refuse(String(status))
    return this
  }

  override writeContinue(): void {}

  override end(): this {
    return this
  }
}

function connectionOf(req: http.IncomingMessage): Connection {
  // The stand-in that the server was given is what it hands on.
  return req.socket as unknown as Connection
}

function see(req: Incoming, keepsAlive: boolean, isTunnel: boolean): void {
  const seen = {
    method: req.method ?? '',
    target: req.url ?? '',
    version: req.httpVersion,
    fields: req.rawHeaders,
    keepsAlive,
    isTunnel,
    body: '',
    trailers: [],
    isWhole: false,
  }
  req.seen = seen
  connectionOf(req).requests.push(seen)
}

export class NodeSide {
  readonly #server = http.createServer({
    IncomingMessage: Incoming,
    ServerResponse: Outgoing,
    maxHeaderSize: headBytesMax,
    keepAliveTimeout: 0,
    requestTimeout: 0,
    headersTimeout: 0,
  })

  constructor() {
    this.#server.timeout = 0
    this.#server.on('request', (req, res) => see(req, res.shouldKeepAlive, false))
    const seeTunnel = (req: http.IncomingMessage) => {
      see(req as Incoming, true, true)
      connectionOf(req).isOver = true
    }
    this.#server.on('upgrade', seeTunnel)
    this.#server.on('connect', seeTunnel)
    this.#server.on('clientError', (error: NodeJS.ErrnoException, connection) => {
      const place = connection as unknown as Connection
      if (error.code === 'HPE_INVALID_EOF_STATE') place.ending = { kind: 'more' }
      else place.refuse(error.code ?? error.message)
    })
  }

  read(stream: Stream): Transcript {
    const connection = new Connection()
    this.#server.emit('connection', connection)
    for (const piece of stream.pieces) {
      if (connection.isOver) break
      connection.emit('data', piece)
    }
    // Its parser tells at the end whether something is half read.
    if (!connection.isOver) connection.emit('end')
    connection.emit('close')
    return cutAtEnd({ requests: connection.requests, ending: connection.ending })
  }
}
