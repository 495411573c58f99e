/**
 * Promise: a program that writes a part of a page changes that part, and leaves a page without a place for it as it is.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { root } from '../support/root.js'

const script = pathToFileURL(join(root, 'scripts/lib/marked-part.mjs')).href
const { writeMarkedPart }: { writeMarkedPart(page: string, name: string, text: string): void } = await import(script)
const folder = mkdtempSync(join(tmpdir(), 'hornet-marked-'))
after(() => rmSync(folder, { recursive: true }))
const page = join(folder, 'page.md')

test('what lies between the lines is replaced, and nothing else', () => {
  const other = '<!-- other: begin -->\n\nkept\n\n<!-- other: end -->\n'
  const begin = '<!-- part: begin, written by npm run something -- --write -->'
  writeFileSync(page, `before\n${other}${begin}\nold\n<!-- part: end -->\nafter\n`)
  const written = (text: string) => `before\n${other}${begin}\n\n${text}\n\n<!-- part: end -->\nafter\n`
  for (const text of ['new', '\n$& new again\n']) {
    writeMarkedPart(page, 'part', text)
    assert.equal(readFileSync(page, 'utf8'), written(text.trim()))
  }
})

test('a page without the lines, or with them the other way round', () => {
  for (const text of ['', '<!-- part: begin -->\n', '<!-- part: end -->\n<!-- part: begin -->\n']) {
    writeFileSync(page, text)
    assert.throws(() => writeMarkedPart(page, 'part', 'new'), /page\.md lacks the lines <!-- part: begin --> and/)
    assert.equal(readFileSync(page, 'utf8'), text)
  }
})
