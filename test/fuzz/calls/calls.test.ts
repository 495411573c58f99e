/**
 * Promise: whatever an application calls on `req` and `res`, and in whatever order, the client gets the bytes that Node
 * sends, and the application hears what it hears on Node, but for the differences of differences.json. For longer:
 * `npm run fuzz -- calls 60`.
 */
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { Campaign, describeFault, startScene } from './campaign.js'
import { play } from './client.js'
import { excuses, judge, readDifferences } from './compare.js'

const plans = 400
const attempts = 5
const nodeMajor = Number.parseInt(process.versions.node, 10)

describe('calls on req and res, beside Node', async () => {
  const scene = await startScene()
  after(() => scene[Symbol.asyncDispose]())

  test('each excuse has its row, and each row its excuse', () => {
    assert.deepEqual(
      excuses.map(({ id }) => id).sort(),
      readDifferences()
        .map(({ id }) => id)
        .sort(),
    )
  })

  for (const { id, example, since = 0, until = nodeMajor + 1 } of readDifferences()) {
    if (nodeMajor < since || nodeMajor >= until) continue
    test(`the example shows it: ${id}`, async () => {
      const hornet = scene.hornets.find(({ name }) => name === example.peer)
      assert.ok(hornet !== undefined)
      // Some of it is the kernel's to say.
      const outcomes: unknown[] = []
      for (let attempt = 0; attempt < attempts; attempt++) {
        const [there, here] = await Promise.all([play(scene.node, example.plan), play(hornet, example.plan)])
        const outcome = judge(example.plan, example.peer, there, here)
        if (outcome.kind === 'excused' && outcome.id === id) return
        outcomes.push(outcome)
      }
      assert.fail(JSON.stringify(outcomes.at(-1), null, 2))
    })
  }

  test(`${plans} plans of one seed: no other difference`, async () => {
    const campaign = new Campaign(scene)
    await campaign.run(1, (account) => account.plans >= plans)
    const { requests, faults, unsteady } = campaign.account
    assert.deepEqual(faults.map(describeFault), [])
    assert.ok(requests > plans)
    assert.ok(unsteady < plans / 20, `${unsteady} differences came once and not again`)
  })
})
