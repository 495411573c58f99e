// What is served, what the right answer is, and by whom: the table the whole benchmark follows.
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const root = join(here, '../..')
const app = (name) => join(here, 'apps', `${name}.mjs`)

const greeting = 'Hello, World!'
const plainText = { type: 'text/plain', body: greeting }

/** Every ratio is against this peer, measured in the same round. */
export const baseline = 'node:http'

/**
 * name: for the command line. depth: requests sent at a time on one connection. answer: what every peer must send.
 * peers: who is measured; a peer's program serves `app`.
 */
export const scenarios = [
  {
    name: 'set-header',
    title: 'Plain text, `setHeader` and `end`',
    app: app('set-header'),
    depth: 1,
    answer: plainText,
    peers: ['hornet-1', 'hornet-2', 'node:http', 'cluster-2'],
  },
  {
    name: 'write-head',
    title: 'Plain text, `writeHead` with Content-Length',
    app: app('write-head'),
    depth: 1,
    answer: plainText,
    peers: ['hornet-1', 'hornet-2', 'node:http', 'cluster-2', 'floor'],
  },
  {
    name: 'json',
    title: 'JSON, `setHeader` and `end`',
    app: app('json'),
    depth: 1,
    answer: { type: 'application/json', body: JSON.stringify({ message: greeting }) },
    peers: ['hornet-1', 'hornet-2', 'node:http', 'cluster-2'],
  },
  {
    name: 'express',
    title: 'Express 5',
    app: app('express'),
    depth: 1,
    answer: { type: 'text/html', body: greeting },
    peers: ['hornet-1', 'hornet-2', 'node:http', 'cluster-2'],
  },
  {
    name: 'hono',
    title: 'Hono (on node:http and cluster through @hono/node-server)',
    app: app('hono'),
    depth: 1,
    answer: plainText,
    peers: ['hornet-1', 'hornet-2', 'node:http', 'cluster-2'],
  },
  {
    name: 'pipelined',
    title: 'Plain text, `writeHead`, 16 requests pipelined',
    app: app('write-head'),
    depth: 16,
    answer: plainText,
    peers: ['hornet-1', 'node:http', 'floor'],
  },
]

const node = (...args) => [process.execPath, ...args]
const hornet = (workers) => (path) =>
  node(join(root, 'dist/cli.js'), '--workers', workers, '--io-threads', '1', '--bind', '127.0.0.1:0', path)

/** The floor is a program of ours in C, see bench/floor/floor.c. */
export const floorSource = join(root, 'bench/floor/floor.c')
export const floorBinary = join(root, 'build/bench/floor')

/** How each peer is started with an application. All print `http://127.0.0.1:PORT` once they listen. */
export const peers = {
  'hornet-1': { title: 'Hornet, 1 worker', command: hornet('1') },
  'hornet-2': { title: 'Hornet, 2 workers', command: hornet('2') },
  'node:http': { title: 'node:http', command: (path) => node(join(here, 'node-http.mjs'), path) },
  'cluster-2': { title: 'node:cluster, 2 workers', command: (path) => node(join(here, 'node-cluster.mjs'), path, '2') },
  floor: { title: 'C epoll floor', command: () => [floorBinary] },
}
