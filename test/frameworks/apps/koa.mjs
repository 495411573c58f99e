import { PassThrough, Readable } from 'node:stream'
import { bodyParser } from '@koa/bodyparser'
import multer from '@koa/multer'
import Router from '@koa/router'
import Koa from 'koa'
import compress from 'koa-compress'
import send from 'send'
import { events, folder, hashOf, longText, noteDeparture, pieces, sha256, waitForDeparture, words } from './shared.mjs'

const app = new Koa()
app.silent = true // keeps the expected errors out of the log
app.use(compress())

const router = new Router()
const parsed = bodyParser({ enableTypes: ['json', 'form', 'text'], jsonLimit: '1mb' })

router.get('/static/*path', (ctx) => {
  ctx.respond = false
  ctx.res.statusCode = 200 // Koa starts from 404
  send(ctx.req, ctx.path.slice('/static'.length), { root: folder }).pipe(ctx.res)
})
router.get('/route/:id', (ctx) => {
  const { ip, hostname: host, protocol } = ctx
  ctx.body = { id: ctx.params.id, query: { ...ctx.query }, ip, host, protocol }
})
router.post('/json', parsed, (ctx) => {
  ctx.status = 201
  ctx.body = ctx.request.body
})
router.post('/form', parsed, (ctx) => {
  ctx.body = { ...ctx.request.body }
})
router.post('/text', parsed, (ctx) => {
  ctx.body = ctx.request.body
})
router.get('/cookies', (ctx) => {
  ctx.cookies.set('first', '1', { httpOnly: true })
  ctx.cookies.set('second', 'two%20words', { path: '/cookies', httpOnly: false })
  ctx.body = { a: ctx.cookies.get('a'), b: ctx.cookies.get('b') }
})
router.get('/redirect', (ctx) => ctx.redirect('/route/1'))
router.get('/etag', (ctx) => {
  ctx.status = 200
  ctx.etag = 'v1'
  ctx.body = 'the first version'
  if (ctx.fresh) ctx.status = 304
})
router.get('/empty', (ctx) => {
  ctx.status = 204
})
router.post('/upload', multer().single('file'), (ctx) => {
  const { originalname: name, buffer, mimetype: type } = ctx.file
  ctx.body = { field: ctx.request.body.field, name, type, bytes: buffer.length, sha256: sha256(buffer) }
})
router.get('/compressed', (ctx) => {
  ctx.type = 'text/plain'
  ctx.body = longText
})
router.get('/stream', (ctx) => {
  ctx.type = 'text/plain'
  ctx.body = Readable.from(words())
})
router.get('/events', (ctx) => {
  ctx.type = 'text/event-stream'
  ctx.set('Cache-Control', 'no-transform')
  ctx.compress = false
  ctx.body = Readable.from(events())
})
router.post('/hash', async (ctx) => {
  ctx.body = await hashOf(ctx.req)
})
router.get('/big', (ctx) => {
  ctx.type = 'application/octet-stream'
  ctx.body = Readable.from(pieces(Number(ctx.query.bytes)))
})
router.get('/big-at-once', (ctx) => {
  ctx.type = 'application/octet-stream'
  ctx.body = Buffer.concat([...pieces(Number(ctx.query.bytes))])
})
router.get('/sync-error', () => {
  throw new Error('sync on purpose')
})
router.get('/async-error', async () => {
  await null
  throw new Error('async on purpose')
})
router.get('/late-error', (ctx) => {
  const body = new PassThrough()
  ctx.type = 'text/plain'
  ctx.compress = false
  ctx.body = body
  body.write('begun')
  // Once that is on its way; an error before would still be a 500.
  body.once('drain', () => body.destroy(new Error('late on purpose')))
  body.write(Buffer.alloc(1_000_000))
})
router.get('/hang', (ctx) => {
  const body = new PassThrough()
  ctx.type = 'text/plain'
  ctx.compress = false
  ctx.res.on('close', () => noteDeparture(ctx.query.id))
  ctx.body = body
  body.write('hanging')
})
router.get('/departure', async (ctx) => {
  ctx.body = await waitForDeparture(ctx.query.id)
})

app.use(router.routes()).use(router.allowedMethods())

export default app
