// JSON of 1 KiB, serialised for each request as an application would.
import { record } from './payload.mjs'

export default (_req, res) => {
  res.setHeader('Content-Type', 'application/json')
  res.end(JSON.stringify(record))
}
