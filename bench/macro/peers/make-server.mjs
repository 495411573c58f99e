// An application as an http server of node:http, each framework by the way its guide tells; a `(req, res)` function also as
// one of node:https or node:http2, when BENCH_TRANSPORT says so.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { pathToFileURL } from 'node:url'
import { certificate } from '../tls.mjs'

/**
 * @param {string} path Module whose default export is a `(req, res)` function, a Koa or Fastify application, or an object
 *   with `fetch`.
 * @returns {Promise<import('node:http').Server | import('node:http2').Http2SecureServer>}
 */
export async function makeServer(path) {
  const { default: app } = await import(pathToFileURL(path).href)
  const server = await serverOf(app)
  // Idle connections are measured with more time than the five seconds that Node gives them.
  const keepAlive = Number(process.env.BENCH_KEEP_ALIVE ?? 0)
  if (keepAlive > 0) server.keepAliveTimeout = keepAlive * 1000
  return server
}

/** Where a server listens, as it says it. */
export function urlOf(server) {
  return `${isSecure ? 'https' : 'http'}://127.0.0.1:${server.address().port}`
}

const transport = process.env.BENCH_TRANSPORT ?? 'http'
const isSecure = transport !== 'http'

async function serverOf(app) {
  if (isSecure) return secureServerOf(app)
  if (typeof app.fetch === 'function') {
    const { createAdaptorServer } = await import('@hono/node-server')
    return createAdaptorServer({ fetch: app.fetch })
  }
  if (typeof app.callback === 'function') return createServer(app.callback())
  if (typeof app.routing === 'function') {
    await app.ready()
    return app.server
  }
  return createServer(app)
}

/** With the modules' own defaults otherwise; loaded only here, as they cost memory. */
async function secureServerOf(app) {
  if (app.length !== 2) throw new Error('only a (req, res) function is served over TLS')
  const options = { cert: readFileSync(certificate.cert), key: readFileSync(certificate.key) }
  if (transport === 'http2') return (await import('node:http2')).createSecureServer(options, app)
  return (await import('node:https')).createServer(options, app)
}
