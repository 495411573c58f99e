/**
 * Server: listen in all its forms, address, and what goes wrong.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import type { Server } from 'node:http'
import { type AddressInfo, createServer as createNetServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, get } from '../../support/http.js'
import { check, codeOf, event, Fact, isSame, note, type Stage, same, thrownBy } from '../stage.js'

/** A server that says hello, closed behind the check. */
function hello(stage: Stage): Server {
  return stage.owns(stage.http.createServer((_req, res) => res.end('hello')))
}

/** A folder for a socket file. */
function socketPath(stage: Stage): string {
  const folder = mkdtempSync(join(tmpdir(), 'compat-'))
  stage.defer(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'server.sock')
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}

/** Starts listening by `start` and has the port answer. */
async function answersBy(stage: Stage, start: (server: Server) => unknown): Promise<Server> {
  const server = hello(stage)
  const listening = event(server, 'listening')
  start(server)
  await listening
  assert.equal(server.listening, true)
  assert.ok(portOf(server) > 0)
  assert.equal((await get({ port: portOf(server) })).text, 'hello')
  return server
}

async function listenError(stage: Stage, start: (server: Server) => unknown): Promise<NodeJS.ErrnoException> {
  const server = hello(stage)
  const failed = event<[NodeJS.ErrnoException]>(server, 'error')
  start(server)
  const [error] = await failed
  assert.equal(server.listening, false)
  return error
}

