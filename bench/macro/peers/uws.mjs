// Peer: uWebSockets.js, from a folder that the user has it in (it is in no registry). It serves plain text only: it has
// an API of its own, which no application of this benchmark speaks.
//
//   node bench/macro/peers/uws.mjs FOLDER
import { createRequire } from 'node:module'
import { resolve } from 'node:path'

const uws = createRequire(import.meta.url)(resolve(process.argv[2]))
uws
  .App()
  .any('/*', (res) => {
    // It sends no Date of its own, which every other peer does.
    res.writeHeader('Content-Type', 'text/plain').writeHeader('Date', dateNow()).end('Hello, World!')
  })
  .listen('127.0.0.1', 0, (socket) => {
    if (socket) console.log(`listening http://127.0.0.1:${uws.us_socket_local_port(socket)}`)
  })

let date = new Date().toUTCString()
setInterval(() => {
  date = new Date().toUTCString()
}, 1000)

function dateNow() {
  return date
}
