/**
 * Promise: with --reload, a change of any file the application consists of, of the config file or of an extra file
 * reloads; one that breaks the application leaves the old one serving until it is mended.
 */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { asked } from '../support/deadline.js'
import { type Hornet, startHornet } from '../support/hornet.js'
import { get } from '../support/http.js'

const folder = mkdtempSync(join(tmpdir(), 'hornet-files-'))
after(() => rmSync(folder, { recursive: true }))
const path = (...names: string[]) => join(folder, ...names)

/** Writes until the change is seen: nobody can tell when the system has begun to watch a file. */
async function writeUntil(hornet: Hornet, pattern: RegExp, file: string, text: string): Promise<void> {
  const from = hornet.stderr.length
  const seen = hornet.waitForLog(pattern, { from })
  let isSeen = false
  void seen.then(
    () => {
      isSeen = true
    },
    () => {
      isSeen = true
    },
  )
  for (let time = 1; !isSeen; time++) {
    writeFileSync(file, `${text}${'\n'.repeat(time)}`)
    // Until a pause the watcher waits for more, but not for ever.
    for (let turn = 0; turn < 50 && !isSeen; turn++) await get(hornet)
  }
  await seen
}

/** A reload may read a file just as it is written once more, and is followed by another then. */
async function answers(hornet: Hornet, text: string): Promise<void> {
  await asked(`the answer ${text}`, async () => (await get(hornet)).text === text)
}

test('modules, however they were loaded, the config file and extra files', async () => {
  mkdirSync(path('node_modules', 'lib'), { recursive: true })
  writeFileSync(path('node_modules', 'lib', 'index.js'), `module.exports = 'lib'`)
  writeFileSync(path('a.mjs'), `export const a = 'a1'`)
  writeFileSync(path('b.cjs'), `module.exports = 'b1'`)
  writeFileSync(path('extra.txt'), 'x')
  writeFileSync(path('config.json'), '{"workers": 1}')
  const app = `
    import { createRequire } from 'node:module'
    import { readFileSync } from 'node:fs'
    import lib from 'lib'
    import { a } from './a.mjs'
    const b = createRequire(import.meta.url)('./b.cjs')
    const extra = readFileSync(new URL('extra.txt', import.meta.url), 'utf8').trim()
    export default (req, res) => res.end([a, b, extra, lib].join())`
  writeFileSync(path('app.mjs'), app)
  const args = ['--config', path('config.json'), '--reload', '--reload-extra-file', path('extra.txt')]
  await using hornet = await startHornet({ app: path('app.mjs'), args })
  assert.equal((await get(hornet)).text, 'a1,b1,x,lib')
  const reloaded = /changed\n[\s\S]*reloaded: generation/
  await writeUntil(hornet, reloaded, path('a.mjs'), `export const a = 'a2'`)
  await writeUntil(hornet, reloaded, path('b.cjs'), `module.exports = 'b2'`)
  await writeUntil(hornet, reloaded, path('extra.txt'), 'y')
  await answers(hornet, 'a2,b2,y,lib')
  await writeUntil(hornet, /workers: 1 -> 2[\s\S]*reloaded: generation/, path('config.json'), '{"workers": 2}')

  await writeUntil(hornet, /reload failed, the old workers go on/, path('a.mjs'), `export const a =`)
  await answers(hornet, 'a2,b2,y,lib')
  await writeUntil(hornet, reloaded, path('a.mjs'), `export const a = 'a3'`)
  await answers(hornet, 'a3,b2,y,lib')
})
