// Express, traced by @opentelemetry/instrumentation-http (otel-setup.cjs).
import http from 'node:http'
import { json } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { trace } from '@opentelemetry/api'
import express from 'express'

const tracer = trace.getTracer('app')

/** An http client request, which makes a span of its own and hands the trace on. */
function ask(url) {
  return new Promise((resolve, reject) => {
    http.get(url, (res) => json(res).then(resolve, reject)).on('error', reject)
  })
}

const app = express()
app.set('env', 'test')
app.get('/traced/:id', async (req, res) => {
  const spanOf = () => trace.getActiveSpan()?.spanContext().spanId
  const before = spanOf()
  const inner = await tracer.startActiveSpan('inner', async (span) => {
    await delay(1)
    const seen = spanOf()
    span.setAttribute('app.id', req.params.id)
    span.end()
    return seen
  })
  const upstream = await ask(`${process.env.UPSTREAM}/${req.params.id}`)
  res.json({ traceId: trace.getActiveSpan()?.spanContext().traceId, before, inner, after: spanOf(), upstream })
})
app.post('/body/:id', express.text(), (req, res) => {
  tracer.startActiveSpan(`after the body ${req.params.id}`, (span) => span.end())
  res.status(201).send(req.body)
})
app.get('/fails/:id', () => {
  throw new Error('on purpose')
})

export default app
