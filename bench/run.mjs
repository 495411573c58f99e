// Times Hornet among its peers over real sockets. `npm run bench`; method and figures are in bench/README.md.
//
//   npm run bench                              the default set: a quarter of an hour at most
//   npm run bench -- --prepare                 only installs the peers
//   npm run bench -- --all                     every scenario with every peer: an hour at most
//   npm run bench -- express hono              scenarios (or peers: hornet-1, scenario/peer) whose name holds a word
//   npm run bench -- --list                    what there is, and what each would take
//   npm run bench -- --rounds 9 --seconds 5    more rounds, longer ones
//   npm run bench -- --node 24 express         servers run on another Node.js
//   npm run bench -- --report                  writes bench/report.md, its charts, and the charts of docs/benchmarks.md
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { writeMarkedPart } from '../scripts/lib/marked-part.mjs'
import { missingFor } from './macro/load.mjs'
import {
  estimateSeconds,
  measureScenario,
  removeLogs,
  stopAll,
  warmUpRequestsMin,
  warmUpSecondsMin,
} from './macro/measure.mjs'
import { nodeBinary, peers, peerVersions } from './macro/peers.mjs'
import { foreignMax, formatAims, formatLosses, formatReport, formatSection } from './macro/report.mjs'
import { scenarios } from './macro/scenarios.mjs'
import { disturbance } from './macro/statistics.mjs'

const folder = dirname(fileURLToPath(import.meta.url))
const root = join(folder, '..')
const scratch = join(root, 'build/bench')
const resultsFile = join(scratch, 'results.json')
const guide = join(root, 'docs/benchmarks.md')

/** What stops the benchmark and whoever runs it can mend: told in one line. */
class Refusal extends Error {
  constructor(message, exitCode = 1) {
    super(message)
    this.exitCode = exitCode
  }
}

async function main(argv) {
  const started = performance.now()
  const options = readOptions(argv)
  if (options.from !== undefined) {
    await writeReport(JSON.parse(readFileSync(options.from, 'utf8')), options.out)
    return
  }
  if (options.list) {
    list(options)
    return
  }
  checkMachine()
  mkdirSync(scratch, { recursive: true })
  if (options.install) installPeers()
  if (options.prepare) return
  const missing = leaveOutMissing(options)
  const pins = choosePins()
  const results = { ...describeRun(options, pins), leftOut: [...options.leftOut, ...missing], scenarios: [] }
  console.log(
    `${[...results.facts, ...results.leftOut.map((what) => `Left out: ${what}`)].map((line) => `- ${line}`).join('\n')}\n`,
  )

  const fits = (scenario, names) =>
    estimateSeconds(scenario, names, options) < options.budgetSeconds - (performance.now() - started) / 1000
  for (const { scenario, names } of options.plan) {
    if (!fits(scenario, names)) {
      results.leftOut.push(`${scenario.title}: it would not have ended within --budget ${options.budget}`)
      continue
    }
    const context = { ...options, node: nodeOf(scenario, options), pins, progress }
    const result = { name: scenario.name, rows: await measureScenario(scenario, names, context), earlier: [] }
    // Once more, for all of them: a timeout may be the machine's doing. What happened is told all the same.
    const failed = result.rows.filter(({ failure }) => failure !== undefined)
    if (failed.length > 0 && fits(scenario, names)) {
      result.earlier = failed.map(({ title, failure }) => ({ title, failure }))
      result.rows = await measureScenario(scenario, names, context)
    }
    results.scenarios.push(result)
    // Kept as it grows: a run that is cut off can still be told of (--from).
    writeFileSync(resultsFile, JSON.stringify(results))
    progress('')
    console.log(formatSection(result))
  }
  removeLogs(scratch)
  summarise(results)
  console.log(`Done in ${((performance.now() - started) / 1000).toFixed(0)} s.`)
  if (options.report) await writeReport(results, options.out)
}

