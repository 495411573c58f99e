/**
 * Promise: no web page can drive the control API, and nobody a TCP port without its token.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AccessFields, type AccessRules, checkOrigin, checkToken } from '../../src/control/access.js'
import type { Problem } from '../../src/control/problem.js'

const unix: AccessRules = { token: undefined, hosts: [] }
const tcp: AccessRules = { token: 'correct-horse', hosts: ['shop.internal'] }
const plain: AccessFields = {
  host: '127.0.0.1:9000',
  authorization: undefined,
  origin: undefined,
  secFetchSite: undefined,
}

function verdict(rules: AccessRules, changes: Partial<AccessFields>): string {
  try {
    checkOrigin(rules, { ...plain, ...changes })
    return 'let through'
  } catch (error) {
    return (error as Problem).type
  }
}

test('hosts that can only mean this server are let through', () => {
  for (const host of [
    '127.0.0.1:9000',
    '[::1]:9000',
    '10.0.0.7',
    'localhost:9000',
    'a.localhost',
    'shop.internal:9000',
  ]) {
    assert.equal(verdict(tcp, { host }), 'let through', host)
  }
})

test('a name that somebody else may have pointed here is refused', () => {
  for (const host of [
    'evil.example',
    'evil.example:9000',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    undefined,
    '',
  ]) {
    assert.equal(verdict(tcp, { host }), 'misdirected', host)
  }
  const origin = 'http://evil.example'
  assert.equal(verdict(unix, { host: 'evil.example', origin }), 'misdirected', 'a forwarded unix socket')
  assert.equal(verdict(unix, { host: 'anything' }), 'let through', 'no browser')
})

test('pages of other origins are refused', () => {
  for (const rules of [unix, tcp]) {
    assert.equal(verdict(rules, { origin: 'http://evil.example' }), 'forbidden')
    assert.equal(verdict(rules, { origin: 'null' }), 'forbidden')
    assert.equal(verdict(rules, { origin: 'http://127.0.0.1:8000' }), 'forbidden', 'another port')
    assert.equal(verdict(rules, { secFetchSite: 'cross-site' }), 'forbidden')
    assert.equal(verdict(rules, { secFetchSite: 'same-site' }), 'forbidden')
    assert.equal(verdict(rules, { origin: 'http://127.0.0.1:9000', secFetchSite: 'same-origin' }), 'let through')
    assert.equal(verdict(rules, { secFetchSite: 'none' }), 'let through', 'typed into the address bar')
  }
})

test('a token is needed where there is one', () => {
  checkToken(unix, undefined)
  checkToken(tcp, 'Bearer correct-horse')
  checkToken(tcp, 'bearer correct-horse')
  for (const authorization of [
    undefined,
    '',
    'correct-horse',
    'Basic correct-horse',
    'Bearer',
    'Bearer wrong',
    'Bearer correct-horse x',
  ]) {
    assert.throws(() => checkToken(tcp, authorization), { type: 'unauthorized' }, authorization)
  }
})
