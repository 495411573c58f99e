/**
 * The two ways a fetch handler can take a request's body from the Node request: whole, or as a byte stream.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'

/** Reads the rest of the body. Rejects when the client leaves first, or when someone has read from it already. */
export function readAll(req: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (req.readableEnded || req.readableDidRead) return reject(bodyUsedError())
    if (req.destroyed) return reject(abortError(req))
    const chunks: Buffer[] = []
    req.on('data', (chunk: Buffer) => chunks.push(chunk))
    req.on('end', () => resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)))
    req.on('error', reject)
    req.on('close', () => reject(abortError(req)))
  })
}

/**
 * The body as a byte stream that pauses the request while nobody reads. Cancelling it, or finishing the response
 * without having read it all, discards the rest, so that the connection can carry the next request.
 */
export function readableBody(req: IncomingMessage, res: ServerResponse): ReadableStream<Uint8Array> {
  let controller: ReadableByteStreamController
  let isOpen = true
  let isWanted = false

  const handleData = (chunk: Buffer) => {
    isWanted = false
    // Enqueueing transfers the memory, so a chunk that shares its memory with anything else is copied first.
    const ownsMemory = chunk.byteLength === chunk.buffer.byteLength && req.listenerCount('data') === 1
    controller.enqueue(ownsMemory ? new Uint8Array(chunk.buffer) : new Uint8Array(chunk))
    if (!isWanted) req.pause()
  }
  const handleEnd = () => {
    if (!isOpen) return
    isOpen = false
    controller.close()
    // A reader that brought its own buffer is only told of the end by an answer to it.
    controller.byobRequest?.respond(0)
  }
  const fail = (error: unknown) => {
    if (!isOpen) return
    isOpen = false
    controller.error(error)
  }
  const discard = () => {
    isOpen = false
    req.off('data', handleData)
    req.resume()
  }

  return new ReadableStream({
    type: 'bytes',
    start(byteController) {
      controller = byteController
      if (req.readableEnded || req.readableDidRead) return fail(bodyUsedError())
      if (req.destroyed) return fail(abortError(req))
      // Pausing first keeps the 'data' listener from starting the flow before anyone reads.
      req.pause()
      req.on('data', handleData)
      req.on('end', handleEnd)
      req.on('error', fail)
      req.on('close', () => fail(abortError(req)))
      res.once('finish', () => {
        if (!isOpen || isWanted) return
        fail(new TypeError('The response has ended; the rest of the request body was discarded'))
        discard()
      })
    },
    pull() {
      isWanted = true
      req.resume()
    },
    cancel: discard,
  })
}

export function bodyUsedError(): TypeError {
  return new TypeError('Body is unusable: Body has already been read')
}

function abortError(req: IncomingMessage): Error {
  return req.errored ?? Object.assign(new Error('The client left before the body ended'), { code: 'ECONNRESET' })
}
