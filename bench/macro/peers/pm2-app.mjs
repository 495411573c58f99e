// Peer: what PM2 starts in each process of its cluster. The application is named by BENCH_APP.
import { makeServer } from './make-server.mjs'

const server = await makeServer(process.env.BENCH_APP)
server.listen(0, '127.0.0.1', () => console.log(`listening http://127.0.0.1:${server.address().port}`))
