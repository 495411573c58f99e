/**
 * A server from its settings: the log, the standard streams and the master, and what it tells once it serves.
 */
import { createLogger } from '../log/logger.js'
import type { Addon } from '../seam/addon.js'
import { runMaster } from './arbiter.js'
import { type BannerFacts, formatBanner, summarize } from './banner.js'
import { schemeOf } from './listeners.js'
import { captureOutput, writeStandard } from './standard-streams.js'

type MasterParts = Parameters<typeof runMaster>[0]

export interface ServeOptions extends Omit<MasterParts, 'addon' | 'logger' | 'onControl' | 'onServing'> {
  addon: Addon
  version: string
}

/**
 * Serves until it is told to stop.
 *
 * @throws As `runMaster`; and HornetError `ERR_HORNET_CONFIG` when there can be no log, or no pipe for `--capture-output`.
 */
export async function serve({ version, ...parts }: ServeOptions): Promise<void> {
  const { addon, configuration, inheritance } = parts
  const { logLevel, logFormat, errorLogfile, workers, ioThreads } = configuration.settings
  const capture = configuration.settings.captureOutput ? captureOutput(addon) : undefined
  const writeError = capture?.writeStandardError ?? ((text: string) => writeStandard(addon, 2, text))
  const logger = createLogger({
    level: logLevel,
    format: logFormat,
    destination: errorLogfile,
    writeStandardError: writeError,
  })
  capture?.read((stream, line) => logger[stream === 'stdout' ? 'info' : 'error'](`${stream}: ${line}`))
  try {
    await runMaster({
      ...parts,
      logger,
      onServing(addresses) {
        const { version: nodeVersion } = process
        // The process to signal.
        const pid = inheritance.guard?.pid ?? process.pid
        const { path: appPath } = configuration.app
        const scheme = schemeOf(configuration.settings)
        const facts: BannerFacts = { version, nodeVersion, pid, appPath, addresses, scheme, workers, ioThreads }
        if (logFormat === 'json' || errorLogfile !== '-') logger.info(summarize(facts))
        // Only JSON goes where JSON is wanted, and nothing where little is wanted.
        const isWanted = logLevel === 'info' || logLevel === 'debug'
        if (isWanted && !(logFormat === 'json' && errorLogfile === '-')) writeError(formatBanner(facts))
      },
    })
  } finally {
    await capture?.stop()
    logger.close()
  }
}
