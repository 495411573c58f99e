// Everything a merge needs, and the only thing to remember: `npm run check`.
//
//   npm run check                 generated files, format and lint, build, native unit tests, test suite
//   npm run check -- --extended   also every fuzzer for 60 s, and the extended tests
//   npm run check -- --no-tests   all but the test suite, for CI, which runs `npm test` by itself
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { root } from './lib/addon.mjs'

const { values: options } = parseArgs({
  options: { extended: { type: 'boolean', default: false }, 'no-tests': { type: 'boolean', default: false } },
})

const script = (name, ...args) => [process.execPath, join(root, 'scripts', name), ...args]
const tool = (name, ...args) => [join(root, 'node_modules/.bin', name), ...args]

const steps = [
  { title: 'generated files', command: script('gen.mjs', '--check') },
  { title: 'format and lint', command: tool('biome', 'check', '--error-on-warnings', '.') },
  { title: 'types', command: tool('tsc', '-p', 'test/tsconfig.json', '--noEmit') },
  { title: 'build', command: script('build.mjs') },
  { title: 'reference pages', command: script('docs.mjs', '--check') },
  { title: 'native unit tests', command: script('native-tests.mjs') },
]
if (options.extended) steps.push({ title: 'fuzzers', command: script('fuzz.mjs', 'all', '60') })
if (!options['no-tests']) {
  steps.push({ title: 'tests', command: script('test.mjs', ...(options.extended ? ['--extended'] : [])) })
}

const failed = []
for (const { title, command } of steps) {
  console.log(`\n== ${title}`)
  const started = performance.now()
  const { status, error } = spawnSync(command[0], command.slice(1), { cwd: root, stdio: 'inherit' })
  if (error) console.error(error.message)
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  console.log(`== ${title}: ${status === 0 ? 'ok' : 'FAILED'} in ${seconds} s`)
  if (status !== 0) failed.push(title)
}
if (failed.length > 0) console.error(`\ncheck failed: ${failed.join(', ')}`)
process.exitCode = failed.length === 0 ? 0 : 1
