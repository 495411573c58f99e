// Runs the test suite with an addon that is built with the address and undefined-behaviour sanitizers.
//
//   npm run check:asan                   all but the extended tests, and what is left out below
//   npm run check:asan -- http/ static   words and options as of `npm test`
//
// It works in a copy of the package, build/asan/, so that neither the addon nor the tests of the clone change. The
// sanitizers' run-time library is preloaded into every process that the tests start; what it reports is collected from
// files, since the processes that find something are often ones whose output no test reads. Of leaks only those count
// whose memory our own code asked for: node itself frees little of what it holds when it exits. Before the tests, faults
// are planted, and the run is refused when one of them is not reported.
//
// Needs Linux and g++ (or CXX) with its sanitizers; installs nothing. Exit status: 0 passed, 1 a report or a failed
// test, 2 it cannot run here.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compileAddon, missingTools, root } from './lib/addon.mjs'
import { countedReports } from './lib/sanitizer-reports.mjs'
import { buildPackage, compileTypeScript } from './lib/typescript.mjs'

const copy = join(root, 'build/asan')
const reportFolder = join(copy, 'reports')

/** What is copied; everything else of the clone is made in the copy, or not needed there. */
const copied = [
  ...['.ci', 'bench', 'docs', 'examples', 'native', 'prebuilds', 'scripts', 'src', 'test'],
  ...['ARCHITECTURE.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'LICENSE', 'README.md', 'SECURITY.md'],
  ...['binding.gyp', 'biome.json', 'package-lock.json', 'package.json', 'tsconfig.json'],
]

/** Tests that say nothing under these sanitizers, or cannot: paths below test/ and why. */
const leftOut = {
  'bench/': 'measures; the figures of an instrumented addon mean nothing',
  'control/dashboard.test.ts': 'the browser does not start with a preloaded library',
  'docs/': 'reads files and starts package managers; no native code of ours',
  'fuzz/differential/': 'builds a program of its own',
  'fuzz/fuzz.extended.test.ts': 'builds programs of its own, under sanitizers where they are native',
  'hostile/memory': 'measures memory, of which the sanitizers take several times as much',
  'limits/memory': 'measures memory, of which the sanitizers take several times as much',
  'memory/': 'measures memory, of which the sanitizers take several times as much',
  'native/': 'builds programs of its own, under sanitizers',
  'package/': 'builds and installs the package, which would load without the preloaded library',
  'repo/': 'reads the sources; no native code of ours',
  'static/transfers.test.ts': 'measures memory, of which the sanitizers take several times as much',
}

/**
 * What is undefined traps, and the address sanitizer reports the trap: a second run-time library would write what it
 * finds to standard error, where no test reads it.
 */
const sanitize = ['-fsanitize=address,undefined', '-fsanitize-undefined-trap-on-error', '-fno-omit-frame-pointer']
/** After the flags of binding.gyp: -O1 keeps stacks readable, and fortified functions would hide some accesses. */
const compileFlags = [...sanitize, '-O1', '-g1', '-U_FORTIFY_SOURCE']

/** Node closes what it has loaded; then the frames of a leak would have no name. */
const linkFlags = [...sanitize, '-Wl,-z,nodelete']

/** Each is caused before the tests run, and must be reported. */
const plantedFaults = ['overflow', 'use-after-free', 'undefined', 'leak']

/** Every deadline of the tests is so many times longer. */
const deadlineFactor = '4'

function main(args) {
  if (process.platform !== 'linux') return refuse('it preloads a library the way Linux does')
  const missing = missingTools()
  if (missing.length > 0) return refuse(`it needs ${missing.join(', ')}`)
  const compiler = process.env.CXX || 'g++'
  const library = pathOf(compiler, 'libasan.so')
  if (library === undefined) {
    return refuse(`${compiler} has no libasan.so (Debian: apt install g++, which brings it with libgcc-12-dev)`)
  }
  makeCopy()
  const { ok, output } = compileAddon({ folder: copy, env: buildEnv(compiler) })
  if (!ok) {
    console.error(output)
    return 1
  }
  const built = buildPackage(copy) || compileTypeScript(join(copy, 'test/tsconfig.json'))
  if (built !== 0) return built

  const env = runEnv(library)
  const unseen = plantedFaults.filter((fault) => !isSeen(fault, compiler, env))
  if (unseen.length > 0) return refuse(`planted faults were not reported: ${unseen.join(', ')}`)
  const bare = loadAddon(process.env)
  if (bare.status === 0) return refuse('the addon is not instrumented: it loads without the preloaded library')
  const loaded = loadAddon(env)
  if (loaded.status !== 0) return refuse(`the instrumented addon does not load:\n${loaded.stderr}`)

  for (const [path, reason] of Object.entries(leftOut)) console.log(`left out: test/${path}: ${reason}`)
  const { status } = spawnSync(process.execPath, [join(copy, 'scripts/test.mjs'), ...args], {
    cwd: copy,
    env,
    stdio: 'inherit',
  })
  const reports = takeReports()
  for (const report of reports) console.error(`\n${report}`)
  console.log(`\nsanitizers: ${reports.length} ${reports.length === 1 ? 'report' : 'reports'}`)
  return status === 0 && reports.length === 0 ? 0 : 1
}

function refuse(why) {
  console.error(`check:asan cannot run here: ${why}`)
  return 2
}

function loadAddon(env) {
  const args = ['-e', 'require(process.argv[1])', join(copy, 'build/Release/hornet.node')]
  return spawnSync(process.execPath, args, { env, encoding: 'utf8' })
}

/** Whether a report comes of a library that does this when a node process loads it. */
function isSeen(fault, compiler, env) {
  const folder = join(copy, 'build/planted')
  mkdirSync(folder, { recursive: true })
  // Leaks are told apart by the name of who asked for the memory.
  const library = join(folder, 'hornet.node')
  const source = join(copy, 'scripts/lib/planted-faults.cc')
  const { status } = spawnSync(compiler, ['-shared', '-fPIC', ...compileFlags, ...linkFlags, source, '-o', library])
  if (status !== 0) return false
  const load = 'try { process.dlopen({ exports: {} }, process.argv[1]) } catch {}'
  spawnSync(process.execPath, ['-e', load, library], { env: { ...env, PLANTED_FAULT: fault }, stdio: 'ignore' })
  return takeReports().length > 0
}

/** What was reported since the last call, each with the name of its file. */
function takeReports() {
  const reports = readdirSync(reportFolder).flatMap((name) =>
    countedReports(readFileSync(join(reportFolder, name), 'utf8')).map((text) => `${name}:\n${text}`),
  )
  rmSync(reportFolder, { recursive: true })
  mkdirSync(reportFolder)
  return reports
}

/** Where the compiler has a library; undefined where it has none. */
function pathOf(compiler, library) {
  const { stdout } = spawnSync(compiler, [`-print-file-name=${library}`], { encoding: 'utf8' })
  const path = stdout?.trim() ?? ''
  return path.includes('/') && existsSync(path) ? path : undefined
}

/** Times are kept, so that only what changed is compiled again. */
function makeCopy() {
  mkdirSync(copy, { recursive: true })
  for (const name of copied) {
    rmSync(join(copy, name), { recursive: true, force: true })
    cpSync(join(root, name), join(copy, name), { recursive: true, preserveTimestamps: true })
  }
  // The flags are written here, and make does not see that they have changed.
  const release = join(copy, 'build/Release')
  const isOld = existsSync(release) && statSync(release).birthtimeMs < statSync(fileURLToPath(import.meta.url)).mtimeMs
  if (isOld) rmSync(release, { recursive: true })
  rmSync(join(copy, 'build/test-out'), { recursive: true, force: true })
  for (const name of readdirSync(join(copy, 'test'), { recursive: true })) {
    const isLeftOut = Object.keys(leftOut).some((path) => name.startsWith(path))
    if (isLeftOut && name.endsWith('.test.ts')) rmSync(join(copy, 'test', name))
  }
  if (!existsSync(join(copy, 'node_modules'))) symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  rmSync(reportFolder, { recursive: true, force: true })
  mkdirSync(reportFolder)
}

function buildEnv(compiler) {
  const more = (name, flags) => `${process.env[name] ?? ''} ${flags.join(' ')}`.trim()
  return {
    ...process.env,
    CXX: compiler,
    CXXFLAGS: more('CXXFLAGS', compileFlags),
    LDFLAGS: more('LDFLAGS', linkFlags),
  }
}

function runEnv(library) {
  const asan = {
    log_path: join(reportFolder, 'asan'),
    // An error is an abort: the exit status is that of leaks, and node's own (see below) must not change it.
    abort_on_error: 1,
    // What the kernel refuses must reach node as such, not end it.
    allocator_may_return_null: 1,
    detect_leaks: 1,
    detect_stack_use_after_return: 1,
    handle_sigill: 1,
    // Each process keeps freed memory to find who uses it; several run at once.
    quarantine_size_mb: 64,
    // With the module of each frame, by which leaks are told apart.
    stack_trace_format: '"    #%n %p %F %L %M"',
    strict_string_checks: 1,
  }
  // Node's own leaks are no fault of a test: those of our code are told apart in the reports.
  const lsan = { exitcode: 0, print_suppressions: 0 }
  const text = (options) =>
    Object.entries(options)
      .map(([name, value]) => `${name}=${value}`)
      .join(':')
  return {
    ...process.env,
    LD_PRELOAD: library,
    ASAN_OPTIONS: text(asan),
    LSAN_OPTIONS: text(lsan),
    TEST_SANITIZER: 'address',
    TEST_DEADLINE_FACTOR: process.env.TEST_DEADLINE_FACTOR ?? deadlineFactor,
  }
}

process.exitCode = main(process.argv.slice(2))
