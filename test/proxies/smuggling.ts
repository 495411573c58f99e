/**
 * Request smuggling through real proxies: a request that a proxy and we would cut differently. The proxy's own log says
 * what it meant to send; the application says what came.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually, within } from '../support/deadline.js'
import { type Hornet, startHornet } from '../support/hornet.js'
import { connect, get } from '../support/http.js'

export interface Vector {
  name: string
  /** `outer` is the target of the request itself, `inner` the one that must not come out of it. */
  bytes(outer: string, inner: string): string
}

export type ProxyName = 'nginx' | 'haproxy' | 'haproxy, lenient'
export const proxyNames: readonly ProxyName[] = ['nginx', 'haproxy', 'haproxy, lenient']

// ---- what is tried ----------------------------------------------------------------------------------------------------

const request = (inner: string) => `GET ${inner} HTTP/1.1\r\nHost: a\r\nX: `
const head = (outer: string, fields: string) => `POST ${outer} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`
const chunkOf = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`

/** A body that ends at once for who counts chunks, and holds the inner request for who counts bytes; and the reverse. */
function bothWays(name: string, te: string, cl = (length: number) => `Content-Length: ${length}\r\n`): Vector[] {
  return [
    {
      name: `CL.TE ${name}`,
      bytes(outer, inner) {
        const body = `0\r\n\r\n${request(inner)}`
        return head(outer, `${cl(body.length)}${te}`) + body
      },
    },
    {
      name: `TE.CL ${name}`,
      bytes(outer, inner) {
        const body = `${chunkOf(request(inner))}0\r\n\r\n`
        return head(outer, `${te}${cl(body.indexOf('\n') + 1)}`) + body
      },
    },
  ]
}

const transferEncodings = [
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: xchunked\r\n',
  'Transfer-Encoding : chunked\r\n',
  'Transfer-Encoding:\tchunked\r\n',
  'Transfer-Encoding:chunked\r\n',
  'Transfer-Encoding: chunked \r\n',
  ' Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n',
  'Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n',
  'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n',
  'Transfer-Encoding: chunked, identity\r\n',
  'Transfer-Encoding: identity, chunked\r\n',
  'Transfer-Encoding: chunked, chunked\r\n',
  'Transfer-Encoding: identity\r\n',
  'Transfer-Encoding: "chunked"\r\n',
  'Transfer-Encoding: chunked;a=b\r\n',
  'Transfer-Encoding: CHUNKED\r\n',
  'Transfer-Encoding: chunked\x0b\r\n',
  'Transfer-Encoding: \x0bchunked\r\n',
  'Transfer-Encoding: chunked\x00\r\n',
  'Transfer-Encoding: \xa0chunked\r\n',
  'Transfer-Encoding: \x85chunked\r\n',
  'Transfer-Encoding:\r\n chunked\r\n',
  'Transfer-Encoding: chu\r\n nked\r\n',
  'Transfer-Encoding\r\n: chunked\r\n',
  'Transfer-Encoding\x00: chunked\r\n',
  'Transfer_Encoding: chunked\r\n',
  'X: x\nTransfer-Encoding: chunked\r\n',
  'X: x\rTransfer-Encoding: chunked\r\n',
  'Transfer-Encoding: chunked\n',
  'Transfer-Encoding: ,chunked\r\n',
  'Transfer-Encoding: chunked,\r\n',
  'Transfer-Encoding:\r\nTransfer-Encoding: chunked\r\n',
  'Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n',
  'Connection: Content-Length\r\nTransfer-Encoding: chunked\r\n',
  'Te: trailers\r\nTrailer: Content-Length\r\nTransfer-Encoding: chunked\r\n',
]

/** With nothing else to go by, the inner request is a body of that length or a request of its own. */
const contentLengths = (length: number): string[] => [
  `Content-Length: 0\r\nContent-Length: ${length}\r\n`,
  `Content-Length: ${length}\r\nContent-Length: 0\r\n`,
  `Content-Length: ${length}\r\nContent-Length: ${length}\r\n`,
  `Content-Length: ${length}, ${length}\r\n`,
  `Content-Length: 0, ${length}\r\n`,
  `Content-Length: +${length}\r\n`,
  `Content-Length: -${length}\r\n`,
  `Content-Length: 0x${length.toString(16)}\r\n`,
  `Content-Length: 0${length}\r\n`,
  `Content-Length: ${length}.0\r\n`,
  `Content-Length: ${length}e0\r\n`,
  `Content-Length: ${length} 0\r\n`,
  `Content-Length: 0 ${length}\r\n`,
  `Content-Length: ${length}\x0b\r\n`,
  `Content-Length: \x0c${length}\r\n`,
  `Content-Length: ${length}\x00\r\n`,
  `Content-Length: ${2n ** 64n + BigInt(length)}\r\n`,
  `Content-Length: ${2n ** 32n + BigInt(length)}\r\n`,
  `Content-Length : ${length}\r\n`,
  ` Content-Length: ${length}\r\n`,
  `Content-Length:\r\n ${length}\r\n`,
  `Content-Length\t: ${length}\r\n`,
  `Content_Length: ${length}\r\n`,
  `Content-Length: \r\n`,
  `X: x\nContent-Length: ${length}\r\n`,
  `X: x\rContent-Length: ${length}\r\n`,
  `Content-Length: ${length}\n`,
  `Connection: Content-Length\r\nContent-Length: ${length}\r\n`,
  `Connection: close, Content-Length\r\nContent-Length: ${length}\r\n`,
  `Expect: 100-continue\r\nContent-Length: ${length}\r\n`,
  `Expect: x 100-continue\r\nContent-Length: ${length}\r\n`,
  '',
]

/** Chunk framing that one may read with, the other without the inner request. `%` is the inner request. */
const chunked = [
  '0\r\n\r\n%',
  '0\n\r\n%',
  '0\r\n\n%',
  '0\r\r\n%',
  '0x0\r\n\r\n%',
  '+0\r\n\r\n%',
  '-0\r\n\r\n%',
  '00000000000000000\r\n\r\n%',
  '0 \r\n\r\n%',
  ' 0\r\n\r\n%',
  '0\t\r\n\r\n%',
  '0\x0b\r\n\r\n%',
  '0;\r\n\r\n%',
  '0;a\n\r\n%',
  '0;a=b\nGET / HTTP/1.1\r\n\r\n%',
  '2;\nxx\r\n0\r\n\r\n%',
  '2;a="\r\nxx\r\n0\r\n\r\n%"\r\n',
  '2\r\nxx0\r\n\r\n%',
  '2\r\nxx\n0\r\n\r\n%',
  '2\r\nxx\r0\r\n\r\n%',
  '2\nxx\r\n0\r\n\r\n%',
  '2\rxx\r\n0\r\n\r\n%',
  '10000000000000002\r\nxx\r\n0\r\n\r\n%',
  'ffffffffffffffff\r\n%',
  '8000000000000000\r\n%',
  '0_2\r\nxx\r\n0\r\n\r\n%',
  '2,\r\nxx\r\n0\r\n\r\n%',
  '\r\n0\r\n\r\n%',
  '0\r\nContent-Length: 100\r\n\r\n%',
  '0\r\nTransfer-Encoding: chunked\r\n\r\n%',
  '0\r\nHost: b\r\n\r\n%',
  '0\r\nX: y\n\r\n%',
  '0\r\nX: y\r\n z\r\n\r\n%',
  '0\r\n: y\r\n\r\n%',
  '0\r\nX\r\n\r\n%',
  '0\r\n%',
]

/** Whole heads, for `/o` and `/i`. */
const heads = [
  'GET /o HTTP/1.1\nHost: a\n\nGET /i HTTP/1.1\nHost: a\n\n',
  'GET /o HTTP/1.1\rHost: a\r\rGET /i HTTP/1.1\rHost: a\r\r',
  'GET /o HTTP/1.1\r\nHost: a\r\nX: y\r\n\tGET /i HTTP/1.1\r\n\r\n',
  'GET /o HTTP/1.1\r\nHost: a\r\nX: y\r\n\r GET /i HTTP/1.1\r\n\r\n',
  'GET /o HTTP/1.1\r\nHost : a\r\nHost: a\r\n\r\n',
  'GET /o HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
  'GET /o HTTP/1.1\r\nHost: a, b\r\n\r\n',
  'GET /o HTTP/1.1\r\nHost: a@b\r\n\r\n',
  'GET /o HTTP/1.1\r\nHost: a/i\r\n\r\n',
  'GET /o HTTP/1.1\r\nHost:\r\n\r\n',
  'GET /o HTTP/1.1\r\n\r\n',
  'GET http://b/o HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET http://a@b/o HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET //b/o HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET /o HTTP/1.1\r\nHost: a\r\nX\x00Y: z\r\n\r\n',
  'GET /o HTTP/1.1\r\nHost: a\r\nX\xe9: z\r\n\r\n',
  'GET /o HTTP/1.1\r\nHost: a\r\nX(Y): z\r\n\r\n',
  'GET /o HTTP/1.1\r\nHost: a\r\n: z\r\n\r\n',
  'GET /o HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n',
  'GET /o HTTP/1.1\r\n Host: a\r\nHost: a\r\n\r\n',
  'GET /o HTTP/1.1\r\nHost: a\r\nX: y\x00z\r\n\r\n',
  'GET /o HTTP/1.1\r\nHost: a\r\nX: y\rGET /i HTTP/1.1\r\n\r\n',
  'GET /o HTTP/1.1\r\nHost: a\r\nX: \r\n\r\nGET /i HTTP/1.1\r\n\r\n',
  'GET /o\r\nGET /i HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET /o HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /i HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET /o HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET /o HTTP/1.2\r\nHost: a\r\n\r\n',
  'GET /o HTTP/1.10\r\nHost: a\r\n\r\n',
  'GET /o http/1.1\r\nHost: a\r\n\r\n',
  'GET\t/o\tHTTP/1.1\r\nHost: a\r\n\r\n',
  'GET  /o  HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET /o%0d%0aX:%20y HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET /o\x00i HTTP/1.1\r\nHost: a\r\n\r\n',
  'GET /o HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nConnection: Upgrade, HTTP2-Settings\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'GET /o HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 777\r\n\r\nGET /i HTTP/1.1\r\nHost: a\r\n\r\n',
  'CONNECT /o HTTP/1.1\r\nHost: a\r\n\r\nGET /i HTTP/1.1\r\nHost: a\r\n\r\n',
  'TRACE /o HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\nGET /i HTTP/1.1\r\nHost: a\r\n\r\n',
  'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n',
  'HEAD /o HTTP/1.1\r\nHost: a\r\nContent-Length: 33\r\n\r\nGET /i HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n',
]

export const vectors: readonly Vector[] = [
  ...transferEncodings.flatMap((te) => bothWays(JSON.stringify(te), te)),
  ...transferEncodings.map((te) => ({
    name: `chunks alone: ${JSON.stringify(te)}`,
    bytes: (outer: string, inner: string) => `${head(outer, te)}0\r\n\r\n${request(inner)}`,
  })),
  ...contentLengths(0).map((_, index) => ({
    name: `length: ${JSON.stringify(contentLengths(100)[index])}`,
    bytes: (outer: string, inner: string) =>
      head(outer, contentLengths(request(inner).length)[index] ?? '') + request(inner),
  })),
  ...chunked.map((body) => ({
    name: `chunks: ${JSON.stringify(body)}`,
    bytes: (outer: string, inner: string) =>
      head(outer, 'Transfer-Encoding: chunked\r\n') + body.replace('%', request(inner)),
  })),
  ...heads.map((text) => ({
    name: `head: ${JSON.stringify(text.slice(0, 60))}`,
    bytes: (outer: string, inner: string) => text.replace('/o', outer).replace('/i', inner),
  })),
]

// ---- the proxies ------------------------------------------------------------------------------------------------------

export interface Stage {
  /** Sends it, ends the connection, and then shows that two other clients get their own answers. */
  attack(vector: Vector): Promise<void>
  /** Fails, naming vectors, when the application saw a request that the proxy did not mean to send. */
  judge(): Promise<{ attacks: number; seen: number }>
  close(): Promise<void>
}

interface Proxy {
  path: string
  /** Targets of the requests that it has passed on and that have ended. */
  sent(): string[]
  close(): Promise<void>
}

export async function setStage(name: ProxyName): Promise<Stage> {
  const folder = mkdtempSync(join(tmpdir(), 'hornet-smuggling-'))
  const hornet = await startHornet({ app: 'test/proxies/fixtures/witness.mjs', args: ['--workers', '1'] })
  // Ready before the first request: the proxies have short patience.
  await get(hornet, '/seen')
  const proxy = await (name === 'nginx' ? startNginx : startHaproxy)(folder, hornet, name === 'haproxy, lenient')
  const attacks: string[] = []
  let victims = 0

  async function isServed(): Promise<void> {
    const target = `/victim/${victims++}`
    const { text } = await get({ path: proxy.path }, target)
    if (text !== target) throw new Error(`asked for ${target}, another client got ${JSON.stringify(text)}`)
  }

  return {
    async attack(vector) {
      const number = attacks.push(vector.name) - 1
      const connection = await connect({ path: proxy.path })
      connection.write(vector.bytes(`/v${number}/outer`, `/v${number}/inner`))
      connection.end()
      await connection.readToEnd().catch(() => {})
      connection.destroy()
      try {
        await isServed()
        await isServed()
      } catch (error) {
        throw new Error(`after ${vector.name}: ${(error as Error).message}`)
      }
    },
    async judge() {
      const seen = JSON.parse((await get(hornet, '/seen')).text) as string[]
      const strays = await eventually(
        'log of all that was sent',
        () => {
          const sent = tally(proxy.sent())
          const unknown = [...tally(seen)].filter(([target, count]) => (sent.get(target) ?? 0) < count)
          // Victims are logged last: with them everything is.
          const isWhole = Array.from({ length: victims }, (_, index) => `/victim/${index}`).every((each) =>
            sent.has(each),
          )
          return isWhole && unknown.length === 0 ? [] : undefined
        },
        () => {
          const sent = tally(proxy.sent())
          const strays = [...tally(seen)].filter(([target, count]) => (sent.get(target) ?? 0) < count)
          return strays.map(([target]) => `${target} ${attacks[Number(/^\/v(\d+)/.exec(target)?.[1])]}`).join('\n')
        },
        5000,
      )
      return { attacks: attacks.length, seen: seen.length - strays.length }
    },
    async close() {
      await proxy.close()
      await hornet.stop()
      rmSync(folder, { recursive: true })
    },
  }
}

function tally(targets: string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const target of targets) counts.set(target, (counts.get(target) ?? 0) + 1)
  return counts
}

async function startNginx(folder: string, { port }: Hornet): Promise<Proxy> {
  const [config, log, path] = ['nginx.conf', 'access.log', 'nginx.sock'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  writeFileSync(
    config,
    `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
