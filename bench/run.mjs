// Times Hornet among its peers over real sockets. `npm run bench`; method and figures are in bench/README.md.
//
//   npm run bench                              everything: about 6 minutes
//   npm run bench -- express hono              scenarios (or peers: hornet-1, scenario/peer) whose name holds a word
//   npm run bench -- --rounds 9 --seconds 5    more rounds, longer ones
//   npm run bench -- --write                   puts the tables into bench/README.md
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { connections, runLoad, stopLoad } from './macro/load.mjs'
import { disturbance, formatTable, shuffle } from './macro/report.mjs'
import { floorBinary, floorSource, peers, scenarios } from './macro/scenarios.mjs'
import { machineUs, Server } from './macro/server.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const readme = join(root, 'bench/README.md')
const markers = ['<!-- figures: begin, written by npm run bench -->', '<!-- figures: end -->']

/**
 * Until both are reached: the first tens of thousands of requests run in code that is not optimised yet and cost several
 * times as much, however long a slow or starved server takes over them. The last bounds it.
 */
const warmUpSecondsMin = 2
const warmUpRequestsMin = 40_000
const warmUpSecondsMax = 20

/** Of one processor. More than this taken by others, in the median run of a scenario, and its figures are not kept. */
const foreignMax = 0.1

/** What stops the benchmark and whoever runs it can mend: told in one line. */
class Refusal extends Error {
  constructor(message, exitCode = 1) {
    super(message)
    this.exitCode = exitCode
  }
}

async function main(argv) {
  const options = readOptions(argv)
  checkMachine()
  const skipped = floorIsWanted(options.plan) ? buildFloor() : undefined
  if (skipped !== undefined) {
    console.log(`The C epoll floor is left out: ${skipped}\n`)
    for (const entry of options.plan) entry.peers = entry.peers.filter((peer) => peer !== 'floor')
  }
  const pins = choosePins()
  const facts = describeRun(options, pins)
  if (skipped !== undefined) facts.push(`Left out: the C epoll floor (${skipped})`)
  console.log(`${facts.map((fact) => `- ${fact}`).join('\n')}\n`)

  const started = performance.now()
  const sections = []
  const disturbed = []
  for (const { scenario, peers: names } of options.plan.filter((entry) => entry.peers.length > 0)) {
    const rows = await measureScenario(scenario, names, options, pins)
    const others = disturbance(rows)
    if (others.median > foreignMax) disturbed.push(scenario.name)
    const note = `Others took ${percent(others.median)} of a processor (median run; at most ${percent(others.highest)}).`
    const cold = rows.filter(({ warmUpRequests }) => warmUpRequests < warmUpRequestsMin)
    const notes = [note, ...cold.map((row) => `${row.title} had only ${row.warmUpRequests} requests to warm up.`)]
    const section = `### ${scenario.title}\n\n${formatTable(rows)}\n${notes.join(' ')}\n`
    progress('')
    console.log(section)
    sections.push(section)
  }
  console.log(`Done in ${((performance.now() - started) / 1000).toFixed(0)} s.`)
  if (disturbed.length > 0) {
    const what = `others took more than ${percent(foreignMax)} of a processor in ${disturbed.join(', ')}`
    if (options.write) throw new Refusal(`${what}: nothing was written; run it on a quiet machine`)
    console.log(`Not to be relied on: ${what}.`)
  }
  if (options.write) {
    writeFigures(`${facts.map((fact) => `- ${fact}`).join('\n')}\n\n${sections.join('\n')}`)
    console.log('bench/README.md has the figures.')
  }
}

// ---- what to run, and where

