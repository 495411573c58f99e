/**
 * Promise: the published package serves requests on a machine without compiler, with install scripts switched off,
 * from its prebuilt binary; and where there is none, installing says so in one clear line.
 */
import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { startHornet } from '../support/hornet.js'
import { get } from '../support/http.js'
import { barePath, installInto, pack, run, Scratch, stagePackage } from '../support/package.js'
import { root } from '../support/root.js'

describe('package', () => {
  test('installed without scripts and without compiler, it serves from the prebuilt binary', async () => {
    using scratch = new Scratch()
    const staged = scratch.at('package')
    stagePackage(staged)
    const built = run(process.execPath, [join(root, 'scripts/prebuild.mjs'), '--out', join(staged, 'prebuilds')], {
      cwd: root,
    })
    assert.equal(built.status, 0, built.output)

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
  })

  test('without compiler and without prebuilt binary, installing says so in one line', () => {
    using scratch = new Scratch()
    const staged = scratch.at('package')
    stagePackage(staged)
    const { status, output } = run(process.execPath, ['scripts/install.mjs'], {
      cwd: staged,
      env: { ...process.env, PATH: barePath(scratch) },
    })
    assert.equal(status, 1)
    assert.match(
      output,
      /^hornet: there is no prebuilt binary for \S+ and this machine cannot compile one: install a C\+\+20 compiler.*, make, Python 3, then install again\n$/,
    )
  })
})
