// One exchange with a server, over a plain socket: an HTTP client would hide what is on the wire.
import { connect } from 'node:net'

/** The bytes of one request. */
export function requestText(port, { method, headers, bodyBytes }) {
  const length = bodyBytes > 0 ? [`Content-Length: ${bodyBytes}`] : []
  const head = [`${method} / HTTP/1.1`, `Host: 127.0.0.1:${port}`, ...headers, ...length]
  return `${head.join('\r\n')}\r\n\r\n${'x'.repeat(bodyBytes)}`
}

export async function exchange(port, load) {
  const { depth } = load
  const socket = connect(port, '127.0.0.1')
  try {
    socket.setEncoding('latin1')
    socket.write(requestText(port, load).repeat(depth))
    const answers = []
    let text = ''
    for await (const chunk of socket) {
      text += chunk
      for (;;) {
        const answer = takeAnswer(text)
        if (answer === undefined) break
        answers.push(answer)
        text = text.slice(answer.length)
      }
      if (answers.length >= depth) break
    }
    if (answers.length !== depth || text !== '') {
      throw new Error(`${depth} requests got ${answers.length} answers and ${text.length} further bytes: ${text}`)
    }
    return answers
  } finally {
    socket.destroy()
  }
}

/** The first answer in the text, or undefined when it is not whole. All peers must say its length. */
function takeAnswer(text) {
  const headEnd = text.indexOf('\r\n\r\n')
  if (headEnd < 0) return undefined
  const [statusLine, ...lines] = text.slice(0, headEnd).split('\r\n')
  const headers = new Map(
    lines.map((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
    }),
  )
  const bodyLength = Number(headers.get('content-length'))
  if (!headers.has('content-length') || Number.isNaN(bodyLength)) throw new Error(`answer without a length: ${text}`)
  const length = headEnd + 4 + bodyLength
  if (text.length < length) return undefined
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(statusLine)?.[1])
  return { status, headers, text: text.slice(headEnd + 4, length), length }
}
