// Writes the reference pages that follow from a table: docs/settings.md from src/config/settings.ts, docs/errors.md from
// src/errors.ts, docs/compatibility.md from test/compat/differences.json and
// test/fuzz/calls/differences.json, docs/parser-differences.md from
// test/fuzz/differential/differences.json and test/http/probes/differences.json.
//
//   node scripts/docs.mjs           writes the pages
//   node scripts/docs.mjs --check   writes nothing; fails when a page is not what would be written
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from './lib/addon.mjs'
import { compileModules } from './lib/typescript.mjs'

const compiled = compileModules()
const load = (module) => import(pathToFileURL(join(compiled, module)).href)

async function settingsPage() {
  const { settingGroups, settingEntries, environmentName, configName } = await load('config/settings.js')
  const lines = [
    '# Settings',
    '',
    '<!-- Written by `npm run docs` from src/config/settings.ts; do not edit. -->',
    '',
    'Each setting is an option of the command, a variable in the environment and a property of a config file. What is given',
    'later in this list counts: defaults, environment, config file, `HORNET_CMD_ARGS` (options, written as on a command',
    'line), command line. A list replaces the list of an earlier one. An unknown option, an unknown property, or an unknown',
    'variable that begins with `HORNET_`, is an error that names the nearest match.',
    '',
    'In the environment the values of a repeatable setting are separated by blanks; in a config file they are an array. There',
    'durations and sizes are numbers (of seconds, of bytes) or texts with a unit, and switches are `true` or `false`. The',
    'config file is `hornet.config.ts`, `.mts`, `.mjs`, `.cjs`, `.js` or `.json` in the folder Hornet is started in (or in that',
    'of `--chdir`), or the one that `--config` names. TypeScript needs Node.js 22.18 or newer, or tsx installed beside it.',
    '',
    '```js',
    "import { defineConfig } from 'hornet'",
    '',
    'export default defineConfig({',
    "  app: 'server.js:app',",
    "  bind: ['0.0.0.0:8000', 'unix:/run/shop/shop.sock'],",
    '  workers: 4,',
    "  gracefulTimeout: '20s',",
    '  whenReady: ({ addresses }) => console.log(addresses),',
    '})',
    '```',
    '',
    'Besides settings it may have `app` (the application, when the command line names none) and hooks (see',
    '[operations.md](operations.md)). A reload reads it again; settings marked † keep their value until the process is',
    'another one, and the log says so when they were changed.',
  ]
  for (const group of settingGroups) {
    lines.push(
      '',
      `## ${group}`,
      '',
      '| option | environment | config file | default | a value must be | meaning |',
      '|---|---|---|---|---|---|',
    )
    for (const [, setting] of settingEntries) {
      if (setting.group !== group) continue
      const names = [setting.short, setting.flag, setting.alias].filter((name) => name !== undefined)
      const metavar = setting.kind.metavar ? ` ${setting.kind.metavar}` : ''
      const isAlone = setting.scope === 'command line'
      const variables = isAlone ? [] : [environmentName(setting.flag), setting.platform?.name]
      const property = setting.scope === undefined ? code(configName(setting.flag)) : ''
      lines.push(
        row([
          names.map((name) => code(`${name}${metavar}`)).join(' '),
          variables
            .filter((name) => name !== undefined)
            .map(code)
            .join(' '),
          property && setting.needsRestart ? `${property} †` : property,
          setting.defaultText ? code(setting.defaultText) : '',
          setting.kind.accepts,
          `${setting.summary}${setting.repeatable ? ' Repeatable.' : ''}`,
        ]),
      )
    }
  }
  return `${lines.join('\n')}\n`
}

async function errorsPage() {
  const { errorTable } = await load('errors.js')
  const lines = [
    '# Errors',
    '',
    '<!-- Written by `npm run docs` from src/errors.ts; do not edit. -->',
    '',
    'Errors of Hornet itself are a `HornetError` with one of these codes. When the command ends because of one, it prints',
    'one line on standard error (for an application that threw, its stack as well) and exits with the status given here.',
    '',
    '| code | exit status | meaning |',
    '|---|---|---|',
    ...Object.entries(errorTable).map(([name, { exit, summary }]) => row([code(name), String(exit), summary])),
  ]
  return `${lines.join('\n')}\n`
}

