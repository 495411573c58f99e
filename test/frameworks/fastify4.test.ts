/**
 * Promise: Fastify 4 does on hornet what it does on node:http.
 */
import { onServers } from '../support/servers.js'
import { featureChecks } from './feature-checks.js'

// What its plugins do, which are not there.
const lacks = [
  'cookies',
  'an urlencoded form',
  'a multipart upload',
  'compression',
  'a static file',
  'ranges of a static file',
  'a static file the client has',
]
onServers('test/frameworks/apps/fastify4.mjs', featureChecks({ file: 'fastify4.mjs', lacks }))
