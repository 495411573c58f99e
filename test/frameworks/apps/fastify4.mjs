import { PassThrough, Readable } from 'node:stream'
import fastify from 'fastify4'
import { events, hashOf, noteDeparture, pieces, waitForDeparture, words } from './shared.mjs'

// Without plugins: those of Fastify 5 do not fit, and its own would be a second set of each.
const app = fastify({ bodyLimit: 1_048_576 })
app.addContentTypeParser('application/octet-stream', (_request, payload, done) => done(null, payload))

app.get('/route/:id', async (request) => {
  const { ip, hostname: host, protocol, params, query } = request
  return { id: params.id, query, ip, host, protocol }
})
app.post('/json', async (request, reply) => reply.code(201).send(request.body))
app.post('/text', async (request) => request.body)
app.get('/redirect', async (_request, reply) => reply.redirect('/route/1'))
app.get('/etag', async (request, reply) => {
  reply.header('ETag', '"v1"')
  return request.headers['if-none-match'] === '"v1"' ? reply.code(304).send() : 'the first version'
})
app.get('/empty', async (_request, reply) => reply.code(204).send())
app.get('/stream', async (_request, reply) => reply.type('text/plain').send(Readable.from(words())))
app.get('/events', async (_request, reply) => reply.type('text/event-stream').send(Readable.from(events())))
app.post('/hash', { bodyLimit: 2 ** 30 }, async (request) => hashOf(request.body))
app.get('/big', async (request, reply) => {
  return reply.type('application/octet-stream').send(Readable.from(pieces(Number(request.query.bytes))))
})
app.get('/big-at-once', async (request, reply) => {
  return reply.type('application/octet-stream').send(Buffer.concat([...pieces(Number(request.query.bytes))]))
})
app.get('/sync-error', () => {
  throw new Error('sync on purpose')
})
app.get('/async-error', async () => {
  await null
  throw new Error('async on purpose')
})
app.get('/late-error', async (_request, reply) => {
  const body = new PassThrough()
  body.write('begun')
  body.once('drain', () => body.destroy(new Error('late on purpose')))
  body.write(Buffer.alloc(1_000_000))
  return reply.type('text/plain').send(body)
})
app.get('/hang', async (request, reply) => {
  const body = new PassThrough()
  reply.raw.on('close', () => noteDeparture(request.query.id))
  body.write('hanging')
  return reply.type('text/plain').send(body)
})
app.get('/departure', async (request) => waitForDeparture(request.query.id))

export default app

export async function listen() {
  await app.listen({ port: 0, host: '127.0.0.1' })
  return app.server
}
