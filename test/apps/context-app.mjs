// Tells what one request leaves behind for the next.
import { AsyncLocalStorage } from 'node:async_hooks'

const store = new AsyncLocalStorage()
let events = []

const routes = {
  // Enters a context, and tells which one it found.
  '/enter': (_req, res, id) => {
    const found = store.getStore()
    store.enterWith(id)
    res.end(`found ${found}`)
  },
  // The context entered here is there in all that follows from it, and nothing else is.
  '/follow': async (req, res, id) => {
    store.enterWith(id)
    const seen = new Set()
    const look = () => seen.add(store.getStore())
    process.nextTick(look)
    queueMicrotask(look)
    setImmediate(look)
    await new Promise((resolve) => setImmediate(resolve))
    look()
    res.on('finish', look)
    res.on('close', () => {
      look()
      events.push(`${id} saw ${[...seen]}`)
    })
    req.on('data', look)
    req.on('end', () => {
      look()
      res.end(String([...seen]))
    })
  },
  '/order': (_req, res, id) => {
    events.push(`${id} called`)
    process.nextTick(() => events.push(`${id} tick`))
    Promise.resolve().then(() => events.push(`${id} microtask`))
    res.end()
  },
  // Long enough for other requests to gather behind it.
  '/block': (_req, res) => {
    const end = performance.now() + 50
    while (performance.now() < end);
    res.end()
  },
  '/throw': () => {
    throw new Error('thrown on purpose')
  },
  '/reject': async () => {
    throw new Error('rejected on purpose')
  },
  '/throw-late': (_req, res) => {
    res.write('begun')
    throw new Error('thrown late on purpose')
  },
  '/events': (_req, res) => {
    res.end(JSON.stringify(events))
    events = []
  },
}

export default function app(req, res) {
  const { pathname, searchParams } = new URL(req.url, 'http://localhost')
  const route = routes[pathname]
  // Returned, as an async listener returns its promise.
  return route === undefined ? res.end(pathname) : route(req, res, searchParams.get('id'))
}
