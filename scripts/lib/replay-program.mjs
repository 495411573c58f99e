// Builds the program by which the differential fuzzer asks Hornet's parser, from native/base and the pure parts of
// native/http; optimised, as what is shipped.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './addon.mjs'

const sources = [
  'test/fuzz/differential/replay_program.cc',
  'native/http/head_parser.cc',
  'native/http/authority.cc',
  'native/http/body_decoder.cc',
]
const headerFolders = ['test/native', 'native/http', 'native/base']
const flags = ['-std=c++20', '-O2', '-fno-exceptions', '-fno-rtti', `-I${root}/native`]

/**
 * @returns {{ program?: string, error?: string }} the program's path, or why there is none.
 */
export function buildReplayProgram() {
  const folder = join(root, 'build/fuzz/differential')
  const program = join(folder, 'replay_program')
  const headers = headerFolders.flatMap((name) =>
    readdirSync(join(root, name))
      .filter((file) => file.endsWith('.h'))
      .map((file) => `${name}/${file}`),
  )
  const newestMs = Math.max(...[...sources, ...headers].map((file) => statSync(join(root, file)).mtimeMs))
  if (existsSync(program) && statSync(program).mtimeMs > newestMs) return { program }
  mkdirSync(folder, { recursive: true })
  const candidates = [process.env.CXX, 'g++', 'clang++'].filter((name) => name !== undefined && name !== '')
  const compiler = candidates.find((name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0)
  if (compiler === undefined) return { error: 'it needs a C++20 compiler: g++ or clang++ (Debian: apt install g++)' }
  const { status, stderr } = spawnSync(compiler, [...flags, ...sources, '-o', program], { cwd: root, encoding: 'utf8' })
  return status === 0 ? { program } : { error: stderr }
}
