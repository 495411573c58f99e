/**
 * The http server that a request listener stands behind, for those who look for one: tracing agents wrap `emit` of
 * `http.Server.prototype`, or of the server that the diagnostics channel `http.server.request.start` names, and see no
 * request that does not come through it.
 */
import { EventEmitter } from 'node:events'
import { Server } from '../http/node-http.js'
import type { Target } from '../http/target.js'
import type { LoadedApp } from './app-kind.js'

const plainEmit: unknown = EventEmitter.prototype.emit

/** Whom the requests of an application go to: the server it made, or else one made for it. */
export function frontOf({ listener, server }: LoadedApp): Pick<Target, 'listener' | 'server'> {
  if (server !== undefined) return { listener, server }
  // What the listener returns may be a promise that rejects; `emit` would not tell.
  let returned: unknown
  const front = new Server((req, res) => {
    returned = listener.call(front, req, res)
  })
  return {
    server: front,
    listener: (req, res) => {
      // Looked at each time: an agent may wrap it as late as the first request. Otherwise the detour is spared.
      if (front.emit === plainEmit) return listener.call(front, req, res)
      returned = undefined
      front.emit('request', req, res)
      return returned
    },
  }
}
