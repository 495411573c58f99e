/**
 * Promise: the pool keeps as many workers as wanted, replaces the dead without storming, reloads without ever serving
 * with less than it had, and stops in time whatever the workers do.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  createPool,
  decide,
  type Failure,
  fixedLimits,
  nextTickMs,
  type Pool,
  type PoolAction,
  type PoolInput,
  type PoolLimits,
} from '../../src/master/pool.js'

const limits: PoolLimits = {
  ...fixedLimits,
  bootTimeoutMs: 60_000,
  gracefulTimeoutMs: 30_000,
  workerLifetimeMs: 0,
}
const failure: Failure = { code: 'ERR_HORNET_APP_BOOT', message: 'boom' }

/** A pool and a clock, driven by hand. Log actions are kept apart from the others. */
class Scene {
  pool: Pool
  nowMs = 1000
  logs: string[] = []
  /** States told, and workers gone with the reason. */
  told: string[] = []
  gone: string[] = []

  constructor(wanted: number, changes: Partial<PoolLimits> = {}) {
    this.pool = createPool(wanted, { ...limits, ...changes })
  }

  /** Gives one input and returns what is to be done, written shortly: "spawn 1", "serve". */
  give(input: PoolInput): string[] {
    const before = JSON.stringify(this.pool)
    const { pool, actions } = decide(this.pool, this.nowMs, input)
    assert.equal(JSON.stringify(this.pool), before, 'the given pool is not changed')
    this.pool = pool
    for (const action of actions) if (action.type === 'log') this.logs.push(action.message)
    for (const action of actions) if (action.type === 'state-changed') this.told.push(action.state)
    for (const action of actions) if (action.type === 'gone') this.gone.push(`${action.workerId} ${action.reason}`)
    const notes = ['log', 'state-changed', 'gone', 'wanted-changed']
    return actions.filter(({ type }) => !notes.includes(type)).map(brief)
  }

  /** Lets time pass to the next tick and takes it. */
  tick(): string[] {
    const dueMs = nextTickMs(this.pool)
    assert.ok(Number.isFinite(dueMs), 'a tick is due')
    this.nowMs = dueMs
    return this.give({ type: 'tick' })
  }

  wait(ms: number): string[] {
    this.nowMs += ms
    return this.give({ type: 'tick' })
  }

  ready(workerId: number): string[] {
    return this.give({ type: 'worker-ready', workerId })
  }

  exited(workerId: number): string[] {
    return this.give({ type: 'worker-exited', workerId, failure })
  }

  drained(workerId: number): string[] {
    return this.give({ type: 'worker-drained', workerId })
  }

  bootFailed(workerId: number): string[] {
    return this.give({ type: 'worker-boot-failed', workerId, failure })
  }

  shutdown(mode: 'graceful' | 'quick'): string[] {
    return this.give({ type: 'shutdown', mode })
  }

  states(): string {
    return this.pool.workers.map(({ id, state }) => `${id} ${state}`).join(', ')
  }

  /** Started, and every worker ready. */
  static serving(wanted: number, changes: Partial<PoolLimits> = {}): Scene {
    const scene = new Scene(wanted, changes)
    scene.give({ type: 'start' })
    for (let id = 1; id <= wanted; id++) scene.ready(id)
    scene.nowMs += 60_000
    return scene
  }
}

function brief(action: PoolAction): string {
  if ('workerId' in action) return `${action.type} ${action.workerId}`
  return action.type === 'end' && action.failure ? `end: ${action.failure.message}` : action.type
}

test('the first ready worker opens the service, the others join', () => {
  const scene = new Scene(3)
  assert.deepEqual(scene.give({ type: 'start' }), ['spawn 1', 'spawn 2', 'spawn 3'])
  assert.deepEqual(scene.ready(2), ['admit 2', 'serve'])
  assert.deepEqual(scene.ready(1), ['admit 1'])
  assert.deepEqual(scene.ready(1), [], 'once')
  assert.equal(scene.states(), '1 ready, 2 ready, 3 booting')
})

test('an application that no worker can load ends it, with the first reason', () => {
  const scene = new Scene(2)
  scene.give({ type: 'start' })
  assert.deepEqual(scene.bootFailed(2), ['terminate 2'], 'not replaced: another may still boot')
  assert.deepEqual(scene.exited(2), [])
  const other = { code: 'ERR_HORNET_APP_BOOT', message: 'later' }
  assert.deepEqual(scene.give({ type: 'worker-exited', workerId: 1, failure: other }), ['end: boom'])
  assert.equal(scene.pool.phase, 'ended')
  assert.deepEqual(scene.ready(1), [], 'nothing happens after the end')
})

