// Hono as its guide begins. An object with `fetch`: on node:http it runs through @hono/node-server.
import { Hono } from 'hono'

const app = new Hono()
app.get('/', (c) => c.text('Hello, World!'))

export default app
