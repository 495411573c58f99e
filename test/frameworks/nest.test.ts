/**
 * Promise: NestJS does on hornet what it does on node:http, on either of its adapters.
 */
import assert from 'node:assert/strict'
import { get } from '../support/http.js'
import { answerOf, type Check, onServers } from '../support/servers.js'
import { featureChecks } from './feature-checks.js'

const nestChecks: Check[] = [
  {
    name: 'injection, pipes, interceptors, guards and their errors',
    async run({ target }) {
      const double = await get(target, '/double/21')
      assert.deepEqual(JSON.parse(double.text), { value: 42 })
      const wrong = await get(target, '/double/x')
      assert.equal(wrong.status, 400)
      assert.match(JSON.parse(wrong.text).message, /numeric string is expected/)
      const refused = await get(target, '/secret')
      assert.equal(refused.status, 401)
      assert.equal(JSON.parse(refused.text).message, 'no secret')
      const told = await get(target, '/secret', { 'X-Secret': 'yes' })
      assert.equal(told.text, 'told')
      return [double, wrong, refused, told].map(answerOf)
    },
  },
]

for (const file of ['nest-express.mjs', 'nest-fastify.mjs']) {
  onServers(`test/frameworks/apps/${file}`, [...nestChecks, ...featureChecks({ file })])
}
