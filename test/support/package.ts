/**
 * Packs this repository as npm would publish it, and makes places to install it in.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { root } from './root.js'

interface PackageJson {
  name: string
  version: string
  files: string[]
  dependencies: Record<string, string>
  scripts: Record<string, string>
}

export function packageJson(): PackageJson {
  return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as PackageJson
}

/** A scratch folder that `Symbol.dispose` removes with all it holds. */
export class Scratch implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'hornet-package-'))

  /** Absolute path of something in it. */
  at(...names: string[]): string {
    return join(this.path, ...names)
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true })
  }
}

/**
 * Copies what package.json's `files` names, without prebuilt binaries, to `to`: the package as it is published from a
 * machine where nobody ran `npm run prebuilds`.
 */
export function stagePackage(to: string): void {
  mkdirSync(to, { recursive: true })
  for (const name of ['package.json', ...packageJson().files]) {
    if (name !== 'prebuilds' && !name.startsWith('!')) cpSync(join(root, name), join(to, name), { recursive: true })
  }
}

/** A PATH on which there is node and npm and nothing else: no compiler, no make, no Python. */
export function barePath(scratch: Scratch): string {
  const folder = scratch.at('bin')
  mkdirSync(folder, { recursive: true })
  symlinkSync(process.execPath, join(folder, 'node'))
  symlinkSync(npmCli(), join(folder, 'npm'))
  return folder
}

/** Runs a command to its end; its output in one string. */
export function run(
  command: string,
  args: string[],
  options: { cwd: string; env?: NodeJS.ProcessEnv },
): { status: number | null; output: string } {
  const { status, stdout, stderr, error } = spawnSync(command, args, { ...options, encoding: 'utf8', timeout: 120_000 })
  if (error) throw error
  return { status, output: `${stdout}${stderr}` }
}

/** `npm pack` of a staged package; gives the tarball's path. */
export function pack(folder: string, scratch: Scratch): string {
  // Without scripts: `prepare` would want the sources and development dependencies, and dist/ is built already.
  const { status, output } = run(
    process.execPath,
    [npmCli(), 'pack', '--ignore-scripts', '--pack-destination', scratch.path],
    {
      cwd: folder,
    },
  )
  if (status !== 0) throw new Error(`npm pack failed:\n${output}`)
  const { name, version } = packageJson()
  return scratch.at(`${name}-${version}.tgz`)
}

/**
 * Installs a tarball into a new, empty project, from this machine alone: the runtime dependencies come from our own
 * node_modules, so that the test asks no registry.
 *
 * @returns The npm run; the project is at `scratch.at('project')`.
 */
export function installInto(
  scratch: Scratch,
  tarball: string,
  { args = [], env }: { args?: string[]; env?: NodeJS.ProcessEnv } = {},
): { status: number | null; output: string } {
  const project = scratch.at('project')
  mkdirSync(project, { recursive: true })
  writeFileSync(join(project, 'package.json'), '{ "name": "empty", "version": "1.0.0", "private": true }\n')
  const dependencies = Object.keys(packageJson().dependencies).map((name) => join(root, 'node_modules', name))
  return run(
    process.execPath,
    [npmCli(), 'install', '--offline', '--install-links', '--no-audit', '--no-fund', ...args, ...dependencies, tarball],
    { cwd: project, env },
  )
}

/** The npm that belongs to this node, or the one that runs the tests. */
function npmCli(): string {
  const running = process.env.npm_execpath
  if (running?.endsWith('npm-cli.js')) return running
  return join(dirname(process.execPath), '../lib/node_modules/npm/bin/npm-cli.js')
}
