/**
 * Finds and reads a config file: `hornet.config.{ts,mts,mjs,cjs,js,json}`. What its values mean is for load.ts.
 */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, extname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { inspect } from 'node:util'
import { HornetError } from '../errors.js'

export interface ConfigFile {
  /** Absolute. */
  path: string
  /** What it exports, unchecked. */
  content: Readonly<Record<string, unknown>>
}

export const configExtensions = ['.ts', '.mts', '.mjs', '.cjs', '.js', '.json']

/**
 * @param given As the operator wrote it; undefined: the one in `folder`, if there is one.
 * @throws HornetError `ERR_HORNET_CONFIG` when it does not exist, or when there are several to choose from.
 */
export function findConfigFile(given: string | undefined, folder: string): string | undefined {
  if (given !== undefined) {
    const path = resolve(folder, given)
    if (statSync(path, { throwIfNoEntry: false })?.isFile()) return path
    throw new HornetError('ERR_HORNET_CONFIG', `there is no config file '${given}'`)
  }
  const names = configExtensions.map((extension) => `hornet.config${extension}`)
  const found = names.filter((name) => existsSync(join(folder, name)))
  if (found.length > 1) {
    throw new HornetError('ERR_HORNET_CONFIG', `there are ${found.join(' and ')}: name the one you mean with --config`)
  }
  return found.length === 1 ? join(folder, found[0]) : undefined
}

/**
 * Reads the file anew, however often it was read before. Modules that it imports are read once a process.
 *
 * @throws HornetError `ERR_HORNET_CONFIG` when it cannot be read, throws, takes longer than `timeoutMs` or exports no
 *   object; `cause` is what it threw.
 */
export async function readConfigFile(path: string, timeoutMs: number): Promise<ConfigFile> {
  const exported = extname(path) === '.json' ? readJson(path) : await withDeadline(evaluate(path), path, timeoutMs)
  if (typeof exported !== 'object' || exported === null || Array.isArray(exported)) {
    const what = exported === undefined ? 'exports nothing by default' : `exports ${inspect(exported, { depth: 0 })}`
    throw new HornetError('ERR_HORNET_CONFIG', `${path} ${what}: it must be an object of settings`)
  }
  return { path, content: exported as Record<string, unknown> } // an object, by the lines above
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (cause) {
    throw unreadable(path, cause)
  }
}

async function evaluate(path: string): Promise<unknown> {
  try {
    const module = await importAnew(path)
    // A promise may be exported; and what tools make of `export default` for CommonJS has a default of its own.
    const exported = await module.default
    return isObject(exported) && '__esModule' in exported && 'default' in exported ? await exported.default : exported
  } catch (cause) {
    throw cause instanceof HornetError ? cause : unreadable(path, cause)
  }
}

async function importAnew(path: string): Promise<{ default?: unknown }> {
  const url = pathToFileURL(path).href
  if (/ts$/.test(extname(path)) && !runsTypeScript()) return importWithTsx(path, url)
  // CommonJS is kept by file name, ES modules by URL. An unchanged file keeps its URL: reloads leave nothing behind.
  delete createRequire(path).cache[path]
  const { mtimeMs, size } = statSync(path)
  return import(`${url}?read=${mtimeMs}-${size}`)
}

/** Whether this Node strips types, by itself or because it was started with a loader for them. */
function runsTypeScript(): boolean {
  const { features } = process as { features: { typescript?: string | false } } // not yet in the types of Node 20
  return Boolean(features.typescript)
}

async function importWithTsx(path: string, url: string): Promise<{ default?: unknown }> {
  const fromConfig = createRequire(path)
  let entry: string
  try {
    // By hand: require.resolve() finds what CommonJS gets, and only an import from that folder would find the other.
    const manifestPath = fromConfig.resolve('tsx/package.json')
    entry = join(dirname(manifestPath), fromConfig(manifestPath).exports['./esm/api'].import.default)
  } catch (cause) {
    const remedy = 'install tsx beside it, use Node 22.18 or newer, or write it in JavaScript (hornet.config.mjs)'
    throw new HornetError('ERR_HORNET_CONFIG', `${path}: Node ${process.versions.node} runs no TypeScript: ${remedy}`, {
      cause,
    })
  }
  const { tsImport } = (await import(pathToFileURL(entry).href)) as {
    tsImport: (specifier: string, parentUrl: string) => Promise<{ default?: unknown }>
  }
  return tsImport(url, url)
}

async function withDeadline<T>(promise: Promise<T>, path: string, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const error = new HornetError('ERR_HORNET_CONFIG', `${path} did not end within ${timeoutMs / 1000} s`)
    timer = setTimeout(() => reject(error), timeoutMs)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

function unreadable(path: string, cause: unknown): HornetError {
  const reason = cause instanceof Error ? `${cause.name}: ${cause.message}` : `it threw ${inspect(cause)}`
  return new HornetError('ERR_HORNET_CONFIG', `cannot read ${path}: ${reason}`, { cause })
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
