/**
 * Promise: the Response that stands in for Node's while fetch apps run cannot be told from it: the same arguments give
 * the same members, the same body and the same errors.
 */
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { installFetchGlobals } from '../../src/fetch/globals.js'
import { LazyRequest } from '../../src/fetch/request.js'
import { LazyResponse } from '../../src/fetch/response.js'

const RealResponse = globalThis.Response
type Maker = (Class: typeof Response) => Response

before(installFetchGlobals)

/** Everything an application can see, the body last. */
async function seen(make: Maker, Class: typeof Response): Promise<unknown> {
  let response: Response
  try {
    response = make(Class)
  } catch (error) {
    return { thrown: (error as Error).constructor.name }
  }
  assert.equal(LazyResponse.isLazyResponse(response), Class !== RealResponse, 'the stand-in stood in')
  const { status, statusText, ok, type, url, redirected } = response
  const headers = [...response.headers].map(([name, value]) => [name, value.replace(/formdata-\S+/, 'BOUNDARY')])
  const isNull = response.body === null
  const before = response.bodyUsed
  const text = (await response.text()).replace(/-+formdata-\S+/g, 'BOUNDARY')
  const again = await response.text().catch((error) => error.constructor.name)
  return {
    status,
    statusText,
    ok,
    type,
    url,
    redirected,
    headers,
    isNull,
    used: [before, response.bodyUsed],
    text,
    again,
  }
}

function form(): FormData {
  const data = new FormData()
  data.append('a', 'b')
  return data
}

function headersWith(...pairs: [string, string][]): Headers {
  const headers = new Headers()
  for (const [name, value] of pairs) headers.append(name, value)
  return headers
}

// What JavaScript callers pass is not always what the types allow.
const loose = (value: unknown) => value as never
const cases: Record<string, Maker> = {
  nothing: (R) => new R(),
  null: (R) => new R(null),
  string: (R) => new R('text ü'),
  'empty string': (R) => new R(''),
  'lone surrogate': (R) => new R('a\ud800b'),
  number: (R) => new R(loose(12)),
  object: (R) => new R(loose({})),
  symbol: (R) => new R(loose(Symbol('x'))),
  bytes: (R) => new R(new Uint8Array([104, 105])),
  'part of a buffer': (R) => new R(Buffer.from('abcdef').subarray(1, 3)),
  'data view': (R) => new R(new DataView(new Uint8Array([104, 105]).buffer)),
  'array buffer': (R) => new R(new Uint8Array([104, 105]).buffer),
  blob: (R) => new R(new Blob(['blob'])),
  'typed blob': (R) => new R(new Blob(['blob'], { type: 'text/x' })),
  'search params': (R) => new R(new URLSearchParams('a=1&b=2')),
  form: (R) => new R(form()),
  stream: (R) => new R(new Blob(['streamed']).stream() as ReadableStream),
  'status 404': (R) => new R('x', { status: 404 }),
  'status text': (R) => new R('x', { statusText: 'Fine' }),
  'bad status text': (R) => new R('x', { statusText: 'a\nb' }),
  'status as string': (R) => new R('x', { status: loose('404') }),
  'status 199': (R) => new R(null, { status: 199 }),
  'status 600': (R) => new R(null, { status: 600 }),
  'status 204': (R) => new R(null, { status: 204 }),
  'body with 204': (R) => new R('x', { status: 204 }),
  'empty body with 304': (R) => new R('', { status: 304 }),
  'undefined members': (R) => new R('x', { status: undefined, statusText: undefined, headers: undefined }),
  'null init': (R) => new R('x', loose(null)),
  'headers object': (R) => new R('x', { headers: { 'X-A': '1', 'content-TYPE': 'text/y' } }),
  'headers pairs': (R) => new R('x', { headers: [['x-a', '1'], ['X-A', '2'], ['set-cookie', 'c=1'], ['set-cookie', 'd=2']] }), // biome-ignore format: a list
  'Headers object': (R) =>
    new R('x', { headers: headersWith(['x-a', '1'], ['set-cookie', 'c=1'], ['set-cookie', 'd']) }),
  'headers map': (R) => new R('x', { headers: loose(new Map([['x-a', '1']])) }),
  'the same name twice': (R) => new R('x', { headers: { 'X-A': '1', 'x-a': '2' } }),
  'value to trim': (R) => new R('x', { headers: { 'x-a': ' \tpadded ' } }),
  'empty value': (R) => new R('x', { headers: { 'x-a': '' } }),
  'number value': (R) => new R('x', { headers: { 'x-a': loose(5) } }),
  'latin1 value': (R) => new R('x', { headers: { 'x-a': 'grün' } }),
  'value not latin1': (R) => new R('x', { headers: { 'x-a': '☃' } }),
  'value with line end': (R) => new R('x', { headers: { 'x-a': 'a\r\nb: c' } }),
  'bad name': (R) => new R('x', { headers: { 'x a': '1' } }),
  'empty name': (R) => new R('x', { headers: { '': '1' } }),
  'bad pairs': (R) => new R('x', { headers: loose([['a']]) }),
  'headers not an object': (R) => new R('x', { headers: loose(5) }),
  'a response as init': (R) => new R('x', new R('y', { status: 201, headers: { 'x-a': '1' } })),
  'a real response as init': (R) => new R('x', new RealResponse('y', { status: 201, headers: { 'x-a': '1' } })),
  wrapped: (R) => {
    const inner = new R('inner', { headers: { 'x-a': '1' } })
    return new R(inner.body, inner)
  },
  clone: (R) => new R('cloned', { status: 201, headers: { 'x-a': '1' } }).clone(),
  'clone of a stream': (R) => new R(new Blob(['streamed']).stream() as ReadableStream).clone(),
  'original of a clone': (R) => {
    const response = new R(new Blob(['streamed']).stream() as ReadableStream)
    response.clone()
    return response
  },
  'clone of a used one': (R) => {
    const response = new R('used')
    response.text()
    return response.clone()
  },
  'locked stream': (R) => {
    const stream = new Blob(['x']).stream() as ReadableStream
    stream.getReader()
    return new R(stream)
  },
  json: (R) => R.json({ a: 1 }),
  'json with init': (R) => R.json([1], { status: 201, headers: { 'x-a': '1', 'Content-Type': 'application/x+json' } }),
  'json of nothing': (R) => R.json(undefined),
}