export const checks = [
  check('listen()', async (stage) => {
    await answersBy(stage, (server) => server.listen())
  }),
  check('listen(0)', async (stage) => {
    await answersBy(stage, (server) => server.listen(0))
  }),
  check("listen('0')", async (stage) => {
    await answersBy(stage, (server) => server.listen('0' as never))
  }),
  check('listen(null), listen(undefined)', async (stage) => {
    await answersBy(stage, (server) => server.listen(null as never))
    await answersBy(stage, (server) => server.listen(undefined))
  }),
  check('listen(0, host)', async (stage) => {
    const server = await answersBy(stage, (server) => server.listen(0, '127.0.0.1'))
    assert.equal((server.address() as AddressInfo).address, '127.0.0.1')
    assert.equal((server.address() as AddressInfo).family, 'IPv4')
  }),
  check('listen(0, backlog), listen(0, host, backlog)', async (stage) => {
    await answersBy(stage, (server) => server.listen(0, 10 as never))
    await answersBy(stage, (server) => server.listen(0, '127.0.0.1', 10))
  }),
  check('listen({ port, host })', async (stage) => {
    await answersBy(stage, (server) => server.listen({ port: 0, host: '127.0.0.1' }))
  }),
  check('listen({ port, host, backlog, exclusive })', async (stage) => {
    await answersBy(stage, (server) => server.listen({ port: 0, host: '127.0.0.1', backlog: 5, exclusive: true }))
  }),
  check('listen({ port: "0" })', async (stage) => {
    await answersBy(stage, (server) => server.listen({ port: '0' as never, host: '127.0.0.1' }))
  }),
  check('listen({ port: undefined })', async (stage) => {
    await answersBy(stage, (server) => server.listen({ port: undefined }))
  }),

  check('listen(…, callback) in every form calls back once listening, with this as the server', async (stage) => {
    const forms: ((server: Server, callback: () => void) => unknown)[] = [
      (server, callback) => server.listen(callback),
      (server, callback) => server.listen(0, callback),
      (server, callback) => server.listen(0, '127.0.0.1', callback),
      (server, callback) => server.listen(0, '127.0.0.1', 5, callback),
      (server, callback) => server.listen({ port: 0 }, callback),
      (server, callback) => server.listen(null as never, callback),
    ]
    for (const [index, form] of forms.entries()) {
      const called = new Fact<unknown>(`callback of form ${index}`)
      const server = hello(stage)
      const given = form(server, function (this: unknown) {
        called.is(this)
      })
      isSame(given, server)
      isSame(await called.known, server)
    }
  }),

  check('a host name is looked up', async (stage) => {
    const server = await answersBy(stage, (server) => server.listen(0, 'localhost'))
    assert.ok(['127.0.0.1', '::1'].includes((server.address() as AddressInfo).address))
  }),

  check('without a host it listens on every address', async (stage) => {
    const server = await answersBy(stage, (server) => server.listen(0))
    assert.ok(['::', '0.0.0.0'].includes((server.address() as AddressInfo).address))
  }),

  check('IPv6: address and family', async (stage) => {
    const server = hello(stage)
    server.listen(0, '::1')
    await event(server, 'listening')
    const address = server.address() as AddressInfo
    assert.deepEqual([address.address, address.family], ['::1', 'IPv6'])
    assert.equal((await get({ host: '::1', port: address.port })).text, 'hello')
  }),

  check('ipv6Only leaves the IPv4 port free', async (stage) => {
    const server = hello(stage)
    server.listen({ port: 0, host: '::', ipv6Only: true })
    await event(server, 'listening')
    const other = hello(stage)
    other.listen(portOf(server), '127.0.0.1')
    await event(other, 'listening')
    assert.equal(portOf(other), portOf(server))
  }),

  check('listen(0) listens at once: address() is known when it returns; listening is emitted later', async (stage) => {
    const server = hello(stage)
    const log: string[] = []
    note(log, 'server', server, ['listening'])
    assert.equal(server.address(), null)
    server.listen(0, () => log.push('callback'))
    log.push('returned')
    assert.equal(server.listening, true)
    assert.ok(portOf(server) > 0)
    await event(server, 'listening')
    assert.deepEqual(log, ['returned', 'server:listening', 'callback'])
  }),

  same('listening as soon as listen() returns, by form', async (stage) => {
    const forms: ((server: Server) => unknown)[] = [
      (server) => server.listen(),
      (server) => server.listen(0, '127.0.0.1'),
      (server) => server.listen(0, 'localhost'),
      (server) => server.listen({ port: 0 }),
      (server) => server.listen({ port: 0, host: '127.0.0.1' }),
      (server) => server.listen(socketPath(stage)),
    ]
    const answers: unknown[] = []
    for (const form of forms) {
      const server = hello(stage)
      form(server)
      answers.push([server.listening, server.address() !== null])
      await event(server, 'listening')
    }
    return answers
  }),

  check('address() has address, family and port, in that order', async (stage) => {
    const { server, port } = await stage.serve()
    assert.deepEqual(Object.entries(server.address() as AddressInfo), [
      ['address', '127.0.0.1'],
      ['family', 'IPv4'],
      ['port', port],
    ])
  }),

  check('listen(path): address() is the path, and the file goes with the server', async (stage) => {
    const path = socketPath(stage)
    const server = hello(stage)
    server.listen(path)
    await event(server, 'listening')
    assert.equal(server.address(), path)
    assert.equal((await get({ path })).text, 'hello')
    const closed = event(server, 'close')
    server.close()
    await closed
    assert.throws(() => statSync(path), { code: 'ENOENT' })
  }),

  check('listen({ path }), listen(path, callback), listen(path, backlog, callback)', async (stage) => {
    const forms: ((server: Server, path: string, callback: () => void) => unknown)[] = [
      (server, path, callback) => server.listen({ path }, callback),
      (server, path, callback) => server.listen(path, callback),
      (server, path, callback) => server.listen(path, 5, callback),
    ]
    for (const form of forms) {
      const path = socketPath(stage)
      const server = hello(stage)
      const called = new Fact(`callback of listen(${path})`)
      form(server, path, called.is)
      await called.known
      assert.equal((await get({ path })).text, 'hello')
    }
  }),

  check('readableAll and writableAll open the socket file to all', async (stage) => {
    const path = socketPath(stage)
    const server = hello(stage)
    server.listen({ path, readableAll: true, writableAll: true })
    await event(server, 'listening')
    assert.equal(statSync(path).mode & 0o666, 0o666)
  }),

  check('over a Unix socket req.socket has no addresses', async (stage) => {
    const path = socketPath(stage)
    const server = stage.owns(
      stage.http.createServer((req, res) => {
        const { remoteAddress, remotePort, remoteFamily } = req.socket
        res.end(JSON.stringify([remoteAddress ?? null, remotePort ?? null, remoteFamily ?? null]))
      }),
    )
    server.listen(path)
    await event(server, 'listening')
    assert.deepEqual(JSON.parse((await get({ path })).text), [null, null, null])
  }),

  same('a taken path: EADDRINUSE', async (stage) => {
    const path = socketPath(stage)
    const first = hello(stage)
    first.listen(path)
    await event(first, 'listening')
    const error = await listenError(stage, (server) => server.listen(path))
    assert.equal(error.code, 'EADDRINUSE')
    assert.equal(error.syscall, 'listen')
    assert.equal((error as { address?: string }).address, path)
    return [(error as { port?: number }).port, error.message.replace(path, 'PATH')]
  }),

  same('a path in a folder that is not there', async (stage) => {
    const error = await listenError(stage, (server) => server.listen('/nonexistent-folder/compat/server.sock'))
    return [error.code, error.syscall, error.message]
  }),

  check('listen({ fd }) serves a listening descriptor', async (stage) => {
    const holder = createNetServer()
    holder.listen(0, '127.0.0.1')
    await event(holder, 'listening')
    stage.defer(() => holder.close())
    const { _handle: handle } = holder as unknown as { _handle: { fd: number } }
    const { stdout, code, stderr } = await stage.script(`
      import net from 'node:net'
      import { spawn } from 'node:child_process'
      const probe = net.createServer().listen(0, '127.0.0.1', () => {
        const source = \`
          import http from \${JSON.stringify(HTTP)}
          const server = http.createServer((req, res) => { res.end('by descriptor'); server.close() })
          server.listen({ fd: 3 }, () => console.log(server.listening, server.address().port))
        \`
        const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
          stdio: ['ignore', 'pipe', 'inherit', probe._handle.fd],
        })
        const { port } = probe.address()
        probe.close()
        let said = ''
        child.stdout.setEncoding('utf8').on('data', async (text) => {
          said += text
          if (!said.endsWith('\\n')) return
          const response = await fetch('http://127.0.0.1:' + port, { headers: { connection: 'close' } })
          console.log(said.trim() === 'true ' + port, await response.text())
        })
        child.on('close', (code) => console.log(code))
      })
    `)
    assert.ok(handle.fd > 0)
    assert.deepEqual([stdout.split('\n'), code], [['true by descriptor', '0', ''], 0], stderr)
  }),

  same('listen({ fd }) of what is no socket', async (stage) => {
    const error = await listenError(stage, (server) => server.listen({ fd: 0x7fff }))
    return [error.code, error.syscall]
  }),

  check('a taken port: EADDRINUSE as an event, with all its fields', async (stage) => {
    const first = await stage.serve()
    const error = await listenError(stage, (server) => server.listen(first.port, '127.0.0.1'))
    assert.equal(error.code, 'EADDRINUSE')
    assert.equal(error.syscall, 'listen')
    assert.equal(typeof error.errno, 'number')
    assert.equal((error as { address?: string }).address, '127.0.0.1')
    assert.equal((error as { port?: number }).port, first.port)
    assert.equal(error.message, `listen EADDRINUSE: address already in use 127.0.0.1:${first.port}`)
  }),

  check('the error comes later, never out of listen() itself', async (stage) => {
    const first = await stage.serve()
    const server = hello(stage)
    const log: string[] = []
    note(log, 'server', server, ['error', 'listening'])
    server.listen(first.port, '127.0.0.1', () => log.push('callback'))
    log.push('returned')
    await event(server, 'error')
    assert.deepEqual(log, ['returned', 'server:error EADDRINUSE'])
  }),

  check('after EADDRINUSE the same server can listen elsewhere, or again', async (stage) => {
    const first = await stage.serve()
    const server = hello(stage)
    server.listen(first.port, '127.0.0.1')
    await event(server, 'error')
    assert.equal(server.address(), null)
    server.listen(0, '127.0.0.1')
    await event(server, 'listening')
    assert.equal((await get({ port: portOf(server) })).text, 'hello')
  }),

  check('an address that is not ours: EADDRNOTAVAIL', async (stage) => {
    const error = await listenError(stage, (server) => server.listen(0, '192.0.2.1'))
    assert.equal(error.code, 'EADDRNOTAVAIL')
  }),

  check('two servers on one explicit address and port', async (stage) => {
    const one = await stage.serve((_req, res) => res.end('one'))
    const error = await listenError(stage, (server) => server.listen(one.port, '127.0.0.1'))
    assert.equal(error.code, 'EADDRINUSE')
    assert.equal((await one.get()).text, 'one')
  }),

  same('ports out of range', ({ http }) =>
    [65536, -1, 1.5, '65536', Number.NaN, Number.POSITIVE_INFINITY].map((port) =>
      thrownBy(() => http.createServer().listen(port as never)),
    ),
  ),
  same('ports out of range in options', ({ http }) =>
    [65536, -1, 1.5, 'abc', '', null, false].map((port) =>
      thrownBy(() =>
        http
          .createServer()
          .listen({ port: port as never, host: '127.0.0.1' })
          .close(),
      ),
    ),
  ),
  same('other arguments that are refused', ({ http }) =>
    [{}, true, false, { fd: -1 }, { fd: 'x' }, { host: 'localhost' }].map((options) =>
      thrownBy(() => http.createServer().listen(options as never)),
    ),
  ),

  check('a second listen() while listening: ERR_SERVER_ALREADY_LISTEN', async (stage) => {
    const { server } = await stage.serve()
    assert.throws(() => server.listen(0), { code: 'ERR_SERVER_ALREADY_LISTEN', name: 'Error' })
    assert.equal(server.listening, true)
  }),

  check('listen() again after close()', async (stage) => {
    const server = hello(stage)
    for (let round = 0; round < 3; round++) {
      server.listen(0, '127.0.0.1')
      await event(server, 'listening')
      assert.equal((await get({ port: portOf(server) })).text, 'hello')
      const closed = event(server, 'close')
      server.close()
      assert.equal(server.listening, false)
      await closed
    }
  }),

  check('the port is free again once closed', async (stage) => {
    const first = await stage.serve()
    const closed = event(first.server, 'close')
    first.server.close()
    await closed
    const second = hello(stage)
    second.listen(first.port, '127.0.0.1')
    await event(second, 'listening')
    assert.equal(portOf(second), first.port)
  }),

  check('signal closes the server', async (stage) => {
    const controller = new AbortController()
    const server = hello(stage)
    server.listen({ port: 0, host: '127.0.0.1', signal: controller.signal })
    await event(server, 'listening')
    const closed = event(server, 'close')
    controller.abort()
    await closed
    assert.equal(server.listening, false)
  }),

  check('signal aborted before: the server closes without listening to anyone', async (stage) => {
    const server = hello(stage)
    const closed = event(server, 'close')
    server.listen({ port: 0, host: '127.0.0.1', signal: AbortSignal.abort() })
    await closed
    assert.equal(server.listening, false)
  }),

  same('signal of another type', ({ http }) =>
    thrownBy(() => http.createServer().listen({ port: 0, signal: 'INVALID' as never })),
  ),

  check('one process may listen with many servers', async (stage) => {
    const served = await Promise.all(
      Array.from({ length: 8 }, (_, index) => stage.serve((_req, res) => res.end(`number ${index}`))),
    )
    const answers = await Promise.all(served.map((one) => one.get()))
    assert.deepEqual(
      answers.map(({ text }) => text),
      served.map((_, index) => `number ${index}`),
    )
  }),

  check('once() gives the server when it listens', async (stage) => {
    const server = hello(stage)
    server.listen(0)
    assert.deepEqual(await event(server, 'listening'), [])
  }),

  check('maxConnections: one too many is closed, with a drop event', async (stage) => {
    const served = await stage.serve((_req, res) => res.end('x'))
    served.server.maxConnections = 1
    const first = await served.connect()
    first.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    await first.readResponse()
    const dropped = event<[{ remotePort?: number; localPort?: number }]>(served.server, 'drop')
    const second = await connect({ port: served.port })
    stage.defer(() => second.destroy())
    const [about] = await dropped
    assert.equal(about.localPort, served.port)
    assert.equal(about.remotePort, second.socket.localPort)
    assert.equal((await second.readToEnd()).length, 0)
  }),

  check('a listening server keeps the process, an unreferenced one does not', async (stage) => {
    const { stdout, code, stderr } = await stage.script(`
      import http from HTTP
      const server = http.createServer().listen(0, () => {
        server.unref()
        server.ref()
        console.log(server.unref() === server)
      })
    `)
    assert.deepEqual([stdout.trim(), code], ['true', 0], stderr)
  }),

  check('a process ends by itself once its server is closed', async (stage) => {
    const { stdout, code, stderr } = await stage.script(`
      import http from HTTP
      const server = http.createServer((req, res) => res.end('bye')).listen(0, async () => {
        const response = await fetch('http://127.0.0.1:' + server.address().port)
        console.log(await response.text())
        server.close()
      })
    `)
    assert.deepEqual([stdout.trim(), code], ['bye', 0], stderr)
  }),

  check('an error without a listener is thrown', async (stage) => {
    const { port } = await stage.serve()
    const { code, stderr } = await stage.script(`
      import http from HTTP
      http.createServer().listen(${port}, '127.0.0.1')
    `)
    assert.equal(code, 1)
    assert.match(stderr, /EADDRINUSE/)
  }),

  check('a lookup that fails is an error event', async (stage) => {
    const error = await listenError(stage, (server) => server.listen(0, 'no such host.invalid'))
    assert.equal(error.syscall, 'getaddrinfo')
    assert.match(codeOf(error), /^(ENOTFOUND|EAI_AGAIN)$/)
  }),
]
