// Compiles and runs the tests.
//
//   npm test                       all but the extended ones (*.extended.test.ts)
//   npm test -- http/keep-alive    the files whose path holds one of the words given, extended ones too
//   npm test -- --extended         all
//   npm test -- --name PATTERN     only tests whose name matches, in the files chosen
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { parseArgs } from 'node:util'
import { root } from './lib/addon.mjs'
import { buildWhatIsStale } from './lib/stale.mjs'

/** A file that takes longer is ended and fails. The slowest one compiles the addon. */
const fileTimeoutMs = 180_000 * Number(process.env.TEST_DEADLINE_FACTOR ?? 1)

/** Where an extended one is among them: one sends a million requests. */
const extendedFileTimeoutMs = 900_000 * Number(process.env.TEST_DEADLINE_FACTOR ?? 1)

/** One more than the cores of the machines that test this: of a test's time more than half is waiting. */
const concurrency = 3

/** Files that take longest begin first, so that none is still running alone at the end. */
const longest = ['test/native/', 'test/chaos/', 'test/guard/', 'test/memory/', 'test/package/', 'test/faults/']

/** The test sources that the arguments choose, relative to the repository. */
function chooseFiles(words, extended) {
  return readdirSync(join(root, 'test'), { recursive: true })
    .map((name) => `test/${name}`)
    .filter((name) => name.endsWith('.test.ts'))
    .filter((name) => words.length === 0 || words.some((word) => name.includes(word)))
    .filter((name) => extended || words.length > 0 || !name.endsWith('.extended.test.ts'))
    .sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1))
}

function rank(name) {
  const place = longest.findIndex((prefix) => name.startsWith(prefix))
  return place === -1 ? longest.length : place
}

async function main(args) {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { extended: { type: 'boolean', default: false }, name: { type: 'string' } },
  })
  const sources = chooseFiles(positionals, values.extended)
  if (sources.length === 0) {
    console.error(`no test file matches ${positionals.join(' ')}`)
    return 1
  }
  const status = buildWhatIsStale()
  if (status !== 0) return status

  let passed = 0
  let failed = 0
  const stream = run({
    files: sources.map((name) => join(root, 'build/test-out', name.replace(/\.ts$/, '.js'))),
    concurrency,
    timeout: sources.some((name) => name.endsWith('.extended.test.ts')) ? extendedFileTimeoutMs : fileTimeoutMs,
    ...(values.name === undefined ? {} : { testNamePatterns: [new RegExp(values.name)] }),
  })
  stream.on('test:pass', ({ skip, todo }) => {
    if (skip === undefined && todo === undefined) passed += 1
  })
  stream.on('test:fail', ({ todo }) => {
    if (todo === undefined) failed += 1
  })
  const output = stream.compose(new spec())
  for await (const text of output) process.stdout.write(text)
  if (passed + failed === 0) {
    console.error('no test ran')
    return 1
  }
  return failed === 0 ? 0 : 1
}

process.exitCode = await main(process.argv.slice(2))
