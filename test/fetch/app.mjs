// A fetch application with a route for every promise of src/fetch. Runs on node:http and on hornet.
import { gzipSync } from 'node:zlib'

const encoder = new TextEncoder()

const routes = {
  '/text': () => new Response('hello'),
  '/json': () => Response.json({ hello: 'wörld' }, { status: 201, headers: { 'X-Extra': 'yes' } }),
  '/bytes': () => new Response(new Uint8Array([0, 1, 254, 255])),
  '/blob': () => new Response(new Blob(['blob'], { type: 'text/x-blob' })),
  '/search-params': () => new Response(new URLSearchParams({ a: 'b c' })),
  '/empty': () => new Response(),
  '/null-404': () => new Response(null, { status: 404, statusText: 'Nowhere' }),
  '/204': () => new Response(null, { status: 204 }),
  '/304': () => new Response(null, { status: 304, headers: { ETag: '"x"' } }),
  '/redirect': ({ request }) => Response.redirect(new URL('/text', request.url), 303),
  '/cookies': () => {
    const response = new Response('cookies')
    response.headers.append('Set-Cookie', 'a=1; Path=/')
    response.headers.append('Set-Cookie', 'b=2, comma')
    return response
  },
  '/headers-later': () => {
    const headers = [
      ['x-gone', '1'],
      ['x-kept', '2'],
    ]
    const response = new Response('later', { headers })
    response.headers.delete('x-gone')
    response.headers.set('content-type', 'text/x-later')
    return response
  },
  '/wrong-framing': () => new Response('hello', { headers: { 'Content-Length': '3', 'Transfer-Encoding': 'chunked' } }),
  '/wrapped': () => {
    const inner = new Response('inner', { status: 202, headers: { 'X-Inner': '1' } })
    const outer = new Response(inner.body, inner)
    outer.headers.set('X-Outer', '2')
    return outer
  },
  '/clone': async () => {
    const response = new Response('twice')
    const copy = response.clone()
    return new Response((await copy.text()) + (await response.text()))
  },

  '/stream': () => new Response(streamOf(['one ', 'two ', 'three']), { headers: { 'content-type': 'text/plain' } }),
  '/slow-stream': () => new Response(slowStream(['one ', 'two ', 'three'])),
  '/one-chunk': () => new Response(streamOf(['all at once'])),
  '/empty-stream': () => new Response(streamOf([])),
  '/sized-stream': () => new Response(streamOf(['12', '345']), { headers: { 'content-length': '5' } }),
  '/big': ({ query }) => new Response(bigStream(Number(query.get('bytes')))),
  '/generator': () => {
    async function* generate() {
      yield encoder.encode('from a ')
      yield encoder.encode('generator')
    }
    return new Response(generate())
  },
  '/broken-stream': () => {
    let isFirst = true
    return new Response(
      new ReadableStream({
        async pull(controller) {
          if (!isFirst) throw new Error('broken on purpose')
          isFirst = false
          controller.enqueue(encoder.encode('first'))
          await turn()
        },
      }),
    )
  },

  '/info': ({ request }) =>
    Response.json({
      method: request.method,
      path: request.url.slice(new URL(request.url).origin.length),
      host: request.headers.get('Host'),
      has: [request.headers.has('x-two'), request.headers.has('x-none')],
      two: request.headers.get('X-Two'),
      names: [...request.headers.keys()],
      isRequest: request instanceof Request,
      isHeaders: request.headers instanceof Headers,
      tag: Object.prototype.toString.call(request),
      name: request.constructor.name,
      body: request.body,
      bodyUsed: request.bodyUsed,
      mode: request.mode,
      redirect: request.redirect,
    }),
  '/echo': async ({ request }) => {
    const text = await request.text()
    return new Response(text, { headers: { 'x-used': String(request.bodyUsed) } })
  },
  '/echo-json': async ({ request }) => Response.json(await request.json()),
  '/echo-bytes': async ({ request }) => new Response(await request.arrayBuffer()),
  '/echo-blob': async ({ request }) => new Response(await request.blob()),
  '/echo-stream': ({ request }) => new Response(request.body, { headers: { 'content-type': 'text/plain' } }),
  '/echo-form': async ({ request }) => {
    const entries = []
    for (const [name, value] of await request.formData()) {
      if (typeof value === 'string') entries.push([name, value])
      else entries.push([name, value.name, value.type, await value.text()])
    }
    return Response.json(entries)
  },
  '/echo-clone': async ({ request }) => {
    const copy = request.clone()
    return new Response(`${await request.text()}|${await copy.text()}`)
  },
  '/echo-new-request': async ({ request }) => {
    request.headers.set('x-added', 'before')
    const headers = new Headers(request.headers)
    headers.set('x-more', 'yes')
    const copy = new Request(request, { headers })
    return Response.json([copy.method, copy.headers.get('x-added'), copy.headers.get('x-more'), await copy.text()])
  },
  '/echo-byob': async ({ request }) => {
    const reader = request.body.getReader({ mode: 'byob' })
    let text = ''
    for (;;) {
      const { value, done } = await reader.read(new Uint8Array(4))
      if (value?.byteLength) text += `${Buffer.from(value)}|`
      if (done) return new Response(text)
    }
  },
  '/read-twice': async ({ request }) => {
    await request.text()
    const failures = [await request.text().catch((error) => error.constructor.name)]
    for (const use of [() => request.clone(), () => new Request(request)]) {
      try {
        use()
      } catch (error) {
        failures.push(error.constructor.name)
      }
    }
    return Response.json(failures)
  },
  '/bad-json': ({ request }) => request.json().catch((error) => new Response(error.name, { status: 400 })),
  '/hash': async ({ request }) => {
    const { createHash } = await import('node:crypto')
    const hash = createHash('sha256')
    for await (const chunk of request.body) hash.update(chunk)
    return new Response(hash.digest('hex'))
  },
  '/unread': () => new Response('did not look'),
  '/partial': async ({ request }) => {
    const { value } = await request.body.getReader().read()
    return new Response(String(value.byteLength > 0))
  },
  '/cancelled': async ({ request }) => {
    await request.body.cancel()
    return new Response('cancelled')
  },

  '/env': ({ env, context }) => {
    context.waitUntil(Promise.resolve())
    return Response.json([env.incoming.method, env.incoming.socket.remoteAddress, typeof env.outgoing.writeHead])
  },
  '/already-sent': ({ env }) => {
    env.outgoing.writeHead(200, { 'Content-Length': 6, 'X-By': 'outgoing' }).end('direct')
    return new Response('ignored', { headers: { 'x-hono-already-sent': 'true' } })
  },
  '/gzipped': () => {
    const headers = { 'content-encoding': 'gzip', 'content-type': 'text/plain', connection: 'close' }
    return new Response(gzipSync('x'.repeat(1000)), { headers })
  },
  '/fetched': ({ request }) => fetch(new URL('/gzipped', request.url)),
  '/fetch-elsewhere': ({ request }) => fetch(new Request(new URL('/echo', request.url), request)),
  '/fetch-as-is': ({ request, query }) => {
    if (request.headers.has('x-inner')) return new Response(`inner ${request.method} ${query}`)
    request.headers.set('x-inner', '1')
    return fetch(request)
  },

  '/throw': () => {
    throw new Error('thrown on purpose')
  },
  '/reject': async () => {
    await null
    throw new Error('rejected on purpose')
  },
  '/nothing': () => undefined,
  '/network-error': () => Response.error(),
  '/used-body': async () => {
    const response = new Response('used')
    await response.text()
    return response
  },
  '/bad-status': () => new Response('x', { status: 1000 }),

  // How these end is noted under their id; `/left` waits for that and tells it.
  '/wait': ({ request, query }) =>
    new Promise((resolve) => {
      departures.note(`start of ${query.get('id')}`, 'started')
      request.signal.addEventListener('abort', () => {
        departures.note(query.get('id'), request.signal.reason.name)
        resolve(new Response('too late'))
      })
    }),
  '/signal': ({ request, env, query }) => {
    const { signal } = request
    env.outgoing.on('close', () => departures.note(query.get('id'), `aborted: ${signal.aborted}`))
    return new Response(query.has('stream') ? slowStream(['stayed']) : 'stayed')
  },
  '/endless': ({ query }) => {
    const pull = (controller) => controller.enqueue(new Uint8Array(65536))
    const cancel = () => departures.note(query.get('id'), 'cancelled')
    return new Response(new ReadableStream({ pull, cancel }))
  },
  '/left': async ({ query }) => new Response(await departures.wait(query.get('id'))),
}

