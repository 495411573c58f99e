/**
 * Every setting of Hornet: flag, default, what is accepted, what it does. One of the four tables; flags, environment
 * names, validation, help and the settings reference are derived from it.
 */
import { type AccessFormat, accessFormat, parseAccessFormat } from './access-format.js'
import {
  accessLogDestination,
  accountName,
  type BindSpec,
  bindAddress,
  type ControlSpec,
  certReqs,
  choice,
  cipherList,
  controlAddress,
  duration,
  environmentVariable,
  filePath,
  integer,
  ipBlocks,
  logDestination,
  type Machine,
  metricPrefix,
  nodeArguments,
  octalMask,
  onOff,
  orZero,
  pathPrefix,
  portOfPlatform,
  type SniSpec,
  type StaticMount,
  secretText,
  size,
  sniCertificate,
  staticMount,
  stickyRule,
  type UdpAddress,
  udpAddress,
  type ValueKind,
  workerCount,
} from './values.js'

export const settingGroups = [
  'Sockets',
  'Proxies',
  'TLS',
  'Files',
  'Pool',
  'Time',
  'Limits',
  'Logs',
  'Control',
  'Process',
] as const

type Flag = `--${string}`

interface SettingCommon<T, F extends Flag> {
  /** Also gives the other names: `--max-connections` is `HORNET_MAX_CONNECTIONS` and `maxConnections`. */
  readonly flag: F
  readonly short?: `-${string}`
  /** A second flag of the same meaning. */
  readonly alias?: `--${string}`
  readonly group: (typeof settingGroups)[number]
  readonly summary: string
  readonly kind: ValueKind<T>
  /** The default in words, for the help; empty when there is nothing to say. */
  readonly defaultText: string
  /** A variable that hosting platforms set for the same purpose; any HORNET_ name goes before it. */
  readonly platform?: { readonly name: string; readonly kind: ValueKind<T> }
  /** Where it can be given; everywhere when absent. */
  readonly scope?: 'command line' | 'outside the config file'
  /** A reload leaves it as it is: it takes a new process (restart, or USR2). */
  readonly needsRestart?: true
  /** Never shown by `--print-config` and the control API. */
  readonly isSecret?: true
}

/** A setting with one value: the last one given counts. */
export interface SingleSetting<T, F extends Flag = Flag> extends SettingCommon<T, F> {
  readonly repeatable: false
  readonly default: (machine: Machine) => T
}

/** A setting that may be given several times. In the environment its values are separated by blanks. */
export interface RepeatableSetting<T, F extends Flag = Flag> extends SettingCommon<T, F> {
  readonly repeatable: true
  readonly default: (machine: Machine) => readonly T[]
}

const day = 24 * 60 * 60 * 1000 // ms
const mebibyte = 1024 * 1024
const combinedFormat = parseAccessFormat('combined') as AccessFormat // it is one of ours
/** Also where TTIN stops. */
export const workersMax = 1024

