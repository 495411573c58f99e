/**
 * Promise: a command line means one thing. The reader of plain ones and commander, which reads all others, agree on every
 * line that the plain one takes; and it takes those that people write.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readWithCommander } from '../../src/config/command-line.js'
import { readPlainLine } from '../../src/config/plain-line.js'
import { settingEntries } from '../../src/config/settings.js'
import { Mulberry32 } from '../support/random.js'

const version = '1.2.3'
const linesTried = 4000

class Draws extends Mulberry32 {
  below(count: number): number {
    return this.draw() % count
  }
}

describe('plain command lines', () => {
  const plain: [words: string, app: string | undefined][] = [
    ['app.mjs', 'app.mjs'],
    ['-w 4 -b :8080 server.js:app', 'server.js:app'],
    ['--workers=4 server.js --bind=unix:/run/a.sock --bind [::1]:80', 'server.js'],
    ['-w4 -bfd://3', undefined],
    ['--no-reuse-port --reload app.mjs --guard', 'app.mjs'],
    ['-e A=1 -e --no-such app.mjs', 'app.mjs'],
    ['--log-file x.log -', '-'],
    ['', ''],
  ]
  for (const [line, app] of plain) {
    const words = line.split(' ')
    test(`'${line}'`, () => {
      const read = readPlainLine(words)
      assert.ok(read)
      assert.equal(read.app, app)
      assert.deepEqual(read, readWithCommander(words, version))
    })
  }

  for (const line of [
    '--help',
    '-h',
    '--version',
    '-V app',
    '--worker 3 app',
    'app other',
    '-w',
    '--reload=yes app',
    '-x',
  ]) {
    test(`'${line}' is for commander`, () => assert.equal(readPlainLine(line.split(' ')), undefined))
  }
})

test('both readers agree on lines made of all options', () => {
  const random = new Draws(20261129)
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)] as T
  const names = settingEntries
    .flatMap(([, { flag, short, alias }]) => [flag, short, alias])
    .filter((name) => name != null)
  const odd = [
    '--help',
    '-V',
    '--nope',
    '-x',
    '--',
    '-',
    '',
    '-1',
    '--=',
    '-=',
    '--no-',
    '-wt',
    '-tw4',
    '-b=1',
    'app.mjs',
    ':80',
  ]
  const word = (): string => {
    const name = pick(names)
    const value = pick(['4', 'a b', '', '-4', '--reload', 'x=y', '='])
    switch (random.below(12)) {
      case 0:
        return `${name}=${value}`
      case 1:
        return `${name}${value}`
      case 2:
        return `--no-${name.slice(2)}`
      case 3:
        return pick(odd)
      case 4:
        return value
      case 5:
        return 'app.mjs'
      default:
        return name
    }
  }
  let taken = 0
  for (let i = 0; i < linesTried; i++) {
    const words = Array.from({ length: 1 + random.below(4) }, word).filter((each) => each !== '--')
    const read = readPlainLine(words)
    if (read === undefined) continue
    taken += 1
    assert.deepEqual(read, readWithCommander(words, version), JSON.stringify(words))
  }
  assert.ok(taken > linesTried / 8, `only ${taken} were plain`)
})
