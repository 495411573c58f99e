import { NestFactory } from '@nestjs/core'
import { FileInterceptor } from '@nestjs/platform-express'
import compression from 'compression'
import cookieParser from 'cookie-parser'
import { makeModule } from './nest-module.mjs'
import { folder } from './shared.mjs'

const module = makeModule({
  FileInterceptor,
  setCookie: (res, name, value, options) => res.cookie(name, value, options),
  rawOf: (res) => res,
  sent: (_body, req) => req,
})
const app = await NestFactory.create(module, { logger: false, bodyParser: false })
app.useBodyParser('json', { limit: '1mb' })
app.useBodyParser('urlencoded', { extended: false })
app.useBodyParser('text')
app.use(compression())
app.use(cookieParser())
app.useStaticAssets(folder, { prefix: '/static/' })

export default app

export async function listen() {
  await app.listen(0, '127.0.0.1')
  return app.getHttpServer()
}
