/**
 * Finds the application that the command line names: `path` or `path:export`.
 */
import { readdirSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { HornetError } from '../errors.js'
import type { AppSpec } from '../protocol.js'
import { nearest } from './nearest.js'

/** Extensions that may be left out, in the order tried. */
const extensions = ['.mjs', '.cjs', '.js', '.mts', '.cts', '.ts']

/**
 * @param text As given; relative paths start at `folder`.
 * @throws HornetError `ERR_HORNET_APP_NOT_FOUND` with the nearest name in that folder.
 */
export function findApp(text: string, factory: boolean, folder: string): AppSpec {
  // The whole text first: a path may contain colons.
  const whole = findModule(resolve(folder, text))
  if (whole) return { path: whole, factory }
  const split = /^(?<path>.+):(?<exportName>[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*)$/u.exec(text)
  const path = split?.groups?.path ?? text
  const found = split && findModule(resolve(folder, path))
  if (found) return { path: found, exportName: split.groups?.exportName, factory }
  throw new HornetError('ERR_HORNET_APP_NOT_FOUND', `no such application: ${describeMissing(path, folder)}`)
}

/** The file meant by a path whose extension, or `index` and extension, may be missing. */
function findModule(path: string): string | undefined {
  if (isFile(path)) return path
  const candidates = [path, join(path, 'index')].flatMap((stem) => extensions.map((extension) => stem + extension))
  return candidates.find(isFile)
}

function describeMissing(path: string, folder: string): string {
  const absolute = resolve(folder, path)
  const parent = dirname(absolute)
  if (isFolder(absolute)) return `'${path}' is a folder without an index file (${extensions.join(', ')})`
  if (!isFolder(parent)) return `'${path}' (there is no folder '${dirname(path)}')`
  const names = readdirSync(parent)
  const name = basename(absolute)
  // What was meant may carry an extension that was left out here.
  const stems = names.map((candidate) => candidate.replace(/\.[cm]?[jt]s$/, ''))
  const match = nearest(name, names) ?? names[stems.indexOf(nearest(name, stems) ?? '')]
  return match ? `'${path}' (did you mean '${join(dirname(path), match)}'?)` : `'${path}'`
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}
