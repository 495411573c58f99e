/**
 * The service manager's end of sd_notify: a socket of unix datagrams, which Node does not have and Python does.
 */
import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { within } from './deadline.js'

const receiver = `
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
path = sys.argv[1]
s.bind('\\0' + path[1:] if path[0] == '@' else path)
os.write(1, b'bound\\n\\n')
while True: os.write(1, s.recv(4096) + b'\\n\\n')
`

export interface NotifySocket {
  readonly messages: readonly string[]
  /** Waits until a message matches. */
  waitFor(pattern: RegExp): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** @param path Of the socket; one that begins with @ is abstract. */
export async function openNotifySocket(path: string): Promise<NotifySocket> {
  const child = spawn('python3', ['-c', receiver, path], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = new Promise((settle) => child.once('close', settle))
  let text = ''
  const listeners = new Set<() => void>()
  child.stdout.setEncoding('utf8').on('data', (more: string) => {
    text += more
    for (const listener of listeners) listener()
  })
  const messages = () => text.split('\n\n').slice(0, -1)
  const waitFor = async (pattern: RegExp) => {
    const found = new Promise<void>((settle) => {
      const look = () => {
        if (!messages().some((message) => pattern.test(message))) return
        listeners.delete(look)
        settle()
      }
      listeners.add(look)
      look()
    })
    await within(found, `notification like ${pattern}`, undefined, () => text)
  }
  await waitFor(/^bound$/)
  return {
    get messages() {
      return messages().slice(1)
    },
    waitFor,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await exited
      if (!path.startsWith('@')) rmSync(path, { force: true })
    },
  }
}
