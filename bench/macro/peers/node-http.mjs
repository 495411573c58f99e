// Peer: node:http, one process; node:https or node:http2 when BENCH_TRANSPORT says so.
//
//   node bench/macro/peers/node-http.mjs APP
import { makeServer, urlOf } from './make-server.mjs'

const server = await makeServer(process.argv[2])
// The backlog is Hornet's: Node's own of 511 makes thousands of connections at once wait for a second SYN.
server.listen({ port: 0, host: '127.0.0.1', backlog: 2048 }, () => {
  console.log(`listening ${urlOf(server)}`)
})
