/**
 * Promise: Koa and its usual companions do on hornet what they do on node:http.
 */

import { onBothServers } from '../support/servers.js'
import { featureChecks } from './feature-checks.js'

// One worker: a departure is noted in the worker that saw it.
const args = ['--workers', '1']
onBothServers('test/frameworks/apps/koa.mjs', featureChecks({ file: 'koa.mjs' }), { args })
