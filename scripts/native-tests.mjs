// Builds and runs the unit tests of native/: each test/native/*_test.cc is one program, linked with the native sources
// it needs, under sanitizers. No JavaScript engine is involved.
//
//   node scripts/native-tests.mjs           all of them
//   node scripts/native-tests.mjs ring      those whose file name contains "ring"
//
// A program is built with the address and undefined-behaviour sanitizers and linked with native/base, native/log,
// native/ring and the pure parts of native/http; a *_thread_test.cc is built with the thread sanitizer, and without
// native/http. Comments at its top may ask for more:
//
//   // links: uv loop net server http    folders of native/ (http: all of it) and libraries (uv, ssl, nghttp2)
//   // args: test/http/vectors           arguments of the program, relative to the repository
//   // defines: HORNET_LOOP_UV           macros, for the test itself and for native/loop
//
// Exit status: 0 passed, 1 failed, 77 nothing could be built because there is no C++ compiler.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { cpus } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { root } from './lib/addon.mjs'
import { pureHttpSources, sourcesOf } from './lib/native-sources.mjs'

const testFolder = join(root, 'test/native')
const deadlineMs = 120_000
const exitNoCompiler = 77

const libraries = {
  uv: { header: 'uv.h', flags: ['-luv'], package: 'libuv1-dev' },
  // By name, as in the process of Node.js: what is found there at run time need not be asked for here.
  ssl: { header: 'openssl/ssl.h', flags: ['-Wl,--no-as-needed', '-lssl', '-lcrypto'], package: 'libssl-dev' },
  nghttp2: { header: 'nghttp2/nghttp2.h', flags: ['-Wl,--no-as-needed', '-lnghttp2'], package: 'libnghttp2-dev' },
}
// Of debug information the sanitizers' stacks show lines alone.
const commonFlags = ['-std=c++20', '-g1', '-Wall', '-Wextra', '-fno-exceptions', '-fno-rtti', `-I${root}/native`]
const sanitizers = {
  address: ['-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-fno-omit-frame-pointer'],
  thread: ['-fsanitize=thread'],
}

async function main(args) {
  if (args.length > 1) {
    console.error('usage: node scripts/native-tests.mjs [name]')
    return 2
  }
  const compiler = findCompiler()
  if (compiler === undefined) {
    console.error('native tests need a C++20 compiler: g++ or clang++ (Debian: apt install g++)')
    return exitNoCompiler
  }
  const wanted = args[0] ?? ''
  const files = readdirSync(testFolder).filter((name) => name.endsWith('_test.cc') && name.includes(wanted))
  if (files.length === 0) {
    console.error(`no file test/native/*${wanted}*_test.cc`)
    return 2
  }
  const tests = files
    .sort()
    .map((file) => readTest(file, compiler))
    .filter((test) => isBuildable(test, compiler))
  if (!(await buildAll(tests, compiler))) return 1
  let failed = 0
  await onEveryCore(tests, async (test) => {
    failed += (await run(test)) ? 0 : 1
  })
  return failed === 0 ? 0 : 1
}

/** clang++ first: it takes two thirds of the time. */
function findCompiler() {
  const candidates = [process.env.CXX, 'clang++', 'g++'].filter((name) => name !== undefined && name !== '')
  return candidates.find((name) => linksSanitizers(name))
}

/** Some packages of compilers come without the sanitizers' run-time libraries. */
function linksSanitizers(compiler) {
  return Object.values(sanitizers).every((flags) => {
    const args = [...flags, '-x', 'c++', '-', '-o', '/dev/null']
    return spawnSync(compiler, args, { input: 'int main() {}\n', stdio: ['pipe', 'ignore', 'ignore'] }).status === 0
  })
}

/** What one test file asks for. */
function readTest(file, compiler) {
  const source = readFileSync(join(testFolder, file), 'utf8')
  const words = (label) =>
    (source.match(new RegExp(`^// ${label}: *(.*)$`, 'm'))?.[1] ?? '').split(/\s+/).filter(Boolean)
  const name = basename(file, '.cc')
  const links = words('links')
  const sanitizer = name.endsWith('_thread_test') ? 'thread' : 'address'
  const usual = sanitizer === 'thread' ? ['base', 'log', 'ring'] : ['base', 'log', 'ring', 'http']
  const folders = new Set([...usual, ...links.filter((link) => !(link in libraries))])
  const sources = [...folders].flatMap((folder) =>
    folder === 'http' && !links.includes('http') ? pureHttpSources() : sourcesOf(folder),
  )
  const outFolder = join(root, 'build/native', `${sanitizer}-${basename(compiler)}`)
  return {
    name,
    sanitizer,
    sources: [join('test/native', file), ...sources],
    libraries: links.filter((link) => link in libraries),
    args: words('args').map((arg) => join(root, arg)),
    defines: words('defines'),
    outFolder,
    program: join(outFolder, name),
  }
}

