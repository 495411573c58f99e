/**
 * Promise: Express 5 and its usual companions do on hornet what they do on node:http.
 */
import { onServers } from '../support/servers.js'
import { featureChecks } from './feature-checks.js'

onServers('test/frameworks/apps/express5.mjs', featureChecks({ file: 'express5.mjs' }))
