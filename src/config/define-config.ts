/**
 * The shape of a config file, derived from the table of settings.
 */
import type { Hooks } from './hooks.js'
import type { RepeatableSetting, SettingKey, Settings, SingleSetting, settingsTable } from './settings.js'

type Row<Key extends SettingKey> = (typeof settingsTable)[Key]

/** `--max-connections` is `maxConnections`. */
type NameOf<Flag extends string> = Flag extends `--${infer Name}` ? CamelCase<Name> : never
type CamelCase<Name extends string> = Name extends `${infer First}-${infer Rest}`
  ? `${First}${Capitalize<CamelCase<Rest>>}`
  : Name

/** Durations and sizes are numbers (of seconds, of bytes) or texts with a unit; addresses are texts. */
type ValueOf<T> = [T] extends [boolean]
  ? boolean
  : [T] extends [number]
    ? number | string
    : [T] extends [string]
      ? T
      : string

type OptionOf<R> =
  R extends RepeatableSetting<infer T>
    ? ValueOf<NonNullable<T>> | readonly ValueOf<NonNullable<T>>[]
    : R extends SingleSetting<infer T>
      ? ValueOf<NonNullable<T>>
      : never

/** Settings of one command: those that the table gives a `scope`. */
type Elsewhere = 'config' | 'checkConfig' | 'printConfig'

type Options = {
  -readonly [Key in Exclude<SettingKey, Elsewhere> as NameOf<Row<Key>['flag']>]?: OptionOf<Row<Key>>
}

/** What `hornet.config.ts` (or `.mts`, `.mjs`, `.cjs`, `.js`, `.json`) exports by default. */
export interface Config extends Omit<Options, 'env' | 'static' | 'sni' | 'certReqs'>, Hooks {
  /** The application, `path` or `path:export`, when the command line names none. */
  app?: string
  /** Variables for the environment of the application. */
  env?: Readonly<Record<string, string>> | readonly string[]
  /** Folders of files by the path they are served below: `{ '/assets': 'public' }`. */
  static?: Readonly<Record<string, string>> | readonly string[]
  /** Certificates by host name, `{ 'www.example.com': 'cert.pem,key.pem' }`, or as on a command line. */
  sni?: Readonly<Record<string, string>> | string | readonly string[]
  /** Whether clients show a certificate; the numbers are those of Gunicorn. */
  certReqs?: Settings['certReqs'] | 0 | 1 | 2
}

/** Returns what it is given, with its type checked: `export default defineConfig({ workers: 4 })`. */
export function defineConfig(config: Config): Config {
  return config
}
