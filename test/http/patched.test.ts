/**
 * Promise: methods that an application puts on `ServerResponse.prototype`, as tracing agents do, are called, whichever way
 * a response takes.
 */
import assert from 'node:assert/strict'
import { get } from '../support/http.js'
import { answerOf, onServers } from '../support/servers.js'

onServers(
  'test/http/fixtures/patched-app.mjs',
  [
    {
      name: 'each method is called once for each use',
      async run(server) {
        const answers = []
        for (const path of ['/', '/head', '/pieces']) answers.push(answerOf(await get(server.target, path)))
        const calls = JSON.parse((await get(server.target, '/calls')).text)
        assert.deepEqual(calls, [
          ['setHeader', 'end', 'writeHead', '_storeHeader'],
          ['setHeader', 'writeHead', 'setHeader', '_storeHeader', 'end'],
          ['setHeader', 'write', 'writeHead', '_storeHeader', 'end'],
        ])
        return answers
      },
    },
  ],
  { args: ['--workers', '1'] },
)
