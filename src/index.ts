/**
 * The public exports of the package.
 */
import { readVersion } from './version.js'

export type { Settings } from './config/settings.js'
export type { BindSpec } from './config/values.js'

/** Version of this package. */
export const version: string = readVersion()
