// Answers as the target says: /ID/STYLE/SIZE/PAUSE. What the client should get follows from these alone (plan.ts), so
// it can tell a wrong answer from a right one and one request's from another's.
import { createHash } from 'node:crypto'

/** As in plan.ts. */
function bodyOf(id, size) {
  const body = Buffer.allocUnsafe(size)
  for (let at = 0; at < size; at++) body[at] = id * 7 + at * 13 + (at >> 8)
  return body
}

const styles = {
  end: (res, body) => res.end(body),
  text: (res, body) => res.end(body.toString('latin1'), 'latin1'),
  'head-object': (res, body, id) => res.writeHead(200, { 'X-Id': id, 'Content-Length': body.length }).end(body),
  'head-array': (res, body, id) => res.writeHead(200, ['X-Id', `${id}`, 'X-Twice', 'a', 'X-Twice', 'b']).end(body),
  sized(res, body) {
    res.setHeader('Content-Length', body.length)
    res.write(body.subarray(0, body.length >> 1))
    res.end(body.subarray(body.length >> 1))
  },
  'write-end'(res, body) {
    res.write(body.subarray(0, body.length >> 1))
    res.end(body.subarray(body.length >> 1))
  },
  'write-late-end'(res, body) {
    res.write(body)
    setImmediate(() => res.end())
  },
  flushed(res, body) {
    res.flushHeaders()
    setTimeout(() => res.end(body), 1)
  },
  'writes-in-turns'(res, body) {
    const step = Math.max(1, Math.ceil(body.length / 5))
    const next = (at) => {
      if (at >= body.length) return res.end()
      res.write(body.subarray(at, at + step))
      setImmediate(next, at + step)
    }
    next(0)
  },
  'writes-that-wait': async (res, body) => {
    for (let at = 0; at < body.length; at += 50_000) {
      const isTaken = res.write(body.subarray(at, at + 50_000))
      if (!isTaken && !res.closed) await new Promise((go) => res.once('drain', go).once('close', go))
    }
    res.end()
  },
  /** Fields that only Node's own code writes. */
  trailers(res, body) {
    // Which need chunks.
    if (res.useChunkedEncodingByDefault && res.req.method !== 'HEAD') res.setHeader('Trailer', 'X-Sum')
    res.write(body)
    res.addTrailers({ 'X-Sum': 'yes' })
    res.end()
  },
  'own-keep-alive'(res, body) {
    res.setHeader('Connection', 'keep-alive')
    res.end(body)
  },
  'early-hints'(res, body) {
    res.writeEarlyHints({ link: '</style.css>; rel=preload' })
    // Text: with a Buffer, Node puts the head of an answer that waits for its turn before the hints.
    res.end(body.toString('latin1'), 'latin1')
  },
  'no-content'(res) {
    res.statusCode = 204
    res.end()
  },
  'not-modified'(res) {
    res.writeHead(304).end()
  },
  closing(res, body) {
    res.setHeader('Connection', 'close')
    res.end(body)
  },
  'not-kept'(res, body) {
    res.shouldKeepAlive = false
    res.end(body)
  },
  'closing-in-pieces'(res, body) {
    res.setHeader('Connection', 'close')
    res.write(body)
    setImmediate(() => res.end())
  },
  destroyed: (res) => res.destroy(),
  'destroyed-within'(res, body) {
    res.write(body)
    setImmediate(() => res.destroy())
  },
}

export default function app(req, res) {
  const [, id, style, size, pause] = req.url.split('/')
  if (style === 'exit') process.exit(1)
  const answer = () => {
    if (res.destroyed) return
    if (!style.startsWith('head-')) res.setHeader('X-Id', id)
    styles[style](res, bodyOf(Number(id), Number(size)), Number(id))
  }
  const later = () => {
    if (pause === '0') answer()
    else if (pause === '1') setImmediate(answer)
    else setTimeout(answer, Number(pause))
  }
  if (req.method !== 'POST' || req.headers['x-early'] !== undefined) return later()
  const hash = createHash('sha256')
  req.on('error', () => {})
  req.on('data', (piece) => hash.update(piece))
  req.on('end', () => {
    if (res.headersSent || res.destroyed) return
    if (style.startsWith('head-') || hash.digest('hex') === req.headers['x-sha256']) return later()
    res.writeHead(418).end('the body has another sum than was announced')
  })
}
