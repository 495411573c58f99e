/**
 * Promise: Express 4 and its usual companions do on hornet what they do on node:http.
 */
import { featureChecks } from './feature-checks.js'
import { onBothServers } from './servers.js'

// One worker: a departure is noted in the worker that saw it.
const args = ['--workers', '1']
onBothServers('test/apps/features/express4.mjs', featureChecks({ file: 'express4.mjs' }), { args })
