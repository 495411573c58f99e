import { PassThrough, Readable } from 'node:stream'
import compress from '@fastify/compress'
import cookie from '@fastify/cookie'
import formbody from '@fastify/formbody'
import multipart from '@fastify/multipart'
import files from '@fastify/static'
import fastify from 'fastify'
import { events, folder, hashOf, longText, noteDeparture, pieces, sha256, waitForDeparture, words } from './shared.mjs'

// A factory: started with --factory.
export default async function build() {
  const app = fastify({ trustProxy: false, bodyLimit: 1_048_576 })
  await app.register(compress, { encodings: ['gzip'] })
  await app.register(cookie)
  await app.register(formbody)
  await app.register(multipart, { limits: { fileSize: 10_000_000 } })
  await app.register(files, { root: folder, prefix: '/static/' })
  app.addContentTypeParser('application/octet-stream', (_request, payload, done) => done(null, payload))

  app.get('/route/:id', async (request) => {
    const { ip, hostname: host, protocol, params, query } = request
    return { id: params.id, query, ip, host, protocol }
  })
  app.post('/json', async (request, reply) => reply.code(201).send(request.body))
  app.post('/form', async (request) => request.body)
  app.post('/text', async (request) => request.body)
  app.get('/cookies', async (request, reply) => {
    reply.setCookie('first', '1', { path: '/', httpOnly: true })
    reply.setCookie('second', 'two words', { path: '/cookies' })
    return request.cookies
  })
  app.get('/redirect', async (_request, reply) => reply.redirect('/route/1'))
  app.get('/etag', async (request, reply) => {
    reply.header('ETag', '"v1"')
    return request.headers['if-none-match'] === '"v1"' ? reply.code(304).send() : 'the first version'
  })
  app.get('/empty', async (_request, reply) => reply.code(204).send())
  app.post('/upload', async (request) => {
    const file = await request.file()
    const buffer = await file.toBuffer()
    const { filename: name, mimetype: type, fields } = file
    return { field: fields.field.value, name, type, bytes: buffer.length, sha256: sha256(buffer) }
  })
  app.get('/compressed', async (_request, reply) => reply.type('text/plain').send(longText))
  app.get('/stream', async (_request, reply) => reply.type('text/plain').send(Readable.from(words())))
  app.get('/events', { compress: false }, async (_request, reply) => {
    return reply.type('text/event-stream').header('Cache-Control', 'no-transform').send(Readable.from(events()))
  })
  app.post('/hash', { bodyLimit: 2 ** 30 }, async (request) => hashOf(request.body))
  app.get('/big', { compress: false }, async (request, reply) => {
    return reply.type('application/octet-stream').send(Readable.from(pieces(Number(request.query.bytes))))
  })
  app.get('/big-at-once', { compress: false }, async (request, reply) => {
    return reply.type('application/octet-stream').send(Buffer.concat([...pieces(Number(request.query.bytes))]))
  })
  app.get('/sync-error', () => {
    throw new Error('sync on purpose')
  })
  app.get('/async-error', async () => {
    await null
    throw new Error('async on purpose')
  })
  app.get('/late-error', { compress: false }, async (_request, reply) => {
    const body = new PassThrough()
    body.write('begun')
    body.once('drain', () => body.destroy(new Error('late on purpose')))
    body.write(Buffer.alloc(1_000_000))
    return reply.type('text/plain').send(body)
  })
  app.get('/hang', { compress: false }, async (request, reply) => {
    const body = new PassThrough()
    reply.raw.on('close', () => noteDeparture(request.query.id))
    body.write('hanging')
    return reply.type('text/plain').send(body)
  })
  app.get('/departure', async (request) => waitForDeparture(request.query.id))

  return app
}