test('a worker that failed while starting is replaced once another serves', () => {
  const scene = new Scene(2)
  scene.give({ type: 'start' })
  scene.exited(1)
  assert.deepEqual(scene.ready(2), ['admit 2', 'serve', 'spawn 3'])
})

test('a worker that boots too long is a failed boot', () => {
  const scene = new Scene(1)
  scene.give({ type: 'start' })
  assert.deepEqual(scene.wait(59_999), [])
  assert.deepEqual(scene.tick(), ['terminate 1', 'end: the application was not ready within 1m (--boot-timeout)'])
})

test('a dead worker is replaced at once', () => {
  const scene = Scene.serving(2)
  assert.deepEqual(scene.exited(1), ['spawn 3'])
  assert.match(scene.logs.at(-1) ?? '', /worker 1 died, replaced at once: boom/)
})

test('a blocked worker is fenced off, terminated and replaced at once, whether its thread ends or not', () => {
  const scene = Scene.serving(2)
  const blocked = () => scene.give({ type: 'worker-blocked', workerId: 1, details: 'why' })
  assert.deepEqual(blocked(), ['fence 1', 'terminate 1', 'spawn 3'])
  assert.equal(scene.logs.at(-1), 'worker 1 is blocked, replaced at once: why')
  assert.deepEqual(blocked(), [], 'once')
  scene.ready(3)
  assert.deepEqual(scene.wait(limits.terminateMs - 1), [])
  assert.deepEqual(scene.tick(), ['fence 1'])
  assert.equal(scene.states(), '1 stuck, 2 ready, 3 ready')
  assert.match(scene.logs.at(-1) ?? '', /worker 1 is stuck in native code and cannot be ended: .* \(1 such\)$/)
  assert.deepEqual(scene.exited(1), [])
  assert.deepEqual(scene.gone, ['1 timeout'])
})

test('a blocked worker that drains, or that ends in time', () => {
  const scene = Scene.serving(2)
  scene.give({ type: 'resize', delta: -1 })
  assert.equal(scene.states(), '1 draining, 2 ready')
  assert.deepEqual(scene.give({ type: 'worker-blocked', workerId: 1, details: 'why' }), ['fence 1', 'terminate 1'])
  assert.equal(scene.logs.at(-1), 'worker 1 is blocked, terminated: why')
  assert.deepEqual(scene.exited(1), [])
  assert.deepEqual(scene.gone, ['1 timeout'])
  assert.equal(scene.states(), '2 ready')
})

test('stuck threads hold up neither a reload nor the end, but there may only be so many', () => {
  const scene = Scene.serving(1)
  for (let id = 1; id <= limits.stuckMax; id++) {
    const isLast = id === limits.stuckMax
    const actions = scene.give({ type: 'worker-blocked', workerId: id, details: 'why' })
    assert.deepEqual(actions, [`fence ${id}`, `terminate ${id}`, `spawn ${id + 1}`])
    scene.ready(id + 1)
    scene.nowMs += 60_000
    assert.deepEqual(scene.give({ type: 'tick' }), [`fence ${id}`])
    assert.equal(scene.logs.at(-1)?.includes('no more workers are started'), isLast)
  }
  const next = limits.stuckMax + 1
  assert.deepEqual(scene.give({ type: 'reload' }), [`spawn ${next + 1}`], 'the operator may')
  assert.deepEqual(scene.ready(next + 1), [`admit ${next + 1}`, `drain ${next}`, 'reload-finished'])
  scene.drained(next)
  assert.deepEqual(scene.exited(next), [])
  assert.deepEqual(scene.exited(next + 1), [])
  assert.match(scene.logs.at(-2) ?? '', /died, not replaced, as too many are stuck/)
  assert.deepEqual(scene.told.at(-1), 'degraded')
  assert.deepEqual(scene.exited(1), [`spawn ${next + 2}`], 'one has come back')
  scene.ready(next + 2)
  scene.shutdown('quick')
  assert.deepEqual(scene.give({ type: 'server-drained' }), [])
  assert.deepEqual(scene.exited(next + 2), ['end'])
})

test('repeated deaths are replaced ever more slowly, up to 10 s', () => {
  const scene = Scene.serving(1, { terminateMs: 1_000_000 })
  const delays: number[] = []
  assert.deepEqual(scene.exited(1), ['spawn 2'])
  for (let id = 2; id <= 11; id++) {
    assert.deepEqual(scene.bootFailed(id), [`terminate ${id}`])
    if (id % 2 === 0) assert.deepEqual(scene.exited(id), [], 'its thread may take its time to go')
    const fromMs = scene.nowMs
    assert.deepEqual(scene.tick(), [`spawn ${id + 1}`])
    delays.push(scene.nowMs - fromMs)
  }
  assert.deepEqual(delays, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000])
  // Ready long enough: whatever it was is over.
  scene.ready(12)
  scene.nowMs += limits.stableMs
  assert.deepEqual(scene.exited(12), ['spawn 13'])
})

