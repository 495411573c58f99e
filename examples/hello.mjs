// A plain Node listener, with nothing but Node: what `npm start` serves.
//
//   hornet examples/hello.mjs
//   curl http://127.0.0.1:8000/hello/Ada
//   curl http://127.0.0.1:8000/echo -d '{"say":"hi"}'
import { once } from 'node:events'
import { json } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'

export default async function app(req, res) {
  const { pathname } = new URL(req.url, 'http://localhost')

  if (pathname === '/') {
    res.setHeader('Content-Type', 'text/plain')
    return res.end('Hello, world!\n')
  }

  const name = /^\/hello\/([^/]+)$/.exec(pathname)?.[1]
  if (name !== undefined) return res.end(`Hello, ${decodeURIComponent(name)}!\n`)

  if (pathname === '/echo' && req.method === 'POST') return sendJson(res, 200, await json(req))

  if (pathname === '/countdown') {
    for (const count of [3, 2, 1]) {
      res.write(`${count}\n`)
      await delay(50)
    }
    return res.end('Lift-off!\n')
  }

  // As many lines as asked for, at the pace of the client.
  if (pathname === '/lines') {
    const left = new Promise((resolve) => res.once('close', resolve))
    for (let line = 1; line <= 100_000 && !res.destroyed; line++) {
      if (!res.write(`line ${line}\n`)) await Promise.race([once(res, 'drain'), left])
    }
    return res.end()
  }

  // The client gets a 500, the log gets the stack, and the worker carries on.
  if (pathname === '/error') throw new Error('This route fails on purpose')

  sendJson(res, 404, { error: `There is nothing at ${pathname}` })
}

function sendJson(res, status, value) {
  res.writeHead(status, { 'Content-Type': 'application/json' })
  res.end(JSON.stringify(value))
}
