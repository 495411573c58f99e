// Peer: Bun. An application with `fetch` runs on Bun.serve, any other on Bun's node:http.
//
//   bun bench/macro/peers/bun.mjs APP [EXPORT]
/* global Bun */
import { makeServer } from './make-server.mjs'

const [path, name = 'default'] = process.argv.slice(2)
const app = (await import(path))[name]

if (typeof app.fetch === 'function') {
  // Idle connections are measured with more time than Bun's ten seconds; 255 is its most.
  const server = Bun.serve({ port: 0, hostname: '127.0.0.1', idleTimeout: 120, fetch: (request) => app.fetch(request) })
  console.log(`listening http://127.0.0.1:${server.port}`)
} else {
  const server = await makeServer(path)
  server.listen(0, '127.0.0.1', () => console.log(`listening http://127.0.0.1:${server.address().port}`))
}