test('a timer that fires a moment early loses nothing', () => {
  const scene = Scene.serving(1)
  scene.exited(1)
  scene.exited(2)
  assert.deepEqual(scene.wait(99.5), [], 'timers count whole milliseconds')
  const dueMs = nextTickMs(scene.pool)
  scene.nowMs += 1
  assert.ok(dueMs <= scene.nowMs, 'due although the clock has passed it')
  assert.deepEqual(scene.give({ type: 'tick' }), ['spawn 3'])
})

test('a worker that was ready for a moment only does not end the slowing down', () => {
  const scene = Scene.serving(1)
  scene.exited(1)
  scene.ready(2)
  scene.nowMs += limits.stableMs - 1
  assert.deepEqual(scene.exited(2), [])
  assert.deepEqual(scene.wait(99), [])
  assert.deepEqual(scene.wait(1), ['spawn 3'])
})

test('workers that die together count once', () => {
  const scene = new Scene(16)
  scene.give({ type: 'start' })
  for (let id = 1; id <= 16; id++) scene.ready(id)
  scene.nowMs += 5
  for (let id = 1; id <= 16; id++) assert.deepEqual(scene.exited(id), [`spawn ${16 + id}`])
  scene.nowMs += 5
  assert.deepEqual(scene.exited(17), [], 'the second round')
})

test('TTIN and TTOU change the count, between one and the maximum', () => {
  const scene = Scene.serving(2, { workersMax: 3 })
  assert.deepEqual(scene.give({ type: 'resize', delta: 1 }), ['spawn 3'])
  assert.deepEqual(scene.give({ type: 'resize', delta: 1 }), [])
  assert.match(scene.logs.at(-1) ?? '', /stays 3/)
  assert.deepEqual(scene.give({ type: 'resize', delta: -1 }), ['stop 3'], 'the one that serves nobody yet')
  assert.deepEqual(scene.give({ type: 'resize', delta: -1 }), ['drain 1'])
  assert.deepEqual(scene.give({ type: 'resize', delta: -1 }), [])
  assert.deepEqual(scene.exited(3), [])
  assert.deepEqual(scene.drained(1), ['stop 1'])
  assert.deepEqual(scene.exited(1), [])
  assert.equal(scene.states(), '2 ready')
})

test('TTIN and TTOU while starting', () => {
  const scene = new Scene(2)
  scene.give({ type: 'start' })
  assert.deepEqual(scene.give({ type: 'resize', delta: 1 }), ['spawn 3'])
  assert.deepEqual(scene.give({ type: 'resize', delta: -1 }), ['stop 1'])
  assert.deepEqual(scene.exited(1), [])
  assert.deepEqual(scene.ready(2), ['admit 2', 'serve'])
})

test('a worker that does not drain in time is terminated', () => {
  const scene = Scene.serving(2)
  scene.give({ type: 'resize', delta: -1 })
  assert.deepEqual(scene.wait(29_999), [])
  assert.deepEqual(scene.tick(), ['terminate 1'])
  assert.deepEqual(scene.exited(1), [])
})

test('exit hooks share the time of draining', () => {
  const scene = Scene.serving(2)
  scene.give({ type: 'resize', delta: -1 })
  scene.nowMs += 20_000
  assert.deepEqual(scene.drained(1), ['stop 1'])
  assert.deepEqual(scene.wait(9999), [])
  assert.deepEqual(scene.wait(1), ['terminate 1'])
})

test('a graceful timeout of 0 ends a worker with its draining', () => {
  const scene = Scene.serving(2, { gracefulTimeoutMs: 0 })
  assert.deepEqual(scene.give({ type: 'resize', delta: -1 }), ['drain 1', 'terminate 1'])
})

test('a reload replaces one worker after the other', () => {
  const scene = Scene.serving(2)
  assert.deepEqual(scene.give({ type: 'reload' }), ['spawn 3'])
  assert.deepEqual(scene.ready(3), ['admit 3', 'drain 1', 'spawn 4'])
  assert.deepEqual(scene.drained(1), ['stop 1'])
  assert.deepEqual(scene.exited(1), [])
  assert.deepEqual(scene.ready(4), ['admit 4', 'drain 2', 'reload-finished'])
  assert.deepEqual(scene.drained(2), ['stop 2'])
  assert.equal(scene.states(), '2 stopping, 3 ready, 4 ready')
  assert.ok(scene.pool.workers.filter(({ state }) => state === 'ready').every(({ generation }) => generation === 2))
})

