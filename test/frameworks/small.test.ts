/**
 * Promise: Connect and Polka, and the middleware made for them, do on hornet what they do on node:http.
 */
import { onServers } from '../support/servers.js'
import { featureChecks } from './feature-checks.js'

for (const file of ['connect.mjs', 'polka.mjs']) {
  onServers(`test/frameworks/apps/${file}`, featureChecks({ file }))
}