function readOptions(argv) {
  const { values, positionals: words } = parse(argv)
  const rounds = positiveInteger('--rounds', values.rounds)
  const seconds = positiveInteger('--seconds', values.seconds)
  if (values.write && words.length > 0) throw new Refusal('--write wants all of the figures: leave out the names', 2)
  const isWanted = (name) => words.length === 0 || words.some((word) => name.includes(word))
  const plan = scenarios.map((scenario) => ({
    scenario,
    peers: scenario.peers.filter((peer) => isWanted(`${scenario.name}/${peer}`)),
  }))
  if (plan.every((entry) => entry.peers.length === 0)) {
    const names = scenarios.flatMap(({ name, peers }) => peers.map((peer) => `${name}/${peer}`))
    throw new Refusal(`nothing is named like ${words.join(', ')}; there are: ${names.join(' ')}`, 2)
  }
  return { rounds, seconds, plan, write: values.write, argv }
}

function parse(argv) {
  try {
    return parseArgs({
      args: argv,
      allowPositionals: true,
      options: {
        rounds: { type: 'string', default: '5' },
        seconds: { type: 'string', default: '2' },
        write: { type: 'boolean', default: false },
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

function checkMachine() {
  if (!existsSync('/proc/self/stat')) throw new Refusal('processor time is read from /proc: this needs Linux')
  if (!isInstalled('wrk')) throw new Refusal('wrk was not found; Debian and Ubuntu have it: apt install wrk')
  if (!existsSync(join(root, 'dist/cli.js'))) throw new Refusal('dist/cli.js was not found; build it: npm run build')
}

const isInstalled = (command) => spawnSync(command, ['--version'], { stdio: 'ignore' }).error === undefined

const floorIsWanted = (plan) => plan.some((entry) => entry.peers.includes('floor'))

/** Compiles the floor. Returns why not, when it cannot be. */
function buildFloor() {
  const compiler = process.env.CC ?? 'cc'
  if (!isInstalled(compiler)) return `no C compiler ${compiler} (Debian: apt install gcc)`
  mkdirSync(dirname(floorBinary), { recursive: true })
  const { status, stderr } = spawnSync(compiler, ['-O2', '-o', floorBinary, floorSource], { encoding: 'utf8' })
  return status === 0 ? undefined : `${compiler} failed: ${stderr.trim()}`
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
    text: `server on CPU ${first}, wrk on CPU ${second}`,
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

// ---- measuring

/** Servers that run now, to be stopped whatever happens. */
const running = new Set()

/**
 * All peers of a scenario run side by side for its whole length, and one at a time is under load: so each is warm, and
 * what slows the machine for a while meets all of them.
 */
async function measureScenario(scenario, names, { rounds, seconds }, pins) {
  const rows = []
  let current = ''
  try {
    for (const name of names) {
      current = name
      const { title, command } = peers[name]
      const server = new Server([...pins.server, ...command(scenario.app)])
      running.add(server)
      rows.push({ name, title, server, samples: [], peakKib: 0 })
      progress(`${scenario.name}: ${name} warms up`)
      await server.start()
      await server.check(scenario.answer, scenario.depth)
      rows.at(-1).warmUpRequests = await warmUp(server, scenario.depth, pins)
    }
    for (let round = 1; round <= rounds; round++) {
      for (const row of shuffle(rows)) {
        current = row.name
        progress(`${scenario.name}: round ${round} of ${rounds}, ${row.name}`)
        row.samples.push(await sample(row.server, scenario, seconds, pins))
      }
    }
    for (const row of rows) row.peakKib = row.server.peakKib()
    return rows
  } catch (error) {
    throw new Error(`${scenario.name}/${current}: ${error.message}`, { cause: error })
  } finally {
    await stopServers()
  }
}

/** Returns how many requests it took. */
async function warmUp(server, depth, pins) {
  let requests = 0
  for (let second = 1; second <= warmUpSecondsMax; second++) {
    requests += (await runLoad({ port: server.port, seconds: 1, depth, pin: pins.load })).requests
    if (second >= warmUpSecondsMin && requests >= warmUpRequestsMin) break
  }
  return requests
}

async function sample(server, { answer, depth }, seconds, pins) {
  const machineBefore = machineUs(pins.cpus)
  const cpuUsBefore = server.cpuUs()
  const { requests, durationUs, p50Us, p99Us } = await runLoad({ port: server.port, seconds, depth, pin: pins.load })
  const serverUs = server.cpuUs() - cpuUsBefore
  const machine = machineUs(pins.cpus)
  const ownUs = machine.ownUs - machineBefore.ownUs
  // Not cut off at 0: the kernel counts the two sides by different clocks, so a quiet machine reads a few per cent
  // either way, and anything further below says that this sum is wrong.
  const foreign = (machine.busyUs - machineBefore.busyUs - serverUs - ownUs) / durationUs
  // wrk looks at the status alone, so the rest is proven before and after.
  await server.check(answer, depth)
  return { rate: requests / (durationUs / 1e6), cpuUs: serverUs / requests, p50Us, p99Us, foreign }
}

async function stopServers() {
  const servers = [...running]
  running.clear()
  await Promise.all(servers.map((server) => server.stop()))
}

const percent = (share) => `${Math.round(share * 100)}%`

function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
}

// ---- telling

function describeRun({ rounds, seconds, argv }, pins) {
  const git = (...args) =>
    execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  const [load] = loadavg()
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  let commit = 'unknown'
  try {
    const changes = git('status', '--porcelain', '--', '.', ':!bench/README.md')
    commit = git('rev-parse', '--short=12', 'HEAD') + (changes === '' ? '' : ' and uncommitted changes')
  } catch {
    // A copy without its history can be measured as well.
  }
  const packages = ['express', 'hono', '@hono/node-server'].map((name) => `${name} ${packageVersion(name)}`)
  const memoryGib = Math.round(totalmem() / 2 ** 30)
  return [
    `Machine: ${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} processors, ${memoryGib} GiB, Linux ${release()}; load average ${load.toFixed(2)} at the start`,
    `Pinning: ${pins.text}`,
    `Versions: Hornet ${version}, Node ${process.version}, ${packages.join(', ')}, ${wrkVersion()}`,
    `Load: ${connections} connections, 1 wrk thread, ${rounds} rounds of ${seconds} s, warmed up for ${warmUpSecondsMin} s and ${warmUpRequestsMin} requests or more`,
    `Commit: ${commit}`,
    `Command: \`${['npm run bench', ...(argv.length > 0 ? ['--', ...argv] : [])].join(' ')}\` on ${new Date().toISOString().slice(0, 10)}`,
  ]
}

function packageVersion(name) {
  // Not every package exports its package.json, so it is looked for as Node looks for packages.
  const folders = createRequire(import.meta.url).resolve.paths(name) ?? []
  const file = folders.map((folder) => join(folder, name, 'package.json')).find((path) => existsSync(path))
  return file === undefined ? '(missing)' : JSON.parse(readFileSync(file, 'utf8')).version
}

function wrkVersion() {
  // It prints its version and then its usage, with status 1.
  const { stdout, stderr } = spawnSync('wrk', ['--version'], { encoding: 'utf8' })
  return /^wrk \S+/m.exec(stdout + stderr)?.[0] ?? 'wrk'
}

function writeFigures(text) {
  const page = readFileSync(readme, 'utf8')
  const [begin, end] = markers.map((marker) => page.indexOf(marker))
  if (begin < 0 || end < begin) throw new Refusal(`bench/README.md has lost its markers: ${markers.join(' ')}`)
  writeFileSync(readme, `${page.slice(0, begin)}${markers[0]}\n\n${text}\n${page.slice(end)}`)
}

for (const [signal, exitCode] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
]) {
  process.once(signal, () => {
    stopLoad()
    stopServers().finally(() => process.exit(exitCode))
  })
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  console.error(`bench: ${error.message}`)
  process.exitCode = error instanceof Refusal ? error.exitCode : 1
}
