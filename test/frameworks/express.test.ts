/**
 * Promise: Express 5 and its usual companions do on hornet what they do on node:http.
 */

import { onBothServers } from '../support/servers.js'
import { featureChecks } from './feature-checks.js'

// One worker: a departure is noted in the worker that saw it.
const args = ['--workers', '1']
onBothServers('test/frameworks/apps/express5.mjs', featureChecks({ file: 'express5.mjs' }), { args })