function summarise(results) {
  const aims = formatAims(results)
  if (aims !== '') console.log(`What we aim at\n\n${aims}`)
  console.log(`Where Hornet is behind\n\n${formatLosses(results)}`)
  for (const what of results.leftOut) console.log(`Left out: ${what}`)
  for (const { name, rows } of results.scenarios) {
    if ((disturbance(rows)?.median ?? 0) > foreignMax)
      console.log(`Not to be relied on: ${name}, others took the processor.`)
    for (const row of rows) {
      if (row.failure === undefined) continue
      console.error(`bench: ${name}/${row.name}: ${row.failure}`)
      process.exitCode = 1
    }
  }
}

// ---- what to run, and where

function readOptions(argv) {
  const { values, positionals: words } = parse(argv)
  const { all, budget, from, install, list, node, out, prepare, report, uws } = values
  if (report && words.length > 0 && out === folder) {
    throw new Refusal('--report wants all of the figures: leave out the names, or say --out FOLDER', 2)
  }
  const plan = scenarios.map((scenario) => {
    const every = [...scenario.peers, ...scenario.more]
    if (words.length > 0)
      return { scenario, names: every.filter((peer) => words.some((word) => isNamed(word, scenario, peer))) }
    if (all) return { scenario, names: every }
    return { scenario, names: scenario.isExtra ? [] : scenario.peers }
  })
  if (plan.every(({ names }) => names.length === 0)) {
    const names = scenarios.flatMap((scenario) =>
      [...scenario.peers, ...scenario.more].map((peer) => `${scenario.name}/${peer}`),
    )
    throw new Refusal(`nothing is named like ${words.join(', ')}; there are: ${names.join(' ')}`, 2)
  }
  const leftOut = all || words.length > 0 ? [] : leftToAll(plan)
  return {
    rounds: positiveInteger('--rounds', values.rounds),
    seconds: positiveInteger('--seconds', values.seconds),
    plan: plan.filter(({ names }) => names.length > 0),
    leftOut,
    ...{ budget: budget ?? (all ? '60m' : '15m'), budgetSeconds: minutes('--budget', budget ?? (all ? '60m' : '15m')) },
    ...{ argv, from, install, list, node, out, prepare, report, uws },
  }
}

/** A word that is the name of a scenario means that one; any other, all that hold it. */
function isNamed(word, { name }, peer) {
  return scenarios.some((scenario) => scenario.name === word) ? name === word : `${name}/${peer}`.includes(word)
}

/** What only --all measures. */
function leftToAll(plan) {
  const extra = plan.filter(({ scenario }) => scenario.isExtra).map(({ scenario }) => scenario.name)
  const more = plan.filter(({ scenario }) => !scenario.isExtra && scenario.more.length > 0)
  const fewer = more.map(
    ({ scenario }) => `${scenario.name} with ${scenario.more.map((name) => peers[name].title).join(', ')}`,
  )
  return [`what takes \`--all\`: ${[...extra, ...fewer].join('; ')}`]
}

function parse(argv) {
  try {
    return parseArgs({
      args: argv,
      allowPositionals: true,
      allowNegative: true,
      options: {
        all: { type: 'boolean', default: false },
        budget: { type: 'string' },
        from: { type: 'string' },
        install: { type: 'boolean', default: true },
        list: { type: 'boolean', default: false },
        node: { type: 'string' },
        prepare: { type: 'boolean', default: false },
        out: { type: 'string', default: folder },
        report: { type: 'boolean', default: false },
        rounds: { type: 'string', default: '5' },
        seconds: { type: 'string', default: '1' },
        uws: { type: 'string' },
      },
    })
  } catch (error) {
    throw new Refusal(error.message, 2)
  }
}

function positiveInteger(flag, text) {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new Refusal(`${flag} wants a number from 1, not ${text}`, 2)
  return Number(text)
}

