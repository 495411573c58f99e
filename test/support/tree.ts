/**
 * Reads the source tree, for tests about the repository itself.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './root.js'

/** What is made, not written. */
const skipped = new Set(['node_modules', '.git', 'build', 'dist', 'prebuilds'])

/** Files under `folder` (relative to the repository) whose names end as given; relative to the repository, sorted. */
export function filesUnder(folder: string, ...endings: string[]): string[] {
  const found: string[] = []
  const visit = (relative: string) => {
    for (const entry of readdirSync(join(root, relative), { withFileTypes: true })) {
      const path = relative === '' ? entry.name : `${relative}/${entry.name}`
      if (entry.isDirectory()) {
        if (!skipped.has(entry.name)) visit(path)
      } else if (endings.length === 0 || endings.some((ending) => entry.name.endsWith(ending))) found.push(path)
    }
  }
  visit(folder)
  return found.sort()
}

export function readText(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

/** Each line with its number, from 1. */
export function linesOf(path: string): [line: string, number: number][] {
  return readText(path)
    .split('\n')
    .map((line, index) => [line, index + 1])
}
