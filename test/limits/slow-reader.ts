/** A client that is slow, and not idle. Its slowness is made of time, which tests may not be. */
import type { Socket } from 'node:net'

/** Takes a piece (64 KiB at most), waits a little, takes a piece. Returns what tells how many bytes it has so far. */
export function readSlowly(socket: Socket, pauseMs = 5): () => number {
  let bytes = 0
  socket.on('data', ({ length }) => {
    bytes += length
    socket.pause()
    setTimeout(() => socket.resume(), pauseMs)
  })
  socket.resume()
  return () => bytes
}
