import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import {
  bodyLimit,
  createEventStream,
  getCookie,
  getQuery,
  getRequestIP,
  getRouterParam,
  H3,
  HTTPError,
  handleCacheHeaders,
  iterable,
  noContent,
  readBody,
  redirect,
  serveStatic,
  setCookie,
  toNodeHandler,
} from 'h3'
import { folder, hashOf, noteDeparture, pieces, sha256, waitForDeparture, words } from './shared.mjs'

export const app = new H3({ silent: true })

app.get('/route/:id', (event) => {
  const { host, protocol } = event.url
  const id = getRouterParam(event, 'id', { decode: true })
  return { id, query: getQuery(event), ip: getRequestIP(event), host, protocol: protocol.slice(0, -1) }
})
app.post(
  '/json',
  async (event) => {
    const body = await readBody(event)
    event.res.status = 201
    return body
  },
  { middleware: [bodyLimit(1_048_576)] },
)
app.post('/form', (event) => readBody(event, { type: 'urlencoded' }))
app.post('/text', (event) => event.req.text())
app.get('/cookies', (event) => {
  setCookie(event, 'first', '1', { httpOnly: true })
  setCookie(event, 'second', 'two words', { path: '/cookies' })
  return { a: getCookie(event, 'a'), b: getCookie(event, 'b') }
})
app.get('/redirect', () => redirect('/route/1'))
app.get('/etag', (event) => (handleCacheHeaders(event, { etag: '"v1"' }) ? '' : 'the first version'))
app.get('/empty', () => noContent())
app.post('/upload', async (event) => {
  const form = await event.req.formData()
  const file = form.get('file')
  const { name, type, size: bytes } = file
  return { field: form.get('field'), name, type, bytes, sha256: sha256(Buffer.from(await file.arrayBuffer())) }
})
app.get('/stream', (event) => {
  event.res.headers.set('Content-Type', 'text/plain')
  return iterable(words())
})
app.get('/events', (event) => {
  const stream = createEventStream(event)
  const send = async () => {
    for (const id of [1, 2, 3]) await stream.push({ id: String(id), data: `event ${id}` })
    await stream.close()
  }
  void send()
  return stream.send()
})
app.post('/hash', (event) => hashOf(event.req.body))
app.get('/big', (event) => iterable(pieces(Number(getQuery(event).bytes))))
app.get('/big-at-once', (event) => Buffer.concat([...pieces(Number(getQuery(event).bytes))]))
app.get('/sync-error', () => {
  throw new Error('sync on purpose')
})
app.get('/async-error', async () => {
  await null
  throw new HTTPError({ status: 500, message: 'async on purpose' })
})
app.get('/hang', (event) => {
  const { id } = getQuery(event)
  return new ReadableStream({
    start: (controller) => controller.enqueue(Buffer.from('hanging')),
    cancel: () => noteDeparture(id),
  })
})
app.get('/departure', (event) => waitForDeparture(getQuery(event).id))
app.get('/static/**', (event) =>
  serveStatic(event, {
    getMeta: async (id) => {
      const info = await stat(join(folder, id.slice('/static'.length))).catch(() => undefined)
      if (!info?.isFile()) return undefined
      return { size: info.size, mtime: info.mtimeMs, etag: `"${info.size}-${info.mtimeMs}"` }
    },
    getContents: (id) => Readable.toWeb(createReadStream(join(folder, id.slice('/static'.length)))),
  }),
)

/** For `http.createServer`; `app` is the fetch handler. */
export default toNodeHandler(app)
