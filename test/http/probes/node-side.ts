/**
 * What node:http, in this process, makes of a probe.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from '../../support/http.js'

/** A status; or that it was no answer, or that the application got the request. */
export type NodeAnswer = number | 'closed' | 'served'

export async function startNode(): Promise<{ ask(bytes: string): Promise<NodeAnswer>; stop(): void }> {
  const server = createServer((req, res) => {
    req.resume().on('end', () => res.writeHead(200, { Connection: 'close', 'X-Served': 'yes' }).end())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const target = { port: (server.address() as AddressInfo).port }
  return {
    async ask(bytes) {
      const connection = await connect(target)
      connection.write(bytes)
      // What is not a whole request to it has no more to come.
      connection.end()
      try {
        const { status, headers } = await connection.readResponse()
        return headers['x-served'] === undefined ? status : 'served'
      } catch (error) {
        if (connection.state === 'open') throw error
        return 'closed'
      } finally {
        connection.destroy()
      }
    },
    stop() {
      server.close()
      server.closeAllConnections()
    },
  }
}
