// Times the pure parts, and prints tables. `npm run bench:micro`, or `npm run bench:micro -- parser` for one of them.
//
//   npm run bench:micro                all of them, beside the figures in baseline.json
//   npm run bench:micro -- ring wake   some
//   npm run bench:micro -- --save      and makes what was measured the new baseline
//
// Native parts are timed by C++ programs (bench/micro/*_bench.cc) built with the addon's own flags; JavaScript parts by
// tinybench. A new part is one more entry of `suites`.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Bench } from 'tinybench'
import { sourcesOf } from '../../scripts/lib/native-sources.mjs'
import { compileModules } from '../../scripts/lib/typescript.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '../..')
const outFolder = join(root, 'build/bench')

/** What binding.gyp compiles the addon with, without what only a shared library needs. */
const compilerFlags = [
  '-std=c++20',
  '-O3',
  '-fno-exceptions',
  '-fno-rtti',
  '-fno-omit-frame-pointer',
  '-fstack-protector-strong',
]

const suites = {
  parser: benchParser,
  ring: benchRing,
  encoder: benchEncoder,
  objects: benchObjects,
  wake: benchWake,
}

/** What the figures are set beside: nanoseconds by the name of the case, and the machine they are of. */
const baselineFile = join(root, 'bench/micro/baseline.json')
const baseline = existsSync(baselineFile) ? JSON.parse(readFileSync(baselineFile, 'utf8')) : { machine: '', ns: {} }

/** What was measured now. */
const measured = {}

/** Two cells: the baseline of a case, and how many times that it takes now. */
function besideBaseline(name, ns) {
  measured[name] = Number(ns.toPrecision(3))
  const before = baseline.ns[name]
  return before === undefined ? ['–', '–'] : [String(before), (ns / before).toFixed(2)]
}

const baselineTitles = ['baseline', '×']

async function main(args) {
  const names = args.filter((arg) => arg !== '--save')
  const unknown = names.filter((name) => !(name in suites))
  if (unknown.length > 0) {
    console.error(`no such suite: ${unknown.join(', ')}; there are: ${Object.keys(suites).join(', ')}`)
    return 2
  }
  const machine = `${cpus()[0]?.model ?? 'unknown processor'}, Node ${process.version}, ${process.platform}-${process.arch}`
  console.log(machine)
  if (baseline.machine !== machine)
    console.log(`The baseline is of another machine or Node.js: ${baseline.machine || 'none'}`)
  for (const [name, bench] of Object.entries(suites)) {
    if (names.length === 0 || names.includes(name)) await bench()
  }
  if (args.includes('--save')) {
    // What was not measured now stays as it was, if it is of the same machine.
    const kept = baseline.machine === machine ? baseline.ns : {}
    writeFileSync(baselineFile, `${JSON.stringify({ machine, ns: { ...kept, ...measured } }, undefined, 2)}\n`)
    console.log('\nbench/micro/baseline.json has these figures now.')
  }
  return 0
}

/**
 * Compiles one native program.
 *
 * @param {string} program A file of this folder, without its `.cc`.
 * @param {string[]} more Native sources it needs, relative to the repository, and flags.
 * @returns {string} Path of the binary.
 */
