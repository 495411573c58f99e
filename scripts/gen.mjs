// Writes what both languages must agree on, from the one place it is declared:
//
//   native/ring/records.h, native/base/methods.h  ->  src/seam/records.ts, native/ring/fingerprint.h
//
//   node scripts/gen.mjs           writes both files
//   node scripts/gen.mjs --check   writes nothing; fails when a file is not what would be written
//
// The headers are read line by line, as strictly as they are written (STYLE: one member per line). A line this script
// does not understand is an error: a layout read half is worse than none.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

/** Thrown for a header line outside the small language this script reads. */
export class LayoutError extends Error {
  constructor(file, lineNumber, message) {
    super(`${file}:${lineNumber}: ${message}`)
    this.name = 'LayoutError'
  }
}

/**
 * Reads records.h.
 *
 * @returns {{ constants: object[], enums: object[], structs: object[] }} in the order of the file.
 * @throws {LayoutError} for a line it does not understand.
 */
export function parseRecords(text, file = 'native/ring/records.h') {
  const state = {
    layout: { constants: [], enums: [], structs: [] },
    open: null, // the struct or enum whose members are being read
    unsized: null, // the struct whose static_assert(sizeof) must come next
    comment: [], // the comment lines right above
    namespaceDepth: 0,
  }
  const lines = text.split('\n')
  for (const [index, whole] of lines.entries()) {
    const fail = (message) => {
      throw new LayoutError(file, index + 1, message)
    }
    const [, code, remark] = whole.match(/^(.*?)\s*(?:\/\/\s*(.*))?$/)
    const line = code.trim()
    if (remark?.includes('*/')) fail('a remark may not contain "*/": it ends the comment it becomes in TypeScript')
    if (line === '') readComment(state, remark)
    else if (state.open === null) readDeclaration(state, line, remark, fail)
    else if (line === '};') closeType(state, fail)
    else if (state.open.type === 'enum') readEnumerator(state.open, line, remark, fail)
    else readMember(state.open, line, remark, fail)
  }
  const end = lines.length
  if (state.open !== null) throw new LayoutError(file, end, `${state.open.type} ${state.open.name} does not end`)
  if (state.unsized !== null) throw new LayoutError(file, end, unsizedMessage(state.unsized))
  if (state.namespaceDepth !== 0) throw new LayoutError(file, end, 'the namespace does not end')
  return state.layout
}

/** Collects the comment block above a declaration; an empty line ends the block. */
function readComment(state, remark) {
  if (remark === undefined) state.comment = []
  else if (state.open === null) state.comment.push(remark)
}

