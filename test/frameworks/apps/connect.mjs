import http from 'node:http'
import compression from 'compression'
import connect from 'connect'
import cookieParser from 'cookie-parser'
import serveStatic from 'serve-static'
import { describeRequest, routes } from './plain-routes.mjs'
import { folder } from './shared.mjs'

const app = connect()
app.use(compression())
app.use(cookieParser())
app.use('/static', serveStatic(folder))
app.use('/route', (req, res, next) => {
  if (req.method !== 'GET' && req.method !== 'HEAD') return next()
  // Connect cuts the mount path off.
  describeRequest(req, res, decodeURIComponent(req.url.slice(1).split('?')[0]))
})
for (const [route, handle] of Object.entries(routes)) {
  const [method, path] = route.split(' ')
  app.use(path, (req, res, next) => {
    if (req.method !== method) return next()
    new Promise((resolve) => resolve(handle(req, res))).catch(next)
  })
}
// The last word, as it keeps the expected errors out of the log.
app.use((error, _req, res, _next) => {
  res.statusCode = error.status ?? 500
  res.end(error.message)
})

export default app

export const listen = () =>
  new Promise((resolve) => {
    const server = http.createServer(app).listen(0, '127.0.0.1', () => resolve(server))
  })
