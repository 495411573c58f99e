// Peer: Deno. An application with `fetch` runs on Deno.serve, over TLS (and then with HTTP/2 as well) when BENCH_TRANSPORT
// says so, any other on Deno's node:http.
//
//   deno run --allow-all bench/macro/peers/deno.mjs APP [EXPORT]
/* global Deno */
import process from 'node:process'
import { pathToFileURL } from 'node:url'
import { certificate } from '../tls.mjs'

const [path, name = 'default'] = process.argv.slice(2)
const app = (await import(pathToFileURL(path).href))[name]

if (typeof app.fetch === 'function') {
  const isSecure = process.env.BENCH_TRANSPORT !== 'http'
  Deno.serve({
    port: 0,
    hostname: '127.0.0.1',
    ...(isSecure ? { cert: Deno.readTextFileSync(certificate.cert), key: Deno.readTextFileSync(certificate.key) } : {}),
    onListen: ({ port }) => console.log(`listening ${isSecure ? 'https' : 'http'}://127.0.0.1:${port}`),
    handler: (request) => app.fetch(request),
  })
} else {
  const { makeServer } = await import('./make-server.mjs')
  const server = await makeServer(path)
  server.listen(0, '127.0.0.1', () => console.log(`listening http://127.0.0.1:${server.address().port}`))
}
