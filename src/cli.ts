#!/usr/bin/env node
/**
 * The `hornet` command: argv to master.
 */
import { findApp } from './config/app-path.js'
import { loadSettings } from './config/load.js'
import type { Settings } from './config/settings.js'
import { HornetError } from './errors.js'
import { createLogger } from './log/logger.js'
import { type Command, runMaster } from './master/arbiter.js'
import { type BannerFacts, formatBanner, summarize } from './master/banner.js'
import { CommandQueue } from './master/command-queue.js'
import { installSignals } from './master/signals.js'
import { loadAddon } from './seam/addon.js'
import { readVersion } from './version.js'

async function main(argv: string[], env: NodeJS.ProcessEnv): Promise<void> {
  const version = readVersion()
  const loaded = loadSettings({ argv, env, version })
  if (loaded.kind === 'print') {
    process.stdout.write(loaded.text)
    return
  }
  // Before anything slow: a HUP or TERM that comes while we start must not kill us half-way.
  const queue = new CommandQueue<Command>()
  installSignals((command) => queue.push(command))

  const { settings } = loaded
  prepareProcess(settings)
  const app = { ...findApp(loaded.app, settings.factory, process.cwd()), args: loaded.appArgs }
  const addon = loadAddon()
  const { logLevel, logFormat, errorLogfile, workers, ioThreads } = settings
  const logger = createLogger({ level: logLevel, format: logFormat, destination: errorLogfile })
  await runMaster({
    settings,
    app,
    addon,
    logger,
    queue,
    onServing(addresses) {
      const { pid, version: nodeVersion } = process
      const facts: BannerFacts = { version, nodeVersion, pid, appPath: app.path, addresses, workers, ioThreads }
      if (logFormat === 'json' || errorLogfile !== '-') logger.info(summarize(facts))
      // Only JSON goes where JSON is wanted, and nothing where little is wanted.
      const isWanted = logLevel === 'info' || logLevel === 'debug'
      if (isWanted && !(logFormat === 'json' && errorLogfile === '-')) process.stderr.write(formatBanner(facts))
    },
  })
  logger.close()
}

/** What holds for the whole process, workers included: threads can change none of it. */
function prepareProcess({ chdir, umask, env }: Settings): void {
  if (chdir !== undefined) {
    try {
      process.chdir(chdir)
    } catch (error) {
      const { message } = error as Error // fs throws nothing else
      throw new HornetError('ERR_HORNET_CONFIG', `--chdir: ${message}`, { cause: error })
    }
  }
  if (umask !== undefined) process.umask(umask)
  for (const [name, value] of env) process.env[name] = value
}

/** One line for what the operator can mend; the application's own stack when it is the one that threw. */
function report(error: unknown): number {
  if (!(error instanceof HornetError)) {
    // Ours to mend: all there is to know.
    process.stderr.write(`hornet: internal error: ${error instanceof Error ? error.stack : error}\n`)
    return 1
  }
  const { cause, message, code } = error
  const stack = cause && typeof cause === 'object' && 'stack' in cause ? cause.stack : undefined
  const isThrown = code === 'ERR_HORNET_APP_BOOT' && typeof stack === 'string'
  process.stderr.write(`hornet: ${message}\n${isThrown ? `${stack}\n` : ''}`)
  return error.exitCode
}

// Ended here and not by an empty event loop: what the application left open in a thread must not keep us.
main(process.argv.slice(2), process.env).then(
  () => process.exit(0),
  (error: unknown) => process.exit(report(error)),
)
