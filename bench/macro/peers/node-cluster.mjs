// Peer: node:cluster, a primary and some worker processes.
//
//   node bench/macro/peers/node-cluster.mjs APP WORKERS
import cluster from 'node:cluster'
import { makeServer } from './make-server.mjs'

const [app, count] = process.argv.slice(2)

function runPrimary() {
  let listening = 0
  cluster.on('listening', (_worker, { port }) => {
    listening++
    // All of them ask for port 0 and get the same one; said once all are there, so that none misses the warm-up.
    if (listening === Number(count)) console.log(`listening http://127.0.0.1:${port}`)
  })
  // A worker ends by itself when its primary has gone, so only one that goes before it is a fault.
  cluster.on('exit', (worker) => {
    console.error(`worker ${worker.id} ended`)
    process.exit(1)
  })
  for (let i = 0; i < Number(count); i++) cluster.fork()
}

async function runWorker() {
  const server = await makeServer(app)
  server.listen(0, '127.0.0.1')
}

if (cluster.isPrimary) runPrimary()
else await runWorker()
