/**
 * Promise: h3 does on hornet what it does on node:http, as a Node listener and as a fetch handler.
 */
import { onServers } from '../support/servers.js'
import { featureChecks } from './feature-checks.js'

const app = 'test/frameworks/apps/h3.mjs'
const file = 'h3.mjs'
const lacks = ['compression', 'an error after the head cuts the connection short of the end', 'ranges of a static file']
onServers(app, featureChecks({ file, lacks }))
// srvx, on which h3 stands, gives the request of its own server an `ip`; a Request has none.
onServers(app, featureChecks({ file, lacks: [...lacks, 'client address'] }), { exportName: 'app' })
