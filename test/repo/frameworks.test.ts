/**
 * Promise: docs/frameworks.md names what test/frameworks runs, in the versions that are installed.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { root } from '../support/root.js'
import { filesUnder, readText } from '../support/tree.js'

/** What another row stands for: clients, peers, and plugins of a framework that its row names. */
const companions =
  /^(@fastify|@koa|@nestjs|@hono)\/|^(@opentelemetry\/(api|sdk-trace-node)|graphql|koa-compress|reflect-metadata|rxjs|socket\.io-client)$/

const ownRow = ['@nestjs/core']

interface Manifest {
  name: string
  version: string
}

/** The packages that the applications and tests import, by their own name and version: two may share a name. */
function importedPackages(): Manifest[] {
  const folders = new Set<string>()
  for (const file of filesUnder('test/frameworks', '.mjs', '.cjs', '.ts')) {
    const text = readText(file)
    for (const [, specifier = ''] of text.matchAll(/(?:\bfrom |\brequire\(|^import )'([^'.][^']*)'/gm)) {
      if (/^node:|^hornet\b/.test(specifier)) continue
      const [scope = '', name = ''] = specifier.split('/')
      folders.add(scope.startsWith('@') ? `${scope}/${name}` : scope)
    }
  }
  return [...folders]
    .filter((folder) => ownRow.includes(folder) || !companions.test(folder))
    .map((folder) => JSON.parse(readFileSync(join(root, 'node_modules', folder, 'package.json'), 'utf8')))
}

test('the table of docs/frameworks.md is what is tested', () => {
  const rows = [...readText('docs/frameworks.md').matchAll(/^\| \[?`([^`]+)`[^|]* \| ([^ |]+) \|/gm)]
  const listed = rows.map(([, name, version]) => `${name} ${version}`)
  const imported = importedPackages().map(({ name, version }) => `${name} ${version}`)
  assert.deepEqual(listed.sort(), imported.sort())
})
