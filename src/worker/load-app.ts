/**
 * Finds the application in the module the operator named, and makes a listener of it.
 */
import { statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { isPromise } from 'node:util/types'
import { builtins } from '../builtins.js'
import { HornetError } from '../errors.js'
import type { AppSpec } from '../protocol.js'
import { describeValue, isClass, type LoadedApp, recognise } from './app-kind.js'
import { importEntry } from './entry.js'
import { registerTsx, typeScriptAdvice } from './typescript.js'

export type { Listener, LoadedApp } from './app-kind.js'

/** Where an application is looked for when the operator named no export, in this order. */
const exportNames = ['default', 'app', 'handler', 'application', 'server']

/**
 * @param adopted Asked for the server that calls `listen()`; consulted when no export serves and the operator named
 *   none.
 * @throws HornetError ERR_HORNET_APP_NOT_FOUND: no such file. ERR_HORNET_APP_BOOT: the module, its factory or the
 *   application's own start-up failed; `cause` is what they threw and `stack` is its stack. ERR_HORNET_APP_EXPORT:
 *   nothing there can serve; the message lists what there is.
 */
export async function loadApp(
  spec: AppSpec,
  adopted?: () => LoadedApp | null | Promise<LoadedApp | null>,
): Promise<LoadedApp> {
  const path = resolveModule(spec.path)
  const module = await attempt(path, 'was loaded', async () => {
    await registerTsx(path)
    return importEntry(path)
  })
  const found = await openCandidate(path, spec, module)
  if (found !== null) return found
  const server = spec.exportName === undefined ? ((await adopted?.()) ?? null) : null
  if (server !== null) return server
  throw noAppError(path, spec, module)
}

interface Module {
  [name: string]: unknown
}

/** A value and the words for where it came from. */
interface Found {
  name: string
  value: unknown
}

async function openCandidate(path: string, spec: AppSpec, module: Module): Promise<LoadedApp | null> {
  const { exportName } = spec
  let places = exportName === undefined ? namedExports(module) : oneExport(module, exportName)
  if (spec.factory) {
    const factory = places.find(({ value }) => typeof value === 'function')
    if (factory === undefined) return null
    const call = factory.value as () => unknown
    const made = await attempt(path, `made the application (${factory.name})`, async () => call())
    // The application itself, or a module-like object that holds it.
    places = [{ name: `result of ${factory.name}`, value: made }, ...namedExports(made)]
  }
  for (const { name, value } of places) {
    // Only real promises (`export default build()`): awaiting a Fastify application would start it, as it is thenable.
    const settled = isPromise(value) ? await attempt(path, `settled its ${name}`, () => value) : value
    const candidate = recognise(settled)
    if (candidate === null) continue
    const { kind, noun } = candidate
    const opened = await attempt(path, `made the ${noun} ready`, candidate.open)
    return { kind, describe: `${name} (${noun})`, ...opened }
  }
  return null
}

/** The exports that may hold an application, in order; then those inside `module.exports`, or a default of a default. */
function namedExports(module: unknown): Found[] {
  const places: Found[] = []
  for (const name of exportNames) {
    const value = memberOf(module, name)
    if (value !== undefined) places.push({ name: nameOf(name), value })
  }
  const inner = memberOf(module, 'default')
  for (const name of exportNames) {
    const value = memberOf(inner, name)
    if (value !== undefined) places.push({ name: nameOf(name), value })
  }
  return places
}

function oneExport(module: Module, name: string): Found[] {
  const value = memberOf(module, name) ?? memberOf(module.default, name)
  return value === undefined ? [] : [{ name: nameOf(name), value }]
}

function memberOf(value: unknown, name: string): unknown {
  const isObject = (typeof value === 'object' && value !== null) || typeof value === 'function'
  // Own members only: a function has `name`s and `prototype`s that nobody exported. Safe: it has members.
  return isObject && Object.hasOwn(value, name) ? (value as Module)[name] : undefined
}

function nameOf(name: string): string {
  return name === 'default' ? 'default export' : `export "${name}"`
}

/** As `node PATH` finds it: the file itself, or with its extension added, or a folder's package.json or index.js. */
function resolveModule(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat?.isFile()) return path
  try {
    return createRequire(path).resolve(path)
  } catch (cause) {
    const what = stat?.isDirectory() ? 'is a folder without an application (no package.json "main", no index.js)' : ''
    throw new HornetError('ERR_HORNET_APP_NOT_FOUND', `${path} ${what || 'does not exist'}`, { cause })
  }
}

async function attempt<T>(path: string, what: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (cause) {
    throw bootError(path, what, cause)
  }
}

function bootError(path: string, what: string, cause: unknown): HornetError {
  const reason = cause instanceof Error ? `${cause.name}: ${cause.message}` : `it threw ${describeValue(cause)}`
  const place = locateSyntaxError(path, cause)
  const advice = typeScriptAdvice(path, cause)
  const message = [`${path} failed while it ${what}: ${reason}`, place, advice].filter((line) => line !== '').join('\n')
  const error = new HornetError('ERR_HORNET_APP_BOOT', message, { cause })
  // The application's frames are what its author needs, not ours.
  if (cause instanceof Error && cause.stack !== undefined) error.stack = cause.stack
  return error
}

/** Node keeps the place of a syntax error in an ES module from whoever catches it; its checker prints it. */
function locateSyntaxError(path: string, cause: unknown): string {
  const isPlaceless = cause instanceof SyntaxError && (cause.stack ?? '').startsWith('SyntaxError')
  if (!isPlaceless) return ''
  const { status, stderr } = builtins
    .childProcess()
    .spawnSync(process.execPath, ['--check', path], { encoding: 'utf8', timeout: 5_000 })
  return status === 1 ? stderr.split('\n').slice(0, 3).join('\n') : ''
}

function noAppError(path: string, spec: AppSpec, module: Module): HornetError {
  const lines: string[] = []
  const { exportName } = spec
  const members = { ...memberListOf(module.default), ...module }
  if (exportName === undefined) {
    lines.push(`${path} exports nothing that can serve requests.`)
  } else if (memberOf(members, exportName) === undefined) {
    lines.push(`${path} has no export "${exportName}".`)
  } else {
    lines.push(`The export "${exportName}" of ${path} cannot serve requests.`)
  }
  const found = Object.entries(members).map(([name, value]) => `  ${name}: ${describeValue(value)}`)
  lines.push(found.length === 0 ? 'It exports nothing.' : 'It exports:', ...found)
  lines.push(
    'Wanted: a function (req, res), an object with fetch(), a Koa, Fastify or Express application, or an http server,',
    `exported as ${exportNames.join(', ')} or named on the command line (path:export).`,
  )
  const candidates = exportName === undefined ? exportNames : [exportName]
  const maker = candidates.find((name) => typeof members[name] === 'function' && !isClass(members[name]))
  if (maker !== undefined && !spec.factory) {
    lines.push(`If "${maker}" is a function that makes the application, add --factory.`)
  }
  if (spec.factory) {
    lines.push(maker === undefined ? 'With --factory one of these must be a function.' : `--factory called "${maker}".`)
  }
  return new HornetError('ERR_HORNET_APP_EXPORT', lines.join('\n'))
}

/** The members of a CommonJS `module.exports`; import() shows the well-formed ones among them only. */
function memberListOf(value: unknown): Module {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}
