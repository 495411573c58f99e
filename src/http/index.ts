/**
 * `hornet/http`: Node's `http` with its server half on the native core, in this thread. `import http from 'hornet/http'`
 * or `require('hornet/http')` in place of `node:http` is all that a program needs; what is not about servers is Node's.
 */
import nodeHttp from 'node:http'
import { createServer, Server } from './server.js'

export * from 'node:http'
export { createServer, Server }

/** What `import http from 'node:http'` gives, with our two in their places. A plain object: it may be patched. */
const http = Object.create(null, {
  ...Object.getOwnPropertyDescriptors(nodeHttp),
  createServer: { value: createServer, writable: true, enumerable: true, configurable: true },
  Server: { value: Server, writable: true, enumerable: true, configurable: true },
}) as typeof nodeHttp
Object.setPrototypeOf(http, Object.prototype)

export default http
// For require(): what a CommonJS module would have assigned to module.exports.
export { http as 'module.exports' }
