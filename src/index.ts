/**
 * The public exports of the package.
 */
import { readVersion } from './version.js'

export { type Config, defineConfig } from './config/define-config.js'
export type { Hooks } from './config/hooks.js'
export type { Settings } from './config/settings.js'
export type { BindSpec } from './config/values.js'
export { type MetricsRegistry, registerMetrics } from './worker/app-metrics.js'

/** Version of this package. */
export const version: string = readVersion()
