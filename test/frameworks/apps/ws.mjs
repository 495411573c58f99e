// WebSockets by ws: routed by path with `noServer`, and as `attached`, by ws itself.
import http from 'node:http'
import { WebSocketServer } from 'ws'

const server = http.createServer((_req, res) => res.end('plain'))
const sockets = {
  '/echo': new WebSocketServer({ noServer: true, maxPayload: 64 * 1024 * 1024 }),
  '/deflate': new WebSocketServer({ noServer: true, perMessageDeflate: { threshold: 100 } }),
  '/protocol': new WebSocketServer({ noServer: true, handleProtocols: (offered) => [...offered].at(-1) }),
}

server.on('upgrade', (req, socket, head) => {
  const { pathname } = new URL(req.url, 'http://localhost')
  if (pathname === '/secret' || sockets[pathname] === undefined) {
    const body = 'no way'
    socket.end(`HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
    return
  }
  sockets[pathname].handleUpgrade(req, socket, head, (client) => serve(client, req))
})

function serve(client, req) {
  const { remoteAddress } = req.socket
  client.on('message', (data, isBinary) => {
    const [command, ...words] = isBinary ? [] : data.toString().split(' ')
    if (command === 'close!') client.close(Number(words[0]), words.slice(1).join(' '))
    else if (command === 'terminate!') client.terminate()
    else if (command === 'ping!') client.ping(words[0])
    else if (command === 'facts!')
      client.send(JSON.stringify({ url: req.url, cookie: req.headers.cookie, remoteAddress }))
    else if (command === 'flood!') flood(client, Number(words[0]))
    else client.send(data, { binary: isBinary })
  })
  client.on('pong', (data) => client.send(`pong ${data}`))
  client.on('close', (code, reason) => console.log(`closed ${code} ${reason}`))
  client.on('error', (error) => console.log(`error ${error.code}`))
}

/** Each in a callback of the one before: that is when ws has handed it to the socket. */
function flood(client, count) {
  if (count === 0) return client.send('flooded')
  client.send(Buffer.alloc(1024 * 1024, count & 255), () => flood(client, count - 1))
}

export default server

export const attached = http.createServer((_req, res) => res.end('plain'))
new WebSocketServer({ server: attached, path: '/echo' }).on('connection', serve)
