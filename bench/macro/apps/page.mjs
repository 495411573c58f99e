// An answer of 64 KiB.
import { page } from './payload.mjs'

export default (_req, res) => {
  res.setHeader('Content-Type', 'text/html')
  res.end(page)
}
