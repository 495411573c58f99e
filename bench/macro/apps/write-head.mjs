// Plain text, the shortest way through node:http: the whole head in one call, length included.
export default (_req, res) => {
  res.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': 13 })
  res.end('Hello, World!')
}
