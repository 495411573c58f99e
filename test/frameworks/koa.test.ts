/**
 * Promise: Koa and its usual companions do on hornet what they do on node:http.
 */
import { onServers } from '../support/servers.js'
import { featureChecks } from './feature-checks.js'

onServers('test/frameworks/apps/koa.mjs', featureChecks({ file: 'koa.mjs' }))
