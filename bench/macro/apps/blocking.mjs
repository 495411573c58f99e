// Plain text, and one path that blocks its thread, as synchronous work and a slow regular expression do.
const cell = new Int32Array(new SharedArrayBuffer(4))

export default (req, res) => {
  if (req.url === '/block') Atomics.wait(cell, 0, 0, 100)
  res.setHeader('Content-Type', 'text/plain')
  res.end('Hello, World!')
}
