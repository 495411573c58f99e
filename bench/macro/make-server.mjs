// An application as an http server of Node, for the peers that are Node itself.
import { createServer } from 'node:http'
import { pathToFileURL } from 'node:url'

/**
 * @param {string} path Module whose default export is a `(req, res)` function or an object with `fetch`.
 * @returns {Promise<import('node:http').Server>}
 */
export async function makeServer(path) {
  const { default: app } = await import(pathToFileURL(path).href)
  if (typeof app.fetch !== 'function') return createServer(app)
  const { createAdaptorServer } = await import('@hono/node-server')
  return createAdaptorServer({ fetch: app.fetch })
}
