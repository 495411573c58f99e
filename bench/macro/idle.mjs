// Many connections that are open and wait: each has had one answer.
import { connect } from 'node:net'

/** Opened at once: fewer than any peer's backlog. */
const batch = 200
const batchMsMax = 20_000
/** For what a server does after its last answer: freeing, collecting. */
const settleMs = 500

/**
 * @param {number} port
 * @param {number} count
 * @param {string} body What each answer must end with.
 * @returns {Promise<() => void>} Closes them all. Rejects when one is refused, closed or answered wrongly.
 */
export async function openIdle(port, count, body) {
  const sockets = []
  const request = `GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`
  let closed = 0
  let isClosing = false
  const close = () => {
    isClosing = true
    for (const socket of sockets) socket.destroy()
  }
  const open = () =>
    new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1')
      sockets.push(socket)
      let text = ''
      socket.setEncoding('latin1').once('connect', () => socket.write(request))
      socket.on('data', (chunk) => {
        text += chunk
        if (!text.endsWith(body)) return
        if (text.startsWith('HTTP/1.1 200 ')) resolve()
        else reject(new Error(`an idle connection was answered ${text.slice(0, 100)}`))
      })
      socket.once('error', reject)
      socket.once('close', () => {
        if (!isClosing) closed++
        reject(new Error('a connection was closed before its answer'))
      })
    })
  try {
    for (let opened = 0; opened < count; opened += batch) {
      let timer
      const expired = new Promise((_resolve, reject) => {
        timer = setTimeout(() => reject(new Error(`no answer on ${count} connections`)), batchMsMax)
      })
      const answers = Promise.all(Array.from({ length: Math.min(batch, count - opened) }, open))
      await Promise.race([answers, expired]).finally(() => clearTimeout(timer))
    }
    await new Promise((resolve) => setTimeout(resolve, settleMs))
    if (closed > 0) throw new Error(`${closed} idle connections were closed`)
    return close
  } catch (error) {
    close()
    throw error
  }
}
