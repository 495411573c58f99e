/**
 * What the command needs of the master, whichever way it is started: one import. All of it, so that nothing is read from
 * disk later, when the files of an upgrade may lie there.
 */
export { createLogger } from '../log/logger.js'
export { loadAddon } from '../seam/addon.js'
export { checkApplication } from './check.js'
export { examineApplication } from './doctor.js'
export { formatFindings, statusOf } from './findings.js'
export { runGuard } from './guard.js'
export { PidFile } from './pid-file.js'
export { serve } from './serve.js'
export { captureOutput, writeStandard } from './standard-streams.js'
