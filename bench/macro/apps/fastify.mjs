// Fastify as its guide begins, logging off as by default.
import Fastify from 'fastify'

const app = Fastify()
app.get('/', async () => ({ hello: 'world' }))

export default app
