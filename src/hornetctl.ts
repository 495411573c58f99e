#!/usr/bin/env node
/**
 * The `hornetctl` command: asks a running server, over its control API, and prints the answer.
 */
import { createWriteStream, rmSync } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { Command, CommanderError, Option } from 'commander'
import { nearest } from './config/nearest.js'
import { type AnySetting, settingEntries } from './config/settings.js'
import { controlAddress } from './config/values.js'
import type { RequestsView, StackView, StatusView, WorkerView } from './control/api.js'
import { ControlClient, ControlError, type ControlTarget } from './control/client.js'
import {
  type CtlCommand,
  type CtlCommandName,
  type CtlOption,
  ctlCommands,
  ctlOptions,
  shells,
} from './control/commands.js'
import { type CompletedOption, type CompletedProgram, completionScript } from './control/completion.js'
import { describeRequests, describeStack, describeStatus, describeWorkers } from './control/report.js'
import { runTop } from './control/top.js'
import { HornetError } from './errors.js'
import { readVersion } from './version.js'

interface GlobalOptions {
  control?: string
  token?: string
  json?: true
}

/** What a command is run with: its arguments, its own options, and how to reach the server. */
interface Call {
  args: string[]
  options: Record<string, string | true | undefined>
  client: () => ControlClient
  /** Prints lines, or with --json the answer they were made of. */
  print: (lines: readonly string[], answer: unknown) => void
}

const handlers: Record<CtlCommandName, (call: Call) => Promise<void> | void> = {
  async status({ client, print }) {
    const status = await client().get<StatusView>('/status')
    print(describeStatus(status), status)
  },
  async workers({ client, print }) {
    const answer = await client().get<{ workers: WorkerView[] }>('/workers')
    print(describeWorkers(answer.workers), answer)
  },
  async requests({ client, print }) {
    const answer = await client().get<RequestsView>('/requests')
    print(describeRequests(answer), answer)
  },
  async scale({ args: [text = ''], client, print }) {
    const match = /^([+-]?)(\d{1,6})$/.exec(text)
    if (!match) throw usage(`'${text}' is not a number of workers: N, +N or -N`)
    const number = Number(match[2])
    const body = match[1] === '' ? { count: number } : { delta: match[1] === '-' ? -number : number }
    const answer = await client().post<{ wanted: number }>('/workers', body)
    print([`workers: ${answer.wanted}`], answer)
  },
  async reload({ client, print }) {
    const answer = await client().post<{ generation: number }>('/reload')
    print([`reloaded: generation ${answer.generation}`], answer)
  },
  async restart({ args: [text], client, print }) {
    const id = readWorkerId(text)
    const answer = await client().post<{ workerId: number }>(`/workers/${id}/restart`)
    print([`worker ${id} leaves as soon as another one is ready`], answer)
  },
  async stack({ args: [text], client, print }) {
    const id = readWorkerId(text)
    const answer = await client().get<StackView>(`/workers/${id}/stack`)
    print(describeStack(answer), answer)
  },
  async profile({ args: [text], options: { seconds = '5', output }, client, print }) {
    const id = readWorkerId(text)
    const path = `/workers/${id}/cpu-profile?seconds=${encodeURIComponent(String(seconds))}`
    const file = await download(client(), path, output ?? stamped(id, 'cpuprofile'))
    print([`${file}: open it in the developer tools of a browser (Performance) or an editor`], { file })
  },
  async heap({ args: [text], options: { output }, client, print }) {
    const id = readWorkerId(text)
    const file = await download(client(), `/workers/${id}/heap-snapshot`, output ?? stamped(id, 'heapsnapshot'))
    print([`${file}: open it in the developer tools of a browser (Memory)`], { file })
  },
  async logs({ args: [text], client, print }) {
    if (text !== 'reopen') throw usage(`'${text}' is not what can be done with logs: reopen`)
    print(['logs opened again'], await client().post('/logs/reopen'))
  },
  async stop({ options: { quick }, client, print }) {
    const mode = quick ? 'quick' : 'graceful'
    print([`stopping (${mode})`], await client().post('/shutdown', { mode }))
  },
  async top({ options: { interval = '1' }, client }) {
    const seconds = Number(interval)
    if (!(seconds >= 0.1 && seconds <= 3600))
      throw usage(`--interval: '${interval}' is not a time from 0.1 to 3600 seconds`)
    const { stdin: input, stdout: output } = process
    if (!input.isTTY || !output.isTTY) throw usage('top needs a terminal; status, workers and requests do not')
    await runTop(client(), { input, output }, seconds * 1000)
  },
  completion({ args: [text] }) {
    const shell = shells.find((name) => name === text)
    if (!shell) throw usage(`'${text}' is not a shell known here: ${shells.join(', ')}`)
    process.stdout.write(completionScript(shell, [hornetProgram(), ctlProgram()]))
  },
}

