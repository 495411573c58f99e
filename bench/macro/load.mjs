// The load: one run of wrk against a port.
import { spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const script = join(dirname(fileURLToPath(import.meta.url)), 'report.lua')

export const connections = 64

/** The one wrk that runs, if any. */
let running

/** Ends the load, for a benchmark that is interrupted. */
export function stopLoad() {
  running?.kill('SIGTERM')
}

/**
 * Runs wrk on its processor, with one thread.
 *
 * @param {{ port: number, seconds: number, depth: number, pin: string[] }} options `pin`: what goes before the command.
 * @returns {Promise<{ requests: number, durationUs: number, p50Us?: number, p99Us?: number }>} No latencies when
 *   `depth` is above 1. Rejects when any request failed: figures with errors in them compare nothing.
 */
export async function runLoad({ port, seconds, depth, pin }) {
  const url = `http://127.0.0.1:${port}/`
  const command = [...pin, 'wrk', '-t1', `-c${connections}`, `-d${seconds}s`, '-s', script, url, '--', `${depth}`]
  const child = spawn(command[0], command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] })
  running = child
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk) => {
      output += chunk
    })
  }
  const status = await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve(signal ?? code))
  })
  running = undefined
  const line = output.split('\n').find((text) => text.startsWith('{'))
  if (status !== 0 || line === undefined) throw new Error(`wrk failed (${status}):\n${output}`)
  const { errors, ...result } = JSON.parse(line)
  const failed = Object.entries(errors).filter(([, count]) => count > 0)
  if (failed.length > 0 || result.requests === 0) {
    const what = failed.map(([kind, count]) => `${count} ${kind}`).join(', ')
    throw new Error(`the run is void: ${result.requests} answers, errors: ${what || 'none'}`)
  }
  // wrk fills in latencies for pauses, and takes the time between two answers of a connection for its normal pace. In a
  // batch that is a fraction of any real latency: what it makes up outnumbers what it measured, and may lie below its
  // own minimum, where its percentiles do not look (a p99 of 0 is the sign of it). Better none than those.
  return depth === 1 ? result : { ...result, p50Us: undefined, p99Us: undefined }
}
