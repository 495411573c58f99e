// Express 5.
//
//   hornet examples/express.mjs
//   curl http://127.0.0.1:8000/users/7
//   curl -r 0-99 http://127.0.0.1:8000/files/express.mjs
import { fileURLToPath } from 'node:url'
import express from 'express'

const app = express()
app.use(express.json())

app.get('/', (_req, res) => {
  res.send('Hello from Express')
})

app.get('/users/:id', (req, res) => {
  res.json({ id: Number(req.params.id) })
})

app.post('/echo', (req, res) => {
  res.status(201).json(req.body)
})

// Server-sent events: three of them, then the end.
app.get('/events', (_req, res) => {
  res.type('text/event-stream').flushHeaders()
  let count = 0
  const timer = setInterval(() => {
    res.write(`data: ${++count}\n\n`)
    if (count === 3) res.end()
  }, 50)
  res.on('close', () => clearInterval(timer))
})

// This folder, with ranges, ETags and 304s.
app.use('/files', express.static(fileURLToPath(new URL('.', import.meta.url))))

app.get('/error', async () => {
  throw new Error('This route fails on purpose')
})

app.use((error, _req, res, _next) => {
  res.status(error.status ?? 500).json({ error: error.message })
})

export default app
