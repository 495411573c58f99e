// Koa as its guide begins.
import Koa from 'koa'

const app = new Koa()
app.use((ctx) => {
  ctx.body = 'Hello, World!'
})

export default app
