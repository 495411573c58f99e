/**
 * Puts the settings together: defaults < environment < config file < HORNET_CMD_ARGS < command line.
 */
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { inspect } from 'node:util'
import { HornetError } from '../errors.js'
import { type CommandLine, parseCommandLine, type RawValues } from './command-line.js'
import { type ConfigFile, findConfigFile, readConfigFile } from './config-file.js'
import { configTimeoutMs, fileHooks } from './file-hooks.js'
import { type Hooks, hookNames } from './hooks.js'
import { nearest } from './nearest.js'
import { plainText } from './plain-text.js'
import {
  type AnySetting,
  configName,
  environmentName,
  type SettingKey,
  type Settings,
  settingEntries,
  settingsTable,
} from './settings.js'
import { splitShellWords } from './shell-words.js'
import { type Machine, secretText, type ValueKind } from './values.js'

export interface LoadInput {
  /** Arguments without the names of node and script. */
  argv: readonly string[]
  env: Readonly<Record<string, string | undefined>>
  /** Version of the package, for `--version`. */
  version: string
  machine?: Machine
  /** Already read; `loadConfiguration` finds and reads it. */
  configFile?: ConfigFile
}

/** Where each value was written, in words: `command line`, `HORNET_WORKERS`, `/srv/hornet.config.mjs`, `default`. */
export type Origins = Readonly<Record<SettingKey, string>>

export interface LoadedRun {
  kind: 'run'
  settings: Settings
  origins: Origins
  /** The application as the operator named it. */
  app: string
  /** Words after the application's name, for its process.argv. */
  appArgs: readonly string[]
  hooks: Hooks
  /** Path of the config file, when there is one. */
  configPath: string | undefined
}

export type Loaded = LoadedRun | { kind: 'print'; text: string }

/** Where a value was written; decides what an error message names and the exit status. */
type Source = 'environment' | 'config file' | 'HORNET_CMD_ARGS' | 'command line'

type Values = Partial<Record<SettingKey, unknown>>

interface Layer {
  values: Values
  /** Where a value of this layer was written. */
  origin: (key: SettingKey) => string
}

const commandArgsName = 'HORNET_CMD_ARGS'

/**
 * Finds the config file, reads it, and puts the settings together.
 *
 * @param folder Where relative paths start.
 * @throws As `loadSettings`, and HornetError `ERR_HORNET_CONFIG` for a config file that cannot be read.
 */
export async function loadConfiguration(input: LoadInput, folder: string): Promise<Loaded> {
  const machine = machineOf(input)
  const commandLine = parseCommandLine(input.argv, input.version)
  if (commandLine.kind === 'print') return commandLine
  // Of the layers, those that can name the file.
  const { config, chdir } = Object.assign(
    {},
    ...layersAround(input, commandLine.values, machine).map(({ values }) => values),
  ) as {
    config?: string
    chdir?: string
  }
  const path = findConfigFile(config, resolve(folder, chdir ?? '.'))
  const configFile = path === undefined ? undefined : await readConfigFile(path, configTimeoutMs)
  return putTogether({ ...input, configFile }, commandLine, machine)
}

/**
 * Puts the settings together, with the config file given.
 *
 * @throws HornetError `ERR_HORNET_USAGE` for a wrong command line, `ERR_HORNET_CONFIG` for a wrong environment or
 *   config file; the message names the setting, where it was set, the offending value and what is accepted.
 */
export function loadSettings(input: LoadInput): Loaded {
  const machine = machineOf(input)
  // The command line goes first: --help must answer however wrong the environment is.
  const commandLine = parseCommandLine(input.argv, input.version)
  return commandLine.kind === 'print' ? commandLine : putTogether(input, commandLine, machine)
}

type CommandLineRun = CommandLine & { kind: 'run' }

