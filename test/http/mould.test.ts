/**
 * Promise: a request and a response made without Node's constructors are what those make, in every field; and where the
 * constructors would do more, or the application has a say, they are called.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { EventEmitter } from 'node:events'
import { IncomingMessage, ServerResponse } from 'node:http'
import { PerformanceObserver } from 'node:perf_hooks'
import { getDefaultHighWaterMark, setDefaultHighWaterMark } from 'node:stream'
import { test } from 'node:test'
import type { Exchange } from '../../src/http/exchange.js'
import { Incoming, initialiseIncoming, requestMould } from '../../src/http/incoming.js'
import { type Mould, mouldOf } from '../../src/http/mould.js'
import { initialiseOutgoing, Outgoing, responseMould } from '../../src/http/outgoing.js'
import { installMessages } from '../../src/http/server-core.js'
import { methodNames, REQUEST_FLAG_HTTP10 } from '../../src/seam/records.js'
import { root } from '../support/root.js'

installMessages()

const get = methodNames.indexOf('GET')
const head = methodNames.indexOf('HEAD')

function exchangeOf(flags = 0): Exchange {
  const fields = { text: '/path\0', targetLength: 5, headerCount: 0, flags, isFinished: true }
  // As much of it as is looked at while they are made.
  return fields as unknown as Exchange
}

/** A maker, and whether the last object was made by Node's constructor. */
function makerOf<A, B, T extends object>(mould: Mould<A, B, T> | null, node: (a: A, b: B) => T, prototype: object) {
  assert.ok(mould !== null, 'there is a mould on this Node')
  const calls = { node: 0 }
  const make = mould(prototype, (a, b) => {
    calls.node++
    return node(a, b)
  })
  return { make, calls }
}

function nodesRequest(exchange: Exchange, method: number): IncomingMessage {
  return new Incoming(exchange, method)
}

function nodesResponse(exchange: Exchange, req: IncomingMessage): ServerResponse {
  return new Outgoing(exchange, req)
}

/** The same own fields, in the same order, of the same kind and with the same values. */
function assertAlike(made: object, expected: object): void {
  assert.deepEqual(Reflect.ownKeys(made), Reflect.ownKeys(expected))
  for (const key of Reflect.ownKeys(expected)) {
    assert.deepEqual(Object.getOwnPropertyDescriptor(made, key), Object.getOwnPropertyDescriptor(expected, key))
  }
  assert.equal(Object.getPrototypeOf(made), Object.getPrototypeOf(expected))
}

test('a request and a response have the fields that Node gives them, and share none', () => {
  const requests = makerOf(requestMould(), nodesRequest, Incoming.prototype)
  const responses = makerOf(responseMould(), nodesResponse, Outgoing.prototype)
  const exchange = exchangeOf()
  const req = requests.make(exchange, get)
  assertAlike(req, nodesRequest(exchange, get))
  assert.ok(req instanceof IncomingMessage)
  const res = responses.make(exchange, req)
  assertAlike(res, nodesResponse(exchange, req))
  assert.ok(res instanceof ServerResponse)
  const others = [requests.make(exchange, get), responses.make(exchange, req)] as unknown as Record<
    PropertyKey,
    unknown
  >[]
  for (const [at, object] of [req, res].entries()) {
    for (const key of Reflect.ownKeys(object)) {
      const value = (object as unknown as Record<PropertyKey, unknown>)[key]
      if (typeof value !== 'object' || value === null || value === exchange || value === req) continue
      assert.notEqual(value, others[at][key], `${String(key)} is its own`)
    }
  }
  assert.equal(requests.calls.node + responses.calls.node, 0)
})

test('they are born with the prototype of a framework', () => {
  const prototypes = [Object.create(IncomingMessage.prototype), Object.create(ServerResponse.prototype)]
  const req = makerOf(requestMould(), nodesRequest, prototypes[0]).make(exchangeOf(), get)
  const res = makerOf(responseMould(), nodesResponse, prototypes[1]).make(exchangeOf(), req)
  const [expectedReq, expectedRes] = prototypes.map((prototype) => Object.create(prototype))
  initialiseIncoming(expectedReq, exchangeOf(), get)
  initialiseOutgoing(expectedRes, exchangeOf(), req)
  assertAlike(req, expectedReq)
  assertAlike(res, expectedRes)
})

test('a prototype that has an accessor, or a constant, in the place of a field is left to Node', () => {
  for (const descriptor of [{ get: () => 'taken' }, { value: 'taken' }]) {
    const prototype = Object.create(IncomingMessage.prototype, { complete: descriptor })
    const { make, calls } = makerOf(requestMould(), () => new IncomingMessage(null as never), prototype)
    make(exchangeOf(), get)
    assert.equal(calls.node, 1)
  }
})

