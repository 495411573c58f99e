/**
 * Promise: Express 4 and its usual companions do on hornet what they do on node:http.
 */
import { onServers } from '../support/servers.js'
import { featureChecks } from './feature-checks.js'

onServers('test/frameworks/apps/express4.mjs', featureChecks({ file: 'express4.mjs' }))