describe('the same as Node’s Response', () => {
  for (const [name, make] of Object.entries(cases)) {
    test(name, async () => {
      // Node keeps a bare `Response.json` from `formdata` and the like; both are asked in the same way.
      assert.deepEqual(await seen(make, globalThis.Response), await seen(make, RealResponse))
    })
  }
})

describe('as a class', () => {
  test('instanceof holds for stand-in, real and subclass alike', () => {
    class Mine extends Response {
      get mine() {
        return this.status
      }
    }
    const mine = new Mine('x', { status: 201 })
    assert.equal(mine.mine, 201)
    for (const response of [new Response(), new RealResponse(), mine, Response.error(), new Response().clone()]) {
      assert.ok(response instanceof Response)
      assert.ok(response instanceof RealResponse)
      assert.equal(Object.prototype.toString.call(response), '[object Response]')
    }
    assert.ok(mine instanceof Mine)
    assert.ok(!(new Response() instanceof Mine))
    assert.equal(new Response().constructor, Response)
    assert.throws(() => (Response as unknown as () => void)(), TypeError)
  })

  test('static members are there', () => {
    assert.equal(Response.redirect('http://a.example/', 308).status, 308)
    assert.equal(Response.error().type, 'error')
    assert.equal(Response.name, 'Response')
    assert.equal(Response.length, RealResponse.length)
  })

  test('inspection shows the members', async () => {
    const { inspect } = await import('node:util')
    assert.match(inspect(new Response('x', { status: 203 })), /^Response \{\s+status: 203/)
  })
})

describe('the body', () => {
  test('is a copy of the bytes given', async () => {
    const bytes = new Uint8Array([1, 2, 3])
    const response = new Response(bytes)
    bytes.fill(9)
    assert.deepEqual(new Uint8Array(await response.arrayBuffer()), new Uint8Array([1, 2, 3]))
  })

  test('is read by every method', async () => {
    const make = () => new Response('{"a":1}', { headers: { 'content-type': 'application/json' } })
    assert.deepEqual(await make().json(), { a: 1 })
    assert.equal((await make().blob()).type, 'application/json')
    assert.equal((await make().arrayBuffer()).byteLength, 7)
    assert.equal((await new Response(new URLSearchParams('a=1')).formData()).get('a'), '1')
    const chunks = []
    const { body } = make()
    for await (const chunk of body ?? []) chunks.push(chunk)
    assert.equal(Buffer.concat(chunks).toString(), '{"a":1}')
  })

  test('read through its stream, it counts as used', async () => {
    const response = new Response('text')
    const reader = response.body?.getReader()
    await reader?.read()
    assert.equal(response.bodyUsed, true)
    await assert.rejects(response.text(), TypeError)
    assert.throws(() => response.clone(), TypeError)
  })

  test('the same stream every time', () => {
    const response = new Response('text')
    assert.equal(response.body, response.body)
    assert.equal(response.headers, response.headers)
  })

  test('pipes through a transform', async () => {
    const upper = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        controller.enqueue(new TextEncoder().encode(Buffer.from(chunk).toString().toUpperCase()))
      },
    })
    const { body } = new Response('text')
    assert.equal(await new Response(body?.pipeThrough(upper)).text(), 'TEXT')
  })
})

test('Request keeps its face too', async () => {
  const request = new Request('http://a.example/', { method: 'POST', body: 'x' })
  assert.ok(request instanceof Request)
  assert.ok(!LazyRequest.isLazyRequest(request))
  assert.equal(await new Request(request).text(), 'x')
  class Mine extends Request {}
  assert.ok(new Mine('http://a.example/') instanceof Mine)
  assert.throws(() => new Request('not a url'), TypeError)
  assert.equal(Request.name, 'Request')
})
