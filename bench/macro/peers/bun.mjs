// Peer: Bun. An application with `fetch` runs on Bun.serve, over TLS when BENCH_TRANSPORT says so, any other on Bun's
// node:http.
//
//   bun bench/macro/peers/bun.mjs APP [EXPORT]
/* global Bun */
import { certificate } from '../tls.mjs'
import { makeServer } from './make-server.mjs'

const [path, name = 'default'] = process.argv.slice(2)
const app = (await import(path))[name]

if (typeof app.fetch === 'function') {
  const isSecure = process.env.BENCH_TRANSPORT === 'https'
  const server = Bun.serve({
    ...{ port: 0, hostname: '127.0.0.1', fetch: (request) => app.fetch(request) },
    // Idle connections are measured with more time than Bun's ten seconds; 255 is its most.
    idleTimeout: 120,
    ...(isSecure ? { tls: { cert: Bun.file(certificate.cert), key: Bun.file(certificate.key) } } : {}),
  })
  console.log(`listening ${isSecure ? 'https' : 'http'}://127.0.0.1:${server.port}`)
} else {
  const server = await makeServer(path)
  server.listen(0, '127.0.0.1', () => console.log(`listening http://127.0.0.1:${server.address().port}`))
}
