// The few parts of the benchmark that are in C.
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'

/** Compiles one source. Returns why not, when it cannot be. */
export function compile(source, target, flags = []) {
  const compiler = process.env.CC ?? 'cc'
  mkdirSync(dirname(target), { recursive: true })
  const { status, stderr, error } = spawnSync(compiler, ['-O2', '-o', target, source, ...flags], { encoding: 'utf8' })
  if (error !== undefined) return `no C compiler ${compiler} (Debian: apt install gcc)`
  return status === 0 ? undefined : `${compiler} failed: ${stderr.trim()}`
}
