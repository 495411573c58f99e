// Builds and runs a fuzzer.
//
//   npm run fuzz -- head_parser 60              sixty seconds of test/fuzz/head_parser_fuzz.cc
//   npm run fuzz -- head_parser 1000000x        a million runs of it
//   npm run fuzz -- differential 1000000x       a million requests, for Node's parser and ours
//   npm run fuzz -- differential 60 SEED        the same requests as another run with that seed
//   npm run fuzz -- pipeline 60                 clients that pipeline, against a server whose workers are killed
//   npm run fuzz -- calls 60                    what applications call on req and res, beside Node
//   npm run fuzz -- all 60                      each of them for sixty seconds
//
// Native targets are test/fuzz/*_fuzz.cc: libFuzzer with the address and undefined-behaviour sanitizers. They see
// native/base, native/log, native/static and the pure parts of native/http. Each starts from test/fuzz/corpus/TARGET;
// what it learns stays in build/fuzz/TARGET, and so does an input that fails. The others are programs in
// test/fuzz/FOLDER/run.ts that make their inputs up from a seed, which they print.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './lib/addon.mjs'
import { pureHttpSources, sourcesOf } from './lib/native-sources.mjs'
import { compileTypeScript } from './lib/typescript.mjs'

const fuzzFolder = join(root, 'test/fuzz')
const suffix = '_fuzz.cc'
const flags = [
  '-std=c++20',
  '-O1',
  '-g',
  '-fno-omit-frame-pointer',
  '-fsanitize=fuzzer,address,undefined',
  '-fno-sanitize-recover=all',
]

function main(args) {
  const native = readdirSync(fuzzFolder)
    .filter((name) => name.endsWith(suffix))
    .map((name) => name.slice(0, -suffix.length))
  const scripted = readdirSync(fuzzFolder).filter((name) => existsSync(join(fuzzFolder, name, 'run.ts')))
  const targets = [...native, ...scripted].sort()
  const [target, amountText = '60', seed] = args
  const amount = readAmount(amountText)
  const isKnown = target === 'all' || targets.includes(target)
  if (!isKnown || amount === undefined || args.length > 3 || !(seed === undefined || /^\d+$/.test(seed))) {
    console.error(`usage: npm run fuzz -- TARGET [SECONDS | RUNSx] [SEED]; targets: all, ${targets.join(', ')}`)
    return 2
  }
  const chosen = target === 'all' ? targets : [target]
  const compiler = process.env.CXX?.includes('clang') ? process.env.CXX : 'clang++'
  const needsClang = chosen.some((name) => native.includes(name))
  if (needsClang && spawnSync(compiler, ['--version'], { stdio: 'ignore' }).status !== 0) {
    console.error('fuzzing needs clang++ with libFuzzer (Debian: apt install clang)')
    return 1
  }
  if (chosen.some((name) => scripted.includes(name))) {
    const status = compileTypeScript('test/tsconfig.json')
    if (status !== 0) return status
  }
  for (const name of chosen) {
    const status = native.includes(name)
      ? build(name, compiler) || run(name, amount, seed)
      : runScript(name, amount, seed)
    if (status !== 0) return status
  }
  return 0
}

/** @returns {{ kind: 'seconds' | 'runs', count: number } | undefined} */
function readAmount(text) {
  const match = /^([1-9]\d*)(x?)$/.exec(text)
  return match ? { kind: match[2] === 'x' ? 'runs' : 'seconds', count: Number(match[1]) } : undefined
}

function build(target, compiler) {
  mkdirSync(outFolder(target), { recursive: true })
  const sources = [...sourcesOf('base'), ...sourcesOf('log'), ...sourcesOf('static'), ...pureHttpSources()].map(
    (source) => join(root, source),
  )
  const args = [...flags, `-I${root}/native`, join(fuzzFolder, target + suffix), ...sources, '-o', programOf(target)]
  return spawnSync(compiler, args, { stdio: 'inherit' }).status ?? 1
}

function run(target, amount, seed) {
  const learned = join(outFolder(target), 'corpus')
  const seeds = join(fuzzFolder, 'corpus', target)
  mkdirSync(learned, { recursive: true })
  const args = [
    amount.kind === 'runs' ? `-runs=${amount.count}` : `-max_total_time=${amount.count}`,
    ...(seed === undefined ? [] : [`-seed=${seed}`]),
    '-max_len=4096',
    '-timeout=10',
    '-print_final_stats=1',
    `-dict=${join(fuzzFolder, 'http.dict')}`,
    `-artifact_prefix=${outFolder(target)}/`,
    learned,
    ...(existsSync(seeds) ? [seeds] : []),
  ]
  return spawnSync(programOf(target), args, { cwd: root, stdio: 'inherit' }).status ?? 1
}

function runScript(name, amount, seed) {
  const script = join(root, 'build/test-out/test/fuzz', name, 'run.js')
  const args = [script, amount.kind, String(amount.count), ...(seed === undefined ? [] : [seed])]
  return spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' }).status ?? 1
}

function outFolder(target) {
  return join(root, 'build/fuzz', target)
}

function programOf(target) {
  return join(outFolder(target), `${target}_fuzz`)
}

process.exitCode = main(process.argv.slice(2))
