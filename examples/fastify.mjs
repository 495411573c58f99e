// Fastify 5. Hornet waits for `ready()`, so plugins are loaded before the first request.
//
//   hornet examples/fastify.mjs
//   curl http://127.0.0.1:8000/users/7
//   curl http://127.0.0.1:8000/upload --data-binary @package.json -H 'Content-Type: application/octet-stream'
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import fastify from 'fastify'

const app = fastify()

app.get('/', async () => 'Hello from Fastify')

const user = { type: 'object', properties: { id: { type: 'integer' } } }
app.get('/users/:id', { schema: { params: user } }, async (request) => {
  return { id: request.params.id }
})

app.post('/echo', async (request, reply) => {
  reply.code(201)
  return request.body
})

// An upload of any size, hashed as it comes in: the parser hands over the stream.
app.addContentTypeParser('application/octet-stream', (_request, payload, done) => done(null, payload))
app.post('/upload', { bodyLimit: 2 ** 30 }, async (request) => {
  const hash = createHash('sha256')
  let bytes = 0
  await pipeline(request.body, async (chunks) => {
    for await (const chunk of chunks) {
      bytes += chunk.length
      hash.update(chunk)
    }
  })
  return { bytes, sha256: hash.digest('hex') }
})

app.get('/numbers', async (_request, reply) => {
  const numbers = Array.from({ length: 10_000 }, (_, index) => `${index}\n`)
  return reply.type('text/plain').send(Readable.from(numbers))
})

app.get('/error', async () => {
  throw new Error('This route fails on purpose')
})

export default app