const departures = {
  notes: new Map(),
  slot(id) {
    if (!this.notes.has(id)) {
      const slot = {}
      slot.promise = new Promise((resolve) => {
        slot.resolve = resolve
      })
      this.notes.set(id, slot)
    }
    return this.notes.get(id)
  },
  note(id, text) {
    this.slot(id).resolve(text)
  },
  wait(id) {
    return this.slot(id).promise
  },
}

function turn() {
  return new Promise((resolve) => setImmediate(resolve))
}

function streamOf(texts) {
  return new ReadableStream({
    start(controller) {
      for (const text of texts) controller.enqueue(encoder.encode(text))
      controller.close()
    },
  })
}

function slowStream(texts) {
  const rest = [...texts]
  return new ReadableStream({
    async pull(controller) {
      await turn()
      if (rest.length === 0) controller.close()
      else controller.enqueue(encoder.encode(rest.shift()))
    },
  })
}

function bigStream(bytes) {
  let left = bytes
  return new ReadableStream({
    pull(controller) {
      const size = Math.min(left, 65536)
      left -= size
      if (size > 0) controller.enqueue(new Uint8Array(size).fill(left % 251))
      if (left === 0) controller.close()
    },
  })
}

export default {
  fetch(request, env, context) {
    const { pathname, searchParams } = new URL(request.url)
    const route = routes[pathname]
    if (route === undefined) return new Response(request.url, { status: 404 })
    return route({ request, query: searchParams, env, context })
  },
}