/** Each kind of line that may stand outside a struct or enum, and what it does to the state. */
const declarations = [
  [
    /^static_assert\(sizeof\((\w+)\) == (\d+)\);$/,
    (state, [, name, bytes], _remark, fail) => {
      if (state.unsized?.name !== name) fail(`static_assert does not follow struct ${name}`)
      if (state.unsized.bytes !== Number(bytes)) fail(`${name} has ${state.unsized.bytes} bytes here, not ${bytes}`)
      state.unsized = null
    },
  ],
  [
    /^constexpr uint32_t (k[A-Z]\w*) = (\d+);$/,
    (state, [, name, digits], remark, fail) => {
      state.layout.constants.push({ name, value: uint32(digits, fail), remark })
    },
  ],
  [
    /^enum ([A-Z]\w*) : uint32_t \{$/,
    (state, [, name]) => {
      state.open = { type: 'enum', name, comment: state.comment, members: [] }
      state.layout.enums.push(state.open)
    },
  ],
  [
    /^struct ([A-Z]\w*) \{$/,
    (state, [, name]) => {
      state.open = { type: 'struct', name, comment: state.comment, members: [], bytes: 0, alignment: 4 }
      state.layout.structs.push(state.open)
    },
  ],
  [
    /^namespace hornet \{$/,
    (state) => {
      state.namespaceDepth += 1
    },
  ],
  [
    /^\}$/,
    (state, _match, _remark, fail) => {
      if (state.namespaceDepth === 0) fail('a closing brace too many')
      state.namespaceDepth -= 1
    },
  ],
  [/^(?:#ifndef HORNET_\w+_H_|#define HORNET_\w+_H_|#endif|#include <cstdint>)$/, () => {}],
]

function readDeclaration(state, line, remark, fail) {
  for (const [pattern, act] of declarations) {
    const match = line.match(pattern)
    if (match === null) continue
    if (state.unsized !== null && !line.startsWith('static_assert')) fail(unsizedMessage(state.unsized))
    act(state, match, remark, fail)
    state.comment = []
    return
  }
  fail(`not understood: ${line}`)
}

function readEnumerator(type, line, remark, fail) {
  const match = line.match(/^(k[A-Z]\w*) = (\d+),$/)
  if (match === null) fail(`not an enumerator (kName = number,): ${line}`)
  const member = { name: match[1], value: uint32(match[2], fail), remark }
  if (type.members.some((other) => other.name === member.name)) fail(`${member.name} is declared twice`)
  if (type.members.some((other) => other.value === member.value)) fail(`value ${member.value} is used twice`)
  type.members.push(member)
}

function readMember(type, line, remark, fail) {
  const match = line.match(/^(?:alignas\((\d+)\) )?uint32_t ([a-z][a-z0-9_]*);$/)
  if (match === null) fail(`not a member (uint32_t name;): ${line}`)
  const alignment = Number(match[1] ?? 4)
  if (alignment < 4 || (alignment & (alignment - 1)) !== 0) fail(`alignas(${alignment}) is not a power of two >= 4`)
  if (type.members.some((other) => other.name === match[2])) fail(`${match[2]} is declared twice`)
  const offset = roundUp(type.bytes, alignment)
  type.members.push({ name: match[2], offset, remark })
  type.bytes = offset + 4
  type.alignment = Math.max(type.alignment, alignment)
}

function closeType(state, fail) {
  const type = state.open
  if (type.members.length === 0) fail(`${type.type} ${type.name} is empty`)
  state.open = null
  if (type.type === 'enum') return
  type.bytes = roundUp(type.bytes, type.alignment)
  state.unsized = type
}

function unsizedMessage(type) {
  return `struct ${type.name} needs a static_assert of its size right behind it`
}

/**
 * Reads the list of methods.h.
 *
 * @returns {string[]} method names; the place of a name is its number.
 * @throws {LayoutError} when the list is missing or has a line it does not understand.
 */
export function parseMethods(text, file = 'native/base/methods.h') {
  const lines = text.split('\n')
  const start = lines.findIndex((line) => /^#define HORNET_METHODS\(X\) \\$/.test(line))
  if (start === -1) throw new LayoutError(file, 1, 'no "#define HORNET_METHODS(X) \\"')
  const methods = []
  for (let index = start + 1; ; index++) {
    const match = lines[index]?.match(/^ {2}X\(k[A-Z]\w*, "([A-Z-]+)"\)( \\)?$/)
    if (!match) throw new LayoutError(file, index + 1, `not a method (X(kName, "NAME") \\): ${lines[index] ?? ''}`)
    if (methods.includes(match[1])) throw new LayoutError(file, index + 1, `${match[1]} is listed twice`)
    methods.push(match[1])
    if (match[2] === undefined) return methods
  }
}

/** The identity of a layout: changes when anything but comments and blank space changes. */
export function fingerprint(layout, methods) {
  const essence = JSON.stringify({
    constants: layout.constants.map(({ name, value }) => [name, value]),
    enums: layout.enums.map(({ name, members }) => [name, members.map((member) => [member.name, member.value])]),
    structs: layout.structs.map(({ name, bytes, members }) => [
      name,
      bytes,
      members.map((member) => [member.name, member.offset]),
    ]),
    methods,
  })
  return createHash('sha256').update(essence).digest('hex').slice(0, 16)
}

/** The text of src/seam/records.ts. Its header comment states the naming rule. */
export function renderTypeScript(layout, methods) {
  const lines = [
    '/**',
    ' * Generated by `npm run gen` from native/ring/records.h and native/base/methods.h; do not edit.',
    ' *',
    ' * The one place where positions in shared memory have names. A name is the C++ type without the word `Record`, then',
    ' * the member: `RequestRecord.claim` is `REQUEST_CLAIM`, `kRequest` of `RecordKind` is `KIND_REQUEST`,',
    ' * `kRequestHttp10` of `RequestFlag` is `REQUEST_FLAG_HTTP10`. A struct member is a 32-bit index from the start of the',
    ' * struct (byte offset / 4); `..._BYTES` and `..._WORDS` are the size of the whole struct. They are single constants,',
    ' * not members of an object, so that the hot path reads no property.',
    ' */',
  ]
  const names = new Set()
  const constant = (name, value, remark) => {
    if (names.has(name)) throw new Error(`two declarations are both called ${name} in TypeScript`)
    names.add(name)
    lines.push(...(remark ? [`/** ${remark} */`] : []), `export const ${name} = ${value}`)
  }
  const section = (title, comment) => {
    lines.push('', `// ${title}`, ...comment.map((line) => `// ${line}`))
  }

  lines.push('', `export const layoutFingerprint = '${fingerprint(layout, methods)}'`, '')
  for (const { name, value, remark } of layout.constants) constant(capitals(words(name.slice(1))), value, remark)
  for (const { name, comment, members } of layout.enums) {
    section(`enum ${name}`, comment)
    const own = words(name)
    for (const member of members) {
      constant(
        `${typePrefix(name)}_${capitals(withoutPrefix(words(member.name.slice(1)), own))}`,
        member.value,
        member.remark,
      )
    }
  }
  for (const { name, comment, members, bytes } of layout.structs) {
    section(`struct ${name}`, comment)
    for (const member of members) {
      constant(`${typePrefix(name)}_${member.name.toUpperCase()}`, member.offset / 4, member.remark)
    }
    constant(`${typePrefix(name)}_BYTES`, bytes)
    constant(`${typePrefix(name)}_WORDS`, bytes / 4)
  }
  lines.push('', '/** Names of the request methods; `RequestRecord.method` is an index into it. */')
  lines.push('export const methodNames: readonly string[] = [', ...methods.map((name) => `  '${name}',`), ']', '')
  return lines.join('\n')
}

/** The text of native/ring/fingerprint.h. */
export function renderFingerprintHeader(layout, methods) {
  return [
    '// Generated by `npm run gen` from ring/records.h and base/methods.h; do not edit.',
    '// The addon exports it, so that src/seam/addon.ts can refuse a binary with another layout.',
    '#ifndef HORNET_RING_FINGERPRINT_H_',
    '#define HORNET_RING_FINGERPRINT_H_',
    '',
    'namespace hornet {',
    '',
    `constexpr char kLayoutFingerprint[] = "${fingerprint(layout, methods)}";`,
    '',
    '}  // namespace hornet',
    '',
    '#endif  // HORNET_RING_FINGERPRINT_H_',
    '',
  ].join('\n')
}

/**
 * Generates both files under `base`.
 *
 * @returns {string[]} the files that were (with `check`: would have been) changed.
 */
export function generate({ base = root, check = false } = {}) {
  const layout = parseRecords(readFileSync(join(base, 'native/ring/records.h'), 'utf8'))
  const methods = parseMethods(readFileSync(join(base, 'native/base/methods.h'), 'utf8'))
  const outputs = {
    'src/seam/records.ts': renderTypeScript(layout, methods),
    'native/ring/fingerprint.h': renderFingerprintHeader(layout, methods),
  }
  const changed = []
  for (const [file, text] of Object.entries(outputs)) {
    const path = join(base, file)
    // An unchanged file is left alone: a new time stamp would rebuild the addon.
    if (existsSync(path) && readFileSync(path, 'utf8') === text) continue
    changed.push(file)
    if (!check) writeFileSync(path, text)
  }
  return changed
}

function uint32(digits, fail) {
  const value = Number(digits)
  if (value > 0xffffffff) fail(`${digits} does not fit in 32 bits`)
  return value
}

function roundUp(value, multiple) {
  return Math.ceil(value / multiple) * multiple
}

/** `RequestFlag`, `kMSearch` or `Http10` as single words. */
function words(name) {
  return name.match(/[A-Z][a-z0-9]*/g) ?? [name]
}

function capitals(list) {
  return list.join('_').toUpperCase()
}

function typePrefix(name) {
  return capitals(words(name).filter((word) => word !== 'Record'))
}

/** Drops the words an enumerator repeats from the name of its enum: `RequestHttp10` in `RequestFlag` is `Http10`. */
function withoutPrefix(member, type) {
  return member.length > 1 && member[0] === type[0] ? member.slice(1) : member
}

function main(args) {
  const check = args.includes('--check')
  if (args.some((arg) => arg !== '--check')) {
    console.error('usage: node scripts/gen.mjs [--check]')
    return 2
  }
  try {
    const changed = generate({ check })
    if (!check) {
      for (const file of changed) console.log(`wrote ${file}`)
      return 0
    }
    for (const file of changed) console.error(`${file} is not what the headers say: run \`npm run gen\` and commit it`)
    return changed.length === 0 ? 0 : 1
  } catch (error) {
    if (!(error instanceof LayoutError)) throw error
    console.error(error.message)
    return 1
  }
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.exitCode = main(process.argv.slice(2))
}
