// Runs the TypeScript compiler of this package, for prepare.mjs, build.mjs, test.mjs and check.mjs.
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './addon.mjs'

/**
 * Compiles one project.
 *
 * @param project A tsconfig file, relative to the package.
 * @returns {number} tsc's exit status.
 */
export function compileTypeScript(project, args = []) {
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const { status } = spawnSync(process.execPath, [tsc, '-p', project, ...args], { cwd: root, stdio: 'inherit' })
  // npm marks a package's commands executable when it links them; in a clone nobody does.
  const command = join(root, 'dist/cli.js')
  if (status === 0 && existsSync(command)) chmodSync(command, 0o755)
  return status ?? 1
}