function minutes(flag, text) {
  const number = /^([1-9]\d{0,3})m$/.exec(text)?.[1]
  if (number === undefined) throw new Refusal(`${flag} wants minutes, such as 15m, not ${text}`, 2)
  return Number(number) * 60
}

function list(options) {
  let seconds = 0
  for (const { scenario, names } of options.plan) {
    // What is in no registry takes no time of who has not got it.
    const timed = names.filter((name) => name !== 'uws' || options.uws !== undefined)
    const own = estimateSeconds(scenario, timed, options)
    seconds += own
    console.log(`${scenario.name.padEnd(20)} ${`${Math.ceil(own)} s`.padStart(6)}  ${names.join(' ')}`)
  }
  console.log(`\nabout ${Math.ceil(seconds / 60)} minutes, besides installing the peers`)
  for (const what of options.leftOut) console.log(`Left out: ${what}`)
}

function checkMachine() {
  if (!existsSync('/proc/self/stat')) throw new Refusal('processor time is read from /proc: this needs Linux')
  if (!isInstalled('wrk')) throw new Refusal('wrk was not found; Debian and Ubuntu have it: apt install wrk')
  if (!existsSync(join(root, 'dist/cli.js'))) throw new Refusal('dist/cli.js was not found; build it: npm run build')
}

const isInstalled = (command) => spawnSync(command, ['--version'], { stdio: 'ignore' }).error === undefined

/**
 * Installs the peers into bench/node_modules, when they are not there as the lock file has them. None of their install
 * scripts is run: the binaries of Bun, Deno and other Node.js versions are packages of their own.
 */
function installPeers() {
  const lock = createHash('sha256')
    .update(readFileSync(join(folder, 'package-lock.json')))
    .digest('hex')
  const stamp = join(folder, 'node_modules/.installed')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return
  console.log('Installing the peers into bench/node_modules …')
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  const { status } = spawnSync('npm', args, { cwd: folder, stdio: ['ignore', 'inherit', 'inherit'], timeout: 600_000 })
  if (status !== 0) throw new Refusal('npm ci failed in bench/; --no-install goes on with what is there')
  writeFileSync(stamp, lock)
}

/** Takes out of the plan what cannot be measured here. Returns what that is, and why. */
function leaveOutMissing(options) {
  const leftOut = []
  const wanted = new Set(options.plan.flatMap(({ names }) => names))
  for (const name of wanted) {
    const why = peers[name].missing?.(options)
    if (why === undefined) continue
    leftOut.push(`${peers[name].title}: ${why}`)
    for (const entry of options.plan) entry.names = entry.names.filter((each) => each !== name)
  }
  for (const entry of options.plan) {
    const { title, load } = entry.scenario
    const why = nodeOf(entry.scenario, options) === undefined ? 'that Node.js is not installed' : missingFor(load)
    if (why === undefined) continue
    leftOut.push(`${title}: ${why}`)
    entry.names = []
  }
  options.plan = options.plan.filter(({ names }) => names.length > 0)
  return leftOut
}

/** The Node.js that servers of a scenario run on. */
function nodeOf(scenario, { node }) {
  const version = scenario.node ?? node
  return version === undefined ? process.execPath : nodeBinary(version)
}

/** The server gets one processor and the load another, so that neither takes time from the other. */
function choosePins() {
  const [first, second] = allowedCpus()
  if (second === undefined) return { server: [], load: [], cpus: [], text: 'not pinned: there is only one processor' }
  if (!isInstalled('taskset'))
    return { server: [], load: [], cpus: [], text: 'not pinned: no taskset (Debian: util-linux)' }
  return {
    server: ['taskset', '-c', `${first}`],
    load: ['taskset', '-c', `${second}`],
    cpus: [first, second],
    text: `server on CPU ${first}, load on CPU ${second}`,
  }
}

