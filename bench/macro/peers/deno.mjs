// Peer: Deno. An application with `fetch` runs on Deno.serve, any other on Deno's node:http.
//
//   deno run --allow-all bench/macro/peers/deno.mjs APP [EXPORT]
/* global Deno */
import process from 'node:process'
import { pathToFileURL } from 'node:url'

const [path, name = 'default'] = process.argv.slice(2)
const app = (await import(pathToFileURL(path).href))[name]

if (typeof app.fetch === 'function') {
  Deno.serve({
    port: 0,
    hostname: '127.0.0.1',
    onListen: ({ port }) => console.log(`listening http://127.0.0.1:${port}`),
    handler: (request) => app.fetch(request),
  })
} else {
  const { makeServer } = await import('./make-server.mjs')
  const server = await makeServer(path)
  server.listen(0, '127.0.0.1', () => console.log(`listening http://127.0.0.1:${server.address().port}`))
}
