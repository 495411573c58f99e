/**
 * Promise: Socket.IO does on hornet what it does on node:http, over WebSockets and, where a client's requests reach one
 * worker, over long-polling.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client'
import { within } from '../support/deadline.js'
import { get } from '../support/http.js'
import { type Check, onServers, type RunningServer } from '../support/servers.js'

type Options = Partial<ManagerOptions & SocketOptions>

/** A client that is closed at the end of its block. */
class Client implements AsyncDisposable {
  readonly socket: Socket

  constructor({ target }: RunningServer, path: string, options: Options) {
    this.socket = io(`http://127.0.0.1:${target.port}${path}`, { forceNew: true, reconnection: false, ...options })
  }

  /** The arguments of the next event of that name. */
  async event(name: string): Promise<unknown[]> {
    return within(
      new Promise((settle) => this.socket.once(name, (...args: unknown[]) => settle(args))),
      `event ${name}`,
    )
  }

  ask(name: string, ...args: unknown[]): Promise<unknown> {
    return within(this.socket.emitWithAck(name, ...args), `answer to ${name}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.close()
  }
}

function common(options: Options): Check[] {
  const transport = options.transports?.[0]
  return [
    {
      name: 'connects, asks and is answered, in text and bytes',
      async run(server) {
        await using client = new Client(server, '/', { ...options, extraHeaders: { Cookie: 'a=1' } })
        assert.deepEqual(await client.event('welcome'), [{ transport, cookie: 'a=1' }])
        assert.deepEqual(await client.ask('echo', { text: 'grüße', list: [1, null] }), {
          text: 'grüße',
          list: [1, null],
        })
        const bytes = randomBytes(1_000_000)
        assert.deepEqual(await client.ask('echo', bytes), bytes)
        for (let count = 0; count < 50; count++) assert.equal(await client.ask('echo', count), count)
      },
    },
    {
      name: 'heartbeats keep it open',
      async run(server) {
        await using client = new Client(server, '/', options)
        await client.event('connect')
        // Twice, so that the first was answered.
        for (const which of ['first', 'second']) {
          await within(new Promise<void>((settle) => client.socket.io.once('ping', settle)), `${which} heartbeat`)
        }
        assert.equal(await client.ask('echo', 'alive'), 'alive')
      },
    },
    {
      name: 'namespaces and middleware',
      async run(server) {
        await using refused = new Client(server, '/secret', options)
        const [error] = await refused.event('connect_error')
        assert.equal((error as Error).message, 'no token')
        await using client = new Client(server, '/secret', { ...options, auth: { token: 'yes' } })
        await client.event('told')
      },
    },
    {
      name: 'disconnects from either side',
      async run(server) {
        await using theirs = new Client(server, '/', options)
        await theirs.event('connect')
        const [reason] = await Promise.all([theirs.event('disconnect'), theirs.socket.emit('leave')])
        assert.equal(reason[0], 'io server disconnect')
        const ours = new Client(server, '/', options)
        await ours.event('connect')
        const { id } = ours.socket
        await ours[Symbol.asyncDispose]()
        await server.process.waitForOutput(new RegExp(`^disconnected ${id} client namespace disconnect$`, 'm'))
      },
    },
    {
      name: 'plain requests beside',
      async run({ target }) {
        assert.equal((await get(target, '/')).text, 'plain')
      },
    },
  ]
}

const webSocket: Options = { transports: ['websocket'] }
const polling: Options = { transports: ['polling'] }

// Each worker has rooms of its own, as each process has: reaching those of others takes one of Socket.IO's adapters.
const together: Check[] = [
  {
    name: 'rooms',
    async run(server) {
      await using first = new Client(server, '/', webSocket)
      await using second = new Client(server, '/', webSocket)
      await using third = new Client(server, '/', webSocket)
      await Promise.all([first, second, third].map((client) => client.event('connect')))
      await first.ask('join', 'here')
      await second.ask('join', 'here')
      third.socket.on('said', () => assert.fail('it is not in the room'))
      const heard = second.event('said')
      first.socket.emit('say', 'here', 'hello')
      assert.deepEqual(await heard, ['hello'])
      // What was sent to it before has come when this has.
      await third.ask('echo', 1)
    },
  },
  {
    name: 'a client that begins with polling and goes on by WebSocket',
    async run(server) {
      await using client = new Client(server, '/', { transports: ['polling', 'websocket'] })
      const [welcome] = await client.event('welcome')
      assert.equal((welcome as { transport: string }).transport, 'polling')
      await client.event('upgraded')
      assert.equal(await client.ask('echo', 'on the way'), 'on the way')
    },
  },
]

const named = (prefix: string, checks: Check[]): Check[] =>
  checks.map((check) => ({ ...check, name: `${prefix}: ${check.name}` }))

const app = 'test/frameworks/apps/socket-io.mjs'
onServers(app, named('websocket', common(webSocket)), { concurrency: 5 })
// Long-polling with more workers than one, and a client's requests kept together.
const sticky = { args: ['--workers', '4', '--sticky', 'ip'] }
onServers(app, named('polling', common(polling)), { ...sticky, concurrency: 5 })
onServers(app, together, { args: ['--workers', '1'], concurrency: 2 })
