// Builds the native addon with node-gyp, for install.mjs (on a user's machine too) and build.mjs. Node's own modules
// only: nothing but the package's runtime dependencies is there when it is installed.
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = join(dirname(fileURLToPath(import.meta.url)), '../..')

/** A clone has sources of the JavaScript too; the published package has not. */
export const isClone = existsSync(join(root, 'src'))

/** What a source build needs and this machine lacks, for one line of advice; empty when it can build. */
export function missingTools(env = process.env) {
  const wanted = [
    { name: 'a C++20 compiler (g++ 10 or clang++ 12, or newer)', commands: [env.CXX, 'g++', 'clang++', 'c++'] },
    { name: 'make', commands: [env.MAKE, 'make', 'gmake'] },
    { name: 'Python 3', commands: [env.PYTHON, env.npm_config_python, 'python3', 'python'] },
  ]
  return wanted.filter((tool) => !tool.commands.some((command) => isCommand(command, env))).map((tool) => tool.name)
}

/**
 * Compiles the addon into build/Release of a copy of the package. Only what changed is compiled again.
 *
 * @param folder The copy; default: this one.
 * @param inherit Show the compiler's output as it comes; otherwise it is kept and returned.
 * @returns {{ ok: boolean, output: string }}
 */
export function compileAddon({ folder = root, inherit = false, env = process.env } = {}) {
  const nodeGyp = findNodeGyp(env)
  if (nodeGyp === undefined) return { ok: false, output: 'node-gyp was not found (npm brings one; so does `npm ci`)\n' }
  // Not `rebuild`: it would delete build/, where compiled tests live as well, and compile what has not changed.
  const args = [nodeGyp, 'configure', 'build', '--release']
  const result = spawnSync(process.execPath, args, {
    cwd: folder,
    env: { ...nodeGypEnv(env), JOBS: env.JOBS ?? 'max' },
    stdio: inherit ? 'inherit' : ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  if (result.error) return { ok: false, output: `node-gyp could not be started: ${result.error.message}\n` }
  const output = inherit ? '' : result.stdout + result.stderr
  if (result.status !== 0) return { ok: false, output }
  // At load time a prebuilt binary goes before a local build, and this one is now older than the sources.
  rmSync(join(folder, 'prebuilds', `${process.platform}-${process.arch}`), { recursive: true, force: true })
  return { ok: true, output }
}

/**
 * The environment for node-gyp: Node's own headers, when they lie beside this node binary and are of its version, so
 * that nothing is downloaded. Whoever has set a place for them keeps it.
 */
export function nodeGypEnv(env = process.env) {
  if (env.npm_config_nodedir !== undefined || env.npm_package_config_node_gyp_nodedir !== undefined) return env
  const prefix = join(dirname(process.execPath), '..')
  try {
    const text = readFileSync(join(prefix, 'include/node/node_version.h'), 'utf8')
    const number = (name) => text.match(new RegExp(`#define NODE_${name}_VERSION (\\d+)`))?.[1]
    const version = `${number('MAJOR')}.${number('MINOR')}.${number('PATCH')}`
    return version === process.versions.node ? { ...env, npm_config_nodedir: prefix } : env
  } catch {
    return env
  }
}

/** Ours when development dependencies are installed, else the one of the package manager that runs the script. */
export function findNodeGyp(env) {
  try {
    return createRequire(join(root, 'package.json')).resolve('node-gyp/bin/node-gyp.js')
  } catch {
    return env.npm_config_node_gyp
  }
}

function isCommand(command, env) {
  if (!command) return false
  // CXX may carry arguments or a wrapper ("ccache g++"); the first word tells enough.
  const [name] = command.trim().split(/\s+/)
  const folders = name.includes('/') ? [''] : (env.PATH ?? '').split(delimiter)
  return folders.some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
