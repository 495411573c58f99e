/**
 * Promise: Hono and its usual companions do on hornet what they do on node:http.
 */
import { onServers } from '../support/servers.js'
import { featureChecks } from './feature-checks.js'

onServers(
  'test/frameworks/apps/hono.mjs',
  featureChecks({ file: 'hono.mjs', lacks: ['a static file the client has', 'range errors'] }),
)
