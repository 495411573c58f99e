/**
 * Installs the package with a prebuilt binary and without scripts or compiler, and has it serve.
 */
import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startHornet } from '../support/hornet.js'
import { get } from '../support/http.js'
import { barePath, installInto, pack, run, Scratch, stagePackage } from '../support/package.js'

/** @param prebuild Fills the package's prebuilds/ folder, whose path it is given, for this platform. */
export async function checkPrebuilt(prebuild: (folder: string) => void): Promise<void> {
  using scratch = new Scratch()
  const staged = scratch.at('package')
  stagePackage(staged)
  prebuild(join(staged, 'prebuilds'))

  const PATH = barePath(scratch)
  const env = { ...process.env, PATH }
  const installed = installInto(scratch, pack(staged, scratch), { args: ['--ignore-scripts'], env })
  assert.equal(installed.status, 0, installed.output)
  const home = scratch.at('project/node_modules/hornet')
  assert.ok(!existsSync(join(home, 'build')), 'nothing was compiled')
  assert.ok(!existsSync(join(home, 'src')), 'the sources of the JavaScript stay at home')

  const app = scratch.at('project/app.mjs')
  writeFileSync(app, "export default (req, res) => res.end('hello from ' + req.url)\n")
  await using hornet = await startHornet({
    cli: scratch.at('project/node_modules/.bin/hornet'),
    app,
    args: ['--workers', '1'],
    env: { PATH },
    cwd: scratch.at('project'),
  })
  const response = await get(hornet, '/there')
  assert.equal(response.status, 200)
  assert.equal(response.text, 'hello from /there')
  assert.deepEqual(await hornet.stop(), { code: 0, signal: null })

  // With scripts switched on, the install script finds that binary and is content with it.
  const script = run(process.execPath, ['scripts/install.mjs'], { cwd: home, env })
  assert.deepEqual(script, { status: 0, output: '' })
}
