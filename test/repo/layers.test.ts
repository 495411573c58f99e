/**
 * Promise: rooms import only the rooms below them. The tables here are the picture in ARCHITECTURE.md; an import that
 * does not fit is a design question, and is answered there first.
 */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { describe, test } from 'node:test'
import { root } from '../support/root.js'
import { filesUnder, linesOf } from '../support/tree.js'

/** Native rooms and the rooms they may include, besides themselves. A file name stands for that file alone. */
const nativeRooms: Record<string, string[]> = {
  base: [],
  log: ['base'],
  static: ['base'],
  loop: ['base'],
  net: ['base', 'loop'],
  tls: ['base'],
  ring: ['base'],
  // Of the ring http knows the words (what a request or response is flagged with), not how records lie in it.
  http: ['base', 'log', 'loop', 'net', 'tls', 'ring/records.h'],
  http2: ['base', 'loop', 'net', 'tls', 'http', 'ring/records.h'],
  server: ['base', 'log', 'static', 'loop', 'net', 'tls', 'http', 'http2', 'ring'],
  // fingerprint.h is generated from records.h and is the same knowledge.
  addon: ['server', 'base/check.h', 'base/output_stream.h', 'ring/records.h', 'ring/fingerprint.h'],
}

/** The pure parts of http see base and each other, so that they are fuzzed and timed without a socket. */
const pureParts = [
  'access_format',
  'authority',
  'forwarded',
  'head_parser',
  'proxy_header',
  'body_decoder',
  'response_encoder',
  'response_framing',
  'response_reader',
  'sticky',
]

/** System headers that only some rooms may see. */
const restrictedHeaders: [header: RegExp, rooms: string[]][] = [
  [/^(napi|node_api|node|v8)\.h$/, ['addon']],
  [/^uv\.h$/, ['loop', 'net', 'tls', 'http', 'server', 'addon']],
]

/** TypeScript rooms; a file right in src/ is a room of its own. */
const sideRoom = ['builtins', 'errors', 'protocol']
const scriptRooms: Record<string, string[]> = {
  builtins: [],
  errors: [],
  protocol: [],
  version: [],
  config: sideRoom,
  control: sideRoom,
  metrics: sideRoom,
  log: sideRoom,
  seam: ['errors'],
  http: ['builtins', 'errors', 'protocol', 'seam'],
  fetch: ['errors', 'protocol', 'seam', 'http'],
  worker: ['builtins', 'errors', 'protocol', 'seam', 'http', 'fetch', 'config', 'log', 'metrics'],
  // Of the seam the master sees what it binds listeners with; the record layout is the worker's business.
  master: ['builtins', 'errors', 'protocol', 'version', 'config', 'control', 'log', 'metrics', 'seam/addon'],
  cli: ['errors', 'protocol', 'version', 'config', 'control', 'log', 'metrics', 'master', 'worker', 'seam/addon'],
  hornetctl: ['errors', 'version', 'config', 'control'],
  index: ['errors', 'protocol', 'version', 'config', 'control', 'log', 'metrics', 'master', 'worker', 'http', 'fetch'],
}

describe('native layers', () => {
  const files = filesUnder('native', '.h', '.cc')

  test('every file is in a known room', () => {
    const lost = files.filter((file) => !((file.split('/')[1] ?? '') in nativeRooms))
    assert.deepEqual(lost, [])
  })

  test('every include points down', () => {
    const faults: string[] = []
    for (const file of files) {
      const [, room = '', name = ''] = file.split('/')
      for (const [line, number] of linesOf(file)) {
        const include = /^\s*#\s*include\s+"([^"]+)"/.exec(line)?.[1]
        if (include === undefined) continue
        const fault = includeFault(room, name, include)
        if (fault !== undefined) faults.push(`${file}:${number}: ${include}: ${fault}`)
      }
    }
    assert.deepEqual(faults, [])
  })

  test('only addon sees JavaScript, and the rooms below the loop no libuv', () => {
    const faults: string[] = []
    for (const file of files) {
      const room = file.split('/')[1] ?? ''
      for (const [line, number] of linesOf(file)) {
        const header = /^\s*#\s*include\s+[<"]([^>"]+)[>"]/.exec(line)?.[1] ?? ''
        for (const [pattern, rooms] of restrictedHeaders) {
          if (pattern.test(header) && !rooms.includes(room)) faults.push(`${file}:${number}: ${header}`)
        }
      }
    }
    assert.deepEqual(faults, [])
  })
})

