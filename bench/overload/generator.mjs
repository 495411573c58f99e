// An open-loop load: requests are sent when they are due, whatever became of those before, as independent clients do.
// Each client waits so long for its answer, and then leaves.
import { connect } from 'node:net'

/** Exponential distances: many independent clients. The same for every server. */
function* arrivals(rate, seconds) {
  let state = 12345
  for (let at = 0; ; ) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    at -= (Math.log((state + 1) / 2 ** 32) / rate) * 1000
    if (at > seconds * 1000) return
    yield at
  }
}

/**
 * @param {{ port: number, path?: string, rate: number, seconds: number, patienceMs: number }} options
 * @returns {Promise<{ dueMs: number, outcome: 'good' | 'shed' | 'late' | 'failed', ms: number }[]>} One for each request
 *   that was due: answered 200 in time, answered otherwise (503), not in time, connection refused or broken.
 */
export function generate({ port, path = '/', rate, seconds, patienceMs }) {
  const idle = []
  const records = []
  const request = `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`
  let open = 0
  let isOver = false

  return new Promise((resolve) => {
    const startMs = performance.now()
    const due = arrivals(rate, seconds)
    let next = due.next()
    const settleAll = () => {
      if (!isOver || open > 0) return
      for (const client of idle) client.socket.destroy()
      resolve(records)
    }
    const timer = setInterval(() => {
      const nowMs = performance.now() - startMs
      while (!next.done && next.value <= nowMs) {
        send(next.value)
        next = due.next()
      }
      if (!next.done) return
      clearInterval(timer)
      isOver = true
      settleAll()
    }, 1)

    function send(dueMs) {
      open += 1
      const client = idle.pop() ?? dial()
      client.settle = (outcome) => {
        clearTimeout(client.timer)
        client.settle = undefined
        records.push({ dueMs, outcome, ms: performance.now() - startMs - dueMs })
        open -= 1
        settleAll()
      }
      client.timer = setTimeout(
        () => {
          client.settle('late')
          client.socket.destroy()
        },
        Math.max(0, patienceMs - (performance.now() - startMs - dueMs)),
      )
      client.socket.write(request)
    }

    function dial() {
      const socket = connect(port, '127.0.0.1')
      const client = { socket, settle: undefined, timer: undefined }
      let text = ''
      socket.setNoDelay(true)
      socket.setEncoding('latin1')
      socket.on('data', (chunk) => {
        text += chunk
        const headEnd = text.indexOf('\r\n\r\n')
        if (headEnd < 0) return
        const length = Number(/\r\ncontent-length: *(\d+)/i.exec(text)?.[1])
        if (text.length < headEnd + 4 + length) return
        const isGood = text.startsWith('HTTP/1.1 200 ')
        const closes = /\r\nconnection: *close/i.test(text)
        text = ''
        client.settle?.(isGood ? 'good' : 'shed')
        if (closes) socket.destroy()
        else idle.push(client)
      })
      const leave = () => {
        client.settle?.('failed')
        const at = idle.indexOf(client)
        if (at >= 0) idle.splice(at, 1)
      }
      socket.on('error', leave)
      socket.on('close', leave)
      return client
    }
  })
}