function putTogether(input: LoadInput, commandLine: CommandLineRun, machine: Machine): LoadedRun {
  const { configFile } = input
  const layers = layersAround(input, commandLine.values, machine)
  if (configFile) layers.splice(environmentLayers, 0, fileLayer(configFile, machine))
  const appOfFile = fileApp(configFile)
  const app = commandLine.app ?? appOfFile
  if (app === undefined) {
    throw new HornetError('ERR_HORNET_USAGE', 'no application given: hornet [OPTIONS] APP, for example hornet app.mjs')
  }
  const values: Values = defaults(machine)
  const origins = Object.fromEntries(settingEntries.map(([key]) => [key, 'default'])) as Record<SettingKey, string>
  for (const layer of layers) {
    Object.assign(values, layer.values)
    // Values has no other keys.
    for (const key of Object.keys(layer.values) as SettingKey[]) origins[key] = layer.origin(key)
  }
  // The table gives every key a default and every kind a parser of its type.
  const settings = freezeDeeply(values) as Settings
  checkTogether(settings, origins)
  const { appArgs } = commandLine
  return { kind: 'run', settings, origins, app, appArgs, hooks: fileHooks(configFile), configPath: configFile?.path }
}

function machineOf({ machine }: LoadInput): Machine {
  return machine ?? { parallelism: availableParallelism() }
}

/** How many of the layers below come before the config file. */
const environmentLayers = 2

/** All layers but the defaults and the config file, the weakest first. */
function layersAround({ env, version }: LoadInput, commandLine: RawValues, machine: Machine): Layer[] {
  const environment = readEnvironment(env, machine)
  return [
    {
      values: readPlatform(env, machine),
      origin: (key) => (settingsTable[key] as AnySetting).platform?.name ?? 'environment',
    },
    { values: environment.values, origin: (key) => environment.names.get(key) ?? 'environment' },
    {
      values: parseRaw(readCommandArgs(env, version), 'HORNET_CMD_ARGS', machine),
      origin: () => commandArgsName,
    },
    { values: parseRaw(commandLine, 'command line', machine), origin: () => 'command line' },
  ]
}

/** What no value shows by itself. */
function checkTogether(settings: Settings, origins: Origins): void {
  const { control, controlToken, minWorkers, maxWorkers, static: mounts } = settings
  const prefixes = mounts.map(({ prefix }) => prefix)
  const twice = prefixes.find((prefix, index) => prefixes.indexOf(prefix) < index)
  if (twice !== undefined) {
    throw new HornetError('ERR_HORNET_CONFIG', `--static: two folders are given for ${twice || '/'}`)
  }
  if (control?.kind === 'tcp' && controlToken === undefined) {
    const remedy = 'set HORNET_CONTROL_TOKEN (or --control-token), or use unix:PATH'
    throw new HornetError('ERR_HORNET_CONFIG', `--control on a TCP port needs a token: ${remedy}`)
  }
  if (maxWorkers === 0 && origins.minWorkers !== 'default') {
    throw new HornetError('ERR_HORNET_CONFIG', '--min-workers means nothing without --max-workers')
  }
  checkTls(settings, origins)
  if (settings.limitRequestRate === 0 && settings.limitRequestBurst !== 0) {
    throw new HornetError('ERR_HORNET_CONFIG', '--limit-request-burst means nothing without --limit-request-rate')
  }
  if (settings.maxConnectionsPerIp > 0 && settings.forwardedAllowIps.includes('*')) {
    throw new HornetError(
      'ERR_HORNET_CONFIG',
      '--max-connections-per-ip leaves trusted proxies out, and with --forwarded-allow-ips * everybody is one: name them',
    )
  }
  if (maxWorkers > 0 && minWorkers > maxWorkers) {
    throw new HornetError(
      'ERR_HORNET_CONFIG',
      `--min-workers (${minWorkers}) is more than --max-workers (${maxWorkers})`,
    )
  }
}

