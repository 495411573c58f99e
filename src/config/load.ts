/**
 * Puts the settings together: defaults < environment < HORNET_CMD_ARGS < command line.
 */
import { availableParallelism } from 'node:os'
import { HornetError } from '../errors.js'
import { type CommandLine, parseCommandLine, type RawValues } from './command-line.js'
import { nearest } from './nearest.js'
import { type AnySetting, environmentName, type SettingKey, type Settings, settingEntries } from './settings.js'
import { splitShellWords } from './shell-words.js'
import type { Machine, ValueKind } from './values.js'

export interface LoadInput {
  /** Arguments without the names of node and script. */
  argv: readonly string[]
  env: Readonly<Record<string, string | undefined>>
  /** Version of the package, for `--version`. */
  version: string
  machine?: Machine
}

export type Loaded =
  | { kind: 'run'; settings: Settings; app: string; appArgs: readonly string[] }
  | { kind: 'print'; text: string }

/** Where a value was written; decides what an error message names and the exit status. */
type Source = 'environment' | 'HORNET_CMD_ARGS' | 'command line'

type Values = Partial<Record<SettingKey, unknown>>

const commandArgsName = 'HORNET_CMD_ARGS'

/**
 * @throws HornetError `ERR_HORNET_USAGE` for a wrong command line, `ERR_HORNET_CONFIG` for a wrong environment; the
 *   message names the setting, where it was set, the offending value and what is accepted.
 */
export function loadSettings(input: LoadInput): Loaded {
  const machine = input.machine ?? { parallelism: availableParallelism() }
  // The command line goes first: --help must answer however wrong the environment is.
  const commandLine = parseCommandLine(input.argv, input.version)
  if (commandLine.kind === 'print') return commandLine
  if (commandLine.app === undefined) {
    throw new HornetError('ERR_HORNET_USAGE', 'no application given: hornet [OPTIONS] APP, for example hornet app.mjs')
  }
  const layers: Values[] = [
    defaults(machine),
    readPlatform(input.env, machine),
    readEnvironment(input.env, machine),
    parseRaw(readCommandArgs(input.env, input.version), 'HORNET_CMD_ARGS', machine),
    parseRaw(commandLine.values, 'command line', machine),
  ]
  // The table gives every key a default and every kind a parser of its type.
  const settings = Object.assign({}, ...layers) as Settings
  return { kind: 'run', settings: freezeDeeply(settings), app: commandLine.app, appArgs: commandLine.appArgs }
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

function readEnvironment(env: LoadInput['env'], machine: Machine): Values {
  const known = new Map<string, [SettingKey, AnySetting]>()
  for (const entry of settingEntries) {
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
      throw new HornetError('ERR_HORNET_CONFIG', `unknown variable ${name} in the environment${hint}`)
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
  return values
}

function readCommandArgs(env: LoadInput['env'], version: string): RawValues {
  const words = splitWords(env[commandArgsName] ?? '', commandArgsName)
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
  if (commandLine.app !== undefined || commandLine.appArgs.length > 0) {
    const problem = `'${commandLine.app}' is not an option (the application belongs on the command line)`
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
  throw new HornetError(code, `${name} (${source}): '${text}' is not ${kind.accepts}`)
}

function splitWords(text: string, name: string): string[] {
  const words = splitShellWords(text)
  if (words) return words
  throw new HornetError('ERR_HORNET_CONFIG', `${name} (environment): a quote or backslash is left open in '${text}'`)
}

function freezeDeeply<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    Object.values(value).forEach(freezeDeeply)
  }
  return value
}
