/**
 * A unix socket in the file system: taken only from the dead, open to its owner alone, removed by who made it.
 */
import { once } from 'node:events'
import { linkSync, lstatSync, rmSync } from 'node:fs'
import type { Server } from 'node:net'
import { dirname, join } from 'node:path'
import { builtins } from '../builtins.js'
import { HornetError } from '../errors.js'

const probeMsMax = 1000

/**
 * Listens on `path`, mode 0600.
 *
 * @returns Removes the file, unless it is somebody else's by then.
 * @throws HornetError `ERR_HORNET_BIND` when a live process serves it, or something that is no socket lies there.
 */
export async function listenOnPath(server: Server, path: string): Promise<() => void> {
  // Bound under a name of its own and linked to the final one, so that the file never exists with another mode or
  // without a listener, and so that libuv, which removes the name it bound, leaves a successor's file alone.
  const ownPath = join(dirname(path), `.h${builtins.crypto().randomBytes(4).toString('hex')}`)
  try {
    await removeStale(path)
    const mask = process.umask(0o177)
    try {
      // Binds before it returns. The mask is the process's: it must be back before anything else runs in this thread.
      server.listen(ownPath)
    } finally {
      process.umask(mask)
    }
    await once(server, 'listening')
    linkSync(ownPath, path)
    rmSync(ownPath)
  } catch (error) {
    server.close()
    rmSync(ownPath, { force: true })
    if (error instanceof HornetError) throw error
    throw new HornetError('ERR_HORNET_BIND', `cannot listen on unix:${path} (--control): ${reason(error)}`, {
      cause: error,
    })
  }
  const { ino, dev } = lstatSync(path)
  return () => {
    const now = lstatSync(path, { throwIfNoEntry: false })
    if (now?.ino === ino && now.dev === dev) rmSync(path, { force: true })
  }
}

async function removeStale(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return
  if (!found.isSocket()) throw new HornetError('ERR_HORNET_BIND', `--control: '${path}' exists and is not a socket`)
  if (await isServed(path)) {
    throw new HornetError('ERR_HORNET_BIND', `--control: another process serves unix:${path}`)
  }
  rmSync(path, { force: true })
}

/** Only a refusal says that nobody is there; a full queue or no answer means somebody busy. */
function isServed(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = builtins.net().connect(path)
    const settle = (answer: boolean) => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(probeMsMax, () => settle(true))
    socket.once('connect', () => settle(true))
    socket.once('error', (error: NodeJS.ErrnoException) => {
      settle(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT')
    })
  })
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
