import compression from 'compression'
import cookieParser from 'cookie-parser'
import polka from 'polka'
import serveStatic from 'serve-static'
import { describeRequest, routes } from './plain-routes.mjs'
import { folder } from './shared.mjs'

const app = polka()
app.use(compression(), cookieParser())
app.use('/static', serveStatic(folder))
const describe = (req, res) => describeRequest(req, res, decodeURIComponent(req.params.id))
app.get('/route/:id', describe).head('/route/:id', describe)
for (const [route, handle] of Object.entries(routes)) {
  const [method, path] = route.split(' ')
  const run = (req, res, next) => {
    new Promise((resolve) => resolve(handle(req, res))).catch(next)
  }
  app.add(method, path, run)
  if (method === 'GET') app.head(path, run)
}

export default app

export const listen = () =>
  new Promise((resolve) => {
    app.listen(0, '127.0.0.1', () => resolve(app.server))
  })