test('a new generation that cannot boot changes nothing', () => {
  const scene = Scene.serving(2)
  scene.give({ type: 'reload' })
  assert.deepEqual(scene.bootFailed(3), ['terminate 3', 'reload-failed'])
  assert.deepEqual(scene.exited(3), [])
  assert.equal(scene.states(), '1 ready, 2 ready')
  assert.deepEqual(scene.wait(60_000), [], 'and is not tried again')
  assert.deepEqual(scene.give({ type: 'reload' }), ['spawn 4'], 'until asked for')
})

test('a new generation that takes too long to boot changes nothing', () => {
  const scene = Scene.serving(1)
  scene.give({ type: 'reload' })
  assert.deepEqual(scene.tick(), ['terminate 2', 'reload-failed'])
  scene.exited(2)
  assert.equal(scene.states(), '1 ready')
})

test('a new generation that fails half-way leaves as many ready as wanted', () => {
  const scene = Scene.serving(3)
  scene.give({ type: 'reload' })
  scene.ready(4)
  assert.deepEqual(scene.bootFailed(5), ['terminate 5', 'reload-failed'])
  scene.exited(5)
  assert.equal(scene.states(), '1 draining, 2 ready, 3 ready, 4 ready')
})

test('a worker that dies during a reload is made up for', () => {
  const scene = Scene.serving(2)
  scene.give({ type: 'reload' })
  assert.deepEqual(scene.exited(1), ['spawn 4'])
  assert.deepEqual(scene.ready(3), ['admit 3'], 'two ready: nobody may go yet')
  assert.deepEqual(scene.ready(4), ['admit 4', 'drain 2', 'reload-finished'])
})

test('a second reload supersedes the first', () => {
  const scene = Scene.serving(2)
  scene.give({ type: 'reload' })
  assert.deepEqual(scene.give({ type: 'reload' }), ['stop 3', 'spawn 4'])
  assert.deepEqual(scene.exited(3), [])
  assert.deepEqual(scene.ready(4), ['admit 4', 'drain 1', 'spawn 5'])
  assert.deepEqual(scene.ready(5), ['admit 5', 'drain 2', 'reload-finished'])
})

test('a reload does not wait for the delay of a crash loop', () => {
  const scene = Scene.serving(1)
  scene.exited(1)
  scene.exited(2)
  assert.equal(scene.states(), '')
  assert.deepEqual(scene.give({ type: 'reload' }), ['spawn 3'])
  assert.deepEqual(scene.ready(3), ['admit 3', 'reload-finished'])
})

test('a reload starts counting deaths afresh', () => {
  const scene = Scene.serving(1)
  scene.exited(1)
  for (const id of [2, 3, 4]) {
    scene.bootFailed(id)
    scene.tick()
  }
  assert.deepEqual(scene.give({ type: 'reload' }), ['stop 5', 'spawn 6'])
  assert.deepEqual(scene.bootFailed(6), ['terminate 6', 'reload-failed', 'spawn 7'])
})

test('a new generation that dies after it was ready is not rolled out at full speed', () => {
  const scene = Scene.serving(3)
  scene.give({ type: 'reload' })
  assert.deepEqual(scene.ready(4), ['admit 4', 'drain 1', 'spawn 5'])
  scene.nowMs += 5
  assert.deepEqual(scene.exited(4), ['spawn 6'])
  scene.ready(5)
  assert.deepEqual(scene.ready(6), ['admit 6', 'drain 2', 'spawn 7'])
  scene.nowMs += 5
  assert.deepEqual(scene.exited(6), [], 'three are active: no hurry')
  assert.deepEqual(scene.wait(99), [])
  assert.deepEqual(scene.wait(1), ['spawn 8'])
})

test('impatient reloads do not pile up draining workers', () => {
  const scene = Scene.serving(2)
  for (let count = 0; count < 20; count++) {
    scene.give({ type: 'reload' })
    for (const { id, state } of scene.pool.workers) if (state === 'booting') scene.ready(id)
    assert.ok(scene.pool.workers.length <= 5, scene.states())
  }
})

test('TERM drains the server, then the workers, then ends', () => {
  const scene = Scene.serving(2)
  assert.deepEqual(scene.shutdown('graceful'), ['drain-server'])
  assert.deepEqual(scene.give({ type: 'reload' }), [])
  assert.deepEqual(scene.give({ type: 'resize', delta: 1 }), [])
  assert.deepEqual(scene.give({ type: 'server-drained' }), ['stop 1', 'stop 2'])
  assert.deepEqual(scene.exited(1), [])
  assert.deepEqual(scene.exited(2), ['end'])
})

