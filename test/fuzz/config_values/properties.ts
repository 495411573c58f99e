/**
 * What must hold for every text that an operator could write as a value, whatever it is: checked on texts made up from
 * a seed, most of them nearly right.
 */
import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import { loadSettings } from '../../../src/config/load.js'
import { environmentName, settingEntries } from '../../../src/config/settings.js'
import { quoteShellWord, splitShellWords } from '../../../src/config/shell-words.js'
import { duration, environmentVariable, integer, secretText, size, type ValueKind } from '../../../src/config/values.js'
import { HornetError } from '../../../src/errors.js'
import type { Random } from '../random.js'

const machine = { parallelism: 4 }
const counts = integer(1, 1000)
const spans = duration(1, 3_600_000)
const sizes = size(1, 1024 ** 4)
const kinds: [name: string, kind: ValueKind<unknown>][] = settingEntries.map(([key, { kind }]) => [key, kind])

/** Their `format()` hides the value. */
const hidden: ValueKind<unknown>[] = [secretText, environmentVariable as ValueKind<unknown>]

const starts = [
  ...['0', '1', '30', '1.5', '.5', '1e3', '0x10', '-1', '+1', '007', '99999999999999999999', 'NaN', 'Infinity', 'auto'],
  ...['30s', '500ms', '2h', '1.5m', '0s', '1d', '10S', '64k', '1g', '1.5m', '2T', '1kb'],
  ...['true', 'no', 'ON', '1', 'off', 'maybe'],
  ...[
    '127.0.0.1:8000',
    '[::1]:80',
    ':8000',
    'localhost:0',
    'unix:/run/a.sock',
    'unix:',
    'fd://3',
    'fd://0',
    '[::1',
    '::1:80',
  ],
  ...['10.0.0.0/8,::1', '*', '10.0.0.0/33', '::/0', '1.2.3', ' 127.0.0.1 , ::1 '],
  ...['combined', 'json', '%(h)s %(t)s "%(r)s"', '%({X-A}i)s', '%(z)s', '%%', '%', '%(h)'],
  ...[
    'ip',
    'cookie:sid',
    'header:X-A',
    'query:',
    '022',
    '0o777',
    '888',
    '/health',
    '/',
    'health/',
    '-',
    '/var/log/a.log',
    '',
  ],
  ...[
    'A=b',
    '=b',
    'A',
    `--import tsx`,
    `'a b' c`,
    `"a`,
    'www-data',
    '33',
    'warn',
    'debug',
    'v1',
    'text',
    'a'.repeat(200),
  ],
]
const pieces = [
  '0',
  '9',
  '.',
  ':',
  '/',
  '[',
  ']',
  ',',
  '-',
  '=',
  '%',
  '(',
  ')',
  '{',
  '}',
  ' ',
  '\t',
  '\n',
  '\0',
  '"',
  "'",
  '\\',
  's',
  'm',
  'k',
  'é',
  '\u{1f41d}',
  '\x7f',
  '*',
]

/** A text that some setting may take, or nearly. */
export function makeText(random: Random): string {
  let text = random.pick(starts)
  for (let count = random.pick([0, 1, 1, 2, 3]); count > 0; count--) {
    const at = random.below(text.length + 1)
    const kept = text.slice(at + random.below(3))
    text = random.chance(0.2) ? text.slice(0, at) + random.pick(starts) : text.slice(0, at) + random.pick(pieces) + kept
  }
  return text
}

/** Every kind of value, given `text`. */
export function checkKinds(text: string): void {
  for (const [name, kind] of kinds) {
    const value = kind.parse(text, machine)
    if (value === undefined) continue
    assert.ok(!(typeof value === 'number' && !Number.isFinite(value)), `${name}: a number that is one`)
    // What is shown of it can be given again, and is the same (but `auto`, which is a number from then on).
    const shown = kind.format(value)
    if (hidden.includes(kind)) assert.match(shown, /^(?:[^=]+=)?\(hidden\)$/, `${name}: a secret is shown`)
    else assert.ok(isDeepStrictEqual(kind.parse(shown, machine), value), `${name}: '${shown}' is not what it shows`)
  }
}

