// A fetch handler on its own: a function from Request to Response, no framework.
//
//   hornet examples/fetch.mjs
//   curl 'http://127.0.0.1:8000/greet?name=Ada'
//   curl http://127.0.0.1:8000/shout -d 'say it louder'
const routes = {
  'GET /': () => new Response('Hello from fetch\n'),

  'GET /greet': (_request, url) => Response.json({ hello: url.searchParams.get('name') ?? 'world' }),

  'POST /echo': async (request) => Response.json(await request.json(), { status: 201 }),

  // Both bodies are streams: text comes in, is changed on the way, and goes out at the pace of the client.
  'POST /shout': (request) => {
    const shouted = request.body
      ?.pipeThrough(new TextDecoderStream())
      .pipeThrough(new TransformStream({ transform: (text, out) => out.enqueue(text.toUpperCase()) }))
      .pipeThrough(new TextEncoderStream())
    return new Response(shouted, { headers: { 'Content-Type': 'text/plain' } })
  },

  'POST /upload': async (request) => {
    const file = (await request.formData()).get('file')
    return Response.json({ name: file.name, bytes: file.size })
  },

  // Stops when the client leaves: the stream is cancelled.
  'GET /clock': () => {
    let timer
    const ticks = new ReadableStream({
      start(controller) {
        let count = 0
        timer = setInterval(() => {
          controller.enqueue(`data: ${++count}\n\n`)
          if (count === 3) {
            clearInterval(timer)
            controller.close()
          }
        }, 50)
      },
      cancel: () => clearInterval(timer),
    })
    const headers = { 'Content-Type': 'text/event-stream' }
    return new Response(ticks.pipeThrough(new TextEncoderStream()), { headers })
  },

  'GET /error': () => {
    throw new Error('This route fails on purpose')
  },
}

export default {
  fetch(request) {
    const url = new URL(request.url)
    const route = routes[`${request.method} ${url.pathname}`]
    return route?.(request, url) ?? new Response('Not found\n', { status: 404 })
  },
}
