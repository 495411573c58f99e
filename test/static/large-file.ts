/**
 * Large files, and what it takes to send them.
 */
import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { connect as connectSocket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { within } from '../support/deadline.js'
import { startHornet } from '../support/hornet.js'
import { connect, get, message } from '../support/http.js'

export const mebibyte = 1024 * 1024
const peakKiBMax = 16 * 1024

/** A file of `bytes` that takes hardly any place, with its own last byte. */
export function sparse(path: string, bytes: number): void {
  const fd = openSync(path, 'w')
  writeSync(fd, 'z', bytes - 1)
  closeSync(fd)
}

/** Reads a response and throws it away; gives the bytes of its body, and its last one. */
export function download(port: number, path: string): Promise<{ bytes: number; last: number }> {
  const buffer = Buffer.alloc(256 * 1024)
  let bytes = 0
  let last = 0
  const done = new Promise<void>((resolve, reject) => {
    let isInHead = true
    const socket = connectSocket({
      port,
      host: '127.0.0.1',
      onread: {
        buffer,
        callback(count) {
          bytes += count
          last = buffer[count - 1]
          if (isInHead) bytes -= buffer.indexOf('\r\n\r\n') + 4
          isInHead = false
          return true
        },
      },
    })
    socket.once('error', reject).once('close', () => resolve())
    socket.write(message('GET', path, { Connection: 'close' }))
  })
  return within(
    done.then(() => ({ bytes, last })),
    `end of ${path}`,
    120_000,
    () => `${bytes} bytes so far`,
  )
}

/** Downloads a file while another client asks for it and does not read; fails when that takes much memory. */
export async function sendLargeFile(bytes: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'hornet-large-'))
  try {
    sparse(join(folder, 'large.bin'), bytes)
    await using hornet = await startHornet({
      app: 'test/static/fixtures/app.mjs',
      args: ['--workers', '1', '--static', `/=${folder}`],
    })
    assert.equal((await get(hornet, '/app')).status, 200)
    const peakKiB = () => Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${hornet.pid}/status`, 'latin1'))?.[1])
    const before = peakKiB()
    const stuck = await connect(hornet)
    stuck.pause()
    stuck.write(message('GET', '/large.bin'))
    assert.deepEqual(await download(hornet.port, '/large.bin'), { bytes, last: 'z'.charCodeAt(0) })
    assert.ok(peakKiB() - before < peakKiBMax, `${peakKiB() - before} KiB more`)
    stuck.destroy()
  } finally {
    rmSync(folder, { recursive: true })
  }
}
