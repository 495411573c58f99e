/**
 * Promise: a program that imports hornet/http in place of node:http notices nothing, but for the differences that
 * differences.json lists with their reasons, and docs/compatibility.md shows. A row that holds no more fails too.
 */
import assert from 'node:assert/strict'
import nodeHttp from 'node:http'
import { describe, test } from 'node:test'
import { readText } from '../support/tree.js'
import { type Check, type Http, perform } from './stage.js'
import { areas, concurrency } from './suite.js'

interface Difference {
  check: string
  reason: string
  /** The first major version of Node on which there is none. */
  until?: number
}

const differences: Difference[] = JSON.parse(readText('test/compat/differences.json'))
const nodeMajor = Number.parseInt(process.versions.node, 10)

/** What node:http does where the checks compare. */
async function askNode(): Promise<Map<Check, unknown>> {
  const answers = new Map<Check, unknown>()
  const waiting = areas.flatMap(([, checks]) => checks).filter(({ isCompared }) => isCompared)
  const work = async () => {
    for (let one = waiting.pop(); one !== undefined; one = waiting.pop()) {
      answers.set(one, await perform(one, nodeHttp, 'node:http'))
    }
  }
  await Promise.all(Array.from({ length: concurrency }, work))
  return answers
}

// Before our module is loaded: it may not touch Node's.
const answers = await askNode()
// By its name in a variable: the compiler would look for what is built only later.
const specifier = 'hornet/http'
const { default: http } = (await import(specifier)) as { default: Http }

async function holds(one: Check): Promise<void> {
  const answer = await perform(one, http, specifier)
  if (one.isCompared) assert.deepEqual(answer, answers.get(one), 'what node:http does')
}

for (const [area, checks] of areas) {
  describe(area, { concurrency }, () => {
    for (const one of checks) {
      const isDifferent = differences.some(
        ({ check, until = nodeMajor + 1 }) => check === `${area}: ${one.name}` && nodeMajor < until,
      )
      test(isDifferent ? `${one.name} (differs)` : one.name, async () => {
        if (!isDifferent) return holds(one)
        const failure = await holds(one).catch((error: unknown) => error ?? 'failed')
        assert.notEqual(failure, undefined, 'it differs no more: take its row out')
      })
    }
  })
}

test('node:http beside it is as it was before', async () => {
  for (const [one, answer] of await askNode()) {
    // Our accessors sit on the prototypes of Node, for its own messages too.
    if (one.name !== 'own enumerable fields of req') assert.deepEqual(answer, answers.get(one), one.name)
  }
})

test('every difference names a check, once, and says why', () => {
  const names = new Set(areas.flatMap(([area, checks]) => checks.map(({ name }) => `${area}: ${name}`)))
  const rows = differences.map(({ check }) => check)
  assert.deepEqual(
    rows.filter((row) => !names.has(row)),
    [],
  )
  assert.equal(new Set(rows).size, rows.length)
  assert.ok(differences.every(({ reason }) => reason.length > 20))
})

test('names of checks are unique', () => {
  for (const [area, checks] of areas) {
    assert.equal(new Set(checks.map(({ name }) => name)).size, checks.length, area)
  }
})