/** Keys carry the unit of the value; flags do not, since values may be written in any unit. */
export const settingsTable = {
  bind: many({
    flag: '--bind',
    short: '-b',
    group: 'Sockets',
    summary: 'Listen on HOST:PORT, [IPV6]:PORT, :PORT, unix:PATH or an inherited socket fd://N.',
    kind: bindAddress,
    default: (): readonly BindSpec[] => [{ kind: 'tcp', host: '127.0.0.1', port: 8000 }],
    defaultText: '127.0.0.1:8000, or 0.0.0.0:$PORT',
    platform: { name: 'PORT', kind: portOfPlatform },
  }),
  backlog: one({
    flag: '--backlog',
    group: 'Sockets',
    summary: 'Connections the kernel may hold before they are accepted.',
    kind: integer(1, 65_535),
    default: () => 2048,
    defaultText: '2048',
    needsRestart: true,
  }),
  umask: one({
    flag: '--umask',
    group: 'Sockets',
    summary: 'File mode creation mask of the process: decides who may connect to a unix socket.',
    kind: octalMask,
    default: (): number | undefined => undefined,
    defaultText: 'inherited',
    needsRestart: true,
  }),
  reusePort: one({
    flag: '--reuse-port',
    group: 'Sockets',
    summary: 'Share each TCP port with other processes that ask for the same (SO_REUSEPORT).',
    kind: onOff,
    default: () => false,
    defaultText: '',
    needsRestart: true,
  }),

  forwardedAllowIps: one({
    flag: '--forwarded-allow-ips',
    group: 'Proxies',
    summary: 'Believe X-Forwarded-For, X-Forwarded-Proto and Forwarded from these addresses or CIDR blocks; * for all.',
    kind: ipBlocks,
    default: (): readonly string[] => ['127.0.0.1', '::1'],
    defaultText: '127.0.0.1,::1',
    platform: { name: 'FORWARDED_ALLOW_IPS', kind: ipBlocks },
    needsRestart: true,
  }),
  forwardedSocket: one({
    flag: '--forwarded-socket',
    group: 'Proxies',
    summary: 'Show the application the forwarded address and encryption as those of req.socket.',
    kind: onOff,
    default: () => false,
    defaultText: '',
    needsRestart: true,
  }),
  proxyProtocol: one({
    flag: '--proxy-protocol',
    group: 'Proxies',
    summary: 'Every connection must begin with a PROXY protocol header: version 1, version 2, or either.',
    kind: choice(['off', 'v1', 'v2', 'auto']),
    default: () => 'off' as const,
    defaultText: 'off',
    needsRestart: true,
  }),
  proxyAllowFrom: one({
    flag: '--proxy-allow-from',
    group: 'Proxies',
    summary: 'With --proxy-protocol, close connections from elsewhere than these addresses or CIDR blocks; * for all.',
    kind: ipBlocks,
    default: (): readonly string[] => ['127.0.0.1', '::1'],
    defaultText: '127.0.0.1,::1',
    needsRestart: true,
  }),
  health: one({
    flag: '--health',
    group: 'Proxies',
    summary: 'Answer PATH/live and PATH/ready for health checks, even when every worker is blocked.',
    kind: pathPrefix,
    default: (): string | undefined => undefined,
    defaultText: '',
    needsRestart: true,
  }),

  certfile: one({
    flag: '--certfile',
    group: 'TLS',
    summary: 'Speak HTTPS on all addresses, with this certificate and those that it is signed by (PEM).',
    kind: filePath,
    default: (): string | undefined => undefined,
    defaultText: '',
  }),
  keyfile: one({
    flag: '--keyfile',
    group: 'TLS',
    summary: 'Its private key (PEM, not encrypted).',
    kind: filePath,
    default: (): string | undefined => undefined,
    defaultText: 'the file of --certfile',
  }),
  sni: many({
    flag: '--sni',
    group: 'TLS',
    summary: 'Another certificate, for clients that ask for HOST; without HOST for the names that the certificate has.',
    kind: sniCertificate,
    default: (): readonly SniSpec[] => [],
    defaultText: '',
  }),
  certReqs: one({
    flag: '--cert-reqs',
    group: 'TLS',
    summary: 'Whether clients show a certificate of their own: none, optional or required (or 0, 1, 2).',
    kind: certReqs,
    default: () => 'none' as const,
    defaultText: 'none',
  }),
  caCerts: one({
    flag: '--ca-certs',
    group: 'TLS',
    summary: 'With --cert-reqs: certificates of the authorities that sign those of clients (PEM).',
    kind: filePath,
    default: (): string | undefined => undefined,
    defaultText: '',
  }),
  ciphers: one({
    flag: '--ciphers',
    group: 'TLS',
    summary: 'Ciphers, as OpenSSL writes such lists for TLS 1.2; names that begin with TLS_ are for TLS 1.3.',
    kind: cipherList,
    default: (): string | undefined => undefined,
    defaultText: '',
  }),
  tlsMinVersion: one({
    flag: '--tls-min-version',
    group: 'TLS',
    summary: 'Oldest version of TLS that clients may speak.',
    kind: choice(['TLSv1.2', 'TLSv1.3']),
    default: () => 'TLSv1.2' as const,
    defaultText: 'TLSv1.2',
  }),
  http2: one({
    flag: '--http2',
    group: 'TLS',
    summary: 'Speak HTTP/2 with clients that can.',
    kind: onOff,
    default: () => true,
    defaultText: 'on',
  }),

  static: many({
    flag: '--static',
    group: 'Files',
    summary: 'Answer requests for files below the path URL from the folder DIR, without the application.',
    kind: staticMount,
    default: (): readonly StaticMount[] => [],
    defaultText: '',
  }),
  staticMaxAgeMs: one({
    flag: '--static-max-age',
    group: 'Files',
    summary: 'How long caches may keep such a file without asking again whether it has changed.',
    kind: duration(0, 10 * 365 * day),
    default: () => 0,
    defaultText: '0',
  }),

  workers: one({
    flag: '--workers',
    short: '-w',
    group: 'Pool',
    summary: 'Worker threads, or auto for one per available processor.',
    kind: workerCount(workersMax),
    default: (machine) => Math.min(machine.parallelism, workersMax),
    defaultText: '$WEB_CONCURRENCY, or auto',
    platform: { name: 'WEB_CONCURRENCY', kind: workerCount(workersMax) },
  }),
  sticky: one({
    flag: '--sticky',
    group: 'Pool',
    summary:
      'Keep the requests of a client on one worker: clients are told apart by ip, cookie:NAME, header:NAME or query:NAME.',
    kind: stickyRule,
    default: (): string | undefined => undefined,
    defaultText: '',
    needsRestart: true,
  }),
  minWorkers: one({
    flag: '--min-workers',
    group: 'Pool',
    summary: 'With --max-workers: never fewer than this many.',
    kind: integer(1, workersMax),
    default: () => 1,
    defaultText: '1',
    needsRestart: true,
  }),
  maxWorkers: one({
    flag: '--max-workers',
    group: 'Pool',
    summary: 'Add workers when they are busy or requests wait, up to this many, and let them go when idle; 0 for off.',
    kind: integer(0, workersMax),
    default: () => 0,
    defaultText: '0',
    needsRestart: true,
  }),
  ioThreads: one({
    flag: '--io-threads',
    group: 'Pool',
    summary: 'Native threads that own the connections.',
    kind: integer(1, 64),
    // One such thread feeds about eight workers.
    default: (machine) => Math.min(Math.ceil(machine.parallelism / 8), 64),
    defaultText: 'one per 8 processors',
    needsRestart: true,
  }),
  workerConnections: one({
    flag: '--worker-connections',
    group: 'Pool',
    summary: 'Requests a worker may have in flight at once.',
    kind: integer(1, 65_535),
    default: () => 1000,
    defaultText: '1000',
  }),
  requestQueue: one({
    flag: '--request-queue',
    group: 'Pool',
    summary: 'Requests that may wait for a worker; beyond that they are answered 503.',
    kind: integer(0, 1_000_000),
    default: () => 4096,
    defaultText: '4096',
    needsRestart: true,
  }),
  queueTimeoutMs: one({
    flag: '--queue-timeout',
    group: 'Pool',
    summary: 'Longest time a request waits for a worker before it is answered 503.',
    kind: duration(1, day),
    default: () => 10_000,
    defaultText: '10s',
    needsRestart: true,
  }),
  reassignAfterMs: one({
    flag: '--reassign-after',
    group: 'Pool',
    summary: 'Time after which requests that a busy worker has not begun go to another.',
    kind: duration(1, 60_000),
    default: () => 5,
    defaultText: '5ms',
    needsRestart: true,
  }),
  retryIdempotent: one({
    flag: '--retry-idempotent',
    group: 'Pool',
    summary: 'Run GET, HEAD, OPTIONS and TRACE requests once more when their worker died before anything was sent.',
    kind: onOff,
    default: () => false,
    defaultText: '',
    needsRestart: true,
  }),
  nodeArgs: many({
    flag: '--node-arg',
    group: 'Pool',
    summary: 'Argument for the Node.js of each worker, for example --node-arg "--import tsx".',
    kind: nodeArguments,
    default: (): readonly (readonly string[])[] => [],
    defaultText: '',
  }),

  maxRequests: one({
    flag: '--max-requests',
    group: 'Pool',
    summary: 'Replace a worker when it has been given this many requests; 0 for never.',
    kind: integer(0, 2 ** 31 - 1),
    default: () => 0,
    defaultText: '0',
  }),
  maxRequestsJitter: one({
    flag: '--max-requests-jitter',
    group: 'Pool',
    summary: 'Up to this many requests more, chosen for each worker, so that not all are due at once.',
    kind: integer(0, 2 ** 31 - 1),
    default: () => 0,
    defaultText: '0',
  }),
  maxWorkerMemoryBytes: one({
    flag: '--max-worker-memory',
    group: 'Pool',
    summary: 'Largest JavaScript heap of a worker; one that needs more is replaced. 0 for what Node.js allows.',
    kind: orZero(size(16 * mebibyte, 1024 * 1024 * mebibyte)),
    default: () => 0,
    defaultText: '0',
  }),
  workerLifetimeMs: one({
    flag: '--worker-lifetime',
    group: 'Pool',
    summary: 'Replace a worker when it has served this long; 0 for never.',
    kind: orZero(duration(1000, 365 * day)),
    default: () => 0,
    defaultText: '0',
  }),

  timeoutMs: one({
    flag: '--timeout',
    short: '-t',
    group: 'Time',
    summary: 'Replace a worker whose event loop has not turned for this long; 0 for never.',
    kind: orZero(duration(100, day)),
    default: () => 30_000,
    defaultText: '30s',
  }),
  bootTimeoutMs: one({
    flag: '--boot-timeout',
    group: 'Time',
    summary: 'Longest time the application may take to load.',
    kind: duration(1, day),
    default: () => 60_000,
    defaultText: '60s',
  }),
  gracefulTimeoutMs: one({
    flag: '--graceful-timeout',
    group: 'Time',
    summary: 'Time that requests in flight get to finish when a worker or the server stops.',
    kind: duration(0, day),
    default: () => 30_000,
    defaultText: '30s',
  }),
  requestTimeoutMs: one({
    flag: '--request-timeout',
    group: 'Time',
    summary:
      'Longest time from the first byte of a request to the end of its response: 504 after that. 0 for any time.',
    kind: orZero(duration(1, day)),
    default: () => 0,
    defaultText: '0',
    needsRestart: true,
  }),
  keepAliveMs: one({
    flag: '--keep-alive',
    group: 'Time',
    summary: 'Time an idle connection stays open for another request.',
    kind: duration(1, day),
    default: () => 5000,
    defaultText: '5s',
    needsRestart: true,
  }),
  headerTimeoutMs: one({
    flag: '--header-timeout',
    group: 'Time',
    summary: 'Longest time for a whole request head to arrive.',
    kind: duration(1, day),
    default: () => 30_000,
    defaultText: '30s',
    needsRestart: true,
  }),
  bodyTimeoutMs: one({
    flag: '--body-timeout',
    group: 'Time',
    summary: 'Longest pause between two pieces of a request body.',
    kind: duration(1, day),
    default: () => 30_000,
    defaultText: '30s',
    needsRestart: true,
  }),
  bodyMinRateBytes: one({
    flag: '--body-min-rate',
    group: 'Time',
    summary:
      'Least part of a request body that comes in a second, over any --body-timeout that the server waits for them; 0 for no least.',
    kind: size(0, 1024 * mebibyte),
    default: () => 500,
    defaultText: '500',
    needsRestart: true,
  }),
  writeTimeoutMs: one({
    flag: '--write-timeout',
    group: 'Time',
    summary: 'Longest time a client may take no byte of a response that waits for it; 0 for no limit.',
    kind: orZero(duration(1, day)),
    default: () => 30_000,
    defaultText: '30s',
    needsRestart: true,
  }),
  writeMinRateBytes: one({
    flag: '--write-min-rate',
    group: 'Time',
    summary:
      'Least part of a response that waits for its client that it takes in a second, over any --write-timeout; 0 for no least.',
    kind: size(0, 1024 * mebibyte),
    default: () => 240,
    defaultText: '240',
    needsRestart: true,
  }),

  limitRequestLineBytes: one({
    flag: '--limit-request-line',
    group: 'Limits',
    summary: 'Length of the request line.',
    kind: size(64, 65_536),
    default: () => 8190,
    defaultText: '8190',
    needsRestart: true,
  }),
  limitRequestFields: one({
    flag: '--limit-request-fields',
    group: 'Limits',
    summary: 'Header fields of a request.',
    kind: integer(1, 512),
    default: () => 100,
    defaultText: '100',
    needsRestart: true,
  }),
  limitRequestFieldBytes: one({
    flag: '--limit-request-field-size',
    group: 'Limits',
    summary: 'Length of one header field: name, colon and value.',
    kind: size(64, 65_536),
    default: () => 8190,
    defaultText: '8190',
    needsRestart: true,
  }),
  limitRequestBodyBytes: one({
    flag: '--limit-request-body',
    group: 'Limits',
    summary: 'Size of a request body; 0 for no limit.',
    kind: size(0, 1024 * 1024 * mebibyte),
    default: () => 0,
    defaultText: '0',
    needsRestart: true,
  }),
  maxConnections: one({
    flag: '--max-connections',
    group: 'Limits',
    summary: 'Connections open at once; further ones take the place of idle ones, or wait in the backlog.',
    kind: integer(1, 1_000_000),
    default: () => 10_000,
    defaultText: '10000',
    needsRestart: true,
  }),
  maxConnectionsPerIp: one({
    flag: '--max-connections-per-ip',
    group: 'Limits',
    summary: 'Connections that one client may have open, trusted proxies excepted; further ones are closed. 0 for any.',
    kind: integer(0, 1_000_000),
    default: () => 0,
    defaultText: '0',
    needsRestart: true,
  }),
  limitRequestRate: one({
    flag: '--limit-request-rate',
    group: 'Limits',
    summary: 'Requests a second from one client; beyond that they are answered 429. 0 for any number.',
    kind: integer(0, 100_000),
    default: () => 0,
    defaultText: '0',
    needsRestart: true,
  }),
  limitRequestBurst: one({
    flag: '--limit-request-burst',
    group: 'Limits',
    summary:
      'With --limit-request-rate: requests that a client may send at once after a pause; 0 for a second’s worth.',
    kind: integer(0, 1_000_000),
    default: () => 0,
    defaultText: '0',
    needsRestart: true,
  }),

  logLevel: one({
    flag: '--log-level',
    group: 'Logs',
    summary: 'Least important messages that are logged.',
    kind: choice(['debug', 'info', 'warn', 'error']),
    default: () => 'info' as const,
    defaultText: 'info',
  }),
  logFormat: one({
    flag: '--log-format',
    group: 'Logs',
    summary: 'Log as lines of text, or as one JSON object a line.',
    kind: choice(['text', 'json']),
    default: () => 'text' as const,
    defaultText: 'text',
  }),
  errorLogfile: one({
    flag: '--error-logfile',
    alias: '--log-file',
    group: 'Logs',
    summary: 'File for the log, opened again on USR1; - for standard error.',
    kind: logDestination,
    default: () => '-',
    defaultText: '-',
  }),
  captureOutput: one({
    flag: '--capture-output',
    group: 'Logs',
    summary:
      'Put what the application writes to standard output (info) and standard error (error) into the log, line by line.',
    kind: onOff,
    default: () => false,
    defaultText: '',
    needsRestart: true,
  }),

  accessLogfile: one({
    flag: '--access-logfile',
    group: 'Logs',
    summary: 'Log each request to this file, opened again on USR1; - for standard output.',
    kind: accessLogDestination,
    default: (): string | undefined => undefined,
    defaultText: '',
    needsRestart: true,
  }),
  accessLogformat: one({
    flag: '--access-logformat',
    group: 'Logs',
    summary: "Line of the access log in Gunicorn's notation, combined (with the seconds it took), or json.",
    kind: accessFormat,
    default: () => combinedFormat,
    defaultText: 'combined',
    needsRestart: true,
  }),
  statsdHost: one({
    flag: '--statsd-host',
    group: 'Logs',
    summary: 'Send metrics to the StatsD server at HOST:PORT (UDP), by the names that Gunicorn uses.',
    kind: udpAddress,
    default: (): UdpAddress | undefined => undefined,
    defaultText: '',
    needsRestart: true,
  }),
  statsdPrefix: one({
    flag: '--statsd-prefix',
    group: 'Logs',
    summary: 'What stands before those names.',
    kind: metricPrefix,
    default: (): string | undefined => undefined,
    defaultText: '',
    needsRestart: true,
  }),

  control: one({
    flag: '--control',
    group: 'Control',
    summary: 'Serve the control API and the dashboard on unix:PATH (mode 0600), or on HOST:PORT with --control-token.',
    kind: controlAddress,
    default: (): ControlSpec | undefined => undefined,
    defaultText: '',
    needsRestart: true,
  }),
  controlToken: one({
    flag: '--control-token',
    group: 'Control',
    summary: 'Secret that clients of a TCP --control must send; better given as HORNET_CONTROL_TOKEN.',
    kind: secretText,
    default: (): string | undefined => undefined,
    defaultText: '',
    isSecret: true,
    needsRestart: true,
  }),

  config: one({
    flag: '--config',
    short: '-c',
    group: 'Process',
    summary: 'Read settings from this file; without it, from a hornet.config.{ts,mts,mjs,cjs,js,json} in the folder.',
    kind: filePath,
    default: (): string | undefined => undefined,
    defaultText: '',
    scope: 'outside the config file',
    needsRestart: true,
  }),
  checkConfig: one({
    flag: '--check-config',
    group: 'Process',
    summary: 'Check the settings, load the application once, say whether both are well, and end.',
    kind: onOff,
    default: () => false,
    defaultText: '',
    scope: 'command line',
  }),
  printConfig: one({
    flag: '--print-config',
    group: 'Process',
    summary: 'Print every setting with its value and where it came from, and end.',
    kind: onOff,
    default: () => false,
    defaultText: '',
    scope: 'command line',
  }),
  factory: one({
    flag: '--factory',
    group: 'Process',
    summary: 'The export is a function that makes the application: call it first.',
    kind: onOff,
    default: () => false,
    defaultText: '',
  }),
  chdir: one({
    flag: '--chdir',
    group: 'Process',
    summary: 'Go to this folder before anything else; relative paths start there.',
    kind: filePath,
    default: (): string | undefined => undefined,
    defaultText: '',
    needsRestart: true,
  }),
  env: many({
    flag: '--env',
    short: '-e',
    group: 'Process',
    summary: 'Set a variable in the environment of the application.',
    kind: environmentVariable,
    default: (): readonly (readonly [name: string, value: string])[] => [],
    defaultText: '',
  }),
  guard: one({
    flag: '--guard',
    group: 'Process',
    summary: 'Keep the addresses open in a process of their own, which starts the server again when its process dies.',
    kind: onOff,
    default: () => false,
    defaultText: '',
    needsRestart: true,
  }),
  reload: one({
    flag: '--reload',
    group: 'Process',
    summary: 'Reload when a file of the application, or the config file, changes. For development.',
    kind: onOff,
    default: () => false,
    defaultText: '',
    needsRestart: true,
  }),
  reloadExtraFiles: many({
    flag: '--reload-extra-file',
    group: 'Process',
    summary: 'With --reload, watch this file or folder too.',
    kind: filePath,
    default: (): readonly string[] => [],
    defaultText: '',
    needsRestart: true,
  }),
  user: one({
    flag: '--user',
    group: 'Process',
    summary:
      'Become this user (name or number) once the addresses are open; unix sockets and log files are made its own.',
    kind: accountName,
    default: (): string | undefined => undefined,
    defaultText: '',
    needsRestart: true,
  }),
  group: one({
    flag: '--group',
    group: 'Process',
    summary: 'Become this group (name or number), in place of the one of --user.',
    kind: accountName,
    default: (): string | undefined => undefined,
    defaultText: '',
    needsRestart: true,
  }),
  pid: one({
    flag: '--pid',
    group: 'Process',
    summary: 'Write the process id to this file while the server runs.',
    kind: filePath,
    default: (): string | undefined => undefined,
    defaultText: '',
    needsRestart: true,
  }),
} as const

