// Reads the body of a request to its end and answers how long it was.
export default (req, res) => {
  let bytes = 0
  req.on('data', (chunk) => {
    bytes += chunk.length
  })
  req.on('end', () => {
    res.setHeader('Content-Type', 'text/plain')
    res.end(String(bytes))
  })
}
