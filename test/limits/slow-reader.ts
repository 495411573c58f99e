/** A client that is slow, and not idle. Its slowness is made of time, which tests may not be. */
import type { Socket } from 'node:net'

const pauseMs = 5

/** Takes a piece, waits a little, takes a piece. Returns what tells how many bytes it has so far. */
export function readSlowly(socket: Socket): () => number {
  let bytes = 0
  socket.on('data', ({ length }) => {
    bytes += length
    socket.pause()
    setTimeout(() => socket.resume(), pauseMs)
  })
  socket.resume()
  return () => bytes
}
