/**
 * Promise: WebSockets of ws on hornet do what they do on node:http: messages of any size both ways, pings, close codes,
 * compression, refusals, and connections that break.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type ClientOptions, WebSocket } from 'ws'
import { within } from '../support/deadline.js'
import { connect, get, message } from '../support/http.js'
import { type Check, onServers, type RunningServer, sha256 } from '../support/servers.js'

const mebibyte = 1024 * 1024

interface Received {
  data: Buffer
  isBinary: boolean
}

/** A client that keeps what it received until it is asked for. */
class Client implements AsyncDisposable {
  readonly socket: WebSocket
  readonly #received: Received[] = []
  #wake: (() => void) | undefined
  readonly #closed: Promise<[code: number, reason: Buffer]>

  constructor(server: RunningServer, path: string, protocols: string[] = [], options: ClientOptions = {}) {
    const url = `ws://127.0.0.1:${server.target.port}${path}`
    this.socket = new WebSocket(url, protocols, { perMessageDeflate: false, ...options })
    this.socket.on('message', (data: Buffer, isBinary: boolean) => {
      this.#received.push({ data, isBinary })
      this.#wake?.()
    })
    this.#closed = new Promise((settle) => {
      this.socket.once('close', (code, reason) => settle([code, reason]))
    })
  }

  static async open(...args: ConstructorParameters<typeof Client>): Promise<Client> {
    const client = new Client(...args)
    await within(once(client.socket, 'open'), 'open WebSocket')
    return client
  }

  async next(): Promise<Received> {
    const arrival = async () => {
      while (this.#received.length === 0) {
        await new Promise<void>((settle) => {
          this.#wake = settle
        })
      }
    }
    await within(arrival(), 'message')
    return this.#received.shift() as Received // the wait was for one
  }

  async text(): Promise<string> {
    const { data, isBinary } = await this.next()
    assert.equal(isBinary, false)
    return data.toString()
  }

  /** How the connection ended. */
  async closed(): Promise<{ code: number; reason: string }> {
    const [code, reason] = await within(this.#closed, 'close of the WebSocket')
    return { code, reason: reason.toString() }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.terminate()
    await this.closed()
  }
}

/** The bytes of a handshake, for a client that sends them itself. */
const handshake = message('GET', '/echo', {
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
})

const basics: Check[] = [
  {
    name: 'text, binary, empty and many messages are echoed in order',
    async run(server) {
      await using client = await Client.open(server, '/echo')
      client.socket.send('grüße')
      assert.equal(await client.text(), 'grüße')
      client.socket.send('')
      assert.equal(await client.text(), '')
      client.socket.send(Buffer.from([0, 255, 1]))
      assert.deepEqual(await client.next(), { data: Buffer.from([0, 255, 1]), isBinary: true })
      for (let count = 0; count < 1_000; count++) client.socket.send(`message ${count}`)
      for (let count = 0; count < 1_000; count++) assert.equal(await client.text(), `message ${count}`)
    },
  },
  {
    name: 'frames of 8 MiB both ways, and a message in pieces',
    async run(server) {
      await using client = await Client.open(server, '/echo')
      const large = randomBytes(8 * mebibyte)
      client.socket.send(large)
      const { data } = await client.next()
      assert.equal(sha256(data), sha256(large))
      for (let at = 0; at < large.length; at += mebibyte) {
        client.socket.send(large.subarray(at, at + mebibyte), { binary: true, fin: at + mebibyte >= large.length })
      }
      assert.equal(sha256((await client.next()).data), sha256(large))
    },
  },
  {
    name: 'the request of the handshake',
    async run(server) {
      await using client = await Client.open(server, '/echo?q=1', [], { headers: { Cookie: 'a=1' } })
      client.socket.send('facts!')
      const facts = JSON.parse(await client.text())
      assert.deepEqual(facts, { url: '/echo?q=1', cookie: 'a=1', remoteAddress: '127.0.0.1' })
    },
  },
  {
    name: 'pings and pongs from either side',
    async run(server) {
      await using client = await Client.open(server, '/echo')
      client.socket.ping('are you there')
      const [pong] = await within(once(client.socket, 'pong'), 'pong')
      assert.equal(String(pong), 'are you there')
      client.socket.send('ping! and-you')
      assert.equal(await client.text(), 'pong and-you')
    },
  },
  {
    name: 'close codes and reasons from either side',
    async run(server) {
      const ours = await Client.open(server, '/echo')
      ours.socket.close(4001, 'leaving now')
      assert.deepEqual(await ours.closed(), { code: 4001, reason: 'leaving now' })
      await server.process.waitForOutput(/^closed 4001 leaving now$/m)
      const theirs = await Client.open(server, '/echo')
      theirs.socket.send('close! 4002 all is said')
      assert.deepEqual(await theirs.closed(), { code: 4002, reason: 'all is said' })
      await server.process.waitForOutput(/^closed 4002 all is said$/m)
    },
  },
  {
    name: 'a side that breaks off without a word',
    async run(server) {
      const ours = await Client.open(server, '/echo')
      ours.socket.terminate()
      await server.process.waitForOutput(/^closed 1006 $/m)
      const theirs = await Client.open(server, '/echo')
      theirs.socket.send('terminate!')
      assert.equal((await theirs.closed()).code, 1006)
    },
  },
  {
    name: 'plain requests beside',
    async run(server) {
      await using client = await Client.open(server, '/echo')
      assert.equal((await get(server.target, '/')).text, 'plain')
      client.socket.send('still here')
      assert.equal(await client.text(), 'still here')
    },
  },
]

