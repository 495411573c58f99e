/**
 * Whom the requests of a listener are for: a request listener, or an http server with all its events.
 */
import type { Connection } from './connection.js'
import { type IncomingMessage, Server, type ServerResponse } from './node-http.js'

export type Listener = (req: IncomingMessage, res: ServerResponse) => unknown

export interface Target {
  /** Called with the server, if there is one, as `this`. */
  readonly listener: Listener
  readonly server: Server | null
  /** What `Keep-Alive` fields framed by Node's own code say; milliseconds. */
  keepAliveMs: number
  /** What the application throws is answered 500 and told; otherwise it is the process's, as with node:http. */
  readonly onError: ((error: unknown, req: IncomingMessage) => void) | null
}

/** What Node's own server does with each connection; it sits first among the listeners of every server. */
const listenToConnection = new Server().listeners('connection')[0] as (this: Server, socket: unknown) => void

/** Lets Node's own parser and code serve a connection, for the server whose events it brings about. */
export function serveByNode(server: Server, connection: Connection): void {
  listenToConnection.call(server, connection)
}

/** The listener of a target that is a server. */
export function emitRequest(this: unknown, req: IncomingMessage, res: ServerResponse): unknown {
  return (this as Server).emit('request', req, res)
}
