/**
 * Promise: OpenTelemetry's http instrumentation sees on hornet what it sees on node:http: a server span for each
 * request, with the caller's as its parent, and the application's own spans and client requests below it, whatever else
 * the worker does at the time.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before } from 'node:test'
import { get, message, request } from '../support/http.js'
import { type Check, onServers, type RunningServer } from '../support/servers.js'

/** SpanKind of OpenTelemetry's API. */
const kinds = { internal: 0, server: 1, client: 2 }

interface Span {
  name: string
  kind: number
  traceId: string
  spanId: string
  parentId?: string
  status: { code: number }
  attributes: Record<string, unknown>
}

/** Says what trace it was called with. */
const upstream = createServer((req, res) => {
  res.end(JSON.stringify({ traceparent: req.headers.traceparent }))
})
before(async () => {
  upstream.listen(0, '127.0.0.1')
  await once(upstream, 'listening')
})
after(() => {
  upstream.close()
  upstream.closeAllConnections()
})

/** The first span whose line holds all of the `parts`. */
async function spanWith({ process }: RunningServer, ...parts: string[]): Promise<Span> {
  const ahead = parts.map((part) => `(?=.*${part.replace(/[/?]/g, '\\$&')})`).join('')
  const [, line] = await process.waitForOutput(new RegExp(`^span (${ahead}.*)$`, 'm'))
  return JSON.parse(line)
}

const caller = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' }
const traceparent = `00-${caller.traceId}-${caller.spanId}-01`

/** The names that the attributes have today and had before. */
function attribute(span: Span, ...names: string[]): unknown {
  return names.map((name) => span.attributes[name]).find((value) => value !== undefined)
}

async function checkWork(server: RunningServer, id: string, headers: Record<string, string>): Promise<Span> {
  const { status, text } = await get(server.target, `/traced/${id}`, headers)
  assert.equal(status, 200)
  const seen = JSON.parse(text)
  const span = await spanWith(server, `"kind":${kinds.server}`, `/traced/${id}"`)
  const inner = await spanWith(server, `"kind":${kinds.internal}`, `"app.id":"${id}"`)
  const client = await spanWith(server, `"kind":${kinds.client}`, `/${id}"`)
  assert.equal(seen.traceId, span.traceId)
  assert.deepEqual([seen.before, seen.after, seen.inner], [span.spanId, span.spanId, inner.spanId])
  assert.deepEqual([inner.traceId, inner.parentId], [span.traceId, span.spanId])
  assert.deepEqual([client.traceId, client.parentId], [span.traceId, span.spanId])
  assert.equal(seen.upstream.traceparent, `00-${span.traceId}-${client.spanId}-01`)
  assert.equal(attribute(span, 'http.request.method', 'http.method'), 'GET')
  assert.equal(attribute(span, 'http.response.status_code', 'http.status_code'), 200)
  assert.equal(attribute(span, 'network.peer.address', 'net.peer.ip'), '127.0.0.1')
  assert.equal(attribute(span, 'network.protocol.version', 'http.flavor'), '1.1')
  assert.equal(span.status.code, 0)
  return span
}

const checks: Check[] = [
  {
    name: 'a request without a trace begins one',
    async run(server) {
      const span = await checkWork(server, 'first', {})
      assert.equal(span.parentId, undefined)
      return Object.keys(span.attributes).sort()
    },
  },
  {
    name: "a request's trace goes on",
    async run(server) {
      const span = await checkWork(server, 'second', { traceparent })
      assert.deepEqual([span.traceId, span.parentId], [caller.traceId, caller.spanId])
    },
  },
  {
    name: 'requests at the same time keep their spans apart',
    async run(server) {
      const ids = Array.from({ length: 30 }, (_, index) => `n${index}-`)
      const spans = await Promise.all(ids.map((id) => checkWork(server, id, {})))
      assert.equal(new Set(spans.map(({ traceId }) => traceId)).size, ids.length)
    },
  },
  {
    name: 'a span begun when the body has come belongs to the request',
    async run(server) {
      const type = { 'Content-Type': 'text/plain' }
      for (const [id, size] of [
        ['small', 10],
        ['large', 90_000],
      ] as const) {
        const body = 'x'.repeat(size)
        const response = await request(server.target, message('POST', `/body/${id}`, { ...type, traceparent }, body))
        assert.equal(response.text, body)
        const span = await spanWith(server, `"kind":${kinds.server}`, `/body/${id}"`)
        const inner = await spanWith(server, `"after the body ${id}"`)
        assert.deepEqual([inner.traceId, inner.parentId], [caller.traceId, span.spanId])
      }
    },
  },
  {
    name: 'a failure is one',
    async run(server) {
      assert.equal((await get(server.target, '/fails/x')).status, 500)
      const span = await spanWith(server, `"kind":${kinds.server}`, '/fails/x"')
      assert.equal(attribute(span, 'http.response.status_code', 'http.status_code'), 500)
      assert.equal(span.status.code, 2)
    },
  },
]

onServers('test/frameworks/apps/otel.mjs', checks, {
  nodeArgs: ['--require=./test/frameworks/apps/otel-setup.cjs'],
  env: () => ({ UPSTREAM: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}` }),
})
