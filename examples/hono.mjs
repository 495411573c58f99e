// Hono. Its application is an object with `fetch`, which is all Hornet needs.
//
//   hornet examples/hono.mjs
//   curl http://127.0.0.1:8000/hello/Ada
//   curl http://127.0.0.1:8000/upload -F file=@package.json
import { Hono } from 'hono'
import { requestId } from 'hono/request-id'
import { streamSSE } from 'hono/streaming'

const app = new Hono()
app.use(requestId())

app.get('/', (c) => c.text('Hello from Hono'))

app.get('/hello/:name', (c) => c.json({ hello: c.req.param('name') }))

app.post('/echo', async (c) => c.json(await c.req.json(), 201))

app.post('/upload', async (c) => {
  const { file } = await c.req.parseBody()
  if (!(file instanceof File)) return c.text('Send a form with a file named "file"', 400)
  return c.json({ name: file.name, type: file.type, bytes: file.size })
})

// Server-sent events: three of them, then the end.
app.get('/events', (c) =>
  streamSSE(c, async (stream) => {
    for (const count of [1, 2, 3]) {
      await stream.writeSSE({ data: String(count) })
      await stream.sleep(50)
    }
  }),
)

app.get('/error', () => {
  throw new Error('This route fails on purpose')
})

app.onError((error, c) => c.json({ error: error.message }, 500))

export default app
