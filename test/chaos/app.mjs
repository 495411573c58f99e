// What chaos is wrought upon. Each request names itself (X-Request); before anything else the application notes in a
// journal that it has begun it, and in which worker, so that what fails can be told apart from what is lost.
import { createHash, randomBytes } from 'node:crypto'
import { openSync, writeSync } from 'node:fs'
import http from 'node:http'
import { finished } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import { workerData } from 'node:worker_threads'
import { WebSocketServer } from 'ws'

const self = `${process.pid}:${workerData.workerId}`
// One write to a file opened for appending is one whole line, whoever else writes.
const journal = openSync(process.env.CHAOS_JOURNAL, 'a')
const server = http.createServer((req, res) => {
  const id = begin(req)
  res.setHeader('X-Request', id)
  handle(req, res, new URL(req.url, 'http://localhost')).catch(() => res.destroy())
})

function begin(req) {
  const id = req.headers['x-request']
  writeSync(journal, `${id} ${self} ${req.url.split('?')[0]}\n`)
  return id
}

async function handle(req, res, { pathname, searchParams }) {
  const number = Number(searchParams.get('n'))
  switch (pathname) {
    case '/number':
      if (number % 3 === 0) await setTimeout(number % 20)
      res.end(String(number * 2))
      return
    case '/hash': {
      const hash = createHash('sha256')
      for await (const chunk of req) hash.update(chunk)
      res.end(hash.digest('hex'))
      return
    }
    case '/echo':
      res.writeHead(200, { 'Content-Type': 'application/octet-stream' })
      req.pipe(res)
      await new Promise((resolve) => finished(res, resolve))
      return
    case '/bytes': {
      const body = randomBytes(number)
      res.setHeader('X-Sha256', createHash('sha256').update(body).digest('hex'))
      if (searchParams.has('chunked')) await sendSlowly(res, body)
      else res.end(body)
      return
    }
    default:
      fault(pathname, number, res)
  }
}

async function sendSlowly(res, body) {
  const step = Math.ceil(body.length / 20)
  for (let at = 0; at < body.length; at += step) {
    if (!res.write(body.subarray(at, at + step))) await new Promise((resolve) => res.once('drain', resolve))
    await setTimeout(1)
  }
  res.end()
}

/** None of these is answered by the application, but for `block`. */
function fault(pathname, number, res) {
  switch (pathname) {
    case '/fault/throw':
      setImmediate(() => {
        throw new Error('chaos: thrown outside of any request')
      })
      return
    case '/fault/exit':
      process.exit(1)
      return
    case '/fault/spin':
      for (;;);
    case '/fault/heap': {
      const kept = []
      for (;;) kept.push(new Array(1000).fill(kept.length))
    }
    case '/fault/block':
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, number)
      res.end('blocked')
      return
    default:
      res.writeHead(404).end()
  }
}

const sockets = new WebSocketServer({ noServer: true })
server.on('upgrade', (req, socket, head) => {
  begin(req)
  sockets.handleUpgrade(req, socket, head, (client) => {
    client.on('error', () => {})
    client.on('message', (data, isBinary) => client.send(data, { binary: isBinary }))
  })
})

export default server
