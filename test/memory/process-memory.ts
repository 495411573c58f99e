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

export function inMebibytes(bytes: number): string {
  return `${(bytes / mebibyte).toFixed(1)} MiB`
}
