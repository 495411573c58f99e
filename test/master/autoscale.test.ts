/**
 * Promise: the number of workers follows the work: up within seconds, down within minutes, never beyond the limits, and
 * never to and fro under a steady load.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type AutoscaleLimits,
  type AutoscaleState,
  autoscale,
  autoscaleStart,
  sampleMs,
} from '../../src/master/autoscale.js'

/** A pool under a load of so many workers' work, with workers that take a while to boot. */
class Scene {
  state: AutoscaleState = autoscaleStart
  nowMs = 0
  wanted: number
  ready: number
  readonly history: number[] = []
  readonly limits: AutoscaleLimits
  /** When those that boot will be ready. */
  #readyAtMs = 0

  constructor(wanted: number, limits: AutoscaleLimits) {
    this.wanted = wanted
    this.ready = wanted
    this.limits = limits
  }

  run(seconds: number, work: number, oldestWaitingMs = 0): void {
    for (let second = 0; second < seconds; second++) {
      this.nowMs += sampleMs
      if (this.nowMs >= this.#readyAtMs) this.ready = this.wanted
      const utilization = Math.min(work / this.ready, 1)
      const { nowMs, wanted, ready } = this
      const next = autoscale(this.state, { nowMs, wanted, ready, utilization, oldestWaitingMs }, this.limits)
      this.state = next.state
      if (next.wanted === wanted) continue
      this.wanted = next.wanted
      this.history.push(next.wanted)
      if (next.wanted < this.ready) this.ready = next.wanted
      else this.#readyAtMs = nowMs + 3000
    }
  }
}

test('a rush is followed within seconds, up to the limit', () => {
  const scene = new Scene(1, { workersMin: 1, workersMax: 8 })
  scene.run(60, 6)
  assert.equal(scene.wanted, 8)
  const large = new Scene(40, { workersMin: 1, workersMax: 200 })
  large.run(60, 150)
  assert.ok(large.wanted >= 150, `${large.wanted}`)
})

test('a moment is no rush, and a pause no end', () => {
  const scene = new Scene(2, { workersMin: 1, workersMax: 8 })
  for (let round = 0; round < 20; round++) {
    scene.run(2, 2)
    scene.run(30, 0.2)
  }
  assert.deepEqual(scene.history, [])
})

test('requests that wait are a reason by themselves: event loops may be idle while they wait', () => {
  const scene = new Scene(2, { workersMin: 2, workersMax: 4 })
  scene.run(10, 0.1, 500)
  assert.ok(scene.wanted > 2)
})

test('idle workers go one by one, down to the limit', () => {
  const scene = new Scene(6, { workersMin: 2, workersMax: 8 })
  scene.run(150, 0)
  assert.deepEqual(scene.history, [5, 4])
  scene.run(600, 0)
  assert.equal(scene.wanted, 2)
})

test('under a steady load it comes to rest, whatever the load and the start', () => {
  for (let work = 0; work <= 16; work += 0.25) {
    for (const start of [1, 3, 8, 16]) {
      const scene = new Scene(start, { workersMin: 1, workersMax: 16 })
      scene.run(3000, work)
      const changes = scene.history.length
      scene.run(3000, work)
      assert.equal(scene.history.length, changes, `${work} workers' work, from ${start}: ${scene.history}`)
      if (work < 12) assert.ok(work / scene.wanted < 0.81, `${work}: ${scene.wanted}`)
    }
  }
})

test('a number beyond the limits is brought back at once; one that is booting is waited for', () => {
  const limits = { workersMin: 2, workersMax: 4 }
  const sample = { nowMs: 0, ready: 9, utilization: 0.6, oldestWaitingMs: 0 }
  assert.equal(autoscale(autoscaleStart, { ...sample, wanted: 9 }, limits).wanted, 4)
  assert.equal(autoscale(autoscaleStart, { ...sample, wanted: 1 }, limits).wanted, 2)
  const booting = { ...sample, wanted: 3, ready: 2, utilization: 1 }
  let state = autoscaleStart
  for (let nowMs = 0; nowMs < 60_000; nowMs += sampleMs) {
    const next = autoscale(state, { ...booting, nowMs }, limits)
    assert.equal(next.wanted, 3)
    state = next.state
  }
})