function isBuildable(test, compiler) {
  for (const library of test.libraries) {
    const { header, package: packageName } = libraries[library]
    const probe = spawnSync(compiler, ['-x', 'c++', '-fsyntax-only', '-'], { input: `#include <${header}>\n` })
    if (probe.status === 0) continue
    console.error(`skipped ${test.name}: it needs ${header} (Debian: apt install ${packageName})`)
    return false
  }
  return true
}

// ---- building

async function buildAll(tests, compiler) {
  const headersMs = newestHeaderMs()
  const objects = new Map()
  for (const test of tests) {
    mkdirSync(test.outFolder, { recursive: true })
    for (const source of test.sources) {
      const object = objectOf(test, source)
      // The sanitizers see as much without optimisation, which takes half the time in files that are all checks; but a
      // race shows as it does in earnest.
      const isChecks = source.startsWith('test/') && test.sanitizer === 'address'
      const defines = definesOf(test, source).map((name) => `-D${name}`)
      const flags = [...commonFlags, isChecks ? '-O0' : '-O1', ...sanitizers[test.sanitizer], ...defines]
      objects.set(object, { inputs: inputsOf(source), output: object, args: [...flags, '-c', source, '-o', object] })
    }
  }
  const stale = [...objects.values()].filter((job) => isStale(job, headersMs))
  if (!(await runJobs(compiler, stale))) return false

  const links = tests.map((test) => {
    const inputs = test.sources.map((source) => objectOf(test, source))
    const flags = test.libraries.flatMap((library) => libraries[library].flags)
    const args = [...sanitizers[test.sanitizer], ...inputs, '-pthread', ...flags, '-o', test.program]
    return { inputs, output: test.program, args }
  })
  return runJobs(
    compiler,
    links.filter((job) => isStale(job, 0)),
  )
}

function objectOf(test, source) {
  const name = source.replaceAll('/', '-').replace(/\.cc$/, '')
  return join(test.outFolder, `${[name, ...definesOf(test, source)].join('-')}.o`)
}

function definesOf(test, source) {
  return source.startsWith('test/') || source.startsWith('native/loop/') ? test.defines : []
}

/** A test may be another one, built with other macros. */
function inputsOf(source) {
  const included = readFileSync(join(root, source), 'utf8').matchAll(/^#include "(.+\.cc)"$/gm)
  return [source, ...[...included].map(([, path]) => join(dirname(source), path))]
}

/** Headers are few and small: when one changes, everything is compiled again. */
function newestHeaderMs() {
  const folders = [testFolder, ...readdirSync(join(root, 'native')).map((folder) => join(root, 'native', folder))]
  const headers = folders.flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => name.endsWith('.h'))
      .map((name) => join(folder, name)),
  )
  return Math.max(...[fileURLToPath(import.meta.url), ...headers].map((path) => statSync(path).mtimeMs))
}

function isStale(job, sinceMs) {
  if (!existsSync(job.output)) return true
  const builtMs = statSync(job.output).mtimeMs
  return builtMs < sinceMs || job.inputs.some((input) => statSync(resolve(root, input)).mtimeMs > builtMs)
}

/** Runs the compiler once per job, as many at a time as there are processors; false when one failed. */
async function runJobs(compiler, jobs) {
  let ok = true
  await onEveryCore(jobs, async (job) => {
    const { status, output } = await capture(compiler, job.args)
    if (output !== '') console.error(output)
    ok &&= status === 0
  })
  return ok
}

/** Works through the jobs in their order, as many at once as there are cores. */
async function onEveryCore(jobs, perform) {
  const waiting = [...jobs]
  const work = async () => {
    for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) await perform(job)
  }
  await Promise.all(Array.from({ length: cpus().length }, work))
}

// ---- running

async function run(test) {
  const { status, output, isLate } = await capture(test.program, test.args, deadlineMs)
  const passed = status === 0
  if (!passed) process.stdout.write(output)
  const reason = isLate ? `did not end within ${deadlineMs / 1000} s` : `ended with ${status}`
  const summary = output.trimEnd().split('\n').at(-1) ?? ''
  console.log(passed ? `ok ${test.name}: ${summary}` : `FAILED ${test.name}: ${reason}`)
  return passed
}

/** Runs a command in the repository and collects both its streams. */
function capture(command, args, timeoutMs = 0) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    let isLate = false
    const timer =
      timeoutMs === 0
        ? undefined
        : setTimeout(() => {
            isLate = true
            child.kill('SIGKILL')
          }, timeoutMs)
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8')
      stream.on('data', (text) => {
        output += text
      })
    }
    child.on('error', (error) => {
      output += `${error.message}\n`
    })
    child.on('close', (status, signal) => {
      clearTimeout(timer)
      resolve({ status: status ?? signal, output, isLate })
    })
  })
}

process.exitCode = await main(process.argv.slice(2))