function compatibilityPage() {
  const calls = JSON.parse(readFileSync(join(root, 'test/fuzz/calls/differences.json'), 'utf8'))
  const differences = JSON.parse(readFileSync(join(root, 'test/compat/differences.json'), 'utf8'))
  const lines = [
    '# Compatibility',
    '',
    '<!-- Written by `npm run docs` from test/compat/differences.json and test/fuzz/calls/differences.json; do not edit. -->',
    '',
    '`hornet/http` is `node:http` with its server half on the native core, in the thread that imports it:',
    '',
    '```js',
    "import http from 'hornet/http' // or: const http = require('hornet/http')",
    '```',
    '',
    'is the only change a program needs. Workers of a pool serve their requests with the same code.',
    '',
    "What a program could notice is written down as checks, from Node's documentation: the files in `test/compat/checks`.",
    'Each is a function of the module under test, and all of them run twice: on `node:http`, and on `hornet/http`. Where',
    'versions of Node differ among themselves, the Node that runs is asked, so that `hornet/http` does as that one does.',
    'To see it: `npm test -- compat/`.',
    '',
    '## Differences',
    '',
    'These checks find something else on `hornet/http`. A difference that is not in this list fails the tests, and so does',
    'a row of it that holds no more.',
    '',
    '| area | check | why it differs |',
    '|---|---|---|',
    ...differences.map(({ check, reason, until }) => {
      const [area, ...name] = check.split(': ')
      return row([area, name.join(': '), until === undefined ? reason : `${reason} (Before Node ${until}.)`])
    }),
    '',
    '## Calls in any order',
    '',
    'A fuzzer draws what applications do with `req` and `res`, right and wrong, in any order, with bodies of all kinds and',
    'clients that pipeline, send late, or leave. Each such plan is played on `node:http`, on a pool and on `hornet/http`. The',
    'client must get the same bytes, and the application must see the same events, errors and states in the same order, but',
    'for these differences (`test/fuzz/calls/differences.json`, with a plan that shows each).',
    '',
    '```sh',
    'npm run fuzz -- calls 60         # for a minute',
    'npm run fuzz -- calls 60 SEED    # the plans of that seed',
    '```',
    '',
    '| difference | why | what is not compared for it |',
    '|---|---|---|',
    ...calls.map(({ what, reason, scope }) => row([what, reason, scope])),
  ]
  return `${lines.join('\n')}\n`
}

function parserPage() {
  const differences = JSON.parse(readFileSync(join(root, 'test/fuzz/differential/differences.json'), 'utf8'))
  const answers = JSON.parse(readFileSync(join(root, 'test/http/probes/differences.json'), 'utf8'))
  const lines = [
    '# The parser beside Node\u2019s',
    '',
    '<!-- Written by `npm run docs` from test/fuzz/differential/differences.json and test/http/probes/differences.json; -->',
    '<!-- do not edit. -->',
    '',
    'Requests are parsed by the native core, and Node has a parser of its own (llhttp, behind `node:http`). Where two',
    'parsers disagree about what a request is or where it ends, requests can be smuggled past a proxy. So the two are',
    'compared: the differential fuzzer makes up streams of requests, right ones, odd ones and broken ones, cut into pieces',
    'anywhere, and gives each to both. Each must see the same requests: methods, targets, versions, fields, bodies, trailers,',
    'and the same end of the connection.',
    '',
    '```sh',
    'npm run fuzz -- differential 60          # for a minute',
    'npm run fuzz -- differential 1000000x    # a million requests',
    '```',
    '',
    'Hornet may be stricter than Node where it has a reason; these are all the cases. It is never looser: a request, an end',
    'of a body or an open connection that Node would not give is a failure of the test, and so is a difference that is not',
    'listed here. The example of each row is tested too.',
    '',
    '| Hornet | an example | why |',
    '|---|---|---|',
    ...differences.map(({ id, example, reason }) => row([id.replaceAll('_', ' '), code(example), reason])),
    '',
    '## Answers',
    '',
    'The same by what the client gets: of the probes of [refusals](../test/http/refusals.test.ts), which asks both in one run,',
    'these are answered otherwise. *served*: Node’s application gets a request. Node’s answers are those of the oldest version',
    'that Hornet runs on; later ones may refuse what that one serves. A probe answered otherwise that is not listed here fails',
    'the test, and so does one that is listed and is not.',
    '',
    '| the client sends | Hornet | Node | why |',
    '|---|---|---|---|',
    ...answers.map(({ probe, hornet, node, reason }) => {
      const isAbove = reason.startsWith('refuses ')
      if (isAbove && !differences.some(({ id }) => id === reason)) throw new Error(`no such difference: ${reason}`)
      return row([probe, String(hornet), `${node}`, isAbove ? `*${reason.replaceAll('_', ' ')}*, above` : reason])
    }),
    '',
    'In the pool that is the last word: what is refused never reaches JavaScript. `hornet/http` hands what the native core',
    'refuses to Node\u2019s own parser, so that a program sees what it would see with `node:http` ([http-module.md](http-module.md)).',
  ]
  return `${lines.join('\n')}\n`
}

