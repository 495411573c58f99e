// Serves one application in a process of its own, as people start it: on `http.createServer`, or by the module's own
// `listen` export where its framework makes the server. Sends its port to the parent; SIGTERM closes the server, and
// the process ends because nothing is left to do.
//
//   node serve-app.mjs '{"path": "app.mjs", "exportName": "app", "factory": false}'
import { once } from 'node:events'
import http from 'node:http'
import { pathToFileURL } from 'node:url'
import { Server } from 'hornet/http'
import { loadApp } from '../../dist/worker/load-app.js'

async function open(spec) {
  const { listen } = await import(pathToFileURL(spec.path).href)
  if (listen !== undefined) return listen()
  const { listener, kind, server: own } = await loadApp(spec)
  // A fetch listener has answered before it fails; on node:http nobody else would take the error.
  const server =
    own ?? http.createServer(kind === 'fetch' ? (req, res) => runQuietly(() => listener(req, res)) : listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

async function runQuietly(action) {
  try {
    await action()
  } catch {}
}

const server = await open(JSON.parse(process.argv[2]))
process.once('SIGTERM', () => {
  server.close()
  server.closeAllConnections()
})
process.send({ port: server.address().port, isHornet: server instanceof Server })
process.disconnect()
