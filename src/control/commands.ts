/**
 * What `hornetctl` can be told: one row per command, from which its help and the completions of shells follow.
 */

export interface CtlOption {
  readonly flags: string
  readonly summary: string
}

export interface CtlCommand {
  readonly name: string
  /** Arguments, as the help shows them. */
  readonly usage?: string
  /** Words that the argument can be. */
  readonly words?: readonly string[]
  /** The argument is the number of a worker. */
  readonly takesWorker?: true
  readonly summary: string
  readonly options?: readonly CtlOption[]
}

export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

export const ctlOptions = {
  control: { flags: '--control <ADDRESS>', summary: 'The server: unix:PATH or HOST:PORT (default: $HORNET_CONTROL).' },
  token: { flags: '--token <SECRET>', summary: 'Its token, on a TCP port; better given as $HORNET_CONTROL_TOKEN.' },
  json: { flags: '--json', summary: 'Print the answer of the server as it is.' },
} as const satisfies Record<string, CtlOption>

const output: CtlOption = { flags: '-o, --output <FILE>', summary: 'Where to write it (default: a name of its own).' }

export const ctlCommands = {
  status: { name: 'status', summary: 'State of the server and its totals.' },
  workers: { name: 'workers', summary: 'The workers: state, load, memory.' },
  requests: { name: 'requests', summary: 'Requests in flight, the oldest first.' },
  scale: { name: 'scale', usage: '<N|+N|-N>', summary: 'Set, raise or lower the number of workers.' },
  reload: { name: 'reload', summary: 'Replace all workers by new ones; answers when it is done, or why it failed.' },
  restart: { name: 'restart', usage: '<ID>', takesWorker: true, summary: 'Replace one worker by a new one.' },
  stack: { name: 'stack', usage: '<ID>', takesWorker: true, summary: 'What a worker is doing: its JavaScript stack.' },
  profile: {
    name: 'profile',
    usage: '<ID>',
    takesWorker: true,
    summary: 'Take a CPU profile of a worker, for the developer tools of a browser.',
    options: [{ flags: '-s, --seconds <N>', summary: 'How long (default: 5).' }, output],
  },
  heap: {
    name: 'heap',
    usage: '<ID>',
    takesWorker: true,
    summary: 'Take a heap snapshot of a worker; it stands still meanwhile.',
    options: [output],
  },
  logs: { name: 'logs', usage: '<reopen>', words: ['reopen'], summary: 'Open the log files again after a rotation.' },
  stop: {
    name: 'stop',
    summary: 'Stop the server when its requests are answered.',
    options: [{ flags: '--quick', summary: 'Do not wait for them.' }],
  },
  top: {
    name: 'top',
    summary: 'Watch the server: workers, requests, latency. Ends with q.',
    options: [{ flags: '-i, --interval <SECONDS>', summary: 'Time between two looks (default: 1).' }],
  },
  completion: {
    name: 'completion',
    usage: '<SHELL>',
    words: shells,
    summary: 'Print completions of hornet and hornetctl for bash, zsh or fish.',
  },
} as const satisfies Record<string, CtlCommand>

export type CtlCommandName = keyof typeof ctlCommands