function includeFault(room: string, name: string, include: string): string | undefined {
  const [target = '', file = ''] = include.split('/')
  if (!existsSync(join(root, 'native', include))) return 'no such file under native/'
  const stem = (file || name).replace(/\.(h|cc)$/, '')
  if (room === 'http' && pureParts.includes(name.replace(/\.(h|cc)$/, ''))) {
    return target === 'base' || (target === 'http' && pureParts.includes(stem))
      ? undefined
      : 'a pure part sees base alone'
  }
  if (target === room || nativeRooms[room]?.includes(target) || nativeRooms[room]?.includes(include)) return undefined
  return `${room} may not see ${target}`
}

describe('TypeScript layers', () => {
  const files = filesUnder('src', '.ts')

  test('every file is in a known room', () => {
    const lost = files.filter((file) => !(roomOf(file) in scriptRooms))
    assert.deepEqual(lost, [])
  })

  test('every import points down', () => {
    const faults: string[] = []
    for (const file of files) {
      const room = roomOf(file)
      for (const [line, number] of linesOf(file)) {
        for (const specifier of specifiers(line)) {
          if (!specifier.startsWith('.')) continue
          const target = posix.join(dirname(file), specifier).replace(/\.js$/, '.ts')
          const isAllowed =
            roomOf(target) === room ||
            scriptRooms[room]?.includes(roomOf(target)) ||
            scriptRooms[room]?.includes(target.replace(/^src\/|\.ts$/g, ''))
          if (!isAllowed) faults.push(`${file}:${number}: ${room} may not import ${specifier}`)
        }
      }
    }
    assert.deepEqual(faults, [])
  })

  test('only seam/addon.ts loads a binary', () => {
    const faults = files.filter(
      (file) =>
        file !== 'src/seam/addon.ts' &&
        linesOf(file).some(([line]) => /process\.dlopen|['"][^'"]+\.node['"]/.test(line)),
    )
    assert.deepEqual(faults, [])
  })

  test('only the ends of the road end a process or a thread', () => {
    const enders = ['src/cli.ts', 'src/worker/main.ts', 'src/worker/lifecycle.ts', 'src/hornetctl.ts']
    const faults: string[] = []
    for (const file of files) {
      if (enders.includes(file)) continue
      for (const [line, number] of linesOf(file)) {
        const code = line.replace(/\/\/.*|^\s*\*.*/, '')
        if (/\bprocess\.(exit|abort|reallyExit)\(/.test(code)) faults.push(`${file}:${number}`)
      }
    }
    assert.deepEqual(faults, [])
  })
})

/** `src/http/incoming.ts` is in `http`, `src/errors.ts` is `errors`. */
function roomOf(file: string): string {
  const [, first = '', second] = file.split('/')
  return second === undefined ? first.replace(/\.ts$/, '') : first
}

/** What a line imports: static, re-exported, for side effects, or dynamic. */
function specifiers(line: string): string[] {
  const found: string[] = []
  for (const pattern of [
    /\bfrom\s+['"]([^'"]+)['"]/g,
    /^\s*import\s+['"]([^'"]+)['"]/g,
    /\bimport\(\s*['"]([^'"]+)['"]/g,
  ]) {
    for (const match of line.matchAll(pattern)) if (match[1] !== undefined) found.push(match[1])
  }
  return found
}
