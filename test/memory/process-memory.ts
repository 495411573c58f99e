/**
 * What the kernel says of a process's memory at its highest. Linux only: `skip` says so elsewhere.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'

export const skip = existsSync('/proc/self/clear_refs') ? false : 'needs /proc'

export const mebibyte = 1024 * 1024

/** `VmRSS` or `VmHWM` of a process, in bytes. */
function statusBytes(pid: number, name: string): number {
  const match = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  if (match === null) throw new Error(`no ${name} in /proc/${pid}/status`)
  return Number(match[1]) * 1024
}

/** Runs `work`; gives how far the process's resident memory rose above what it was before, at its highest, in bytes. */
export async function peakGrowth(pid: number, work: () => Promise<void>): Promise<number> {
  // 5: forget the highest value so far (proc(5)).
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
  const before = statusBytes(pid, 'VmRSS')
  await work()
  return statusBytes(pid, 'VmHWM') - before
}

/** glibc's: each arena but the first lies in mappings that begin at multiples of this (HEAP_MAX_SIZE on 64 bits). */
const arenaAlignment = 64 * 1024 * 1024
const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } } // untyped in Node
export const skipArenas = skip || (header.glibcVersionRuntime === undefined ? 'glibc has arenas' : false)

/** What is resident of the arenas in which the allocator keeps what a process's threads allocate, in use or free, in bytes. */
export function arenaBytes(pid: number): number {
  let isArena = false
  let bytes = 0
  for (const line of readFileSync(`/proc/${pid}/smaps`, 'utf8').split('\n')) {
    // address, permissions, offset, device, inode, nothing when it is no file
    const mapping = /^([0-9a-f]+)-[0-9a-f]+ (\S+) \S+ \S+ \d+ *(\S*)$/.exec(line)
    if (mapping !== null) {
      const [, start, permissions, path] = mapping
      isArena = permissions === 'rw-p' && path === '' && Number.parseInt(start ?? '', 16) % arenaAlignment === 0
    }
    if (isArena) bytes += 1024 * Number(/^Rss:\s+(\d+) kB$/.exec(line)?.[1] ?? 0)
  }
  return bytes
}

export function inMebibytes(bytes: number): string {
  return `${(bytes / mebibyte).toFixed(1)} MiB`
}
