// Express with the middleware that most of its applications have.
import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import express from 'express'
import session from 'express-session'
import helmet from 'helmet'
import { createProxyMiddleware } from 'http-proxy-middleware'
import morgan from 'morgan'
import pinoHttp from 'pino-http'
import serveStatic from 'serve-static'
import { folder } from './shared.mjs'

/** Sessions in files: the next request may be in another worker, which a store in memory would not know of. */
class FileStore extends session.Store {
  #folder

  constructor(folder) {
    super()
    this.#folder = folder
    mkdirSync(folder, { recursive: true })
  }

  get(id, callback) {
    readFile(join(this.#folder, id), 'utf8').then(
      (text) => callback(null, JSON.parse(text)),
      (error) => (error.code === 'ENOENT' ? callback(null, null) : callback(error)),
    )
  }

  set(id, value, callback) {
    const draft = join(this.#folder, randomBytes(8).toString('hex'))
    writeFile(draft, JSON.stringify(value))
      .then(() => rename(draft, join(this.#folder, id)))
      .then(() => callback(null), callback)
  }

  destroy(id, callback) {
    rm(join(this.#folder, id), { force: true }).then(() => callback(null), callback)
  }
}

const app = express()
app.set('env', 'test')
app.use(morgan(':method :url :status :res[content-length] :remote-addr :response-time ms', { skip: isNotLogged }))
app.use(helmet())

app.get('/helmet', (_req, res) => res.send('safe'))
app.get('/morgan/:id', (_req, res) => res.send('five!'))
app.get('/morgan-late/:id', (_req, res) => {
  res.write('be')
  setImmediate(() => res.end('gun'))
})
app.get('/pino/:id', pinoHttp({ level: 'info' }), (req, res) => {
  req.log.info({ id: req.params.id }, 'from the handler')
  res.status(201).send('logged')
})
app.use('/files', serveStatic(folder, { maxAge: '1h', immutable: true, index: false, setHeaders: markFile }))

app.use(
  '/session',
  session({
    store: new FileStore(process.env.SESSION_FOLDER),
    secret: 'not a secret',
    name: 'sid',
    resave: false,
    saveUninitialized: false,
    cookie: { path: '/session', sameSite: 'lax' },
  }),
)
app.get('/session/count', (req, res) => {
  req.session.count = (req.session.count ?? 0) + 1
  res.json({ count: req.session.count })
})
app.get('/session/new', (req, res, next) => {
  req.session.regenerate((error) => (error ? next(error) : res.json({ count: req.session.count ?? 0 })))
})
app.get('/session/leave', (req, res, next) => {
  req.session.destroy((error) => (error ? next(error) : res.clearCookie('sid').redirect('/session/count')))
})

const target = process.env.UPSTREAM
app.use('/proxy', createProxyMiddleware({ target, changeOrigin: true, xfwd: true }))
app.use('/broken-proxy', createProxyMiddleware({ target: 'http://127.0.0.1:9', logger: undefined }))

function isNotLogged(req) {
  return !req.url.startsWith('/morgan')
}

function markFile(res) {
  res.setHeader('X-Kind', 'file')
}

export default app
