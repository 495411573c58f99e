// Plain text, the way most handlers answer: a header is set, and the server finds the length.
export default (_req, res) => {
  res.setHeader('Content-Type', 'text/plain')
  res.end('Hello, World!')
}
