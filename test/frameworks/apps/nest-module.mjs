// The same application for both of NestJS's adapters. Decorators are called as compiled TypeScript calls them.
import 'reflect-metadata'
import { PassThrough, Readable } from 'node:stream'
import {
  Body,
  Controller,
  Get,
  HttpCode,
  Injectable,
  Module,
  Param,
  ParseIntPipe,
  Post,
  Query,
  Redirect,
  Req,
  Res,
  Sse,
  StreamableFile,
  UnauthorizedException,
  UploadedFile,
  UseGuards,
  UseInterceptors,
} from '@nestjs/common'
import { from, map } from 'rxjs'
import { hashOf, longText, noteDeparture, pieces, sha256, waitForDeparture, words } from './shared.mjs'

class Numbers {
  double(value) {
    return value * 2
  }
}
Injectable()(Numbers)

class SecretGuard {
  canActivate(context) {
    if (context.switchToHttp().getRequest().headers['x-secret'] === 'yes') return true
    throw new UnauthorizedException('no secret')
  }
}

class Envelope {
  intercept(_context, next) {
    return next.handle().pipe(map((value) => ({ value })))
  }
}

/** Method decorators, then those of each parameter. */
function route(type, name, decorators, ...parameters) {
  const target = type.prototype
  parameters.forEach((decorate, index) => {
    decorate(target, name, index)
  })
  const descriptor = Object.getOwnPropertyDescriptor(target, name)
  for (const decorate of decorators.reverse()) decorate(target, name, descriptor)
}

const onPurpose = (text) => new Error(`${text} on purpose`)

/** What differs between the adapters comes as options. */
export function makeModule({ FileInterceptor, setCookie, rawOf, sent }) {
  class AppController {
    constructor(numbers) {
      this.numbers = numbers
    }
    route(id, query, req) {
      const { ip, hostname: host, protocol } = req
      return { id, query: { ...query }, ip, host, protocol }
    }
    double(value) {
      return this.numbers.double(value)
    }
    json(body) {
      return body
    }
    form(body) {
      return { ...body }
    }
    text(body) {
      return body
    }
    cookies(req, res) {
      setCookie(res, 'first', '1', { path: '/', httpOnly: true })
      setCookie(res, 'second', 'two words', { path: '/cookies' })
      return { ...req.cookies }
    }
    redirect() {}
    etag(req, res) {
      res.header('ETag', '"v1"')
      if (req.headers['if-none-match'] === '"v1"') res.status(304)
      else return 'the first version'
    }
    empty() {}
    upload(file, body) {
      const { originalname: name, mimetype: type, buffer } = file
      return { field: body.field, name, type, bytes: buffer.length, sha256: sha256(buffer) }
    }
    compressed() {
      return longText
    }
    stream() {
      return new StreamableFile(Readable.from(words(), { objectMode: false }), { type: 'text/plain' })
    }
    events() {
      return from([1, 2, 3]).pipe(map((id) => ({ id: String(id), data: `event ${id}` })))
    }
    hash(body, req) {
      return hashOf(sent(body, req))
    }
    big(bytes) {
      return new StreamableFile(Readable.from(pieces(bytes)))
    }
    bigAtOnce(bytes) {
      return new StreamableFile(Buffer.concat([...pieces(bytes)]))
    }
    syncError() {
      throw onPurpose('sync')
    }
    async asyncError() {
      await null
      throw onPurpose('async')
    }
    lateError() {
      const body = new PassThrough()
      body.write('begun')
      body.once('drain', () => body.destroy(onPurpose('late')))
      body.write(Buffer.alloc(1_000_000))
      const file = new StreamableFile(body)
      return file.setErrorHandler((_error, res) => res.destroy()).setErrorLogger(() => {})
    }
    hang(id, res) {
      const body = new PassThrough()
      rawOf(res).on('close', () => noteDeparture(id))
      body.write('hanging')
      return new StreamableFile(body).setErrorLogger(() => {})
    }
    departure(id) {
      return waitForDeparture(id)
    }
    secret() {
      return 'told'
    }
  }
  const reply = Res({ passthrough: true })
  const bytes = Query('bytes', ParseIntPipe)
  route(AppController, 'route', [Get('route/:id')], Param('id'), Query(), Req())
  route(AppController, 'double', [Get('double/:value'), UseInterceptors(Envelope)], Param('value', ParseIntPipe))
  route(AppController, 'json', [Post('json')], Body())
  route(AppController, 'form', [Post('form'), HttpCode(200)], Body())
  route(AppController, 'text', [Post('text'), HttpCode(200)], Body())
  route(AppController, 'cookies', [Get('cookies')], Req(), reply)
  route(AppController, 'redirect', [Get('redirect'), Redirect('/route/1')])
  route(AppController, 'etag', [Get('etag')], Req(), reply)
  route(AppController, 'empty', [Get('empty'), HttpCode(204)])
  const upload = [Post('upload'), HttpCode(200), UseInterceptors(FileInterceptor('file'))]
  route(AppController, 'upload', upload, UploadedFile(), Body())
  route(AppController, 'compressed', [Get('compressed')])
  route(AppController, 'stream', [Get('stream')])
  route(AppController, 'events', [Sse('events')])
  route(AppController, 'hash', [Post('hash'), HttpCode(200)], Body(), Req())
  route(AppController, 'big', [Get('big')], bytes)
  route(AppController, 'bigAtOnce', [Get('big-at-once')], bytes)
  route(AppController, 'syncError', [Get('sync-error')])
  route(AppController, 'asyncError', [Get('async-error')])
  route(AppController, 'lateError', [Get('late-error')])
  route(AppController, 'hang', [Get('hang')], Query('id'), reply)
  route(AppController, 'departure', [Get('departure')], Query('id'))
  route(AppController, 'secret', [Get('secret'), UseGuards(SecretGuard)])
  Reflect.defineMetadata('design:paramtypes', [Numbers], AppController)
  Controller()(AppController)

  class AppModule {}
  Module({ controllers: [AppController], providers: [Numbers] })(AppModule)
  return AppModule
}