test('a worker that dies while the server drains is still replaced', () => {
  const scene = Scene.serving(1)
  scene.shutdown('graceful')
  assert.deepEqual(scene.exited(1), ['spawn 2'])
  assert.deepEqual(scene.ready(2), ['admit 2'])
  assert.deepEqual(scene.give({ type: 'server-drained' }), ['stop 2'])
})

test('TERM gives up at the graceful timeout', () => {
  const scene = Scene.serving(2)
  scene.shutdown('graceful')
  assert.deepEqual(scene.wait(29_999), [])
  assert.deepEqual(scene.tick(), ['terminate 1', 'terminate 2'])
  assert.deepEqual(scene.exited(1), [])
  assert.deepEqual(scene.exited(2), [], 'the last answers are on their way')
  assert.deepEqual(scene.give({ type: 'server-drained' }), ['end'])
})

test('nothing keeps TERM longer than the graceful timeout and the last close', () => {
  const scene = Scene.serving(1)
  const fromMs = scene.nowMs
  scene.shutdown('graceful')
  assert.deepEqual(scene.tick(), ['terminate 1'])
  assert.deepEqual(scene.tick(), ['end'], 'neither exit nor close came')
  assert.equal(scene.nowMs - fromMs, limits.gracefulTimeoutMs + limits.closeTimeoutMs)
})

test('exit hooks that hang are ended at the graceful timeout', () => {
  const scene = Scene.serving(1)
  scene.shutdown('graceful')
  scene.give({ type: 'server-drained' })
  assert.deepEqual(scene.tick(), ['terminate 1'])
  assert.deepEqual(scene.exited(1), ['end'])
})

test('INT does not wait for requests, but for exit hooks', () => {
  const scene = Scene.serving(2)
  assert.deepEqual(scene.shutdown('quick'), ['drain-server', 'stop 1', 'stop 2'])
  assert.deepEqual(scene.exited(1), [])
  assert.deepEqual(scene.wait(limits.quickTimeoutMs), ['terminate 2'])
  assert.deepEqual(scene.exited(2), [])
  assert.deepEqual(scene.give({ type: 'server-drained' }), ['end'])
})

test('a second signal forces', () => {
  for (const [first, second] of [
    ['graceful', 'graceful'],
    ['graceful', 'quick'],
    ['quick', 'graceful'],
    ['quick', 'quick'],
  ] as const) {
    const scene = Scene.serving(2)
    scene.shutdown(first)
    assert.deepEqual(scene.shutdown(second), ['terminate 1', 'terminate 2', 'end'])
  }
})

test('a signal before the first worker is ready', () => {
  const idle = new Scene(2)
  assert.deepEqual(idle.shutdown('graceful'), ['end'])
  assert.deepEqual(idle.give({ type: 'start' }), [])

  const starting = new Scene(2)
  starting.give({ type: 'start' })
  assert.deepEqual(starting.shutdown('graceful'), ['terminate 1', 'terminate 2'])
  assert.deepEqual(starting.ready(1), [], 'too late')
  assert.deepEqual(starting.exited(1), [])
  assert.deepEqual(starting.exited(2), ['end'])
})

test('TERM during a reload', () => {
  const scene = Scene.serving(2)
  scene.give({ type: 'reload' })
  scene.ready(3)
  assert.equal(scene.states(), '1 draining, 2 ready, 3 ready, 4 booting')
  assert.deepEqual(
    scene.shutdown('graceful'),
    ['reload-failed', 'drain-server', 'terminate 4'],
    'whoever asked is told',
  )
  assert.deepEqual(scene.give({ type: 'server-drained' }), ['stop 1', 'stop 2', 'stop 3'])
  for (const id of [1, 2, 3]) assert.deepEqual(scene.exited(id), [])
  assert.deepEqual(scene.exited(4), ['end'])
})

test('why a worker ended shows when something went wrong', () => {
  const scene = Scene.serving(3)
  scene.give({ type: 'resize', delta: -1 })
  scene.exited(1)
  assert.match(scene.logs.at(-1) ?? '', /worker 1 died while draining: boom/)
  scene.give({ type: 'resize', delta: -1 })
  scene.drained(2)
  scene.give({ type: 'worker-exited', workerId: 2, failure: { ...failure, stack: 'Error: in a hook' } })
  assert.match(scene.logs.at(-1) ?? '', /worker 2 threw while it ended: Error: in a hook/)
})

