/**
 * Promise: findings follow from facts and circumstances alone.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { diagnose, type Examined, formatFindings, statusOf } from '../../src/master/findings.js'
import type { AppFacts } from '../../src/protocol.js'

const clean: AppFacts = {
  app: 'default export (Koa application)',
  bootMs: 12.4,
  memoryBytes: 10 * 2 ** 20,
  refused: [],
  addonErrors: [],
  listens: [],
  probeCount: 0,
  intervals: [],
  hasMemorySessions: false,
  hasEngineIo: false,
  hasPromClient: false,
  hasRegistry: false,
  nodeEnv: 'production',
}
const four = { workers: 4, isSticky: false }

function both(facts: Partial<AppFacts>, rest: Partial<Examined> = {}): Examined[] {
  const one = { facts: { ...clean, ...facts }, warnings: [], ...rest }
  return [one, one]
}

function codes(examined: Examined[], circumstances = four): string[] {
  return diagnose(examined, circumstances)
    .map(({ code }) => code)
    .slice(3)
}

test('what both workers found is said once', () => {
  const findings = diagnose(both({ intervals: ['a.js:1', 'a.js:2'] }, { warnings: ['beware'] }), four)
  assert.deepEqual(
    findings.map(({ message }) => message),
    [
      'default export (Koa application)',
      'a worker is ready in 12 ms',
      'JavaScript memory once loaded: 10 MiB for a worker, 40 MiB for 4',
      'the interval started at a.js:1 runs in each of 4 workers',
      'the interval started at a.js:2 runs in each of 4 workers',
      'beware',
    ],
  )
  assert.equal(statusOf(findings), 0)
})

test('what matters with several workers only', () => {
  const facts = { intervals: ['a.js:1'], hasMemorySessions: true, hasEngineIo: true }
  assert.deepEqual(codes(both(facts)), ['interval', 'memory-sessions', 'socket-io'])
  assert.deepEqual(codes(both(facts), { workers: 4, isSticky: true }), ['interval'])
  assert.deepEqual(codes(both(facts), { workers: 1, isSticky: false }), [])
})

test('prom-client with a registry is well', () => {
  assert.deepEqual(codes(both({ hasPromClient: true })), ['prom-client'])
  assert.deepEqual(codes(both({ hasPromClient: true, hasRegistry: true })), [])
})

test('an addon that is missing is the application’s own affair', () => {
  assert.deepEqual(codes(both({ addonErrors: ['libx.so: cannot open shared object file'] })), [])
  assert.deepEqual(codes(both({ addonErrors: ["Module did not self-register: 'x.node'."] })), ['addon'])
})

test('no worker, or only one of two', () => {
  const [good] = both({})
  const bad = { facts: undefined, warnings: [], failure: 'taken\nby another' }
  assert.equal(statusOf(diagnose([bad, bad], four)), 3)
  const findings = diagnose([bad, good], four)
  assert.equal(statusOf(findings), 1)
  assert.match(
    formatFindings(findings),
    /\n\nwill not work\n {2}taken\n {4}by another \(second-worker\)\n {4}what only/,
  )
})
