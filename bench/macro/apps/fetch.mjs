// The plain applications once more, the way Bun.serve and Deno.serve want them: a request in, a response out.
import { page, record } from './payload.mjs'

const answer = (type, body) => new Response(body, { headers: { 'Content-Type': type } })

export const plain = { fetch: () => answer('text/plain', 'Hello, World!') }

export const json = { fetch: () => answer('application/json', JSON.stringify(record)) }

export const html = { fetch: () => answer('text/html', page) }

export const upload = {
  async fetch(request) {
    const body = await request.arrayBuffer()
    return answer('text/plain', String(body.byteLength))
  },
}