events { worker_connections 512; }
http {
  ${temporary.map((each) => `${each}_temp_path ${folder}/${each};`).join(' ')}
  log_format sent '$upstream_addr $request_uri'; access_log ${log} sent;
  upstream hornet { server 127.0.0.1:${port}; keepalive 1; }
  server {
    listen unix:${path};
    underscores_in_headers on; ignore_invalid_headers off; merge_slashes off;
    location / {
      proxy_pass http://hornet; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_request_buffering off; proxy_buffering off; proxy_next_upstream off;
    }
  }
}
`,
  )
  const child = spawn('nginx', ['-c', config, '-e', join(folder, 'error.log')], { stdio: 'ignore' })
  await isListening(path, child)
  const sent = () =>
    readFileSync(log, 'latin1')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('- '))
      .map((line) => pathOf(line.slice(line.indexOf(' ') + 1)))
  return { path, sent, close: () => end(child, 'SIGQUIT') }
}

async function startHaproxy(folder: string, { port }: Hornet, isLenient: boolean): Promise<Proxy> {
  const [config, path] = ['haproxy.cfg', 'haproxy.sock'].map((name) => join(folder, name)) as [string, string]
  writeFileSync(
    config,
    `global
  log stdout format raw local0
  maxconn 200
defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 5s
  log global
  log-format "%s %HU"
  http-reuse always
  retries 0
