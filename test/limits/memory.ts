/** What the memory and descriptor tests measure, shared by their short and long forms. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import type { Hornet } from '../support/hornet.js'
import { connect, get, message, type RawConnection } from '../support/http.js'

/** Resident memory of a process in bytes. */
export function residentBytes(pid: number): number {
  const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  assert.ok(match, 'VmRSS')
  return Number(match[1]) * 1024
}

export function descriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}

/** Opens `count` connections, makes one request on each and leaves them idle; returns bytes of server memory per connection. */
export async function holdIdle(
  hornet: Hornet,
  count: number,
): Promise<{ bytes: number; connections: RawConnection[] }> {
  await get(hornet, '/warm-up')
  const before = residentBytes(hornet.pid)
  const connections: RawConnection[] = []
  while (connections.length < count) {
    const batch = await Promise.all(
      Array.from({ length: Math.min(100, count - connections.length) }, () => connect(hornet)),
    )
    for (const connection of batch) connection.write(message('GET', '/'))
    for (const connection of batch) assert.equal((await connection.readResponse()).status, 200)
    connections.push(...batch)
  }
  return { bytes: (residentBytes(hornet.pid) - before) / count, connections }
}

/** `count` connections, one request each, then closed by the client or by the server in turn. */
export async function churn(hornet: Hornet, count: number): Promise<void> {
  const concurrency = 50
  let left = count
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (left > 0) {
        left--
        const headers: Record<string, string> = left % 2 === 0 ? { Connection: 'close' } : {}
        assert.equal((await get(hornet, '/', headers)).status, 200)
      }
    }),
  )
}
