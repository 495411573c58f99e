// How long requests wait for a worker, by who decides which worker gets which: a discrete-event simulation. Pure: the
// same numbers on every run and machine.
//
// A worker runs one request at a time to its end, as JavaScript does with a handler that does not wait for anything.
// Requests arrive at random times (Poisson), each on one of many connections that are equally busy.

/**
 * What follows from Hornet's `--reassign-after` of 5 ms (native/server/io_thread.cc): how often it looks for workers that
 * make no progress, and for how long one may run without any.
 */
const reassignAfterMs = 5
const lookMs = Math.max(Math.floor(reassignAfterMs / 5), 1)
const quietMs = Math.max(Math.floor(reassignAfterMs / 2), 1)

/**
 * The rules by which a request that has arrived gets to a worker.
 *
 * - `per-connection`: a connection belongs to one worker for its life, as with node:cluster, PM2 or SO_REUSEPORT.
 * - `least-loaded`: each request goes to the worker with the fewest requests, and stays there.
 * - `hornet`: the same; what a worker has not begun is given to another when it makes no progress.
 * - `shared-queue`: one queue, from which a worker takes the next when it is free: no worker is ever idle while a request
 *   waits.
 */
export const policies = ['per-connection', 'least-loaded', 'hornet', 'shared-queue']

/**
 * @param {object} options
 * @param {string} options.policy
 * @param {number} options.workers
 * @param {number} options.load Share of the workers' time that requests need, below 1.
 * @param {number} options.requests How many are counted, after a tenth as many that are not.
 * @param {number} options.meanMs Of the run time of a usual request (exponential).
 * @param {number} [options.blockingShare] Of requests that take `blockingMs` instead.
 * @param {number} [options.blockingMs]
 * @param {number} [options.connectionsPerWorker]
 * @param {number} [options.seed]
 * @returns {{ meanMs: number, p50Ms: number, p99Ms: number, p999Ms: number }} Of the wait for a worker.
 */