test('HEAD and HTTP/1.0 have responses of their own', () => {
  const requests = makerOf(requestMould(), nodesRequest, Incoming.prototype)
  const responses = makerOf(responseMould(), nodesResponse, Outgoing.prototype)
  for (const [flags, method] of [
    [0, head],
    [REQUEST_FLAG_HTTP10, get],
  ]) {
    const exchange = exchangeOf(flags)
    const req = requests.make(exchange, method)
    assertAlike(req, nodesRequest(exchange, method))
    assertAlike(responses.make(exchange, req), nodesResponse(exchange, req))
  }
  assert.deepEqual([requests.calls.node, responses.calls.node], [0, 2])
})

test('settings of streams and emitters are as the application has them by then', () => {
  const requests = makerOf(requestMould(), nodesRequest, Incoming.prototype)
  const responses = makerOf(responseMould(), nodesResponse, Outgoing.prototype)
  const before = getDefaultHighWaterMark(false)
  EventEmitter.captureRejections = true
  setDefaultHighWaterMark(false, 12_345)
  try {
    const exchange = exchangeOf()
    const req = requests.make(exchange, get)
    assert.equal(req.readableHighWaterMark, 12_345)
    assertAlike(req, nodesRequest(exchange, get))
    assertAlike(responses.make(exchange, req), nodesResponse(exchange, req))
  } finally {
    EventEmitter.captureRejections = false
    setDefaultHighWaterMark(false, before)
  }
  assert.equal(requests.calls.node + responses.calls.node, 0)
})

test('whoever gives emitters more has Node make them', () => {
  const requests = makerOf(requestMould(), nodesRequest, Incoming.prototype)
  const responses = makerOf(responseMould(), nodesResponse, Outgoing.prototype)
  // As node:domain does.
  const emitters = EventEmitter as unknown as { init: (this: object, options: unknown) => void }
  const { init } = emitters
  emitters.init = function (options) {
    ;(this as { extra?: string }).extra = 'more'
    return init.call(this, options)
  }
  try {
    const req = requests.make(exchangeOf(), get)
    assert.equal((req as { extra?: string }).extra, 'more')
    assert.equal((responses.make(exchangeOf(), req) as { extra?: string }).extra, 'more')
  } finally {
    emitters.init = init
  }
})

test('whoever listens to the making of responses is told', (t) => {
  const requests = makerOf(requestMould(), nodesRequest, Incoming.prototype)
  const responses = makerOf(responseMould(), nodesResponse, Outgoing.prototype)
  const told: unknown[] = []
  const listener = (message: unknown): void => void told.push((message as { response: unknown }).response)
  subscribe('http.server.response.created', listener)
  t.after(() => unsubscribe('http.server.response.created', listener))
  const expected = nodesResponse(exchangeOf(), requests.make(exchangeOf(), get))
  // Node 22 and later.
  const tells = told.length === 1 && told[0] === expected
  const res = responses.make(exchangeOf(), requests.make(exchangeOf(), get))
  assert.deepEqual(told.slice(1), tells ? [res] : [])
})

// The last one of this file: what was observed once stays so.
test('responses that are measured are made by Node', () => {
  const requests = makerOf(requestMould(), nodesRequest, Incoming.prototype)
  const responses = makerOf(responseMould(), nodesResponse, Outgoing.prototype)
  const isMeasured = (): boolean => {
    const symbols = Object.getOwnPropertySymbols(responses.make(exchangeOf(), requests.make(exchangeOf(), get)))
    return symbols.some(({ description }) => description === 'ServerResponseStatistics')
  }
  const observer = new PerformanceObserver(() => {})
  observer.observe({ entryTypes: ['mark'] })
  assert.equal(isMeasured(), false)
  assert.equal(responses.calls.node, 0)
  observer.disconnect()
  const another = new PerformanceObserver(() => {})
  another.observe({ type: 'http' })
  assert.equal(isMeasured(), true)
  another.disconnect()
  assert.equal(isMeasured(), false)
})

test('fields that hold what is not known leave no mould', () => {
  const usual = { added: [], fill: () => {}, isUsual: () => true }
  assert.notEqual(mouldOf({ specimen: { a: 1, b: [], c: null, d: { x: undefined } }, ...usual }), null)
  for (const value of [new Map(), [1], { x: 1 }, 1n, new (class {})(), Symbol('x')]) {
    assert.equal(mouldOf({ specimen: { value }, ...usual }), null)
  }
  assert.equal(mouldOf({ specimen: Object.defineProperty({}, 'hidden', { value: 1, writable: true }), ...usual }), null)
})

test('an application that may not make code of text is served', () => {
  const script = `
    import { installMessages } from './build/test-out/src/http/server-core.js'
    import { requestMould } from './build/test-out/src/http/incoming.js'
    import { responseMould } from './build/test-out/src/http/outgoing.js'
    installMessages()
    console.log(requestMould(), responseMould())`
  const args = ['--disallow-code-generation-from-strings', '--input-type=module', '--eval', script]
  assert.equal(execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8' }), 'null null\n')
})