function checkTls({ certfile, certReqs, caCerts, sni }: Settings, origins: Origins): void {
  if (certfile === undefined) {
    const stray = settingEntries.find(([key, { group }]) => group === 'TLS' && origins[key] !== 'default')
    if (stray === undefined) return
    throw new HornetError('ERR_HORNET_CONFIG', `${stray[1].flag} means nothing without --certfile`)
  }
  if (certReqs !== 'none' && caCerts === undefined) {
    const remedy = 'give the certificates of those who sign them as --ca-certs'
    throw new HornetError('ERR_HORNET_CONFIG', `--cert-reqs ${certReqs} trusts no client's certificate: ${remedy}`)
  }
  if (certReqs === 'none' && caCerts !== undefined) {
    throw new HornetError(
      'ERR_HORNET_CONFIG',
      '--ca-certs means nothing without --cert-reqs optional or required (what the certificate is signed by belongs into --certfile)',
    )
  }
  const hosts = sni.flatMap(({ host }) => host ?? [])
  const twice = hosts.find((host, index) => hosts.indexOf(host) < index)
  if (twice !== undefined) throw new HornetError('ERR_HORNET_CONFIG', `--sni: two certificates are given for ${twice}`)
}

function defaults(machine: Machine): Values {
  return Object.fromEntries(settingEntries.map(([key, setting]) => [key, setting.default(machine)]))
}

/** What hosting platforms set. An empty variable counts as none: platforms and compose files leave such behind. */
function readPlatform(env: LoadInput['env'], machine: Machine): Values {
  const values: Values = {}
  for (const [key, setting] of settingEntries) {
    const text = setting.platform && env[setting.platform.name]
    if (!setting.platform || !text) continue
    const value = parseOne(setting.platform.kind, text, setting.platform.name, 'environment', machine)
    values[key] = setting.repeatable ? [value] : value
  }
  return values
}

function readEnvironment(env: LoadInput['env'], machine: Machine): { values: Values; names: Map<SettingKey, string> } {
  const known = new Map<string, [SettingKey, AnySetting]>()
  for (const entry of settingEntries) {
    if (entry[1].scope === 'command line') continue
    known.set(environmentName(entry[1].flag), entry)
    if (entry[1].alias) known.set(environmentName(entry[1].alias), entry)
  }
  const values: Values = {}
  const nameOfKey = new Map<SettingKey, string>()
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith('HORNET_') || name === commandArgsName || text === undefined) continue
    const entry = known.get(name)
    if (!entry) {
      const match = nearest(name, [...known.keys(), commandArgsName])
      const hint = match ? ` (did you mean ${match}?)` : ''
      throw new HornetError('ERR_HORNET_CONFIG', `unknown variable ${plainText(name)} in the environment${hint}`)
    }
    const [key, setting] = entry
    const other = nameOfKey.get(key)
    if (other) throw new HornetError('ERR_HORNET_CONFIG', `${other} and ${name} are the same setting: keep one of them`)
    nameOfKey.set(key, name)
    if (setting.repeatable) {
      const words = splitWords(text, name)
      values[key] = words.map((word) => parseOne(setting.kind, word, name, 'environment', machine))
    } else {
      values[key] = parseOne(setting.kind, text, name, 'environment', machine)
    }
  }
  return { values, names: nameOfKey }
}

/** A config file's values: texts as on a command line, or numbers and booleans where those are meant. */
function fileLayer({ path, content }: ConfigFile, machine: Machine): Layer {
  const known = new Map<string, [SettingKey, AnySetting]>()
  const aliases = new Map<string, string>()
  for (const [key, setting] of settingEntries) {
    if (setting.scope !== undefined) continue
    known.set(configName(setting.flag), [key, setting])
    if (setting.alias) aliases.set(configName(setting.alias), configName(setting.flag))
  }
  const values: Values = {}
  for (const [name, value] of Object.entries(content)) {
    if (value === undefined || name === 'app' || isHookName(name)) continue
    const entry = known.get(name)
    if (!entry) {
      const match = aliases.get(name) ?? nearest(name, [...known.keys(), ...hookNames, 'app'])
      const hint = match ? ` (did you mean ${match}?)` : ''
      throw new HornetError('ERR_HORNET_CONFIG', `${path}: unknown setting ${name}${hint}`)
    }
    const [key, setting] = entry
    const parse = (item: unknown) => {
      const text = fileText(setting.kind, item)
      if (text !== undefined) {
        return parseOne(setting.kind, text, `${path}: ${name}`, 'config file', machine)
      }
      throw new HornetError('ERR_HORNET_CONFIG', `${path}: ${name}: ${inspect(item)} is not ${setting.kind.accepts}`)
    }
    values[key] = setting.repeatable ? fileItems(key, value).map(parse) : parse(value)
  }
  return { values, origin: () => path }
}

