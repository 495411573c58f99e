// TypeScript, as it is. Node 22.18 and later strip the types; on earlier ones let tsx do it.
//
//   hornet examples/typescript.ts
//   hornet --node-arg=--import=tsx examples/typescript.ts
//   curl http://127.0.0.1:8000/tasks -d '{"title":"Read the README"}'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { json } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'

interface Task {
  title: string
  isDone: boolean
}

type Route = (req: IncomingMessage, res: ServerResponse, id: string) => unknown

const routes: [method: string, path: RegExp, route: Route][] = [
  ['GET', /^\/tasks\/(\d+)$/, (_req, res, id) => sendJson(res, 200, newTask(`Task ${id}`))],
  [
    'POST',
    /^\/tasks$/,
    async (req, res) => {
      const body: unknown = await json(req)
      if (!hasTitle(body)) return sendJson(res, 400, { error: 'A task needs a title' })
      sendJson(res, 201, newTask(body.title))
    },
  ],
  ['GET', /^\/tasks\.txt$/, (_req, res) => pipeline(Readable.from(lines()), res)],
  [
    'GET',
    /^\/error$/,
    () => {
      throw new Error('This route fails on purpose')
    },
  ],
]

export default async function app(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const { pathname } = new URL(req.url ?? '/', 'http://localhost')
  for (const [method, path, route] of routes) {
    const match = path.exec(pathname)
    if (match === null || method !== req.method) continue
    await route(req, res, match[1])
    return
  }
  sendJson(res, 404, { error: `There is nothing at ${pathname}` })
}

function newTask(title: string): Task {
  return { title, isDone: false }
}

function hasTitle(value: unknown): value is { title: string } {
  return typeof value === 'object' && value !== null && 'title' in value && typeof value.title === 'string'
}

function* lines(): Generator<string> {
  for (let id = 1; id <= 3; id++) yield `${newTask(`Task ${id}`).title}\n`
}

function sendJson(res: ServerResponse, status: number, value: unknown): void {
  res.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(value))
}
