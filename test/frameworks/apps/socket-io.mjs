// Socket.IO with what its applications use: acknowledgements, binary, rooms, namespaces, middleware.
import http from 'node:http'
import { Server } from 'socket.io'

const server = http.createServer((_req, res) => res.end('plain'))
const io = new Server(server, { maxHttpBufferSize: 8e6, pingInterval: 500 })

io.on('connection', (socket) => {
  socket.emit('welcome', { transport: socket.conn.transport.name, cookie: socket.handshake.headers.cookie })
  socket.on('echo', (...args) => {
    const reply = args.pop()
    reply(...args)
  })
  socket.on('join', async (room, reply) => {
    await socket.join(room)
    reply()
  })
  socket.on('say', (room, text) => socket.to(room).emit('said', text))
  socket.on('leave', () => socket.disconnect(true))
  socket.conn.on('upgrade', () => socket.emit('upgraded', socket.conn.transport.name))
  socket.on('disconnect', (reason) => console.log(`disconnected ${socket.id} ${reason}`))
})

const secret = io.of('/secret')
secret.use((socket, next) => (socket.handshake.auth.token === 'yes' ? next() : next(new Error('no token'))))
secret.on('connection', (socket) => socket.emit('told'))

export default server
