// JSON, serialised for each request as an application would.
export default (_req, res) => {
  res.setHeader('Content-Type', 'application/json')
  res.end(JSON.stringify({ message: 'Hello, World!' }))
}
