// Express 5 as its guide begins: nothing switched off, so ETag and X-Powered-By are made as well.
import express from 'express'

const app = express()
app.get('/', (_req, res) => {
  res.send('Hello, World!')
})

export default app
