import { getConnInfo } from '@hono/node-server/conninfo'
import { serveStatic } from '@hono/node-server/serve-static'
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { compress } from 'hono/compress'
import { getCookie, setCookie } from 'hono/cookie'
import { etag } from 'hono/etag'
import { stream, streamSSE, streamText } from 'hono/streaming'
import { folder, hashOf, longText, noteDeparture, pieces, sha256, waitForDeparture, words } from './shared.mjs'

const app = new Hono()
app.use('/compressed', compress())

app.use('/static/*', serveStatic({ root: folder, rewriteRequestPath: (path) => path.slice('/static'.length) }))

app.get('/route/:id', (c) => {
  const { host, protocol } = new URL(c.req.url)
  const ip = getConnInfo(c).remote.address
  return c.json({ id: c.req.param('id'), query: c.req.query(), ip, host, protocol: protocol.slice(0, -1) })
})
const tooLarge = (c) => c.text('too large', 413)
app.post('/json', bodyLimit({ maxSize: 1_048_576, onError: tooLarge }), async (c) => {
  try {
    return c.json(await c.req.json(), 201)
  } catch (error) {
    if (error instanceof SyntaxError) return c.text('bad JSON', 400)
    throw error
  }
})
app.post('/form', async (c) => c.json(await c.req.parseBody()))
app.post('/text', async (c) => c.text(await c.req.text()))
app.get('/cookies', (c) => {
  setCookie(c, 'first', '1', { httpOnly: true })
  setCookie(c, 'second', 'two words', { path: '/cookies' })
  return c.json(getCookie(c))
})
app.get('/redirect', (c) => c.redirect('/route/1'))
app.get('/etag', etag(), (c) => c.text('the first version', 200, { ETag: '"v1"' }))
app.get('/empty', (c) => c.body(null, 204))
app.post('/upload', async (c) => {
  const { field, file } = await c.req.parseBody()
  const { name, type, size: bytes } = file
  return c.json({ field, name, type, bytes, sha256: sha256(Buffer.from(await file.arrayBuffer())) })
})
app.get('/compressed', (c) => c.text(longText))
app.get('/stream', (c) =>
  streamText(c, async (out) => {
    for await (const word of words()) await out.write(word)
  }),
)
app.get('/events', (c) =>
  streamSSE(c, async (out) => {
    for (const id of [1, 2, 3]) await out.writeSSE({ id: String(id), data: `event ${id}` })
  }),
)
app.post('/hash', async (c) => c.text(await hashOf(c.req.raw.body)))
app.get('/big', (c) =>
  stream(c, async (out) => {
    for (const piece of pieces(Number(c.req.query('bytes')))) await out.write(piece)
  }),
)
app.get('/big-at-once', (c) => c.body(Buffer.concat([...pieces(Number(c.req.query('bytes')))])))
app.get('/sync-error', () => {
  throw new Error('sync on purpose')
})
app.get('/async-error', async () => {
  await null
  throw new Error('async on purpose')
})
app.get('/late-error', () => {
  let isFirst = true
  const body = new ReadableStream({
    pull(controller) {
      if (!isFirst) throw new Error('late on purpose')
      isFirst = false
      controller.enqueue(Buffer.from('begun'))
      return new Promise((resolve) => setImmediate(resolve))
    },
  })
  return new Response(body)
})
app.get('/hang', (c) =>
  stream(c, async (out) => {
    out.onAbort(() => noteDeparture(c.req.query('id')))
    await out.write('hanging')
    await waitForDeparture(c.req.query('id'))
  }),
)
app.get('/departure', async (c) => c.text(await waitForDeparture(c.req.query('id'))))
app.onError((error, c) => c.text(error.message, 500))

export default app
