// Peer: uWebSockets.js, from a folder that the user has it in (it is in no registry). It serves plain text only: it has
// an API of its own, which no application of this benchmark speaks.
//
//   node bench/macro/peers/uws.mjs FOLDER
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { certificate } from '../tls.mjs'

const uws = createRequire(import.meta.url)(resolve(process.argv[2]))
const isSecure = process.env.BENCH_TRANSPORT === 'https'
const app = isSecure ? uws.SSLApp({ key_file_name: certificate.key, cert_file_name: certificate.cert }) : uws.App()
app
  .any('/*', (res) => {
    // It adds the length and, as current versions do, the date.
    res.writeHeader('Content-Type', 'text/plain').end('Hello, World!')
  })
  .listen('127.0.0.1', 0, (socket) => {
    if (socket) console.log(`listening ${isSecure ? 'https' : 'http'}://127.0.0.1:${uws.us_socket_local_port(socket)}`)
  })