test('a worker that has served its time is replaced: the new one first, one at a time', () => {
  const scene = Scene.serving(3)
  assert.deepEqual(scene.give({ type: 'retire', workerId: 2, reason: 'requests' }), ['spawn 4'])
  assert.deepEqual(scene.give({ type: 'retire', workerId: 1, reason: 'restart' }), [], 'its turn comes')
  assert.deepEqual(scene.ready(4), ['admit 4', 'drain 1'])
  assert.deepEqual(scene.wait(1000), [], 'the first one is still leaving')
  assert.deepEqual(scene.drained(1), ['stop 1'])
  assert.deepEqual(scene.exited(1), ['spawn 5'])
  assert.deepEqual(scene.ready(5), ['admit 5', 'drain 2'])
  assert.deepEqual(scene.drained(2), ['stop 2'])
  assert.deepEqual(scene.exited(2), [])
  assert.equal(scene.states(), '3 ready, 4 ready, 5 ready')
  assert.deepEqual(scene.gone, ['1 restart', '2 requests'])
})

test('a worker that has served its time serves on while its replacement cannot boot', () => {
  const scene = Scene.serving(1)
  scene.give({ type: 'retire', workerId: 1, reason: 'requests' })
  assert.deepEqual(scene.bootFailed(2), ['terminate 2', 'spawn 3'])
  assert.match(scene.logs.at(-1) ?? '', /worker 2 could not boot, replaced at once/)
  assert.deepEqual(scene.bootFailed(3), ['terminate 3'])
  assert.equal(scene.pool.state, 'serving', 'nobody is missing')
  assert.deepEqual(scene.tick(), ['spawn 4'])
  assert.deepEqual(scene.ready(4), ['admit 4', 'drain 1'])
})

test('one that dies before its turn needs no replacement but the one under way', () => {
  const scene = Scene.serving(2)
  scene.give({ type: 'retire', workerId: 1, reason: 'requests' })
  assert.deepEqual(scene.exited(1), [])
  assert.deepEqual(scene.ready(3), ['admit 3'])
  assert.equal(scene.states(), '2 ready, 3 ready')
})

test('fewer workers wanted: those that have served their time go first', () => {
  const scene = Scene.serving(3)
  scene.give({ type: 'retire', workerId: 3, reason: 'requests' })
  assert.deepEqual(scene.give({ type: 'resize', delta: -1 }), ['stop 4', 'drain 3'])
})

test('--worker-lifetime', () => {
  const scene = new Scene(2, { workerLifetimeMs: 5000 })
  scene.give({ type: 'start' })
  scene.ready(1)
  scene.wait(1000)
  scene.ready(2)
  assert.deepEqual(scene.tick(), ['spawn 3'])
  assert.equal(scene.nowMs, 6000)
  assert.deepEqual(scene.tick(), [], 'the second is due, and waits for its turn')
  assert.equal(scene.nowMs, 7000)
  assert.deepEqual(scene.ready(3), ['admit 3', 'drain 1'])
  scene.drained(1)
  assert.deepEqual(scene.exited(1), ['spawn 4'])
  assert.deepEqual(scene.ready(4), ['admit 4', 'drain 2'])
})

test('degraded: no worker is ready, or one is missing that keeps dying', () => {
  const scene = Scene.serving(2)
  assert.deepEqual(scene.told, ['serving'])
  scene.exited(1)
  scene.ready(3)
  assert.deepEqual(scene.told, ['serving'], 'one death is none')
  scene.exited(3)
  assert.deepEqual(scene.told, ['serving', 'degraded'])
  assert.match(scene.logs.at(-1) ?? '', /degraded: 1 of 2 workers are ready/)
  scene.tick()
  scene.ready(4)
  assert.deepEqual(scene.told, ['serving', 'degraded', 'serving'])
})

test('WINCH lets all workers go, HUP brings as many back', () => {
  const scene = Scene.serving(2)
  assert.deepEqual(scene.give({ type: 'suspend' }), ['drain 1', 'drain 2'])
  assert.equal(scene.pool.state, 'degraded')
  assert.deepEqual(scene.give({ type: 'suspend' }), [])
  for (const id of [1, 2]) scene.drained(id)
  for (const id of [1, 2]) assert.deepEqual(scene.exited(id), [])
  assert.equal(scene.pool.phase, 'serving')
  assert.deepEqual(scene.give({ type: 'reload' }), ['spawn 3', 'spawn 4'])
  scene.ready(3)
  assert.deepEqual(scene.ready(4), ['admit 4', 'reload-finished'])
})

