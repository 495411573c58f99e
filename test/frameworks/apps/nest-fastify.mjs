import compress from '@fastify/compress'
import cookie from '@fastify/cookie'
import { NestFactory } from '@nestjs/core'
import { FastifyAdapter, FileInterceptor, memoryStorage } from '@nestjs/platform-fastify'
import { makeModule } from './nest-module.mjs'
import { folder } from './shared.mjs'

const module = makeModule({
  FileInterceptor: (field) => FileInterceptor(field, { storage: memoryStorage(), limits: { fileSize: 10_000_000 } }),
  setCookie: (reply, name, value, options) => reply.setCookie(name, value, options),
  rawOf: (reply) => reply.raw,
  sent: (body) => body,
})
const app = await NestFactory.create(module, new FastifyAdapter({ bodyLimit: 1_048_576 }), { logger: false })
await app.register(compress, { encodings: ['gzip'] })
await app.register(cookie)
app.useStaticAssets({ root: folder, prefix: '/static/' })
app
  .getHttpAdapter()
  .getInstance()
  .addContentTypeParser('application/octet-stream', { bodyLimit: 2 ** 30 }, (_request, payload, done) =>
    done(null, payload),
  )

export default app

export async function listen() {
  await app.listen({ port: 0, host: '127.0.0.1' })
  return app.getHttpServer()
}
