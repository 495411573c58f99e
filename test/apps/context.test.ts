/**
 * Promise: a worker takes many requests in one go, and the application cannot tell: each runs in an async context of
 * its own, its ticks and microtasks run before the next one's listener (behind that, as on Node, where both came on one connection at
 * once), and its failure is its own.
 */
import assert from 'node:assert/strict'
import { connect, get, message, type RawConnection } from '../support/http.js'
import { type Check, onServers, type RunningServer } from '../support/servers.js'

const ids = Array.from({ length: 20 }, (_, index) => `r${index}`)

/** Sends all requests while the worker is busy with another, so that they wait for it together. */
async function whileBlocked(server: RunningServer, sendAll: () => void): Promise<RawConnection> {
  const blocker = await connect(server.target)
  blocker.write(message('GET', '/block'))
  sendAll()
  await blocker.readResponse()
  return blocker
}

const contexts: Check[] = [
  {
    name: 'a context entered by one request is not found by the next of its connection',
    async run(server) {
      const connection = await connect(server.target)
      connection.write(Buffer.concat(ids.map((id) => message('GET', `/enter?id=${id}`))))
      const found = []
      for (const _ of ids) found.push((await connection.readResponse()).text)
      connection.destroy()
      // Before Node 24, node:http calls the listeners of requests that came in one packet in one context.
      if (server.name === 'hornet') for (const text of found) assert.equal(text, 'found undefined')
    },
  },
  {
    name: 'a context entered by one request is not found by those that waited beside it',
    async run(server) {
      const connections = await Promise.all(ids.map(() => connect(server.target)))
      const blocker = await whileBlocked(server, () => {
        for (const [index, id] of ids.entries()) connections[index].write(message('GET', `/enter?id=${id}`))
      })
      for (const connection of [...connections, blocker]) {
        if (connection !== blocker) assert.equal((await connection.readResponse()).text, 'found undefined')
        connection.destroy()
      }
    },
  },
  {
    name: 'a request keeps its context through ticks, timers, body and response events',
    async run(server) {
      const connections = await Promise.all(ids.map(() => connect(server.target)))
      for (const [index, id] of ids.entries()) {
        connections[index].write(message('POST', `/follow?id=${id}`, {}, index % 2 === 0 ? 'body' : undefined))
      }
      for (const [index, connection] of connections.entries()) {
        assert.equal((await connection.readResponse({ method: 'POST' })).text, ids[index])
        connection.destroy()
      }
      // The last 'close' event may come after the last byte.
      const seen: string[] = []
      while (seen.length < ids.length) seen.push(...JSON.parse((await get(server.target, '/events')).text))
      assert.deepEqual(seen.sort(), ids.map((id) => `${id} saw ${id}`).sort())
    },
  },
]

const order: Check = {
  name: 'ticks and microtasks of one request run before the listener of the next',
  async run(server) {
    const connections = await Promise.all(ids.map(() => connect(server.target)))
    const blocker = await whileBlocked(server, () => {
      for (const [index, id] of ids.entries()) connections[index].write(message('GET', `/order?id=${id}`))
    })
    for (const connection of connections) {
      await connection.readResponse()
      connection.destroy()
    }
    blocker.destroy()
    const events: string[] = JSON.parse((await get(server.target, '/events')).text)
    assert.equal(events.length, ids.length * 3)
    for (let at = 0; at < events.length; at += 3) {
      const id = events[at].split(' ')[0]
      assert.deepEqual(events.slice(at, at + 3), [`${id} called`, `${id} tick`, `${id} microtask`])
    }
  },
}

const pipelinedOrder: Check = {
  name: 'ticks and microtasks of requests that came at once on one connection run behind their listeners',
  async run(server) {
    const connection = await connect(server.target)
    connection.write(Buffer.concat(ids.map((id) => message('GET', `/order?id=${id}`))))
    for (const _ of ids) await connection.readResponse()
    connection.destroy()
    const events: string[] = JSON.parse((await get(server.target, '/events')).text)
    assert.equal(events.length, ids.length * 3)
    for (const id of ids) {
      const at = ['called', 'tick', 'microtask'].map((what) => events.indexOf(`${id} ${what}`))
      assert.ok(at[0] !== -1 && at[0] < at[1] && at[1] < at[2], `${id}: ${at}`)
    }
    // A worker may begin before all have come; what it does with those that wait is in test/seam/inbox.test.ts.
    if (server.name !== 'node:http') return
    const calls = events.slice(0, ids.length)
    const expected = ids.map((id) => `${id} called`)
    assert.deepEqual(calls, expected)
  },
}

// What an error in a listener does on node:http ends the process.
const failures: Check[] = [
  {
    name: 'a failure takes nothing of the rest of its batch along',
    hornetOnly: true,
    async run(server) {
      const paths = ['/a', '/throw', '/b', '/reject', '/c', '/throw', '/d']
      const connections = await Promise.all(paths.map(() => connect(server.target)))
      const blocker = await whileBlocked(server, () => {
        for (const [index, path] of paths.entries()) connections[index].write(message('GET', path))
      })
      blocker.destroy()
      for (const [index, path] of paths.entries()) {
        const { status, text } = await connections[index].readResponse()
        if (path === '/throw' || path === '/reject') assert.equal(status, 500)
        else assert.equal(text, path)
        // Its connection is none the worse for it.
        connections[index].write(message('GET', '/after'))
        assert.equal((await connections[index].readResponse()).text, '/after')
        connections[index].destroy()
      }
    },
  },
  {
    name: 'a failure among pipelined requests is answered in its place',
    hornetOnly: true,
    async run(server) {
      const connection = await connect(server.target)
      const paths = ['/a', '/throw', '/b', '/reject', '/c']
      connection.write(Buffer.concat(paths.map((path) => message('GET', path))))
      const statuses = []
      for (const _ of paths) statuses.push((await connection.readResponse()).status)
      assert.deepEqual(statuses, [200, 500, 200, 500, 200])
      connection.destroy()
    },
  },
  {
    name: 'a failure after the head cuts that connection alone',
    hornetOnly: true,
    async run(server) {
      const [failing, other] = [await connect(server.target), await connect(server.target)]
      failing.write(message('GET', '/throw-late'))
      other.write(message('GET', '/other'))
      await assert.rejects(failing.readResponse(), /ended|broke/)
      assert.equal((await other.readResponse()).text, '/other')
      failing.destroy()
      other.destroy()
    },
  },
]

onServers('test/apps/context-app.mjs', [...contexts, order, pipelinedOrder, ...failures], { args: ['--workers', '1'] })
