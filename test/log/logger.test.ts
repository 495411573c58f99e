/**
 * Promise: every record reaches its destination before the call returns, whole, and cannot pass for another one.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, renameSync, rmdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { HornetError } from '../../src/errors.js'
import { createLogger, textLine } from '../../src/log/logger.js'

const folder = mkdtempSync(join(tmpdir(), 'hornet-logger-'))
after(() => rmSync(folder, { recursive: true }))

test('text lines carry time, process and level, and keep to the level', () => {
  const destination = join(folder, 'text.log')
  const logger = createLogger({ level: 'info', format: 'text', destination })
  logger.debug('unseen')
  logger.info('one')
  logger.warn('two')
  logger.error('three')
  const lines = readFileSync(destination, 'utf8').split('\n')
  assert.match(lines[0], /^\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\] \[\d+\] \[info\] one$/)
  assert.match(lines[1], /\[warn\] two$/)
  assert.match(lines[2], new RegExp(`\\[${process.pid}\\] \\[error\\] three$`))
  assert.equal(lines.length, 4)
  logger.close()
})

test('json records are one object a line', () => {
  const destination = join(folder, 'json.log')
  const logger = createLogger({ level: 'debug', format: 'json', destination })
  logger.debug('a\nb "c"')
  const { time, ...rest } = JSON.parse(readFileSync(destination, 'utf8'))
  assert.ok(!Number.isNaN(Date.parse(time)))
  assert.deepEqual(rest, { pid: process.pid, level: 'debug', message: 'a\nb "c"' })
  logger.close()
})

test('a record repeated many times is written as often', () => {
  const destination = join(folder, 'repeated.log')
  const logger = createLogger({ level: 'warn', format: 'text', destination })
  for (let count = 0; count < 50; count++) logger.warn('again')
  assert.equal(readFileSync(destination, 'utf8').match(/again/g)?.length, 50)
  logger.close()
})

test('a message cannot forge a record', () => {
  const record = { time: 'T', pid: 1, level: 'info', message: 'x\n[T] [1] [error] forged\u001b[2J\r\u0085' }
  assert.equal(textLine(record), '[T] [1] [info] x\n    [T] [1] [error] forged\\x1b[2J\\x0d\\x85\n')
})

test('after a rotation, records go into a new file', () => {
  const destination = join(folder, 'rotated.log')
  const logger = createLogger({ level: 'info', format: 'text', destination })
  logger.info('before')
  renameSync(destination, `${destination}.1`)
  logger.info('between')
  logger.reopen()
  logger.info('after')
  assert.match(readFileSync(`${destination}.1`, 'utf8'), /before\n.*between\n$/)
  assert.match(readFileSync(destination, 'utf8'), /^\S+ \S+ \[info\] after\n$/)
  logger.close()
})

test('a file that cannot be opened is an error, and the old one stays in use', () => {
  const gone = mkdtempSync(join(folder, 'gone-'))
  const destination = join(gone, 'a.log')
  const logger = createLogger({ level: 'info', format: 'text', destination })
  const kept = join(folder, 'kept.log')
  renameSync(destination, kept)
  rmdirSync(gone)
  const isConfigError = (error: unknown) =>
    error instanceof HornetError && error.code === 'ERR_HORNET_CONFIG' && error.message.includes(destination)
  assert.throws(() => logger.reopen(), isConfigError)
  logger.info('still here')
  assert.match(readFileSync(kept, 'utf8'), /still here/)
  logger.close()
  assert.throws(() => createLogger({ level: 'info', format: 'text', destination }), isConfigError)
})

test('level, format and file change while it runs', () => {
  const first = join(folder, 'first.log')
  const second = join(folder, 'second.log')
  const logger = createLogger({ level: 'info', format: 'text', destination: first })
  logger.info('one')
  logger.configure({ level: 'warn', format: 'json', destination: second })
  logger.info('unseen')
  logger.warn('two')
  assert.match(readFileSync(first, 'utf8'), /^\S+ \S+ \[info\] one\n$/)
  assert.equal(JSON.parse(readFileSync(second, 'utf8')).message, 'two')
  const nowhere = { level: 'debug', format: 'text', destination: join(folder, 'none', 'a.log') } as const
  assert.throws(() => logger.configure(nowhere), HornetError)
  logger.debug('unseen')
  logger.warn('three')
  logger.reopen()
  assert.equal(readFileSync(second, 'utf8').split('\n').length, 3)
  logger.close()
})
