// Runs the TypeScript compiler of this package, for prepare.mjs, build.mjs, test.mjs and check.mjs.
import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './addon.mjs'

/** What a package needs besides compiled sources. */
function finish() {
  if (!existsSync(join(root, 'dist/cli.js'))) return
  // npm marks a package's commands executable when it links them; in a clone nobody does.
  for (const command of ['cli.js', 'hornetctl.js']) chmodSync(join(root, 'dist', command), 0o755)
  // A page as it is: nothing compiles it.
  copyFileSync(join(root, 'src/control/dashboard.html'), join(root, 'dist/control/dashboard.html'))
}

/**
 * Compiles one project.
 *
 * @param project A tsconfig file, relative to the package.
 * @returns {number} tsc's exit status.
 */
export function compileTypeScript(project, args = []) {
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const { status } = spawnSync(process.execPath, [tsc, '-p', project, ...args], { cwd: root, stdio: 'inherit' })
  if (status === 0) finish()
  return status ?? 1
}