function compile(program, more, ending = '') {
  const compiler = process.env.CXX ?? 'g++'
  if (spawnSync(compiler, ['--version'], { stdio: 'ignore' }).status !== 0) {
    throw new Error(`no C++ compiler ${compiler} (Debian: apt install g++)`)
  }
  mkdirSync(outFolder, { recursive: true })
  const binary = join(outFolder, program + ending)
  const files = [`bench/micro/${program}.cc`, ...more]
  execFileSync(compiler, [...compilerFlags, '-Inative', ...files, '-pthread', '-o', binary], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  return binary
}

/** Runs a program and reads its lines of JSON. */
function linesOf(command, args) {
  const output = execFileSync(command, args, { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
  return output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

/** Files of native/http, with all of native/base, whatever they use of it. */
const httpSources = (...names) => [...names.map((name) => `native/http/${name}.cc`), ...sourcesOf('base')]

const rangeOf = ({ nsMin, nsMax }) => `${nsMin.toFixed(1)}-${nsMax.toFixed(1)}`

// ---- the head parser

async function benchParser() {
  const rows = linesOf(compile('head_parser_bench', httpSources('head_parser', 'authority')), [])
  rows.push(...benchLlhttp())
  console.log('\nHead parser, 512 different heads of each kind in mixed order (median of 21 rounds, and their range)\n')
  printTable(
    ['heads', 'bytes', 'parser', 'ns per head', 'range', 'GB/s', ...baselineTitles],
    rows.map((row) => [
      row.set,
      String(row.bytes),
      row.path,
      row.ns.toFixed(1),
      rangeOf(row),
      (row.bytes / row.ns).toFixed(2),
      ...besideBaseline(`parser ${row.set} ${row.path}`, row.ns),
    ]),
  )
  await benchNodeParser()
}

/** llhttp as node has it, called from native code: see llhttp_bench.cc. None where the binary does not export it. */
function benchLlhttp() {
  const library = compile('llhttp_bench', ['-shared', '-fPIC', '-fvisibility=hidden'], '.node')
  try {
    return linesOf(process.execPath, [join(root, 'bench/micro/llhttp-bench.cjs'), library])
  } catch (error) {
    console.log(`\nllhttp is left out: this node does not export it (${error.message.split('\n')[0]})`)
    return []
  }
}

/** What node:http pays to get a head into JavaScript: llhttp, the call into the binding, and its strings. */
async function benchNodeParser() {
  const parserClass = findNodeParser()
  if (parserClass === undefined) {
    console.log('\nNode keeps its parser to itself in this version: nothing to set beside it.')
    return
  }
  const heads = JSON.parse(execFileSync(join(outFolder, 'head_parser_bench'), ['--samples'], { encoding: 'utf8' }))
  const bench = new Bench({ time: 500, warmupTime: 200 })
  for (const [set, texts] of Object.entries(heads)) {
    const buffers = texts.map((text) => Buffer.from(text, 'latin1'))
    const parser = makeNodeParser(parserClass)
    let next = 0
    bench.add(set, () => {
      const buffer = buffers[next]
      next = (next + 1) % buffers.length
      // An Error is how the binding refuses a message.
      if (typeof parser.execute(buffer) !== 'number') throw new Error(`Node refused a head of set ${set}`)
    })
  }
  await bench.run()
  console.log("\nllhttp through node's JavaScript binding, one execute() per head, its strings included\n")
  printTasks(bench, 'binding', 'heads', 1)
}

function findNodeParser() {
  try {
    // The only door to the class; Node warns of its use and may close it.
    const { HTTPParser } = process.binding('http_parser')
    return typeof HTTPParser === 'function' ? HTTPParser : undefined
  } catch {
    return undefined
  }
}

function makeNodeParser(HTTPParser) {
  const parser = new HTTPParser()
  // Nothing to attribute asynchronous work to: any object serves.
  parser.initialize(HTTPParser.REQUEST, {})
  parser[HTTPParser.kOnHeaders] = () => {}
  parser[HTTPParser.kOnHeadersComplete] = () => 0
  parser[HTTPParser.kOnBody] = () => {}
  parser[HTTPParser.kOnMessageComplete] = () => {}
  return parser
}

// ---- the ring

async function benchRing() {
  const rows = linesOf(compile('ring_bench', []), [])
  console.log('\nRing of 256 KiB, one record written and read, no wake-ups (median of 11 rounds, and their range)\n')
  printTable(
    ['threads', 'bytes', 'ns per record', 'range', ...baselineTitles],
    rows.map((row) => [
      row.threads,
      String(row.bytes),
      row.ns.toFixed(1),
      rangeOf(row),
      ...besideBaseline(`ring ${row.threads} ${row.bytes}`, row.ns),
    ]),
  )
  await benchSeam()
}

/** JavaScript's ends of the rings: `outbox.respond` with a small answer, and one record through `inbox.pump`. */
async function benchSeam() {
  const seam = join(compileModules(), 'seam')
  const [{ Inbox }, { Lane }, { Outbox }, records] = await Promise.all(
    ['inbox', 'lane', 'outbox', 'records'].map((name) => import(join(seam, `${name}.js`))),
  )
  const ringBytes = 64 * 1024
  const makeLane = () => new Lane(new SharedArrayBuffer(records.LANE_RINGS_OFFSET + 2 * ringBytes), 0, ringBytes)
  const ioControl = new Int32Array(new SharedArrayBuffer(records.IO_CONTROL_STRIDE))
  const port = { wake() {}, wakeSelf() {}, makeBlock() {}, takeBlock() {}, close() {} }
  const bench = new Bench({ time: 500, warmupTime: 200 })

  const out = makeLane()
  const outbox = new Outbox(out, ioControl, port)
  const exchange = { lane: out, index: 1, generation: 1 }
  const head = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n'
  /** Answers per task, so that the timer's own cost disappears. */
  const batch = 64
  const giveBack = () => {
    // The I/O thread's part: everything was read.
    const tail = Atomics.load(out.signed, records.LANE_CONTROL_RESPONSE_TAIL)
    Atomics.store(out.signed, records.LANE_CONTROL_RESPONSE_HEAD, tail)
  }
  for (const [name, body] of [
    ['respond, string of 13', 'Hello, World!'],
    ['respond, string of 1024', 'x'.repeat(1024)],
    ['respond, bytes of 1024', Buffer.alloc(1024, 'x')],
  ]) {
    bench.add(name, () => {
      for (let i = 0; i < batch; i++) {
        if (outbox.respond(exchange, 0, 200, head, true, body, -1) !== body.length) throw new Error('not sent')
        if ((i & 15) === 15) giveBack()
      }
    })
  }

  const inward = makeLane()
  let handled = 0
  const handler = {
    handleRequest() {
      handled++
    },
    settle() {},
  }
  const inbox = new Inbox([inward], handler)
  inbox.attach(port)
  const recordBytes = 256
  const requestAt = (i) => (records.LANE_RINGS_OFFSET + ((i * recordBytes) & (ringBytes - 1))) >>> 2
  for (let i = 0; i < ringBytes / recordBytes; i++) {
    inward.words[requestAt(i) + records.REQUEST_LENGTH] = recordBytes
    inward.words[requestAt(i) + records.REQUEST_KIND] = records.KIND_REQUEST
  }
  let written = 0
  bench.add('pump, one request', () => {
    const before = handled
    for (let i = 0; i < batch; i++) inward.words[requestAt(written++) + records.REQUEST_CLAIM] = 0
    Atomics.store(inward.signed, records.LANE_CONTROL_REQUEST_TAIL, (written * recordBytes) | 0)
    inbox.pump()
    if (handled - before !== batch) throw new Error('a request was not handled')
  })

  await bench.run()
  console.log("\nJavaScript's ends of the rings, on one thread\n")
  printTasks(bench, 'seam', 'what', batch)
}

// ---- answers and wake-ups

function benchEncoder() {
  const rows = linesOf(compile('encoder_bench', httpSources('response_encoder')), [])
  console.log('\nWhat the I/O thread writes of an answer (median of 21 rounds, and their range)\n')
  printTable(
    ['what', 'bytes', 'ns', 'range', ...baselineTitles],
    rows.map((row) => [
      row.what,
      String(row.bytes),
      row.ns.toFixed(1),
      rangeOf(row),
      ...besideBaseline(`encoder ${row.what}`, row.ns),
    ]),
  )
}

function benchWake() {
  if (spawnSync('g++', ['-E', '-include', 'uv.h', '-x', 'c++', '/dev/null'], { stdio: 'ignore' }).status !== 0) {
    console.log('\nWake-ups are left out: no libuv headers (Debian: apt install libuv1-dev)')
    return
  }
  const rows = linesOf(compile('wake_bench', ['-luv']), [])
  console.log('\nOne wake-up of a sleeping loop by another thread (median of 11 rounds of 20,000 round trips)\n')
  printTable(
    ['where', 'ns', 'range', ...baselineTitles],
    rows.map((row) => [row.what, row.ns.toFixed(0), rangeOf(row), ...besideBaseline(`wake ${row.what}`, row.ns)]),
  )
}

// ---- objects

/** `req` and `res` as an application sees them, beside Node's own classes, without a server. */
async function benchObjects() {
  const http = join(compileModules(), 'http')
  const nodeHttp = await import('node:http')
  const fields = [
    ...[
      'Host',
      'www.shop.example',
      'Connection',
      'keep-alive',
      'sec-ch-ua-mobile',
      '?0',
      'Sec-Fetch-Site',
      'same-origin',
    ],
    ...[
      'User-Agent',
      'Mozilla/5.0 (X11; Linux x86_64) Chrome/142.0.0.0 Safari/537.36',
      'Accept',
      'text/html,*/*;q=0.8',
    ],
    ...['Sec-Fetch-Mode', 'cors', 'Sec-Fetch-Dest', 'empty', 'Referer', 'https://www.shop.example/catalogue?page=3'],
    ...[
      'Accept-Encoding',
      'gzip, deflate, br',
      'Accept-Language',
      'en-GB,en;q=0.9',
      'Cookie',
      'theme=dark; sid=4f9c4f9c',
    ],
  ]
  const target = '/catalogue/garden?page=3'
  const bench = new Bench({ time: 500, warmupTime: 200 })
  const headText = fields.join('\0')
  // Node's parser makes new strings for each request, as this does.
  const makeNode = () => {
    const req = new nodeHttp.IncomingMessage(null)
    req.method = 'GET'
    req.url = target
    req._addHeaderLines(headText.split('\0'), fields.length)
    return req
  }
  // Before ours changes what Node's classes have.
  const prepared = makeNode()
  if (prepared.headers.host !== 'www.shop.example') throw new Error('Node made other headers')
  bench.add('node:http, req', () => void makeNode())
  bench.add('node:http, req and its headers', () => {
    if (makeNode().headers.host === undefined) throw new Error('no host')
  })
  await bench.run()

  const { Incoming, installIncoming } = await import(join(http, 'incoming.js'))
  installIncoming()
  // As the I/O thread writes it: the target, the fields, and addresses, here none.
  const text = [target, ...fields, ''].join('\0')
  const exchange = { text, targetLength: target.length, headerCount: fields.length / 2, flags: 0 }
  const ours = new Bench({ time: 500, warmupTime: 200 })
  const makeOurs = () => new Incoming({ ...exchange }, 0)
  const { headers, rawHeaders, url } = makeOurs()
  if (headers.host !== 'www.shop.example' || rawHeaders.length !== fields.length || url !== target) {
    throw new Error('the request is not what was sent')
  }
  ours.add('Hornet, req', () => void makeOurs())
  ours.add('Hornet, req and its headers', () => {
    if (makeOurs().headers.host === undefined) throw new Error('no host')
  })
  await ours.run()
  console.log('\nThe request object, 12 header fields\n')
  printTasks({ tasks: [...bench.tasks, ...ours.tasks] }, 'objects', 'what', 1)
}

// ---- printing

/** A table of what tinybench measured; `batch`: how many times each task does what is timed. */
function printTasks({ tasks }, suite, title, batch) {
  for (const task of tasks) if (task.result?.error !== undefined) throw task.result.error
  printTable(
    [title, 'ns', ...baselineTitles],
    tasks.map((task) => {
      // The median: a mean has every pause of the machine in it.
      const ns = (task.result.latency.p50 * 1e6) / batch
      return [task.name, ns.toFixed(0), ...besideBaseline(`${suite} ${task.name}`, ns)]
    }),
  )
}

function printTable(titles, rows) {
  const widths = titles.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i].length)))
  const line = (cells) => `| ${cells.map((cell, i) => cell.padEnd(widths[i])).join(' | ')} |`
  console.log(line(titles))
  console.log(`|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`)
  for (const row of rows) console.log(line(row))
}

process.exitCode = await main(process.argv.slice(2))
