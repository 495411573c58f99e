// One exchange with a server, over a socket of ours: an HTTP client would hide what is on the wire. HTTP/2 alone is left to
// Node's client, which takes nothing that is not whole and in order.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { certificate, session } from './tls.mjs'

/**
 * @typedef {{ status: number, headers: Map<string, string>, text: string }} Answer
 *
 * @param {number} port
 * @param {import('./load.mjs').Load} load
 * @returns {Promise<Answer[]>} As many as the load sends at once, in the order of the requests.
 */
export function exchange(port, load) {
  return load.transport === 'http2' ? exchangeHttp2(port, load) : exchangeHttp1(port, load)
}

/** The bytes of one request. */
export function requestText(port, { method, headers, bodyBytes }) {
  const length = bodyBytes > 0 ? [`Content-Length: ${bodyBytes}`] : []
  const head = [`${method} / HTTP/1.1`, `Host: 127.0.0.1:${port}`, ...headers, ...length]
  return `${head.join('\r\n')}\r\n\r\n${'x'.repeat(bodyBytes)}`
}

async function exchangeHttp1(port, load) {
  const { depth, transport } = load
  const socket = transport === 'https' ? openSecure(port) : connect(port, '127.0.0.1')
  try {
    if (transport === 'https') {
      await once(socket, 'secureConnect')
      checkSession(socket)
    }
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

async function exchangeHttp2(port, { depth, method, headers }) {
  const fields = headers.map((line) => line.split(': ', 2))
  const client = connectHttp2(`https://127.0.0.1:${port}`, { createConnection: () => openSecure(port, 'h2') })
  // Until it is open, and for all that may happen to it afterwards.
  const failed = new Promise((_resolve, reject) => client.once('error', reject))
  failed.catch(() => {})
  try {
    await Promise.race([once(client, 'connect'), failed])
    checkSession(client.socket)
    const ask = async () => {
      const stream = client.request({ ':method': method, ':path': '/', ...Object.fromEntries(fields) })
      const [head] = await once(stream, 'response')
      const text = (await stream.setEncoding('latin1').toArray()).join('')
      const { ':status': status, ...rest } = head
      if (Number(rest['content-length']) !== text.length)
        throw new Error(`answer of another length than it says: ${text}`)
      return { status, headers: new Map(Object.entries(rest)), text }
    }
    return await Promise.race([Promise.all(Array.from({ length: depth }, ask)), failed])
  } finally {
    client.destroy()
  }
}

// ---- TLS

/** Verifies the certificate, as Node does by itself. */
function openSecure(port, protocol) {
  return connectTls({
    ...{ host: '127.0.0.1', port, ca: readFileSync(certificate.ca) },
    ...{ minVersion: session.protocol, ciphers: session.cipher, ecdhCurve: session.group },
    // wrk names none.
    ...(protocol === undefined ? {} : { ALPNProtocols: [protocol] }),
  })
}

function checkSession(socket) {
  const found = [socket.getProtocol(), socket.getCipher().name, socket.getEphemeralKeyInfo().name]
  const wanted = [session.protocol, session.cipher, session.group]
  if (found.join() !== wanted.join())
    throw new Error(`TLS came out as ${found.join(', ')} and not ${wanted.join(', ')}`)
}