const routed: Check[] = [
  {
    name: 'a refused handshake',
    async run(server) {
      const client = new Client(server, '/secret')
      const [, response] = await within(once(client.socket, 'unexpected-response'), 'refusal')
      assert.equal(response.statusCode, 401)
      let body = ''
      for await (const chunk of response) body += chunk
      assert.equal(body, 'no way')
      client.socket.on('error', () => {})
      client.socket.terminate()
    },
  },
  {
    name: 'subprotocols',
    async run(server) {
      await using client = await Client.open(server, '/protocol', ['first', 'second'])
      assert.equal(client.socket.protocol, 'second')
    },
  },
  {
    name: 'permessage-deflate',
    async run(server) {
      await using client = await Client.open(server, '/deflate', [], { perMessageDeflate: true })
      assert.match(client.socket.extensions, /permessage-deflate/)
      for (const size of [10, 100_000, 3_000_000]) {
        const text = 'compressible '.repeat(size / 10)
        client.socket.send(text)
        assert.equal(sha256(await client.text()), sha256(text))
      }
    },
  },
  {
    name: 'frames that come with the handshake, a byte at a time or all at once',
    async run(server) {
      // A masked text frame, "hi", with a mask of zeros.
      const frame = Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69])
      for (const pieces of [[Buffer.concat([handshake, frame])], [...Buffer.concat([handshake, frame])]]) {
        const connection = await connect(server.target)
        for (const piece of pieces) connection.write(Buffer.isBuffer(piece) ? piece : Buffer.from([piece]))
        const head = await connection.readUntil('\r\n\r\n')
        assert.match(head.toString(), /^HTTP\/1\.1 101 Switching Protocols\r\n/)
        assert.match(head.toString(), /\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n/)
        assert.deepEqual(await connection.readBytes(4), Buffer.from([0x81, 0x02, 0x68, 0x69]))
        connection.destroy()
      }
    },
  },
  {
    name: 'a handshake after a request on the same connection',
    async run(server) {
      const connection = await connect(server.target)
      connection.write(message('GET', '/'))
      assert.equal((await connection.readResponse()).text, 'plain')
      connection.write(handshake)
      await connection.readUntil('\r\n\r\n')
      connection.destroy()
    },
  },
  {
    name: 'a client that does not read holds the server back',
    async run(server) {
      await using client = await Client.open(server, '/echo')
      client.socket.pause()
      client.socket.send('flood! 48')
      // Others are served meanwhile.
      for (let turn = 0; turn < 50; turn++) assert.equal((await get(server.target, '/')).text, 'plain')
      client.socket.resume()
      for (let count = 48; count > 0; count--) {
        const { data } = await client.next()
        assert.deepEqual([data.length, data[0], data.at(-1)], [mebibyte, count, count])
      }
      assert.equal(await client.text(), 'flooded')
    },
  },
  {
    name: 'a frame that is none closes with its code',
    async run(server) {
      const connection = await connect(server.target)
      connection.write(handshake)
      await connection.readUntil('\r\n\r\n')
      // Unmasked, which a client must not send (RFC 6455 §5.1): 1002.
      connection.write(Buffer.from([0x81, 0x02, 0x68, 0x69]))
      assert.deepEqual(await connection.readBytes(4), Buffer.from([0x88, 0x02, 0x03, 0xea]))
      await server.process.waitForOutput(/^error WS_ERR_EXPECTED_MASK$/m)
      connection.destroy()
    },
  },
  {
    name: 'a hundred clients at once',
    async run(server) {
      const clients = await Promise.all(Array.from({ length: 100 }, () => Client.open(server, '/echo')))
      for (const [index, client] of clients.entries()) client.socket.send(`client ${index}`)
      for (const [index, client] of clients.entries()) assert.equal(await client.text(), `client ${index}`)
      await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()))
    },
  },
]

const app = 'test/frameworks/apps/ws.mjs'
onServers(app, [...basics, ...routed])
onServers(app, basics, { exportName: 'attached' })