test('WINCH, then TTIN brings one back', () => {
  const scene = Scene.serving(3)
  scene.give({ type: 'suspend' })
  assert.deepEqual(scene.give({ type: 'resize', delta: -1 }), [])
  assert.deepEqual(scene.give({ type: 'resize', delta: 1 }), ['spawn 4'])
  assert.equal(scene.pool.wanted, 1)
})

test('WINCH before anything is served changes nothing', () => {
  const scene = new Scene(1)
  scene.give({ type: 'start' })
  assert.deepEqual(scene.give({ type: 'suspend' }), [])
  assert.deepEqual(scene.ready(1), ['admit 1', 'serve'])
})

test('a reload that fails takes back what it changed, but not what was asked for meanwhile', () => {
  const slower = { ...limits, gracefulTimeoutMs: 1 }
  const scene = Scene.serving(1)
  scene.give({ type: 'reload', wanted: 3, limits: slower })
  assert.equal(scene.pool.wanted, 3)
  const failed = scene.bootFailed(2)
  assert.ok(failed.includes('reload-failed'))
  assert.equal(scene.pool.wanted, 1)
  assert.deepEqual(scene.pool.limits, limits)
  scene.give({ type: 'reload', wanted: 3 })
  scene.give({ type: 'scale', count: 2 })
  scene.bootFailed(scene.pool.workers.at(-1)?.id ?? 0)
  assert.equal(scene.pool.wanted, 2)
})