async function main(argv: string[], env: NodeJS.ProcessEnv): Promise<void> {
  const program = new Command('hornetctl')
    .description('Asks a running Hornet server, by its --control address, and tells it what to do.')
    .version(`hornetctl ${readVersion()}`, '-V, --version', 'Print the version.')
    .helpOption('-h, --help', 'Print this help.')
    .helpCommand(false)
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
    .addHelpText('after', helpFooter)
    .action(() => {
      throw usage('no command given; hornetctl --help lists them')
    })
  for (const option of Object.values(ctlOptions)) program.addOption(toOption(option))
  for (const [name, command] of Object.entries(ctlCommands) as [CtlCommandName, CtlCommand][]) {
    const sub = program.command(command.name).description(command.summary).helpOption('-h, --help', 'Print this help.')
    sub
      .allowExcessArguments(false)
      .exitOverride()
      .configureOutput({ writeErr: () => {} })
    if (command.usage !== undefined) sub.argument(command.usage)
    for (const option of command.options ?? []) sub.addOption(toOption(option))
    // So that they may stand behind the command as well, where people put them.
    for (const option of Object.values(ctlOptions)) sub.addOption(toOption(option).hideHelp())
    sub.action(async () => {
      const options = sub.opts<Call['options']>()
      const { control, token, json } = { ...program.opts<GlobalOptions>(), ...options } as GlobalOptions
      await handlers[name]({
        args: sub.args,
        options,
        client: () => connect(control ?? env.HORNET_CONTROL, token ?? env.HORNET_CONTROL_TOKEN),
        print: (lines, answer) => {
          process.stdout.write(json ? `${JSON.stringify(answer)}\n` : lines.map((line) => `${line}\n`).join(''))
        },
      })
    })
  }
  try {
    await program.parseAsync(argv, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return
    throw usage(explain(error, argv))
  }
}

const helpFooter = `
The address of the server is that of its --control option; both may be given as HORNET_CONTROL.

Examples:
  hornetctl --control unix:/run/shop.sock status
  export HORNET_CONTROL=unix:/run/shop.sock
  hornetctl scale +2                  two workers more
  hornetctl stack 3                   what worker 3 is doing
  eval "$(hornetctl completion bash)"  completions for this shell`

function toOption({ flags, summary }: CtlOption): Option {
  return new Option(flags, summary)
}

function explain(error: CommanderError, argv: string[]): string {
  if (error.code !== 'commander.unknownCommand' && error.code !== 'commander.excessArguments') {
    return error.message.replace(/^error: /, '').replaceAll('\n', ' ')
  }
  const word = argv.find((text) => !text.startsWith('-') && !Object.hasOwn(ctlCommands, text)) ?? ''
  const match = nearest(word, Object.keys(ctlCommands))
  return `'${word}' is not a command${match === undefined ? '' : ` (did you mean ${match}?)`}`
}

function connect(address: string | undefined, token: string | undefined): ControlClient {
  if (address === undefined || address === '') {
    throw usage('no address given: use --control unix:PATH or --control HOST:PORT, or set HORNET_CONTROL')
  }
  const target = controlAddress.parse(address, { parallelism: 1 })
  if (target === undefined) throw usage(`--control: '${address}' is not ${controlAddress.accepts}`)
  return new ControlClient({ target: reachable(target), token })
}

/** A server that listens on every address is reached on this machine's own. */
function reachable(target: ControlTarget): ControlTarget {
  if (target.kind === 'unix' || (target.host !== '0.0.0.0' && target.host !== '::')) return target
  return { ...target, host: target.host === '::' ? '::1' : '127.0.0.1' }
}

function readWorkerId(text: string | undefined): number {
  if (text !== undefined && /^\d{1,9}$/.test(text)) return Number(text)
  throw usage(`'${text ?? ''}' is not the number of a worker; hornetctl workers lists them`)
}

async function download(client: ControlClient, path: string, file: string | true): Promise<string> {
  const name = String(file)
  const response = await client.open(path)
  try {
    // Heaps hold secrets. An existing file is somebody's work.
    await pipeline(response, createWriteStream(name, { flags: 'wx', mode: 0o600 }))
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException // fs and sockets throw nothing else
    if (code !== 'EEXIST') rmSync(name, { force: true })
    throw new HornetError('ERR_HORNET_CONTROL', `cannot write ${name}: ${message}`, { cause: error })
  }
  return name
}

function stamped(workerId: number, extension: string): string {
  return `worker-${workerId}-${new Date().toISOString().replace(/[-:]|\.\d+/g, '')}.${extension}`
}

function usage(message: string): HornetError {
  return new HornetError('ERR_HORNET_USAGE', message)
}

function hornetProgram(): CompletedProgram {
  const options = settingEntries.map(([, setting]) => completeSetting(setting))
  return {
    name: 'hornet',
    commands: [],
    modes: [
      {
        name: 'doctor',
        summary: 'Say what of an application will work in worker threads.',
        options: [{ names: ['--json'], summary: 'Print the findings as JSON.' }],
      },
    ],
    options: [
      ...options,
      { names: ['--help', '-h'], summary: 'Print this help.' },
      { names: ['--version', '-V'], summary: 'Print the version.' },
    ],
  }
}

function completeSetting({ flag, short, alias, summary, kind }: AnySetting): CompletedOption {
  const names = [flag, alias, short].filter((name) => name !== undefined)
  if (kind.metavar === '') return { names, summary }
  if (kind.metavar === 'PATH') return { names, summary, value: 'path' }
  return { names, summary, value: kind.metavar.includes('|') ? { words: kind.metavar.split('|') } : 'any' }
}

function ctlProgram(): CompletedProgram {
  const complete = (options: readonly CtlOption[]) => options.map(completeOption)
  return {
    name: 'hornetctl',
    options: complete(Object.values(ctlOptions)),
    commands: (Object.values(ctlCommands) as CtlCommand[]).map(({ name, summary, options = [], words }) => {
      return { name, summary, options: complete(options), words }
    }),
  }
}

function completeOption({ flags, summary }: CtlOption): CompletedOption {
  const [names = '', metavar] = flags.split(' <')
  const option = { names: flags.match(/--?[\w-]+/g) ?? [names], summary }
  if (metavar === undefined) return option
  return { ...option, value: metavar === 'FILE>' ? 'path' : 'any' }
}

main(process.argv.slice(2), process.env).then(
  () => process.exit(0),
  (error: unknown) => process.exit(report(error)),
)

function report(error: unknown): number {
  if (!(error instanceof HornetError)) {
    process.stderr.write(`hornetctl: internal error: ${error instanceof Error ? error.stack : error}\n`)
    return 1
  }
  // A worker's own stack says best why a reload failed.
  const stack = error instanceof ControlError ? error.problem.stack : undefined
  process.stderr.write(`hornetctl: ${error.message}\n${typeof stack === 'string' ? `${stack}\n` : ''}`)
  return error.exitCode
}