/** Numbers of the processors this process may use: a container may have been given others than the first. */
function allowedCpus() {
  const list = /^Cpus_allowed_list:\s+(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'
  return list.split(',').flatMap((range) => {
    const [from, to = from] = range.split('-').map(Number)
    return Array.from({ length: to - from + 1 }, (_, i) => from + i)
  })
}

// ---- telling

function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
}

function describeRun({ rounds, seconds, argv, node }, pins) {
  const git = (...args) =>
    execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  const [load] = loadavg()
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  let commit = 'unknown'
  try {
    const changes = git(
      'status',
      '--porcelain',
      '--',
      '.',
      ':!bench/report.md',
      ':!bench/report',
      ':!docs/benchmarks.md',
    )
    commit = git('rev-parse', '--short=12', 'HEAD') + (changes === '' ? '' : ' and uncommitted changes')
  } catch {
    // A copy without its history can be measured as well.
  }
  const versionOnNode = (binary) => execFileSync(binary, ['--version'], { encoding: 'utf8' }).trim()
  const nodeVersion = node === undefined ? process.version : versionOnNode(nodeBinary(node))
  const memoryGib = Math.round(totalmem() / 2 ** 30)
  return {
    nodeMajor: /\d+/.exec(nodeVersion)[0],
    facts: [
      `Machine: ${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} processors, ${memoryGib} GiB, Linux ${release()}; load average ${load.toFixed(2)} at the start`,
      `Pinning: ${pins.text}`,
      `Versions: Hornet ${version}, Node ${nodeVersion}, ${[...peerVersions(), ...loadVersions()].join(', ')}`,
      `Load: 64 connections where the table does not say otherwise, ${rounds} rounds of ${seconds} s, warmed up for ${warmUpSecondsMin} s and ${warmUpRequestsMin} requests or more`,
      `Commit: ${commit}`,
      `Command: \`${['npm run bench', ...(argv.length > 0 ? ['--', ...argv] : [])].join(' ')}\` on ${new Date().toISOString().slice(0, 10)}`,
    ],
  }
}

/** wrk prints its version and then its usage, with status 1; h2load may not be there. */
function loadVersions() {
  return ['wrk', 'h2load'].flatMap((name) => {
    const { stdout, stderr } = spawnSync(name, ['--version'], { encoding: 'utf8' })
    return new RegExp(`^${name} \\S+`, 'm').exec(`${stdout}${stderr}`)?.[0] ?? (name === 'wrk' ? [name] : [])
  })
}

/** Writes report.md and its charts into a folder; when that is ours, the charts of docs/benchmarks.md as well. */
async function writeReport(results, out) {
  // Here and not at the top: figures can be taken without the packages that draw them.
  const { chartsOf, draw } = await import('./macro/charts.mjs')
  const images = join(out, 'report')
  rmSync(images, { recursive: true, force: true })
  mkdirSync(images, { recursive: true })
  const charts = []
  for (const { name, title, spec } of chartsOf(results)) {
    writeFileSync(join(images, `${name}.svg`), await draw(spec))
    charts.push({ file: `report/${name}.svg`, title })
  }
  writeFileSync(join(out, 'report.md'), formatReport(results, charts))
  if (out === folder) writeGuide(results, charts)
  console.log(`${relative(process.cwd(), join(out, 'report.md'))} has the figures.`)
}

function writeGuide({ facts }, charts) {
  const machine = facts.find((fact) => fact.startsWith('Machine: ')).slice('Machine: '.length)
  const images = charts.map(({ file, title }) => `![${title}](../bench/${file})`)
  const text = [`Measured on ${machine.replace(/; load average.*/, '')}.`, ...images].join('\n\n')
  writeMarkedPart(guide, 'charts', text)
}

for (const [signal, exitCode] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
]) {
  process.once(signal, () => {
    stopAll().finally(() => process.exit(exitCode))
  })
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  console.error(`bench: ${error.message}`)
  process.exitCode = error instanceof Refusal ? error.exitCode : 1
}
