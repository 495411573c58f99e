// Builds and runs a fuzzer: libFuzzer with the address and undefined-behaviour sanitizers.
//
//   npm run fuzz -- head_parser 60     sixty seconds of test/fuzz/head_parser_fuzz.cc
//   npm run fuzz -- all 60             each of them for sixty seconds
//
// Fuzzers see native/base, native/log, native/static and the pure parts of native/http. Each starts from test/fuzz/corpus/TARGET; what it learns
// stays in build/fuzz/TARGET, and so does an input that fails.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './lib/addon.mjs'
import { pureHttpSources, sourcesOf } from './lib/native-sources.mjs'

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
  const targets = readdirSync(fuzzFolder)
    .filter((name) => name.endsWith(suffix))
    .map((name) => name.slice(0, -suffix.length))
    .sort()
  const [target, secondsText = '60'] = args
  const seconds = Number(secondsText)
  const isKnown = target === 'all' || targets.includes(target)
  if (!isKnown || !Number.isInteger(seconds) || seconds < 1 || args.length > 2) {
    console.error(`usage: npm run fuzz -- TARGET [SECONDS]; targets: all, ${targets.join(', ')}`)
    return 2
  }
  const compiler = process.env.CXX?.includes('clang') ? process.env.CXX : 'clang++'
  if (spawnSync(compiler, ['--version'], { stdio: 'ignore' }).status !== 0) {
    console.error('fuzzing needs clang++ with libFuzzer (Debian: apt install clang)')
    return 1
  }
  for (const name of target === 'all' ? targets : [target]) {
    const status = build(name, compiler) || run(name, seconds)
    if (status !== 0) return status
  }
  return 0
}

function build(target, compiler) {
  mkdirSync(outFolder(target), { recursive: true })
  const sources = [...sourcesOf('base'), ...sourcesOf('log'), ...sourcesOf('static'), ...pureHttpSources()].map(
    (source) => join(root, source),
  )
  const args = [...flags, `-I${root}/native`, join(fuzzFolder, target + suffix), ...sources, '-o', programOf(target)]
  return spawnSync(compiler, args, { stdio: 'inherit' }).status ?? 1
}

function run(target, seconds) {
  const learned = join(outFolder(target), 'corpus')
  const seeds = join(fuzzFolder, 'corpus', target)
  mkdirSync(learned, { recursive: true })
  const args = [
    `-max_total_time=${seconds}`,
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

function outFolder(target) {
  return join(root, 'build/fuzz', target)
}

function programOf(target) {
  return join(outFolder(target), `${target}_fuzz`)
}

process.exitCode = main(process.argv.slice(2))
