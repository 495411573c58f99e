// Peer: node:http, one process.
//
//   node bench/macro/node-http.mjs APP
import { makeServer } from './make-server.mjs'

const server = await makeServer(process.argv[2])
server.listen(0, '127.0.0.1', () => console.log(`listening http://127.0.0.1:${server.address().port}`))
