// The load: one run of wrk, or of the generator with a fixed rate, against a port.
import { spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))

/** What runs now, if anything. */
const running = new Set()

/** Ends the load, for a benchmark that is interrupted. */
export function stopLoad() {
  for (const child of running) child.kill('SIGTERM')
}

/**
 * What each request is, and how many at once.
 *
 * @typedef {object} Load
 * @property {number} connections
 * @property {number} depth Requests sent at a time on one connection.
 * @property {string} method
 * @property {string[]} headers Lines besides Host.
 * @property {number} bodyBytes
 */

/**
 * Runs wrk on its processor, with one thread.
 *
 * @param {{ port: number, seconds: number, load: Load, pin: string[] }} options `pin`: what goes before the command.
 * @returns {Promise<{ requests: number, durationUs: number, p50Us?: number, p90Us?: number, p99Us?: number,
 *   p999Us?: number }>} No latencies when `depth` is above 1. Rejects when any request failed: figures with errors in
 *   them compare nothing.
 */
export async function runLoad({ port, seconds, load, pin }) {
  const { connections, depth, method, headers, bodyBytes } = load
  const output = await run([
    ...[...pin, 'wrk', '-t1', `-c${connections}`, `-d${seconds}s`, '-s', join(here, 'report.lua')],
    ...headers.flatMap((line) => ['-H', line]),
    ...[`http://127.0.0.1:${port}/`, '--', `${depth}`, method, `${bodyBytes}`],
  ])
  const { errors, ...result } = output
  const failed = Object.entries(errors).filter(([, count]) => count > 0)
  if (failed.length > 0) {
    const what = failed.map(([kind, count]) => `${count} ${kind}`).join(', ')
    throw new Error(`the run is void: ${result.requests} answers, errors: ${what}`)
  }
  // wrk fills in latencies for pauses, and takes the time between two answers of a connection for its normal pace. In a
  // batch that is a fraction of any real latency: what it makes up outnumbers what it measured, and may lie below its
  // own minimum, where its percentiles do not look (a p99 of 0 is the sign of it). Better none than those.
  if (depth > 1) for (const name of ['p50Us', 'p90Us', 'p99Us', 'p999Us']) delete result[name]
  return result
}

/**
 * Runs the generator with a fixed rate on its processor: open-loop.mjs has what it takes and returns.
 *
 * @param {string[]} pin
 * @param {import('./open-loop.mjs').Load} load
 */
export function runFixedRate(pin, load) {
  return run([...pin, process.execPath, join(here, 'open-loop.mjs'), JSON.stringify(load)])
}

/** Runs a program to its end; returns its one line of JSON. */
async function run(command) {
  const child = spawn(command[0], command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk) => {
      output += chunk
    })
  }
  const status = await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve(signal ?? code))
  }).finally(() => running.delete(child))
  const line = output.split('\n').find((text) => text.startsWith('{'))
  if (status !== 0 || line === undefined) throw new Error(`the load failed (${status}):\n${output}`)
  return JSON.parse(line)
}