async function doctorPage() {
  const { findingTable } = await load('master/findings.js')
  const lines = [
    '# hornet doctor',
    '',
    '<!-- Written by `npm run docs` from src/master/findings.ts; do not edit. -->',
    '',
    'Will an application run well in worker threads? `hornet doctor` loads it as a start would, in two workers at the same',
    'time, listens nowhere, and reports in three groups: what works, what to look at, what will not work. It takes every',
    'option of `hornet`, and uses them: `--workers`, `--factory`, `--env`, `--node-arg`, `--sticky`, the config file.',
    '',
    '```sh',
    'hornet doctor -w 4 server.js            # for a person',
    'hornet doctor --json -w 4 server.js     # an array of {level, code, message, advice}',
    '```',
    '',
    'The report goes to standard output; what the application writes meanwhile, to standard error. The exit status is 0 when',
    'nothing is in the last group, 1 otherwise, and 3 when the application cannot be loaded. A call that threw is found even',
    'when the application caught the error.',
    '',
    'It sees what happens while the application is loaded and in the tenth of a second after, not what requests would do.',
    'Loading has its usual effects: the application connects to its database. Intervals that packages start, and those of',
    '`node:timers/promises`, are not reported, nor are ES modules of express-session, Socket.IO and prom-client (they come as',
    'CommonJS). A file that is itself called `doctor` is started as `hornet ./doctor`.',
    '',
    'What the application can do instead is in [workers.md](workers.md).',
    '',
    '| code | level | meaning |',
    '|---|---|---|',
    ...Object.entries(findingTable).map(([name, { level, summary }]) => row([code(name), level, summary])),
  ]
  return `${lines.join('\n')}\n`
}

function row(cells) {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
}

function code(text) {
  return `\`${text}\``
}

async function main(args) {
  const check = args.includes('--check')
  if (args.some((arg) => arg !== '--check')) {
    console.error('usage: node scripts/docs.mjs [--check]')
    return 2
  }
  const pages = {
    'docs/settings.md': await settingsPage(),
    'docs/errors.md': await errorsPage(),
    'docs/compatibility.md': compatibilityPage(),
    'docs/doctor.md': await doctorPage(),
    'docs/parser-differences.md': parserPage(),
  }
  let stale = 0
  for (const [file, text] of Object.entries(pages)) {
    const path = join(root, file)
    if (existsSync(path) && readFileSync(path, 'utf8') === text) continue
    stale += 1
    if (check) {
      console.error(`${file} is not what the tables say: run \`npm run docs\` and commit it`)
      continue
    }
    writeFileSync(path, text)
    console.log(`wrote ${file}`)
  }
  return check && stale > 0 ? 1 : 0
}

process.exitCode = await main(process.argv.slice(2))
