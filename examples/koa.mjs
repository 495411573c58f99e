// Koa 3.
//
//   hornet examples/koa.mjs
//   curl http://127.0.0.1:8000/hello/Ada
//   curl http://127.0.0.1:8000/echo -d '{"say":"hi"}'
import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { json } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import Koa from 'koa'

const app = new Koa()

app.use(async (ctx, next) => {
  const start = performance.now()
  await next()
  ctx.set('X-Response-Time', `${(performance.now() - start).toFixed(1)}ms`)
})

app.use(async (ctx, next) => {
  try {
    await next()
  } catch (error) {
    ctx.status = error.status ?? 500
    ctx.body = { error: error.message }
  }
})

app.use(async (ctx) => {
  const name = /^\/hello\/([^/]+)$/.exec(ctx.path)?.[1]
  if (name !== undefined) ctx.body = `Hello, ${decodeURIComponent(name)}!`
  else if (ctx.path === '/echo') ctx.body = await json(ctx.req)
  else if (ctx.path === '/source') ctx.body = createReadStream(fileURLToPath(import.meta.url))
  else if (ctx.path === '/countdown') ctx.body = Readable.from(countdown())
  else if (ctx.path === '/error') ctx.throw(418, 'This route fails on purpose')
})

async function* countdown() {
  for (const count of [3, 2, 1]) {
    yield `${count}\n`
    await delay(50)
  }
}

export { app }
