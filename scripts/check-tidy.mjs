// Reads native/ with clang-tidy, which checks what .clang-tidy chooses; a finding fails.
//
//   npm run check:tidy                   every source, and the headers that it includes
//   npm run check:tidy -- server/ lane   those whose path holds one of the words
//
// Takes minutes: the analyzer follows paths through each function. Without clang-tidy it says so and is content.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { nodeGypEnv, root } from './lib/addon.mjs'
import { sourcesOf } from './lib/native-sources.mjs'

async function main(words) {
  const tool = process.env.CLANG_TIDY || 'clang-tidy'
  if (spawnSync(tool, ['--version'], { stdio: 'ignore' }).status !== 0) {
    console.log(`skipped: there is no ${tool} (Debian: apt install clang-tidy)`)
    return 0
  }
  const nodeHeaders = findNodeHeaders()
  const sources = readdirSync(join(root, 'native'))
    .flatMap(sourcesOf)
    .filter((source) => words.length === 0 || words.some((word) => source.includes(word)))
  // libuv's header comes with Node's. Without them only what needs neither can be read.
  const readable = sources.filter(
    (source) => nodeHeaders !== undefined || !/native\/(addon|server|net|loop|http)\//.test(source),
  )
  if (readable.length < sources.length) {
    console.log(`left out ${sources.length - readable.length} sources: the headers of this Node are not beside it`)
  }
  if (readable.length === 0) {
    console.error(`no source matches ${words.join(' ')}`)
    return 1
  }
  const apiHeaders = join(dirname(createRequire(import.meta.url).resolve('node-addon-api/package.json')))
  const flags = ['-std=c++20', '-fno-exceptions', '-fno-rtti', `-I${join(root, 'native')}`, '-isystem', apiHeaders]
  if (nodeHeaders !== undefined) flags.push('-isystem', nodeHeaders)
  flags.push('-DNAPI_VERSION=8', '-DNAPI_DISABLE_CPP_EXCEPTIONS')

  let failed = 0
  const waiting = [...readable]
  const work = async () => {
    for (let source = waiting.shift(); source !== undefined; source = waiting.shift()) {
      const { status, output } = await read(tool, source, flags)
      if (status !== 0) {
        failed += 1
        console.error(output)
      }
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, work))
  console.log(`clang-tidy: ${readable.length} sources read, ${failed} with findings`)
  return failed === 0 ? 0 : 1
}

/** Where node_api.h and uv.h are; undefined where they are not. */
function findNodeHeaders() {
  const prefix = nodeGypEnv().npm_config_nodedir
  const folder = join(prefix ?? join(dirname(process.execPath), '..'), 'include/node')
  return existsSync(join(folder, 'uv.h')) ? folder : undefined
}

function read(tool, source, flags) {
  return new Promise((resolve) => {
    const child = spawn(tool, ['--quiet', source, '--', ...flags], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8')
      stream.on('data', (text) => {
        output += text
      })
    }
    child.on('error', (error) => resolve({ status: 1, output: error.message }))
    child.on('close', (status) => resolve({ status, output }))
  })
}

process.exitCode = await main(process.argv.slice(2))