/** Against a second reading, with numbers of any size. */
export function checkQuantities(text: string): void {
  const whole = /^[0-9]+$/.test(text) ? BigInt(text) : undefined
  const count = whole !== undefined && whole >= 1n && whole <= 1000n ? Number(whole) : undefined
  assert.equal(counts.parse(text, machine), text.length > 15 ? undefined : count, 'a count')
  const ms = thousandths(text, { '': 1000n, ms: 1n, s: 1000n, m: 60_000n, h: 3_600_000n })
  if (ms !== undefined) {
    const span = spans.parse(text, machine)
    // Half a millisecond more or less is all that rounding may do.
    if (span !== undefined) assert.ok(Math.abs(span - Number(ms) / 1000) <= 0.51, 'a time span')
    else assert.ok(ms < 1000n || ms > 3_600_000n * 1000n - 500n, 'a time span out of range')
  } else {
    assert.equal(spans.parse(text, machine), undefined, 'no time span')
  }
  const bytes = thousandths(text, { '': 1n, k: 1024n, m: 1024n ** 2n, g: 1024n ** 3n })
  const value = sizes.parse(text, machine)
  // A double has no more than fifteen places or so.
  if (value !== undefined) assert.ok(Math.abs(value * 1000 - Number(bytes)) <= 1, 'a size')
}

/** A decimal number of at most three places and its unit, in thousandths; undefined for all else. */
function thousandths(text: string, units: Record<string, bigint>): bigint | undefined {
  const match = /^(\d*)(?:\.(\d+))?([a-z]*)$/i.exec(text)
  if (!match || (match[1] === '' && match[2] === undefined)) return undefined
  const unit = match[3].toLowerCase()
  if (!Object.hasOwn(units, unit)) return undefined
  const places = match[2] ?? ''
  const scaled = BigInt(`${match[1]}${places}`) * units[unit] * 1000n
  return scaled / 10n ** BigInt(places.length)
}

/** Words as a shell has them survive being written and read. */
export function checkWords(random: Random): void {
  const words = Array.from({ length: 1 + random.below(4) }, () => makeText(random))
  assert.deepEqual(splitShellWords(words.map(quoteShellWord).join(' ')), words)
}

/** A whole configuration: there is one, or an error of ours in one line says why not. */
export function checkLoading(random: Random): void {
  const argv: string[] = []
  const env: Record<string, string> = {}
  for (let count = random.below(3); count > 0; count--) {
    const [, { flag, kind }] = random.pick(settingEntries)
    argv.push(random.chance(0.9) ? flag : makeText(random))
    if (kind.metavar !== '' && random.chance(0.95)) argv.push(makeText(random))
  }
  if (random.chance(0.5)) env[environmentName(random.pick(settingEntries)[1].flag)] = makeText(random)
  if (random.chance(0.3)) env.HORNET_CMD_ARGS = `${random.pick(settingEntries)[1].flag} ${makeText(random)}`
  if (random.chance(0.9)) argv.push('app.mjs')
  try {
    const loaded = loadSettings({ argv, env, version: '0.0.0', machine })
    if (loaded.kind === 'run') assert.ok(Object.isFrozen(loaded.settings))
  } catch (error) {
    assert.ok(error instanceof HornetError, `not an error of ours: ${error instanceof Error ? error.stack : error}`)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
    assert.doesNotMatch(error.message, /[\x00-\x1f\x7f]/, `an error in one line: ${JSON.stringify(error.message)}`)
  }
}

export function checkAll(random: Random): void {
  const text = makeText(random)
  checkKinds(text)
  checkQuantities(text)
  checkWords(random)
  checkLoading(random)
}