${isLenient ? '  option accept-invalid-http-request\n' : ''}frontend front
  bind unix@${path}
  default_backend back
backend back
  server hornet 127.0.0.1:${port}
`,
  )
  const child = spawn('haproxy', ['-f', config, '-db'], { stdio: ['ignore', 'pipe', 'ignore'] })
  let text = ''
  child.stdout.setEncoding('latin1').on('data', (chunk) => {
    text += chunk
  })
  await isListening(path, child)
  const sent = () =>
    text
      .split('\n')
      .filter((line) => line.startsWith('hornet '))
      .map((line) => pathOf(line.slice('hornet '.length)))
  return { path, sent, close: () => end(child, 'SIGTERM') }
}

/** An absolute target without its scheme and host: proxies pass on the rest, and log either. */
const pathOf = (target: string) => target.replace(/^https?:\/\/[^/]*/i, '')

async function isListening(path: string, child: ChildProcess): Promise<void> {
  let error: Error | undefined
  child.once('error', (cause) => {
    error = cause
  })
  for (;;) {
    if (error !== undefined) throw error
    if (child.exitCode !== null) throw new Error(`the proxy ended with ${child.exitCode} at its start`)
    try {
      ;(await connect({ path })).destroy()
      return
    } catch {
      await new Promise((again) => setImmediate(again))
    }
  }
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill(signal)
  await within(ended, 'end of the proxy', 10_000).catch((error) => {
    child.kill('SIGKILL')
    throw error
  })
}

/** A request as a fuzzer makes it of a vector: a few bytes put in, taken out or changed. The same for the same seed. */
export function mutate(vector: Vector, seed: number): Vector {
  const interesting = [
    '\r',
    '\n',
    '\r\n',
    ' ',
    '\t',
    '\0',
    ':',
    ';',
    ',',
    '0',
    '1',
    'a',
    '\x0b',
    '\x80',
    'Content-Length: 3\r\n',
  ]
  return {
    name: `${vector.name}, mutation ${seed}`,
    bytes(outer, inner) {
      let text = vector.bytes(outer, inner)
      let state = seed >>> 0
      const random = (below: number) => {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
        return Math.floor((state / 2 ** 32) * below)
      }
      for (let count = 1 + random(3); count > 0; count--) {
        // Behind the target, by which the request is known.
        const from = text.indexOf(outer) + outer.length
        const at = from + random(Math.max(1, text.length - from))
        const put = random(3) === 0 ? '' : (interesting[random(interesting.length)] ?? '')
        text = text.slice(0, at) + put + text.slice(at + random(2))
      }
      return text
    },
  }
}
