// The routes for frameworks that add nothing to req and res: Connect and Polka.
import { Readable } from 'node:stream'
import busboy from 'busboy'
import { events, hashOf, longText, noteDeparture, pieces, sha256, waitForDeparture, words } from './shared.mjs'

class StatusError extends Error {
  constructor(status, message) {
    super(message)
    this.status = status
    this.code = status // where Polka looks
  }
}

async function textOf(req, bytesMax = 1_048_576) {
  const chunks = []
  let bytes = 0
  for await (const chunk of req) {
    bytes += chunk.length
    if (bytes <= bytesMax) chunks.push(chunk)
  }
  if (bytes > bytesMax) throw new StatusError(413, 'too large')
  return Buffer.concat(chunks).toString()
}

function sendJson(res, value, status = 200) {
  res.writeHead(status, { 'Content-Type': 'application/json' })
  res.end(JSON.stringify(value))
}

function queryOf(req) {
  return Object.fromEntries(new URL(req.url, 'http://localhost').searchParams)
}

function bytesOf(req) {
  return Number(queryOf(req).bytes)
}

/** By method and path. Each may fail by throwing or by rejecting. */
export const routes = {
  'POST /json': async (req, res) => {
    const text = await textOf(req)
    try {
      sendJson(res, JSON.parse(text), 201)
    } catch (error) {
      throw new StatusError(400, error.message)
    }
  },
  'POST /form': async (req, res) => {
    sendJson(res, Object.fromEntries(new URLSearchParams(await textOf(req))))
  },
  'POST /text': async (req, res) => {
    res.end(await textOf(req))
  },
  'GET /cookies': (req, res) => {
    res.appendHeader('Set-Cookie', 'first=1; HttpOnly')
    res.appendHeader('Set-Cookie', 'second=two%20words; path=/cookies')
    sendJson(res, req.cookies)
  },
  'GET /redirect': (_req, res) => {
    res.writeHead(302, { Location: '/route/1' }).end()
  },
  'GET /etag': (req, res) => {
    const isKnown = req.headers['if-none-match'] === '"v1"'
    res.writeHead(isKnown ? 304 : 200, { ETag: '"v1"' })
    res.end(isKnown ? undefined : 'the first version')
  },
  'GET /empty': (_req, res) => {
    res.writeHead(204).end()
  },
  'POST /upload': (req, res) => {
    const answer = {}
    const parser = busboy({ headers: req.headers })
    parser.on('field', (name, value) => {
      answer[name] = value
    })
    parser.on('file', (_field, file, { filename: name, mimeType: type }) => {
      const chunks = []
      file.on('data', (chunk) => chunks.push(chunk))
      file.on('end', () => {
        const buffer = Buffer.concat(chunks)
        Object.assign(answer, { name, type, bytes: buffer.length, sha256: sha256(buffer) })
      })
    })
    parser.on('close', () => sendJson(res, answer))
    req.pipe(parser)
  },
  'GET /compressed': (_req, res) => {
    res.setHeader('Content-Type', 'text/plain')
    res.end(longText)
  },
  'GET /stream': (_req, res) => {
    Readable.from(words()).pipe(res)
  },
  'GET /events': async (_req, res) => {
    res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-transform' })
    res.flushHeaders()
    for await (const event of events()) res.write(event)
    res.end()
  },
  'POST /hash': async (req, res) => {
    res.end(await hashOf(req))
  },
  'GET /big': (req, res) => {
    res.setHeader('Content-Type', 'application/octet-stream')
    Readable.from(pieces(bytesOf(req))).pipe(res)
  },
  'GET /big-at-once': (req, res) => {
    res.setHeader('Content-Type', 'application/octet-stream')
    res.end(Buffer.concat([...pieces(bytesOf(req))]))
  },
  'GET /sync-error': () => {
    throw new StatusError(500, 'sync on purpose')
  },
  'GET /async-error': async () => {
    await null
    throw new StatusError(500, 'async on purpose')
  },
  'GET /late-error': (_req, res) => {
    res.setHeader('Cache-Control', 'no-transform')
    res.write('begun', () => res.destroy())
  },
  'GET /hang': (req, res) => {
    const { id } = queryOf(req)
    res.on('close', () => noteDeparture(id))
    res.write('hanging')
  },
  'GET /departure': async (req, res) => {
    res.end(await waitForDeparture(queryOf(req).id))
  },
}

export function describeRequest(req, res, id) {
  const { remoteAddress: ip } = req.socket
  const protocol = req.socket.encrypted ? 'https' : 'http'
  sendJson(res, { id, query: queryOf(req), ip, host: req.headers.host, protocol })
}