/** Numbers that look random and are the same in every run. */
function generator(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** What the world makes of the actions: threads that boot, drain, end or hang as it pleases them. */
class World {
  readonly scene: Scene
  readonly threads = new Map<number, 'booting' | 'ready' | 'draining' | 'stopping' | 'dying'>()
  readonly random: (below: number) => number
  isServerDraining = false
  hasEnded = false
  served = 0

  constructor(seed: number) {
    this.random = generator(seed)
    const workerLifetimeMs = this.random(3) === 0 ? 30_000 : 0
    this.scene = new Scene(1 + this.random(5), { workersMax: 8, workerLifetimeMs })
    this.give({ type: 'start' })
  }

  readyCount(): number {
    return [...this.threads.values()].filter((state) => state === 'ready').length
  }

  give(input: PoolInput): void {
    const readyBefore = this.readyCount()
    for (const action of this.scene.give(input)) this.perform(action)
    const { pool, nowMs } = this.scene

    // Only what is more than wanted goes.
    if (!this.isServerDraining) assert.ok(this.readyCount() >= Math.min(readyBefore, pool.wanted), this.describe(input))
    const active = pool.workers.filter(({ state }) => state === 'booting' || state === 'ready').length
    const isReplacing = pool.isReloading || pool.workers.some(({ state, leaving }) => state === 'ready' && leaving)
    assert.ok(
      active <= pool.wanted + (isReplacing ? 1 : 0) || pool.phase === 'stopping' || this.hasEnded,
      this.describe(input),
    )
    // One decision is enough, and the next is in the future.
    const again = decide(pool, nowMs, { type: 'tick' })
    assert.deepEqual(again.actions, [], this.describe(input))
    assert.ok(nextTickMs(pool) > nowMs)
    // Every thread is known, and none is forgotten.
    if (!this.hasEnded) {
      assert.deepEqual(pool.workers.map(({ id }) => id).sort(), [...this.threads.keys()].sort(), this.describe(input))
    }
    // Whatever is wanted and missing comes, now or at a known time, unless too many threads are stuck.
    const stuck = pool.workers.filter((worker) => worker.state === 'stuck').length
    const isFull = stuck >= Math.max(limits.stuckMax, pool.wanted)
    if (pool.phase === 'serving' && active < pool.wanted && !isFull)
      assert.ok(pool.spawnNotBeforeMs > nowMs, this.describe(input))
  }

  perform(text: string): void {
    const [type, workerId] = [text.split(' ')[0], Number(text.split(' ')[1])]
    const state = this.threads.get(workerId)
    switch (type) {
      case 'spawn':
        assert.ok(!this.hasEnded && state === undefined)
        this.threads.set(workerId, 'booting')
        return
      case 'admit':
        assert.equal(state, 'booting')
        this.threads.set(workerId, 'ready')
        return
      case 'drain':
        assert.equal(state, 'ready')
        this.threads.set(workerId, 'draining')
        return
      case 'stop':
        assert.ok(
          /^(?:draining|booting)$/.test(state ?? '') || (state === 'ready' && this.isServerDraining),
          `stop ${state}`,
        )
        this.threads.set(workerId, 'stopping')
        return
      case 'terminate':
        assert.notEqual(state, undefined)
        this.threads.set(workerId, 'dying')
        return
      case 'serve':
        this.served += 1
        assert.equal(this.served, 1)
        return
      case 'drain-server':
        assert.ok(!this.isServerDraining)
        this.isServerDraining = true
        return
      case 'end':
      case 'end:':
        this.hasEnded = true
    }
  }

  /** One thing that may happen. */
  happen(): void {
    const { scene, random } = this
    const ids = [...this.threads.keys()]
    const workerId = ids[random(ids.length)]
    const state = this.threads.get(workerId)
    scene.nowMs += random(4) === 0 ? random(20_000) : random(50)
    switch (random(15)) {
      case 14:
        if (workerId !== undefined && random(5) === 0) {
          // A loss like any other.
          if (state === 'ready') this.threads.set(workerId, 'dying')
          this.give({ type: 'worker-blocked', workerId, details: 'why' })
        }
        return
      case 12:
        if (workerId !== undefined) this.give({ type: 'retire', workerId, reason: 'requests' })
        return
      case 13:
        // Seldom, or little else would happen.
        if (random(10) === 0) this.give({ type: 'suspend' })
        return
      case 0:
        this.give({ type: 'reload' })
        return
      case 1:
        this.give({ type: 'resize', delta: random(2) * 2 - 1 })
        return
      case 2:
        scene.nowMs = Math.min(nextTickMs(scene.pool), scene.nowMs + 60_000)
        this.give({ type: 'tick' })
        return
      case 3:
        if (workerId === undefined) return
        this.threads.delete(workerId)
        this.give({ type: 'worker-exited', workerId, failure })
        return
      case 4:
        if (state === 'booting') this.give({ type: 'worker-boot-failed', workerId, failure })
        return
      case 5:
        if (this.isServerDraining) this.give({ type: 'server-drained' })
        return
      default:
        if (state === 'booting') this.give({ type: 'worker-ready', workerId })
        else if (state === 'draining') this.give({ type: 'worker-drained', workerId })
        else if (state === 'stopping' || state === 'dying') {
          this.threads.delete(workerId)
          this.give({ type: 'worker-exited', workerId, failure })
        }
    }
  }

  /** Told to stop, with threads that never do anything again. */
  finish(): void {
    const fromMs = this.scene.nowMs
    this.give({ type: 'shutdown', mode: this.random(2) === 0 ? 'graceful' : 'quick' })
    for (let ticks = 0; !this.hasEnded && ticks < 100; ticks++) {
      this.scene.nowMs = nextTickMs(this.scene.pool)
      this.give({ type: 'tick' })
    }
    assert.ok(this.hasEnded, 'it ends whatever the threads do')
    assert.ok(this.scene.nowMs - fromMs <= limits.gracefulTimeoutMs + limits.closeTimeoutMs)
  }

  describe(input: PoolInput): string {
    return `${JSON.stringify(input)} -> wanted ${this.scene.pool.wanted}, ${this.scene.states()}`
  }
}

test('whatever happens in whatever order, the invariants hold', () => {
  let reached = 0
  for (let seed = 1; seed <= 400; seed++) {
    const world = new World(seed)
    try {
      for (let step = 0; step < 200 && !world.hasEnded; step++) world.happen()
      if (world.hasEnded) continue // no first worker could boot
      reached += 1
      world.finish()
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error })
    }
  }
  assert.ok(reached > 200, `only ${reached} runs came to serve`)
})

test('a reload always comes to an end when workers do boot', () => {
  for (let seed = 1; seed <= 100; seed++) {
    const random = generator(seed)
    const wanted = 1 + random(6)
    const scene = Scene.serving(wanted)
    let actions = scene.give({ type: 'reload' })
    const seen: string[] = [...actions]
    for (let step = 0; step < 500 && !seen.includes('reload-finished'); step++) {
      const { workers } = scene.pool
      const worker = workers[random(workers.length)]
      if (worker.state === 'booting') actions = scene.ready(worker.id)
      else if (worker.state === 'draining') actions = scene.drained(worker.id)
      else if (worker.state === 'stopping') actions = scene.exited(worker.id)
      else continue
      seen.push(...actions)
      assert.ok(scene.pool.workers.filter(({ state }) => state === 'ready').length >= wanted)
    }
    assert.ok(seen.includes('reload-finished'), `seed ${seed}: ${scene.states()}`)
    const active = scene.pool.workers.filter(({ state }) => state === 'ready' || state === 'booting')
    assert.equal(active.length, wanted)
    assert.ok(active.every(({ generation, state }) => generation === 2 && state === 'ready'))
  }
})
