/**
 * Reads a command line into raw texts, one list per setting. What the texts mean is for load.ts.
 */
import { Command, CommanderError, Option } from 'commander'
import { HornetError } from '../errors.js'
import { plainText } from './plain-text.js'
import { type AnySetting, type SettingKey, settingEntries } from './settings.js'

/** Texts given for each setting, in order. */
export type RawValues = Partial<Record<SettingKey, string[]>>

export type CommandLine =
  | { kind: 'run'; values: RawValues; app?: string; appArgs: string[] }
  /** `--help` or `--version` was given: `text` is the answer. */
  | { kind: 'print'; text: string }

const helpWidthDefault = 100 // columns

const helpFooter = `
Every option can also be set in the environment, where --max-connections is HORNET_MAX_CONNECTIONS and
blanks separate several values of a repeatable option; in a config file, where it is maxConnections;
and in HORNET_CMD_ARGS, which holds options written as on a command line. The later goes before the
earlier: defaults, environment, config file, HORNET_CMD_ARGS, command line.

Signals: TERM stops gracefully, INT and QUIT stop quickly, HUP reloads config file and application,
TTIN and TTOU add and remove a worker, WINCH lets all workers go, USR1 reopens the log, USR2 starts
a new Hornet on the same sockets.

hornet doctor APP loads the application and reports what will and will not work in workers.

Examples:
  hornet app.mjs                          serve the default export of app.mjs
  hornet -w 4 -b :8080 server.js:app      four workers, every address, the export named app
  hornet -b unix:/run/shop.sock shop.ts   behind a proxy, on a unix socket
  hornet doctor -w 4 server.js            whether server.js will run well in four workers
  hornet app.mjs -- --verbose             what follows -- is for the application (process.argv)`

/**
 * @param argv The arguments, without the names of node and script.
 * @throws HornetError `ERR_HORNET_USAGE` when they cannot be understood.
 */
export function parseCommandLine(argv: readonly string[], version: string): CommandLine {
  const values: RawValues = {}
  let printed = ''
  const end = argv.indexOf('--')
  const own = end < 0 ? argv : argv.slice(0, end)
  const appArgs = end < 0 ? [] : argv.slice(end + 1)
  const command = new Command('hornet')
    .usage('[OPTIONS] APP [-- ARGUMENTS]\n       hornet doctor [--json] [OPTIONS] APP [-- ARGUMENTS]')
    .description('Serves a Node.js web application from a pool of worker threads.')
    .argument(
      '[APP]',
      'the application: a module path, and the name of its export after a colon when there are several',
    )
    .allowExcessArguments(false)
    .version(`hornet ${version}`, '-V, --version', 'Print the version.')
    .helpOption('-h, --help', 'Print this help.')
    .addHelpText('after', helpFooter)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => {
        printed += text
      },
      writeErr: () => {},
      getOutHelpWidth: () => process.stdout.columns ?? helpWidthDefault,
    })
    // Without an action commander would not report unknown options before missing arguments.
    .action(() => {})
  for (const [key, setting] of settingEntries) {
    for (const option of optionsOf(setting)) {
      option.argParser((text: string) => {
        const texts = values[key] ?? []
        texts.push(text)
        values[key] = texts
      })
      command.addOption(option)
    }
  }
  try {
    command.parse(own, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return { kind: 'print', text: printed }
    throw new HornetError('ERR_HORNET_USAGE', oneLine(error.message), { cause: error })
  }
  // As everywhere, `--` ends the options: where no application stood before it, it comes next.
  const app = command.args[0] ?? appArgs.shift()
  return { kind: 'run', values, app, appArgs }
}

function optionsOf(setting: AnySetting): Option[] {
  const names = [setting.short, setting.alias, setting.flag].filter((name) => name !== undefined)
  const notes = [setting.repeatable ? 'repeatable' : '', setting.defaultText ? `default: ${setting.defaultText}` : '']
  const note = notes.filter((text) => text !== '').join('; ')
  const summary = note ? `${setting.summary} (${note})` : setting.summary
  const { metavar } = setting.kind
  if (metavar) return [new Option(`${names.join(', ')} <${metavar}>`, summary).helpGroup(`${setting.group}:`)]
  // The opposite of a switch undoes what the environment says.
  return [
    new Option(names.join(', '), summary).preset('true').helpGroup(`${setting.group}:`),
    new Option(`--no-${setting.flag.slice(2)}`).preset('false').hideHelp(),
  ]
}

/** Commander's messages span lines and start with "error:"; ours are one line after the program's name. */
function oneLine(message: string): string {
  return plainText(message.replace(/^error: /, '').replace(/\n\(Did you mean (.*)\?\)/, ' (did you mean $1?)'))
}