export function simulate(options) {
  const { policy, workers: count, load, requests, meanMs, blockingShare = 0, blockingMs = 0 } = options
  const { connectionsPerWorker = 16, seed = 1 } = options
  const random = mulberry32(seed)
  const serviceMs = (1 - blockingShare) * meanMs + blockingShare * blockingMs
  const arrivalsPerMs = (load * count) / serviceMs
  const exponential = (mean) => -mean * Math.log(1 - random())
  const workers = Array.from({ length: count }, () => ({
    queue: [],
    current: undefined,
    isStalled: false,
    begun: false,
  }))
  const shared = []
  const ends = new Heap()
  const waits = new Float64Array(requests)
  const warmUp = Math.ceil(requests / 10)
  let counted = 0
  let turn = 0

  const begin = (worker, request, nowMs) => {
    worker.current = request
    worker.begun = true
    if (request.number >= warmUp && counted < requests) waits[counted++] = nowMs - request.arrivedMs
    ends.push(nowMs + request.runMs, worker)
  }
  const give = (worker, request, nowMs) => {
    if (worker.current === undefined) begin(worker, request, nowMs)
    else worker.queue.push({ ...request, givenMs: nowMs })
  }
  const sizeOf = (worker) => worker.queue.length + (worker.current === undefined ? 0 : 1)
  /** The one with the fewest requests; those that make progress first, and among equals in turn. */
  const leastLoaded = () => {
    let best
    for (let i = 0; i < count; i++) {
      const worker = workers[(turn + i) % count]
      if (best === undefined || rank(worker) < rank(best)) best = worker
    }
    turn = (turn + 1) % count
    return best
  }
  const rank = (worker) => (worker.isStalled ? 1e6 : 0) + sizeOf(worker)

  const arrive = (request, nowMs) => {
    if (policy === 'per-connection') {
      const connection = Math.floor(random() * count * connectionsPerWorker)
      give(workers[connection % count], request, nowMs)
    } else if (policy === 'shared-queue') {
      const free = workers.find((worker) => worker.current === undefined)
      if (free === undefined) shared.push(request)
      else begin(free, request, nowMs)
    } else give(leastLoaded(), request, nowMs)
  }
  const finish = (worker, nowMs) => {
    worker.current = undefined
    // It reads on in its ring, though all that it finds there may have been taken back.
    worker.begun = true
    const next = policy === 'shared-queue' ? shared.shift() : worker.queue.shift()
    if (next !== undefined) begin(worker, next, nowMs)
  }
  /** What the I/O thread's watchdog does every few milliseconds. */
  const lookForStalls = (nowMs) => {
    for (const worker of workers) {
      if (worker.begun) {
        worker.isStalled = false
        worker.progressedMs = nowMs
        worker.begun = false
      }
      const oldest = worker.queue[0]
      const waitsLong = oldest !== undefined && nowMs - oldest.givenMs >= reassignAfterMs
      const isLate = nowMs - worker.progressedMs >= quietMs
      if (isLate && (worker.current !== undefined || waitsLong)) worker.isStalled = true
    }
    for (const worker of workers) {
      while (worker.isStalled && worker.queue.length > 0) {
        const refuge = refugeFrom(worker)
        if (refuge === undefined) break
        // Only where it waits less: else all that one worker had to do would fall upon another that is busy too.
        const ahead = refuge.queue.length
        if (ahead > 0 && ahead + 1 >= worker.queue.length) break
        give(refuge, worker.queue.shift(), nowMs)
      }
    }
  }
  /** Of the workers that make progress, the one where the fewest wait. */
  const refugeFrom = (stalled) => {
    let best
    for (const worker of workers) {
      if (worker === stalled || worker.isStalled) continue
      if (best === undefined || burden(worker) < burden(best)) best = worker
    }
    return best
  }
  const burden = (worker) => worker.queue.length * 1e6 + sizeOf(worker)

  let nextArrivalMs = exponential(1 / arrivalsPerMs)
  let nextLookMs = policy === 'hornet' ? lookMs : Number.POSITIVE_INFINITY
  for (let number = 0; counted < requests; ) {
    const endMs = ends.earliest()
    if (endMs <= nextArrivalMs && endMs <= nextLookMs) finish(ends.pop(), endMs)
    else if (nextLookMs <= nextArrivalMs) {
      lookForStalls(nextLookMs)
      nextLookMs += lookMs
    } else {
      const runMs = random() < blockingShare ? blockingMs : exponential(meanMs)
      arrive({ number, arrivedMs: nextArrivalMs, runMs, givenMs: 0 }, nextArrivalMs)
      number++
      nextArrivalMs += exponential(1 / arrivalsPerMs)
    }
  }
  waits.sort()
  const at = (share) => waits[Math.min(requests - 1, Math.ceil(share * requests) - 1)]
  return {
    meanMs: waits.reduce((sum, wait) => sum + wait, 0) / requests,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    p999Ms: at(0.999),
  }
}

/** A number from 0 to below 1, the same row of them for each seed. */
function mulberry32(seed) {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let value = Math.imul(state ^ (state >>> 15), 1 | state)
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Times, the earliest first, each with what it belongs to. */
class Heap {
  #times = []
  #items = []

  earliest() {
    return this.#times[0] ?? Number.POSITIVE_INFINITY
  }

  push(time, item) {
    let at = this.#times.push(time) - 1
    this.#items.push(item)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (this.#times[parent] <= this.#times[at]) break
      this.#swap(at, parent)
      at = parent
    }
  }

  /** Takes the item of the earliest time. */
  pop() {
    const last = this.#times.length - 1
    this.#swap(0, last)
    this.#times.pop()
    const item = this.#items.pop()
    for (let at = 0; ; ) {
      const [left, right] = [2 * at + 1, 2 * at + 2]
      let least = at
      if (left < last && this.#times[left] < this.#times[least]) least = left
      if (right < last && this.#times[right] < this.#times[least]) least = right
      if (least === at) return item
      this.#swap(at, least)
      at = least
    }
  }

  #swap(a, b) {
    ;[this.#times[a], this.#times[b]] = [this.#times[b], this.#times[a]]
    ;[this.#items[a], this.#items[b]] = [this.#items[b], this.#items[a]]
  }
}
