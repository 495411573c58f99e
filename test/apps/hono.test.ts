/**
 * Promise: Hono and its usual companions do on hornet what they do on node:http.
 */
import { featureChecks } from './feature-checks.js'
import { onBothServers } from './servers.js'

// One worker: a departure is noted in the worker that saw it.
const args = ['--workers', '1']
onBothServers('test/apps/features/hono.mjs', featureChecks({ file: 'hono.mjs', lacks: ['etag', 'range-errors'] }), {
  args,
})
