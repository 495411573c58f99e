// The load: one run of wrk, of h2load where it is HTTP/2, or of the generator with a fixed rate, against a port.
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compile } from './compile.mjs'
import { percentilesUs } from './open-loop.mjs'
import { session } from './tls.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const wholeHandshakes = join(here, '../../build/bench/whole-handshakes.so')

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
 * @property {'http' | 'https' | 'http2'} transport HTTP/1.1, that over TLS, HTTP/2 over TLS.
 * @property {number} connections
 * @property {number} depth Requests sent at a time on one connection: pipelined, or as streams of HTTP/2.
 * @property {string} method
 * @property {string[]} headers Lines besides Host.
 * @property {number} bodyBytes Not over HTTP/2.
 *
 * @typedef {object} Run
 * @property {number} port
 * @property {number} seconds
 * @property {Load} load
 * @property {string[]} pin What goes before the command.
 *
 * @typedef {object} Figures
 * @property {number} requests
 * @property {number} durationUs
 * @property {number} [p50Us] No latencies when requests are pipelined.
 * @property {number} [p90Us]
 * @property {number} [p99Us]
 * @property {number} [p999Us]
 */

/** Whether each request has a handshake of TLS before it. */
export const makesHandshakes = ({ transport, headers }) => transport !== 'http' && headers.includes('Connection: close')

/** Why a load cannot be made here, or undefined. Compiles what it takes. */
export function missingFor(load) {
  if (load.transport === 'http2' && spawnSync('h2load', ['--version'], { stdio: 'ignore' }).error !== undefined)
    return 'no h2load (Debian: apt install nghttp2-client)'
  if (!makesHandshakes(load)) return undefined
  return compile(join(here, 'whole-handshakes.c'), wholeHandshakes, ['-shared', '-fPIC', '-ldl'])
}

/**
 * Loads a server from its processor, with one thread.
 *
 * @param {Run} options
 * @returns {Promise<Figures>} Rejects when any request failed: figures with errors in them compare nothing.
 */
export function runLoad(options) {
  return options.load.transport === 'http2' ? runH2load(options) : runWrk(options)
}

async function runWrk({ port, seconds, load, pin }) {
  const { transport, connections, depth, method, headers, bodyBytes } = load
  const command = [
    ...[...pin, 'wrk', '-t1', `-c${connections}`, `-d${seconds}s`, '-s', join(here, 'report.lua')],
    ...headers.flatMap((line) => ['-H', line]),
    ...[`${transport}://127.0.0.1:${port}/`, '--', `${depth}`, method, `${bodyBytes}`],
  ]
  const { errors, ...result } = jsonOf(
    await run(command, {
      ...(transport === 'https' ? { OPENSSL_CONF: join(here, 'openssl.cnf') } : {}),
      ...(makesHandshakes(load) ? { LD_PRELOAD: wholeHandshakes } : {}),
    }),
  )
  refuseErrors(result.requests, errors)
  // wrk fills in latencies for pauses, and takes the time between two answers of a connection for its normal pace. In a
  // batch that is a fraction of any real latency: what it makes up outnumbers what it measured, and may lie below its
  // own minimum, where its percentiles do not look (a p99 of 0 is the sign of it). Better none than those.
  if (depth > 1) for (const name of ['p50Us', 'p90Us', 'p99Us', 'p999Us']) delete result[name]
  return result
}

/** It sums latencies up without percentiles, so they are taken from its log, which has every request. */
async function runH2load({ port, seconds, load, pin }) {
  const { connections, depth, method, headers } = load
  if (method !== 'GET') throw new Error(`over HTTP/2 there is no load with ${method}`)
  const folder = mkdtempSync(join(tmpdir(), 'hornet-bench-'))
  const log = join(folder, 'log')
  try {
    const output = await run([
      ...[...pin, 'h2load', '-t1', `-c${connections}`, `-m${depth}`, `-D${seconds}`, `--log-file=${log}`],
      ...['--npn-list=h2', `--tls13-ciphers=${session.cipher}`, `--groups=${session.group}`],
      ...[...headers.flatMap((line) => ['-H', line]), `https://127.0.0.1:${port}/`],
    ])
    return figuresOfH2load(output, readFileSync(log, 'utf8'))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/**
 * @param {string} output What h2load prints.
 * @param {string} log A line for each request: when it began in microseconds, its status, how many microseconds it took.
 * @returns {Figures}
 */
export function figuresOfH2load(output, log) {
  const count = (what) => Number(new RegExp(`^(?:requests|status codes):.* (\\d+) ${what}\\b`, 'm').exec(output)?.[1])
  const counts = Object.fromEntries(['done', '2xx', 'failed', 'errored', 'timeout'].map((what) => [what, count(what)]))
  const { done, '2xx': right, ...errors } = counts
  const missing = Object.entries(counts).filter(([, value]) => Number.isNaN(value))
  if (missing.length > 0) throw new Error(`h2load said nothing of ${missing.map(([what]) => what)}:\n${output}`)
  for (const fact of [`TLS Protocol: ${session.protocol}`, `Cipher: ${session.cipher}`, 'Application protocol: h2'])
    if (!output.includes(`${fact}\n`)) throw new Error(`h2load did not say ${fact}:\n${output}`)
  const latenciesMs = []
  let [beganUs, endedUs, status] = [Infinity, 0, 0]
  for (const line of log.trimEnd().split('\n')) {
    const [startUs, code, tookUs] = line.split('\t').map(Number)
    beganUs = Math.min(beganUs, startUs)
    endedUs = Math.max(endedUs, startUs + tookUs)
    if (code !== 200) status++
    latenciesMs.push(tookUs / 1000)
  }
  refuseErrors(done, { ...errors, status, 'not 2xx': done - right, 'not logged': Math.abs(done - latenciesMs.length) })
  const { p50Us, p90Us, p99Us, p999Us } = percentilesUs(latenciesMs)
  return { requests: done, durationUs: endedUs - beganUs, p50Us, p90Us, p99Us, p999Us }
}

function refuseErrors(requests, errors) {
  const failed = Object.entries(errors).filter(([, count]) => count > 0)
  if (failed.length === 0) return
  const what = failed.map(([kind, count]) => `${count} ${kind}`).join(', ')
  throw new Error(`the run is void: ${requests} answers, errors: ${what}`)
}

/**
 * Runs the generator with a fixed rate on its processor: open-loop.mjs has what it takes and returns.
 *
 * @param {string[]} pin
 * @param {import('./open-loop.mjs').Load} load
 */
export async function runFixedRate(pin, load) {
  return jsonOf(await run([...pin, process.execPath, join(here, 'open-loop.mjs'), JSON.stringify(load)]))
}

/** Runs a program to its end; returns what it printed. */
async function run(command, env = {}) {
  const options = { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] }
  const child = spawn(command[0], command.slice(1), options)
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
  if (status !== 0) throw new Error(`the load failed (${status}):\n${output}`)
  return output
}

/** The one line of JSON among others. */
function jsonOf(output) {
  const line = output.split('\n').find((text) => text.startsWith('{'))
  if (line === undefined) throw new Error(`the load printed no figures:\n${output}`)
  return JSON.parse(line)
}
