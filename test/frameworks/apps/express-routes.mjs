// The same application for Express 4 and 5.
import { Readable } from 'node:stream'
import compression from 'compression'
import cookieParser from 'cookie-parser'
import multer from 'multer'
import { events, folder, hashOf, longText, noteDeparture, pieces, sha256, waitForDeparture, words } from './shared.mjs'

export function makeApp(express, { rejects }) {
  const app = express()
  app.set('env', 'test') // keeps the expected errors out of the log
  app.use(compression())
  app.use(cookieParser())
  app.use('/static', express.static(folder))

  app.get('/route/:id', (req, res) => {
    res.json({ id: req.params.id, query: req.query, ip: req.ip, host: req.hostname, protocol: req.protocol })
  })
  app.post('/json', express.json({ limit: '1mb' }), (req, res) => {
    res.status(201).json(req.body)
  })
  app.post('/form', express.urlencoded({ extended: false }), (req, res) => {
    res.json(req.body)
  })
  app.post('/text', express.text(), (req, res) => {
    res.send(req.body)
  })
  app.get('/cookies', (req, res) => {
    res.cookie('first', '1', { httpOnly: true })
    res.cookie('second', 'two words', { path: '/cookies' })
    res.json(req.cookies)
  })
  app.get('/redirect', (_req, res) => {
    res.redirect('/route/1')
  })
  app.get('/etag', (_req, res) => {
    res.set('ETag', '"v1"').send('the first version')
  })
  app.get('/empty', (_req, res) => {
    res.status(204).end()
  })
  app.post('/upload', multer({ storage: multer.memoryStorage() }).single('file'), (req, res) => {
    const { originalname: name, buffer, mimetype: type } = req.file
    res.json({ field: req.body.field, name, type, bytes: buffer.length, sha256: sha256(buffer) })
  })
  app.get('/compressed', (_req, res) => {
    res.type('text/plain').send(longText)
  })
  app.get('/stream', (_req, res) => {
    res.type('text/plain')
    Readable.from(words()).pipe(res)
  })
  app.get('/events', async (_req, res) => {
    res.type('text/event-stream').set('Cache-Control', 'no-transform').flushHeaders()
    for await (const event of events()) res.write(event)
    res.end()
  })
  app.post('/hash', async (req, res) => {
    res.send(await hashOf(req))
  })
  app.get('/big', (req, res) => {
    res.type('application/octet-stream')
    Readable.from(pieces(Number(req.query.bytes))).pipe(res)
  })
  app.get('/big-at-once', (req, res) => {
    res.type('application/octet-stream').send(Buffer.concat([...pieces(Number(req.query.bytes))]))
  })
  app.get('/sync-error', () => {
    throw new Error('sync on purpose')
  })
  app.get('/async-error', (_req, _res, next) => {
    const failing = Promise.reject(new Error('async on purpose'))
    // Express 5 takes the rejection itself; Express 4 must be told.
    return rejects ? failing : failing.catch(next)
  })
  app.get('/late-error', (_req, res, next) => {
    res.set('Cache-Control', 'no-transform')
    res.write('begun', () => next(new Error('late on purpose')))
  })
  app.get('/hang', (req, res) => {
    res.on('close', () => noteDeparture(req.query.id))
    res.write('hanging')
  })
  app.get('/departure', async (req, res) => {
    res.send(await waitForDeparture(req.query.id))
  })

  return app
}
