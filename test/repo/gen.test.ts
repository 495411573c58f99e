/**
 * Promise: the record layout is written once. What `npm run gen` makes of the headers is right, is committed, and a
 * header line it does not understand stops it.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { root } from '../support/root.js'

interface Layout {
  constants: { name: string; value: number }[]
  enums: { name: string; members: { name: string; value: number }[] }[]
  structs: { name: string; bytes: number; members: { name: string; offset: number }[] }[]
}
interface Generator {
  parseRecords(text: string, file?: string): Layout
  parseMethods(text: string, file?: string): string[]
  fingerprint(layout: Layout, methods: string[]): string
  renderTypeScript(layout: Layout, methods: string[]): string
  generate(options: { check: boolean }): string[]
}
const gen = (await import(pathToFileURL(join(root, 'scripts/gen.mjs')).href)) as Generator

/** A whole header around some declarations. */
function header(declarations: string): string {
  return `// What it is.\n#ifndef HORNET_X_H_\n#define HORNET_X_H_\n\n#include <cstdint>\n\nnamespace hornet {\n\n${declarations}\n\n}  // namespace hornet\n\n#endif  // HORNET_X_H_\n`
}

const point = `// A place.
struct PointRecord {
  uint32_t across;  // pixels
  uint32_t down;
};
static_assert(sizeof(PointRecord) == 8);`

describe('gen', () => {
  test('the committed files are what the headers say', () => {
    assert.deepEqual(gen.generate({ check: true }), [], 'run `npm run gen`')
  })

  test('members get word indexes, enumerators and constants their values', () => {
    const layout = gen.parseRecords(
      header(`constexpr uint32_t kPageSize = 4096;  // bytes

enum PointFlag : uint32_t {
  kPointRound = 1,  // it is round
  kMSharp = 2,
};

${point}`),
    )
    const text = gen.renderTypeScript(layout, ['GET', 'M-SEARCH'])
    assert.match(text, /\/\*\* bytes \*\/\nexport const PAGE_SIZE = 4096\n/)
    assert.match(text, /\/\*\* it is round \*\/\nexport const POINT_FLAG_ROUND = 1\n/)
    assert.match(text, /export const POINT_FLAG_M_SHARP = 2\n/)
    assert.match(text, /\/\/ A place\.\n\/\*\* pixels \*\/\nexport const POINT_ACROSS = 0\n/)
    assert.match(text, /export const POINT_DOWN = 1\nexport const POINT_BYTES = 8\nexport const POINT_WORDS = 2\n/)
    assert.match(text, /methodNames: readonly string\[\] = \[\n {2}'GET',\n {2}'M-SEARCH',\n\]/)
  })

  test('alignas moves members and rounds up the size, as the compiler does', () => {
    const layout = gen.parseRecords(
      header(`struct Control {
  alignas(128) uint32_t tail;
  alignas(128) uint32_t head;
};
static_assert(sizeof(Control) == 256);`),
    )
    assert.deepEqual(
      layout.structs[0]?.members.map((member) => member.offset),
      [0, 128],
    )
  })

  test('the fingerprint follows the layout and the methods, not comments or blank lines', () => {
    const of = (text: string, methods = ['GET']) => gen.fingerprint(gen.parseRecords(header(text)), methods)
    const whole = of(point)
    assert.match(whole, /^[0-9a-f]{16}$/)
    assert.equal(of(point.replace('// A place.', '// Where.\n').replace('  // pixels', '')), whole)
    assert.notEqual(of(point.replace('across', 'along')), whole)
    assert.notEqual(of(`${point}\nconstexpr uint32_t kMore = 1;`), whole)
    assert.notEqual(of(point, ['GET', 'PUT']), whole)
  })

  const refused: [what: string, declarations: string, message: RegExp][] = [
    ['a member of another type', point.replace('uint32_t down', 'uint16_t down'), /:12: not a member.*uint16_t/],
    ['an array', point.replace('down;', 'down[2];'), /not a member/],
    ['two members on a line', point.replace('across;', 'across, up;'), /not a member/],
    ['a wrong size', point.replace('== 8', '== 12'), /PointRecord has 8 bytes here, not 12/],
    ['no size', point.replace(/static_assert.*/, ''), /PointRecord has no static_assert|needs a static_assert/],
    ['a member twice', point.replace('down', 'across'), /across is declared twice/],
    ['an expression', 'enum Flag : uint32_t {\n  kOne = 1 << 2,\n};', /not an enumerator/],
    ['an implicit value', 'enum Flag : uint32_t {\n  kOne,\n};', /not an enumerator/],
    ['a value twice', 'enum Flag : uint32_t {\n  kOne = 1,\n  kTwo = 1,\n};', /value 1 is used twice/],
    ['an enum of another size', 'enum Flag : uint8_t {\n  kOne = 1,\n};', /not understood/],
    ['a number that does not fit', 'constexpr uint32_t kBig = 4294967296;', /does not fit in 32 bits/],
    ['a function', 'inline int F() { return 1; }', /not understood/],
    ['an odd alignment', point.replace('uint32_t down', 'alignas(24) uint32_t down'), /not a power of two/],
    ['an include', '#include "base/bytes.h"', /not understood/],
    ['a struct that does not end', 'struct PointRecord {\n  uint32_t across;', /not a member|does not end/],
  ]
  for (const [what, declarations, message] of refused) {
    test(`refuses ${what}`, () => {
      assert.throws(() => gen.parseRecords(header(declarations)), message)
    })
  }

  test('refuses two declarations that would share a name in TypeScript', () => {
    const layout = gen.parseRecords(header(`${point}\nconstexpr uint32_t kPointDown = 1;`))
    assert.throws(() => gen.renderTypeScript(layout, ['GET']), /POINT_DOWN/)
  })

  test('refuses a method list it cannot read whole', () => {
    const list = (lines: string) => `#define HORNET_METHODS(X) \\\n${lines}\n`
    assert.deepEqual(gen.parseMethods(list('  X(kGet, "GET") \\\n  X(kPut, "PUT")')), ['GET', 'PUT'])
    assert.throws(() => gen.parseMethods(list('  X(kGet, "GET") \\\n  Y(kPut, "PUT")')), /:3: not a method/)
    assert.throws(() => gen.parseMethods(list('  X(kGet, "GET") \\\n  X(kPut, "GET")')), /GET is listed twice/)
    assert.throws(() => gen.parseMethods('// nothing here\n'), /no "#define HORNET_METHODS/)
  })

  test('the real headers list the methods of Node, in its order', async () => {
    const { METHODS } = await import('node:http')
    const methods = gen.parseMethods(readFileSync(join(root, 'native/base/methods.h'), 'utf8'))
    assert.deepEqual(methods, METHODS)
  })
})
