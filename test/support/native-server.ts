/**
 * A native server in the test's own thread, which is also its only worker: what the core counts and does is seen without
 * a master. The application is a function of the target that answers with a few bytes, now or later.
 */
import {
  loadAddon,
  type NativeEdge,
  type NativeLimits,
  type NativeServer,
  type NativeStats,
} from '../../src/seam/addon.js'
import { Inbox, type InboxHandler } from '../../src/seam/inbox.js'
import { Lane, type StartedExchange } from '../../src/seam/lane.js'
import { Outbox } from '../../src/seam/outbox.js'
import {
  CHUNK_FLAG_HEAD,
  CHUNK_FLAG_LAST,
  IO_CONTROL_STRIDE,
  LANE_RINGS_OFFSET,
  REQUEST_BYTES,
  REQUEST_EXCHANGE,
  REQUEST_GENERATION,
  REQUEST_TARGET_LENGTH,
  RESPOND_FLAG_CONNECTION,
  RESPOND_FLAG_DATE,
  RESPOND_FLAG_LENGTH,
} from '../../src/seam/records.js'
import { eventually } from './deadline.js'

export interface TestRequest {
  target: string
  /** One whole response. */
  answer(body: string | Uint8Array, status?: number): void
  /** Bytes for the wire, the head first; the last piece ends it. */
  write(bytes: string, isLast: boolean): void
}

export interface TestServer {
  server: NativeServer
  port: number
  stats(): NativeStats
  /** Asks for the stats until they satisfy, under a deadline that names what never came. */
  until(what: string, isSo: (stats: NativeStats) => boolean): Promise<NativeStats>
  close(): void
}

const ringBytes = 64 * 1024

const defaultLimits: NativeLimits = {
  requestLineBytesMax: 8190,
  fieldsMax: 100,
  fieldBytesMax: 8190,
  headBytesMax: 65_536,
  bodyBytesMax: 0,
  bodyBufferBytes: 65_536,
  connectionsMax: 100,
  clientConnectionsMax: 0,
  clientRequestsPerSecond: 0,
  clientRequestsBurst: 0,
  requestQueueMax: 100,
  queueTimeoutMs: 10_000,
  headerTimeoutMs: 30_000,
  bodyTimeoutMs: 30_000,
  keepAliveMs: 30_000,
  writeTimeoutMs: 30_000,
}

export interface TestServerOptions {
  limits?: Partial<NativeLimits>
  edge?: NativeEdge
  /** Requests that the worker may have at once. */
  inFlightMax?: number
  /** None: no request is ever started. */
  handle?: (request: TestRequest) => void
}

export function startServer({ limits, edge, inFlightMax = 100, handle }: TestServerOptions): TestServer {
  const ioControl = new SharedArrayBuffer(IO_CONTROL_STRIDE)
  const addon = loadAddon()
  const server = addon.createServer({
    ioThreads: 1,
    ioControl: new Uint8Array(ioControl),
    limits: { ...defaultLimits, ...limits },
    edge,
    onEvent: () => {},
  })
  const { port } = server.listen({ kind: 'tcp', host: '127.0.0.1', port: 0, reusePort: false, backlog: 100 })
  server.start()
  const detach = handle && attach(server, ioControl, inFlightMax, handle)
  const stats = () => server.stats()
  return {
    server,
    port,
    stats,
    until(what, isSo) {
      const look = () => {
        const seen = stats()
        return isSo(seen) ? seen : undefined
      }
      return eventually(what, look, () => JSON.stringify(stats()))
    },
    close() {
      server.close()
      detach?.()
    },
  }
}

function attach(
  server: NativeServer,
  ioControl: SharedArrayBuffer,
  inFlightMax: number,
  handle: (request: TestRequest) => void,
) {
  const memory = new SharedArrayBuffer(LANE_RINGS_OFFSET + 2 * ringBytes)
  const lane = new Lane(memory, 0, ringBytes)
  server.addWorker(1, [new Uint8Array(memory)], ringBytes, inFlightMax)
  let outbox: Outbox
  const handler: InboxHandler = {
    handleRequest(_, at) {
      const { words, bytes } = lane
      const exchange: StartedExchange = {
        lane,
        index: words[at + REQUEST_EXCHANGE],
        generation: words[at + REQUEST_GENERATION],
        claimedAt: outbox.clockUs,
      }
      const start = at * 4 + REQUEST_BYTES
      handle({
        target: bytes.latin1Slice(start, start + words[at + REQUEST_TARGET_LENGTH]),
        answer(body, status = 200) {
          const flags = RESPOND_FLAG_DATE | RESPOND_FLAG_LENGTH | RESPOND_FLAG_CONNECTION
          outbox.respond(exchange, flags, status, `HTTP/1.1 ${status} X\r\nX-Test: yes\r\n`, true, body, -1)
        },
        write(text, isLast) {
          outbox.raw(exchange, isLast ? CHUNK_FLAG_HEAD | CHUNK_FLAG_LAST : CHUNK_FLAG_HEAD, 200, Buffer.from(text))
        },
      })
    },
    settle() {},
    handleBodyChunk() {},
    handleEnded() {},
    handleAbort() {},
    handleCredit() {},
    handleConnectionClosed() {},
  }
  const inbox = new Inbox([lane], handler)
  const pump = () => {
    inbox.pump()
    outbox.flushOverflow()
  }
  const port = loadAddon().attachWorker(server.handle, 1, pump)
  outbox = new Outbox(lane, new Int32Array(ioControl), port)
  inbox.attach(port)
  pump()
  server.readyWorker(1)
  return () => port.close()
}
