/**
 * Promise: GraphQL Yoga and graphql-ws do on hornet what they do on node:http: queries, mutations, uploads, and
 * subscriptions by server-sent events and by WebSocket.
 */
import assert from 'node:assert/strict'
import { type Client, createClient, type SubscribePayload } from 'graphql-ws'
import { WebSocket } from 'ws'
import { within } from '../support/deadline.js'
import { connect, get, message, type RawResponse, request } from '../support/http.js'
import { answerOf, type Check, onServers, type RunningServer, sha256 } from '../support/servers.js'

const json = { 'Content-Type': 'application/json', Accept: 'application/json' }

function post({ target }: RunningServer, body: object, headers: Record<string, string> = json): Promise<RawResponse> {
  return request(target, message('POST', '/graphql', headers, JSON.stringify(body)))
}

/** The data of the events in a stream of them. */
function eventsOf(text: string): unknown[] {
  return [...text.matchAll(/^event: next\ndata: (.*)$/gm)].map(([, data]) => JSON.parse(data))
}

const overHttp: Check[] = [
  {
    name: 'queries by POST and GET, with variables and errors',
    async run(server) {
      const query = 'query ($name: String!) { hello(name: $name) client }'
      const variables = { name: 'Zoë' }
      const data = { hello: 'hello Zoë', client: '127.0.0.1' }
      const posted = await post(server, { query, variables })
      assert.deepEqual(JSON.parse(posted.text), { data })
      const search = new URLSearchParams({ query, variables: JSON.stringify(variables) })
      const got = await get(server.target, `/graphql?${search}`, { Accept: 'application/json' })
      assert.deepEqual(JSON.parse(got.text), { data })
      const wrong = await post(server, { query: '{ nothing }' })
      assert.match(JSON.parse(wrong.text).errors[0].message, /Cannot query field/)
      const failed = await post(server, { query: '{ fails }' })
      assert.equal(JSON.parse(failed.text).data.fails, null)
      const broken = await request(server.target, message('POST', '/graphql', json, '{'))
      assert.equal(broken.status, 400)
      return [posted, got, wrong, failed, broken].map(answerOf)
    },
  },
  {
    name: 'mutations, and none by GET',
    async run(server) {
      const query = 'mutation { add(a: 20, b: 22) }'
      const added = await post(server, { query })
      assert.deepEqual(JSON.parse(added.text), { data: { add: 42 } })
      const refused = await get(server.target, `/graphql?${new URLSearchParams({ query })}`)
      assert.equal(refused.status, 405)
      return [added, refused].map(answerOf)
    },
  },
  {
    name: 'an upload',
    async run({ target }) {
      const file = Buffer.alloc(1_500_000, 'file bytes ')
      const part = (fields: string) => `--edge\r\nContent-Disposition: form-data; ${fields}\r\n\r\n`
      const query = 'mutation ($file: File!) { upload(file: $file) }'
      const form = Buffer.concat([
        Buffer.from(`${part('name="operations"')}${JSON.stringify({ query, variables: { file: null } })}\r\n`),
        Buffer.from(`${part('name="map"')}{"0":["variables.file"]}\r\n`),
        Buffer.from(part('name="0"; filename="a.bin"')),
        file,
        Buffer.from('\r\n--edge--\r\n'),
      ])
      const headers = { ...json, 'Content-Type': 'multipart/form-data; boundary=edge' }
      const response = await request(target, message('POST', '/graphql', headers, form))
      assert.deepEqual(JSON.parse(response.text), { data: { upload: `a.bin ${sha256(file)}` } })
      return answerOf(response)
    },
  },
  {
    name: 'a preflight, and the page for browsers',
    async run({ target }) {
      const preflight = await request(
        target,
        message('OPTIONS', '/graphql', { Origin: 'http://elsewhere', 'Access-Control-Request-Method': 'POST' }),
      )
      assert.equal(preflight.status, 204)
      assert.equal(preflight.headers['access-control-allow-origin'], 'http://elsewhere')
      const page = await get(target, '/graphql', { Accept: 'text/html' })
      assert.match(page.text, /<!doctype html>/i)
      return [preflight, page].map(answerOf)
    },
  },
  {
    name: 'a subscription by server-sent events',
    async run(server) {
      const headers = { ...json, Accept: 'text/event-stream' }
      const response = await post(server, { query: 'subscription { count(to: 5) }' }, headers)
      assert.match(response.headers['content-type'], /^text\/event-stream/)
      assert.deepEqual(
        eventsOf(response.text),
        [1, 2, 3, 4, 5].map((count) => ({ data: { count } })),
      )
      assert.match(response.text, /^event: complete$/m)
      return answerOf(response)
    },
  },
  {
    name: 'a subscriber who leaves ends the subscription',
    async run(server) {
      const connection = await connect(server.target)
      const body = JSON.stringify({ query: 'subscription { count(to: 1000000000) }' })
      connection.write(message('POST', '/graphql', { ...json, Accept: 'text/event-stream' }, body))
      await connection.readUntil('"count":3')
      connection.destroy()
      await server.process.waitForOutput(/^counted to 1000000000$/m)
    },
  },
]

/** All values that an operation gives. */
async function all(client: Client, payload: SubscribePayload): Promise<unknown[]> {
  const values: unknown[] = []
  const iterate = async () => {
    for await (const value of client.iterate(payload)) values.push(value)
  }
  await within(iterate(), 'end of the operation')
  return values
}

function webSocketClient({ target }: RunningServer): Client {
  const url = `ws://127.0.0.1:${target.port}/graphql`
  return createClient({ url, webSocketImpl: WebSocket, retryAttempts: 0 })
}

const overWebSocket: Check[] = [
  {
    name: 'query, mutation and subscription by WebSocket',
    async run(server) {
      const client = webSocketClient(server)
      assert.deepEqual(await all(client, { query: '{ hello(name: "you") client }' }), [
        { data: { hello: 'hello you', client: '127.0.0.1' } },
      ])
      assert.deepEqual(await all(client, { query: 'mutation { add(a: 1, b: 2) }' }), [{ data: { add: 3 } }])
      const counted = await all(client, { query: 'subscription { count(to: 100) }' })
      assert.equal(counted.length, 100)
      assert.deepEqual(counted.at(-1), { data: { count: 100 } })
      await client.dispose()
    },
  },
  {
    name: 'what one publishes another is told',
    async run(server) {
      const client = webSocketClient(server)
      const values = client.iterate({ query: 'subscription { published }' })
      let isTold = false
      const told = values.next().finally(() => {
        isTold = true
      })
      const publishing = async () => {
        // The first ones may come before the subscription has begun. Of one connection, so of one worker.
        while (!isTold) await all(client, { query: 'mutation { publish(text: "news") }' })
        return told
      }
      const news = await within(publishing(), 'news')
      assert.deepEqual(news, { done: false, value: { data: { published: 'news' } } })
      await values.return?.()
      await client.dispose()
    },
  },
]

onServers('test/frameworks/apps/graphql.mjs', [...overHttp, ...overWebSocket])
