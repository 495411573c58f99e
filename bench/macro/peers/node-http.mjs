// Peer: node:http, one process.
//
//   node bench/macro/peers/node-http.mjs APP
import { makeServer } from './make-server.mjs'

const server = await makeServer(process.argv[2])
// The backlog is Hornet's: Node's own of 511 makes thousands of connections at once wait for a second SYN.
server.listen({ port: 0, host: '127.0.0.1', backlog: 2048 }, () => {
  console.log(`listening http://127.0.0.1:${server.address().port}`)
})