/** One value as the text its kind reads; undefined when it is of a wrong type. */
function fileText(kind: ValueKind<unknown>, value: unknown): string | undefined {
  const isSwitch = kind.metavar === ''
  if (typeof value === 'boolean') return isSwitch ? String(value) : undefined
  if (typeof value === 'number') return kind.numberText?.(value)
  return typeof value === 'string' && !isSwitch ? value : undefined
}

/**
 * Several values may be an array, or one alone; variables for the application, folders by path and certificates by host
 * may be an object.
 */
function fileItems(key: SettingKey, value: unknown): unknown[] {
  if (Array.isArray(value)) return value
  if ((key === 'env' || key === 'static' || key === 'sni') && typeof value === 'object' && value !== null) {
    return Object.entries(value).map(([name, text]) => (typeof text === 'string' ? `${name}=${text}` : text))
  }
  return [value]
}

function fileApp(file: ConfigFile | undefined): string | undefined {
  const app = file?.content.app
  if (app === undefined || (typeof app === 'string' && app !== '')) return app
  throw new HornetError('ERR_HORNET_CONFIG', `${file?.path}: app: ${inspect(app)} is not the path of an application`)
}

function isHookName(name: string): boolean {
  return (hookNames as readonly string[]).includes(name)
}

function readCommandArgs(env: LoadInput['env'], version: string): RawValues {
  const words = splitWords(env[commandArgsName] ?? '', commandArgsName)
  if (words.length === 0) return {}
  let commandLine: CommandLine
  try {
    commandLine = parseCommandLine(words, version)
  } catch (error) {
    if (!(error instanceof HornetError)) throw error
    throw new HornetError('ERR_HORNET_CONFIG', `${commandArgsName}: ${error.message}`, { cause: error })
  }
  if (commandLine.kind === 'print') {
    throw new HornetError('ERR_HORNET_CONFIG', `${commandArgsName}: --help and --version belong on the command line`)
  }
  for (const [key, setting] of settingEntries) {
    if (setting.scope !== 'command line' || commandLine.values[key] === undefined) continue
    throw new HornetError('ERR_HORNET_CONFIG', `${commandArgsName}: ${setting.flag} belongs on the command line`)
  }
  if (commandLine.app !== undefined || commandLine.appArgs.length > 0) {
    const problem = `'${plainText(commandLine.app ?? '')}' is not an option (the application belongs on the command line)`
    throw new HornetError('ERR_HORNET_CONFIG', `${commandArgsName}: ${problem}`)
  }
  return commandLine.values
}

function parseRaw(raw: RawValues, source: Source, machine: Machine): Values {
  const values: Values = {}
  for (const [key, setting] of settingEntries) {
    const parsed = raw[key]?.map((text) => parseOne(setting.kind, text, setting.flag, source, machine))
    if (parsed) values[key] = setting.repeatable ? parsed : parsed.at(-1)
  }
  return values
}

function parseOne(kind: ValueKind<unknown>, text: string, name: string, source: Source, machine: Machine): unknown {
  const value = kind.parse(text, machine)
  if (value !== undefined) return value
  const code = source === 'command line' ? 'ERR_HORNET_USAGE' : 'ERR_HORNET_CONFIG'
  // A secret that is refused is one all the same: a longer one may begin like it.
  const shown = kind === secretText ? 'what was given' : `'${plainText(text)}'`
  const place = source === 'config file' ? name : `${name} (${source})`
  throw new HornetError(code, `${place}: ${shown} is not ${kind.accepts}`)
}

function splitWords(text: string, name: string): string[] {
  const words = splitShellWords(text)
  if (words) return words
  throw new HornetError(
    'ERR_HORNET_CONFIG',
    `${name} (environment): a quote or backslash is left open in '${plainText(text)}'`,
  )
}

function freezeDeeply<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    Object.values(value).forEach(freezeDeeply)
  }
  return value
}
