// Times the pure parts, and prints tables. `npm run bench:micro`, or `npm run bench:micro -- parser` for one of them.
//
// Native parts are timed by C++ programs (bench/micro/*_bench.cc) built with the addon's own flags; JavaScript parts by
// tinybench. A new part is one more entry of `suites`.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { cpus } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Bench } from 'tinybench'

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
}

async function main(names) {
  const unknown = names.filter((name) => !(name in suites))
  if (unknown.length > 0) {
    console.error(`no such suite: ${unknown.join(', ')}; there are: ${Object.keys(suites).join(', ')}`)
    return 2
  }
  console.log(
    `${cpus()[0]?.model ?? 'unknown processor'}, Node ${process.version}, ${process.platform}-${process.arch}`,
  )
  for (const [name, bench] of Object.entries(suites)) {
    if (names.length === 0 || names.includes(name)) await bench()
  }
  return 0
}

/**
 * Compiles one native program, runs it, and reads its lines of JSON.
 *
 * @param {string} program A file of this folder, without its `.cc`.
 * @param {string[]} sources Native sources it needs, relative to the repository.
 * @returns {Record<string, unknown>[]}
 */
function runNative(program, sources, args = []) {
  const compiler = process.env.CXX ?? 'g++'
  if (spawnSync(compiler, ['--version'], { stdio: 'ignore' }).status !== 0) {
    throw new Error(`no C++ compiler ${compiler} (Debian: apt install g++)`)
  }
  mkdirSync(outFolder, { recursive: true })
  const binary = join(outFolder, program)
  const files = [`bench/micro/${program}.cc`, ...sources]
  execFileSync(compiler, [...compilerFlags, '-Inative', ...files, '-pthread', '-o', binary], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const output = execFileSync(binary, args, { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
  return output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

// ---- the head parser

async function benchParser() {
  const sources = ['native/http/head_parser.cc', 'native/http/authority.cc']
  const rows = runNative('head_parser_bench', sources)
  console.log('\nHead parser, 512 different heads of each kind in mixed order (median of 21 rounds, and their range)\n')
  printTable(
    ['heads', 'bytes', 'path', 'ns per head', 'range', 'GB/s'],
    rows.map(({ set, path, bytes, ns, nsMin, nsMax }) => [
      set,
      String(bytes),
      path,
      ns.toFixed(1),
      `${nsMin.toFixed(1)}-${nsMax.toFixed(1)}`,
      (bytes / ns).toFixed(2),
    ]),
  )
  await benchNodeParser()
}

/**
 * Node's llhttp is inside the node binary and is reached only through its JavaScript binding, so this is not a
 * comparison of two parsers: it is what node:http pays to get a head into JavaScript, the call and its strings included.
 */
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
  for (const task of bench.tasks) if (task.result?.error !== undefined) throw task.result.error
  console.log(
    "\nFor scale, not a comparison of parsers: llhttp through node's JavaScript binding, one execute() per head\n",
  )
  printTable(
    ['heads', 'ns per head'],
    bench.tasks.map((task) => [task.name, (task.result.latency.mean * 1e6).toFixed(0)]),
  )
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
  const rows = runNative('ring_bench', [])
  console.log('\nRing of 256 KiB, one record written and read, no wake-ups (median of 11 rounds, and their range)\n')
  printTable(
    ['threads', 'bytes', 'ns per record', 'range'],
    rows.map(({ threads, bytes, ns, nsMin, nsMax }) => [
      threads,
      String(bytes),
      ns.toFixed(1),
      `${nsMin.toFixed(1)}-${nsMax.toFixed(1)}`,
    ]),
  )
  await benchSeam()
}

/** JavaScript's ends of the rings: `outbox.respond` with a small answer, and one record through `inbox.pump`. */
async function benchSeam() {
  const seam = join(root, 'dist/seam')
  if (!existsSync(seam)) {
    console.log("\nJavaScript's ends of the rings are timed after `npm run build`.")
    return
  }
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
  for (const task of bench.tasks) if (task.result?.error !== undefined) throw task.result.error
  console.log("\nJavaScript's ends of the rings, on one thread\n")
  printTable(
    ['what', 'ns'],
    bench.tasks.map((task) => [task.name, ((task.result.latency.mean * 1e6) / batch).toFixed(0)]),
  )
}

// ---- printing

function printTable(titles, rows) {
  const widths = titles.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i].length)))
  const line = (cells) => `| ${cells.map((cell, i) => cell.padEnd(widths[i])).join(' | ')} |`
  console.log(line(titles))
  console.log(`|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`)
  for (const row of rows) console.log(line(row))
}

process.exitCode = await main(process.argv.slice(2))
