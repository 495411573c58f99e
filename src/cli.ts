#!/usr/bin/env node
/**
 * The `hornet` command: argv to master, which is imported once there is something to run: `--help` and a wrong option
 * are answered without.
 */
import { statSync } from 'node:fs'
import { findApp } from './config/app-path.js'
import { type LoadedRun, type LoadInput, loadConfiguration } from './config/load.js'
import { printConfiguration } from './config/print.js'
import type { Settings } from './config/settings.js'
import { HornetError } from './errors.js'
import type { Command } from './master/arbiter.js'
import { CommandQueue } from './master/command-queue.js'
import type { AskedCommand } from './master/commands.js'
import type { Configuration } from './master/configuration.js'
import type { GuardEvent } from './master/guard.js'
import { GuardLink } from './master/guard-link.js'
import { type Inheritance, takeInheritance } from './master/inheritance.js'
import { installSignals } from './master/signals.js'
import { checkFolders } from './master/static-files.js'
import type { Origin } from './master/successor.js'
import type { Addon } from './seam/addon.js'
import { readVersion } from './version.js'

const stuckThreadMsMax = 1000
/** Known once the addon is loaded; before, there are no threads. */
let exitWithin: Addon['exitWithin'] | undefined

/** Resolves to the exit status. */
async function main(words: string[], env: NodeJS.ProcessEnv): Promise<number> {
  const version = readVersion()
  // Before anything slow: a HUP or TERM that comes while we start must not kill us half-way.
  const queue = new CommandQueue<Command>()
  const signals = new CommandQueue<AskedCommand>()
  const inheritance = takeInheritance(env, process.pid)
  const guard = inheritance.guard && new GuardLink(inheritance.guard, process, (command) => queue.push(command))
  installSignals((command) => (guard ? guard.noteSignal(command) : signals.push(command)))

  const doctor = doctorCommand(words)
  const argv = doctor?.argv ?? words
  // As they are now: --env and --chdir change both, and a reload reads the same once more.
  const input: LoadInput = { argv, env: { ...env }, version }
  // The service manager listens to this process alone; an application that found these would speak for it.
  for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete env[name]
  const folder = process.cwd()
  const loaded = await loadConfiguration(input, folder)
  if (loaded.kind === 'print') {
    process.stdout.write(loaded.text)
    return 0
  }
  const { settings } = loaded
  if (doctor && (settings.printConfig || settings.checkConfig)) {
    throw new HornetError('ERR_HORNET_USAGE', 'doctor does not go with --check-config or --print-config')
  }
  if (settings.printConfig) {
    process.stdout.write(printConfiguration(loaded))
    if (!settings.checkConfig) return 0
  }
  prepareProcess(settings)
  const configuration = resolveApp(loaded, inheritance)
  const origin = { script: process.argv[1], argv, env: { ...input.env }, folder: folderAsNamed(folder, env.PWD) }
  if (settings.guard && !guard && !doctor && !settings.checkConfig) {
    return guardServer(settings, { origin, inheritance, signals })
  }
  signals.passOn((command) => queue.push(command))
  const master = await import('./master/main.js')
  const addon = master.loadAddon()
  exitWithin = addon.exitWithin
  if (doctor) {
    const capture = master.captureOutput(addon)
    // What the application writes must not be mixed with the report.
    capture.read((_, line) => capture.writeStandardError(`${line}\n`))
    const findings = await master.examineApplication(configuration, addon).finally(() => capture.stop())
    const text = doctor.isJson ? `${JSON.stringify(findings, null, 2)}\n` : master.formatFindings(findings)
    master.writeStandard(addon, 1, text)
    return master.statusOf(findings)
  }
  if (settings.checkConfig) {
    for (const warning of await master.checkApplication(configuration, addon)) {
      process.stderr.write(`hornet: ${warning}\n`)
    }
    process.stderr.write(`hornet: the settings are well, and ${configuration.app.path} can be loaded\n`)
    return 0
  }
  await master.serve({
    configuration,
    async readConfiguration() {
      const again = await loadConfiguration(input, folder)
      if (again.kind === 'print') throw new Error('the same arguments asked for no text before')
      return resolveApp(again, inheritance)
    },
    ...{ version, origin, inheritance, guard, addon, queue },
  })
  return 0
}

interface GuardParts {
  origin: Origin
  inheritance: Inheritance
  signals: CommandQueue<AskedCommand>
}

/** With --guard: this process is the guard, and the server another one. Resolves to the exit status. */
async function guardServer(settings: Settings, { origin, inheritance, signals }: GuardParts): Promise<number> {
  const { logLevel, logFormat, errorLogfile, bind, pid } = settings
  const { createLogger, PidFile, runGuard } = await import('./master/main.js')
  const pidFile = new PidFile(pid)
  try {
    const logger = createLogger({ level: logLevel, format: logFormat, destination: errorLogfile })
    const queue = new CommandQueue<GuardEvent>()
    signals.passOn((command) => queue.push(command))
    return await runGuard({ origin, inheritance, binds: bind, pidFile, logger, queue })
  } finally {
    pidFile.remove()
  }
}

/** `hornet doctor [--json] [OPTIONS] APP`. A file of that name is still `./doctor`. */
function doctorCommand([first, ...rest]: string[]): { argv: string[]; isJson: boolean } | undefined {
  if (first !== 'doctor') return undefined
  const end = rest.indexOf('--')
  const isOwn = (index: number): boolean => end < 0 || index < end
  const argv = rest.filter((word, index) => !(word === '--json' && isOwn(index)))
  return { argv, isJson: argv.length < rest.length }
}

/** By the name it was entered by: a release that is a symbolic link may be another one by the time of an upgrade. */
function folderAsNamed(folder: string, name: string | undefined): string {
  const named = name === undefined ? undefined : statSync(name, { throwIfNoEntry: false })
  const real = statSync(folder)
  return name !== undefined && named?.ino === real.ino && named.dev === real.dev ? name : folder
}

/** The process is in the folder of --chdir by now. */
function resolveApp(loaded: LoadedRun, { binds }: Inheritance): Configuration {
  const { app, appArgs, hooks, configPath } = loaded
  // As Gunicorn has it: the sockets of a socket unit are the ones to serve, whatever else is configured.
  const settings = binds === undefined ? loaded.settings : { ...loaded.settings, bind: binds }
  checkFolders(settings.static)
  const origins = binds === undefined ? loaded.origins : { ...loaded.origins, bind: 'LISTEN_FDS' }
  const spec = { ...findApp(app, settings.factory, process.cwd()), args: appArgs }
  return { settings, origins, app: spec, hooks, configPath }
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

/** Ends the process: what the application left open in a thread must not keep it. */
function end(status: number): never {
  // Node waits for its threads, and one may be in a system call that never returns.
  exitWithin?.(status, stuckThreadMsMax)
  return process.exit(status)
}

main(process.argv.slice(2), process.env).then(
  (status) => end(status),
  (error: unknown) => end(report(error)),
)
