/**
 * Promise: values are read the way they are documented, to the last digit of their ranges, and nothing else is taken.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nearest } from '../../src/config/nearest.js'
import { splitShellWords } from '../../src/config/shell-words.js'
import {
  bindAddress,
  duration,
  environmentVariable,
  formatBind,
  formatDuration,
  formatSize,
  integer,
  octalMask,
  size,
  type ValueKind,
} from '../../src/config/values.js'

const machine = { parallelism: 2 }
const read = <T>(kind: ValueKind<T>, text: string) => kind.parse(text, machine)

test('durations take units, plain numbers are seconds', () => {
  const kind = duration(0, 86_400_000)
  const accepted: [string, number][] = [
    ['30', 30_000],
    ['0', 0],
    ['1.5', 1500],
    ['.5s', 500],
    ['250ms', 250],
    ['2m', 120_000],
    ['0.5h', 1_800_000],
    ['24H', 86_400_000],
  ]
  for (const [text, ms] of accepted) assert.equal(read(kind, text), ms, text)
  for (const text of ['', ' 1', '1 s', '-1', '1d', '1e3', 's', '.', '24.001h', '+1', '0x1']) {
    assert.equal(read(kind, text), undefined, text)
  }
})

test('sizes take units, plain numbers are bytes', () => {
  const kind = size(64, 2 * 1024 ** 3)
  const accepted: [string, number][] = [
    ['64', 64],
    ['8k', 8192],
    ['1.5m', 1_572_864],
    ['2G', 2 * 1024 ** 3],
  ]
  for (const [text, bytes] of accepted) assert.equal(read(kind, text), bytes, text)
  for (const text of ['', '63', '2.1g', '1kb', '1.3', '-1k', '64b']) assert.equal(read(kind, text), undefined, text)
})

test('whole numbers keep to their range', () => {
  const kind = integer(1, 10)
  assert.deepEqual(
    ['1', '10', '007'].map((text) => read(kind, text)),
    [1, 10, 7],
  )
  for (const text of ['0', '11', '1.0', '1e1', '', '９', '99999999999999999999'])
    assert.equal(read(kind, text), undefined, text)
})

test('bind addresses of every kind', () => {
  const accepted: [string, object][] = [
    ['127.0.0.1:8000', { kind: 'tcp', host: '127.0.0.1', port: 8000 }],
    ['localhost:0', { kind: 'tcp', host: 'localhost', port: 0 }],
    ['[::1]:65535', { kind: 'tcp', host: '::1', port: 65_535 }],
    ['[fe80::1%eth0]:80', { kind: 'tcp', host: 'fe80::1%eth0', port: 80 }],
    [':8000', { kind: 'tcp', host: '0.0.0.0', port: 8000 }],
    ['8000', { kind: 'tcp', host: '0.0.0.0', port: 8000 }],
    ['unix:/run/a b:c.sock', { kind: 'unix', path: '/run/a b:c.sock' }],
    ['unix:rel.sock', { kind: 'unix', path: 'rel.sock' }],
    ['fd://3', { kind: 'fd', fd: 3 }],
  ]
  for (const [text, bind] of accepted) assert.deepEqual(read(bindAddress, text), bind, text)
  const refused = [
    '',
    'localhost',
    '::1:80',
    '[::1]',
    '[nonsense]:1',
    'a:65536',
    'a:-1',
    'a: 1',
    'unix:',
    'fd://2',
    'fd://x',
    'http://a:1',
    'a b:1',
  ]
  for (const text of refused) assert.equal(read(bindAddress, text), undefined, text)
  assert.equal(read(bindAddress, `unix:/${'x'.repeat(107)}`), undefined, 'longer than the system takes')
})

test('a bind address is written as it is read', () => {
  for (const text of ['127.0.0.1:8000', '[::1]:80', 'unix:/a', 'fd://3']) {
    const bind = read(bindAddress, text)
    assert.ok(bind)
    assert.equal(formatBind(bind), text)
  }
})

test('masks are octal', () => {
  assert.deepEqual(
    ['0', '22', '022', '0o22', '777', '0777'].map((text) => read(octalMask, text)),
    [0, 18, 18, 18, 511, 511],
  )
  for (const text of ['', '8', '1777', '-1', '0x1f']) assert.equal(read(octalMask, text), undefined, text)
})

test('a variable needs a name', () => {
  assert.deepEqual(read(environmentVariable, 'A='), ['A', ''])
  for (const text of ['A', '=b', '', 'A=\0']) assert.equal(read(environmentVariable, text), undefined, text)
})

test('quantities are shown in the largest whole unit', () => {
  assert.deepEqual([0, 1, 1500, 2000, 60_000, 90_000, 86_400_000].map(formatDuration), [
    '0',
    '1ms',
    '1500ms',
    '2s',
    '1m',
    '90s',
    '24h',
  ])
  assert.deepEqual([0, 64, 1024, 1536, 1024 ** 2].map(formatSize), ['0', '64', '1k', '1536', '1m'])
})

test('words are split as a shell splits them', () => {
  const split: [string, string[]][] = [
    ['', []],
    ['  a  b\t\nc ', ['a', 'b', 'c']],
    [`'a b' "c d"`, ['a b', 'c d']],
    [`a'b'"c"d`, ['abcd']],
    [`''`, ['']],
    ['a\\ b', ['a b']],
    [`'\\'`, ['\\']],
    [`"\\"\\x"`, ['"\\x']],
  ]
  for (const [text, words] of split) assert.deepEqual(splitShellWords(text), words, text)
  for (const text of [`'a`, `"a`, 'a\\', `"a\\"`]) assert.equal(splitShellWords(text), undefined, text)
})

test('the nearest name is near', () => {
  const names = ['workers', 'worker-connections', 'backlog', 'bind']
  assert.equal(nearest('worker', names), 'workers')
  assert.equal(nearest('bakclog', names), 'backlog')
  assert.equal(nearest('BIND', names), 'bind')
  assert.equal(nearest('factory', names), undefined)
  assert.equal(nearest('', names), undefined)
  assert.equal(nearest('x', []), undefined)
})
