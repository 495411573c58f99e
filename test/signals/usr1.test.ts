/**
 * Promise: after SIGUSR1 the log goes into a new file of its name, so that a rotated one can be compressed.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, watch } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { within } from '../support/deadline.js'
import { startHornet } from '../support/hornet.js'
import { app } from './held-request.js'

const folder = mkdtempSync(join(tmpdir(), 'hornet-usr1-'))
after(() => rmSync(folder, { recursive: true }))

/** Resolves when the file holds something that matches. */
async function holds(file: string, pattern: RegExp): Promise<void> {
  const watcher = watch(folder)
  try {
    while (!existsSync(file) || !pattern.test(readFileSync(file, 'utf8'))) {
      await within(once(watcher, 'change'), `${pattern} in ${file}`)
    }
  } finally {
    watcher.close()
  }
}

test('the log file is opened again', async () => {
  const file = join(folder, 'hornet.log')
  await using hornet = await startHornet({ app, args: ['--workers', '1', '--log-file', file] })
  await holds(file, /worker 1 ready/)
  renameSync(file, `${file}.1`)
  hornet.signal('SIGUSR1')
  await holds(file, /\[info\] log reopened\n/)
  await hornet.stop()
  assert.match(readFileSync(file, 'utf8'), /\[info\] stopped\n/)
  assert.doesNotMatch(readFileSync(`${file}.1`, 'utf8'), /stopped/)
  assert.doesNotMatch(hornet.stderr, /\[info\]/, 'nothing of it on standard error')
})
