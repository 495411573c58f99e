/** Serves app.ts by the module that is named: `node server.js node:http`, or hornet/http. Prints its port. */
import type nodeHttp from 'node:http'
import type { AddressInfo } from 'node:net'
import app from './app.js'

const { default: http } = (await import(process.argv[2])) as { default: typeof nodeHttp }
const server = http.createServer(app)
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port))
