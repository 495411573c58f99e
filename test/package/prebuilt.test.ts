/**
 * Promise: the published package serves requests on a machine without compiler, with install scripts switched off,
 * from its prebuilt binary; and where there is none, installing says so in one clear line. The extended test makes the
 * binary as for a release; here the one of this clone stands in for it, under the name that one has.
 */
import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { barePath, run, Scratch, stagePackage } from '../support/package.js'
import { root } from '../support/root.js'
import { checkPrebuilt } from './check-prebuilt.js'

const isMusl = !('glibcVersionRuntime' in (process.report.getReport() as { header: object }).header)
const libc = process.platform === 'linux' ? (isMusl ? '.musl' : '.glibc') : ''

describe('package', () => {
  test('installed without scripts and without compiler, it serves from the prebuilt binary', async () => {
    await checkPrebuilt((prebuilds) => {
      const folder = join(prebuilds, `${process.platform}-${process.arch}`)
      mkdirSync(folder, { recursive: true })
      copyFileSync(join(root, 'build/Release/hornet.node'), join(folder, `hornet${libc}.node`))
    })
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
