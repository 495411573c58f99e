/**
 * Promise: of what the sanitizers write, `npm run check:asan` counts every error, and the leaks of our own code. That it
 * sees faults at all it shows itself, with planted ones, before each run.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { root } from '../support/root.js'

const script = pathToFileURL(join(root, 'scripts/lib/sanitizer-reports.mjs')).href
const { countedReports } = (await import(script)) as { countedReports(text: string): string[] }

const line = '================================================================='
const overflow = `${line}
==7==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x604000000071 at pc 0x7f
WRITE of size 1 at 0x604000000071 thread T0
    #0 0x7f01 in node::Start(int, char**) (node+0xc45d94)
`
const leak = (kind: string, ...frames: string[]) => `${kind} leak of 33 byte(s) in 1 object(s) allocated from:
    #0 0x7f01 in operator new[](unsigned long) asan_new_delete.cpp:98 (libasan.so+0xb9628)
${frames.map((frame, index) => `    #${index + 1} 0x7f0${index} ${frame}`).join('\n')}
`
const ours = 'in hornet::DuplicateFd ../native/addon/addon.cc:39 (hornet.node+0x6240)'
const nodes = 'in node::Start(int, char**) (node+0xc45d94)'
const leaks = (...blocks: string[]) =>
  `\n${line}\n==7==ERROR: LeakSanitizer: detected memory leaks\n\n${blocks.join('\n')}\nSUMMARY: AddressSanitizer: 66 byte(s)\n`

test('an error counts wherever it is, an empty file does not', () => {
  assert.deepEqual(countedReports(overflow), [overflow])
  assert.deepEqual(countedReports('\n'), [])
})

test('a leak counts when our code asked for the memory, though it was called by others, or calls them', () => {
  assert.equal(countedReports(leaks(leak('Direct', ours, nodes))).length, 1)
  assert.equal(
    countedReports(leaks(leak('Direct', nodes), leak('Indirect', ours, nodes), leak('Direct', ours))).length,
    2,
  )
  assert.deepEqual(countedReports(leaks(leak('Direct', nodes, ours), leak('Indirect', nodes))), [])
})

test('an error beside leaks counts too', () => {
  assert.equal(countedReports(overflow + leaks(leak('Direct', nodes))).length, 1)
})

test('that the leak checker itself failed is no report', () => {
  assert.deepEqual(countedReports('Tracer caught signal 11\n==7==LeakSanitizer has encountered a fatal error.\n'), [])
})
