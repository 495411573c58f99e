// Makes JavaScript of the TypeScript: the package's (build.mjs, prepare.mjs), and that of the tests.
import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { buildSync } from 'esbuild'
import { root } from './addon.mjs'

/**
 * What is bundled together: modules that two entries of a group use are one part, of which a thread has one instance. The
 * main thread and a worker share none, so each loads few files. (Node takes a quarter of a millisecond per module; there
 * were ninety.)
 */
const groups = [
  ['cli'],
  ['hornetctl'],
  // For scripts/install.mjs.
  ['seam/addon'],
  // An application in a worker imports `hornet` and `hornet/http`: it must find the worker's own modules there. The loader
  // of applications is for test/support/serve-app.mjs.
  ['worker/main', 'worker/load-app', 'worker/module-graph-hooks', 'index', 'http/index'],
]

/**
 * Builds dist/: declarations by the TypeScript compiler, which checks the types, and bundles of the rest.
 *
 * @param folder The package, or a copy of it.
 * @returns {number} 0, or tsc's exit status.
 */
export function buildPackage(folder = root) {
  const status = compileTypeScript(join(folder, 'tsconfig.json'))
  if (status !== 0) return status
  const dist = join(folder, 'dist')
  const written = new Set(groups.flatMap((entries) => bundle(folder, entries)))
  // What an earlier build left must not be published, nor be found by a test.
  for (const name of readdirSync(dist, { recursive: true })) {
    if (/\.js(\.map)?$/.test(name) && !written.has(name)) rmSync(join(dist, name))
  }
  // npm marks a package's commands executable when it links them; in a clone nobody does.
  for (const command of ['cli.js', 'hornetctl.js']) chmodSync(join(dist, command), 0o755)
  // A page as it is: nothing compiles it.
  mkdirSync(join(dist, 'control'), { recursive: true })
  copyFileSync(join(folder, 'src/control/dashboard.html'), join(dist, 'control/dashboard.html'))
  return 0
}

/** Returns the files it wrote, relative to dist/. */
function bundle(folder, entries) {
  const { metafile } = buildSync({
    absWorkingDir: folder,
    entryPoints: entries.map((entry) => `src/${entry}.ts`),
    outbase: 'src',
    outdir: 'dist',
    // One folder down, like the rooms of src/: `new URL('../worker/main.js', import.meta.url)` means the same from here.
    chunkNames: 'parts/[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    sourcemap: true,
    sourcesContent: false,
    metafile: true,
    logLevel: 'warning',
  })
  return Object.keys(metafile.outputs).map((path) => relative('dist', path))
}

/** Compiles the package's modules one by one, for docs.mjs and bench/micro. Returns the folder they are in. */
export function compileModules() {
  const folder = join(root, 'build/modules')
  const args = ['--emitDeclarationOnly', 'false', '--declaration', 'false', '--outDir', folder]
  if (compileTypeScript('tsconfig.json', args) !== 0) throw new Error('the modules could not be compiled')
  return folder
}

/**
 * Runs the TypeScript compiler on one project.
 *
 * @param project A tsconfig file, relative to the package.
 * @returns {number} tsc's exit status.
 */
export function compileTypeScript(project, args = []) {
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const { status } = spawnSync(process.execPath, [tsc, '-p', resolve(root, project), ...args], {
    cwd: root,
    stdio: 'inherit',
  })
  return status ?? 1
}
