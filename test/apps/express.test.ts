/**
 * Promise: Express 5 and its usual companions do on hornet what they do on node:http.
 */
import { featureChecks } from './feature-checks.js'
import { onBothServers } from './servers.js'

// One worker: a departure is noted in the worker that saw it.
const args = ['--workers', '1']
onBothServers('test/apps/features/express5.mjs', featureChecks({ file: 'express5.mjs' }), { args })
