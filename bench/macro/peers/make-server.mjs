// An application as an http server of node:http, each framework by the way its guide tells.
import { createServer } from 'node:http'
import { pathToFileURL } from 'node:url'

/**
 * @param {string} path Module whose default export is a `(req, res)` function, a Koa or Fastify application, or an object
 *   with `fetch`.
 * @returns {Promise<import('node:http').Server>}
 */
export async function makeServer(path) {
  const { default: app } = await import(pathToFileURL(path).href)
  const server = await serverOf(app)
  // Idle connections are measured with more time than the five seconds that Node gives them.
  const keepAlive = Number(process.env.BENCH_KEEP_ALIVE ?? 0)
  if (keepAlive > 0) server.keepAliveTimeout = keepAlive * 1000
  return server
}

async function serverOf(app) {
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