type SettingsTable = typeof settingsTable

export type SettingKey = keyof SettingsTable

/** All settings with their final values. Times in milliseconds, sizes in bytes. Frozen. */
export type Settings = { readonly [Key in SettingKey]: ReturnType<SettingsTable[Key]['default']> }

/** A row of the table seen without its value type, for code that treats all rows alike. */
export type AnySetting = SingleSetting<unknown> | RepeatableSetting<unknown>

export const settingEntries = Object.entries(settingsTable) as ReadonlyArray<[SettingKey, AnySetting]>

/** `--max-connections` is `HORNET_MAX_CONNECTIONS` in the environment. */
export function environmentName(flag: `--${string}`): string {
  return `HORNET_${flag.slice(2).toUpperCase().replaceAll('-', '_')}`
}

/** `--max-connections` is `maxConnections` in a config file. */
export function configName(flag: Flag): string {
  return flag.slice(2).replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())
}

// The flag's literal type names the property of a config file, so both parameters are left to be inferred: write
// `default: (): string | undefined => undefined` for a setting without a default.
function one<T, const F extends Flag>(setting: Omit<SingleSetting<T, F>, 'repeatable'>): SingleSetting<T, F> {
  return { ...setting, repeatable: false }
}

function many<T, const F extends Flag>(setting: Omit<RepeatableSetting<T, F>, 'repeatable'>): RepeatableSetting<T, F> {
  return { ...setting, repeatable: true }
}
