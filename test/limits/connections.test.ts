/**
 * Promise: connections beyond --max-connections take the place of idle ones, or wait in the kernel's queue and are served
 * as soon as one leaves. A machine that is out of descriptors is the same to them.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { startControlled } from '../control/fixtures/control.js'
import { asked, eventually } from '../support/deadline.js'
import { type Hornet, startHornet } from '../support/hornet.js'
import { connect, message, type RawConnection } from '../support/http.js'

const app = 'test/http/fixtures/app.mjs'

async function answers(connection: RawConnection, name: string): Promise<void> {
  connection.write(message('GET', `/text/${name}`))
  assert.equal((await connection.readResponse()).text, name)
}

for (const listeners of [1, 2]) {
  test(`the one too many waits, and is served when one leaves (${listeners} listening)`, async () => {
    const args = ['--workers', '1', '--keep-alive', '1h', '--max-connections', '4']
    await using hornet = await startHornet({ app, listeners, args })
    const target = (number: number) => ({ port: hornet.ports[number % listeners] ?? 0 })
    const inside: RawConnection[] = []
    for (let number = 0; number < 4; number++) {
      const connection = await connect(target(number))
      await answers(connection, 'inside')
      // Another request has begun: it is not idle.
      connection.write('GET /text/again HTTP/1.1\r\n')
      inside.push(connection)
    }
    const outside: RawConnection[] = []
    for (let number = 0; number < 4; number++) {
      const connection = await connect(target(number))
      connection.write(message('GET', '/text/outside'))
      outside.push(connection)
    }
    for (const connection of inside) {
      connection.write('Host: a\r\n\r\nGET / HTTP/1.1\r\n')
      assert.equal((await connection.readResponse()).text, 'again')
    }
    for (const { state, buffered } of outside) assert.deepEqual([state, buffered.length], ['open', 0])
    await hornet.waitForLog(/all 4 connections are in use \(--max-connections\)/)

    // One leaves, one comes in; and so on until all have changed places.
    const served = new Map(
      outside.map((connection) => [connection, connection.readResponse().then(({ text }) => ({ connection, text }))]),
    )
    for (const leaving of inside) {
      leaving.destroy()
      const { connection, text } = await Promise.race(served.values())
      served.delete(connection)
      assert.equal(text, 'outside')
      await answers(connection, 'inside')
      connection.write('GET / HTTP/1.1\r\n')
      for (const waiting of served.keys()) assert.equal(waiting.buffered.length, 0)
    }
    for (const connection of outside) connection.destroy()
  })
}

test('idle and silent connections give way, those with a request under way do not', async () => {
  const args = ['--keep-alive', '1h', '--header-timeout', '1h', '--max-connections', '4']
  await using controlled = await startControlled({ app, workers: 1, args })
  const { hornet, ask } = controlled
  const silent = await connect(hornet)
  const idle = await connect(hornet)
  await answers(idle, 'idle')
  const reading = await connect(hornet)
  reading.write('GET /text/read HTTP/1.1\r\n')
  const held = await connect(hornet)
  held.write(message('GET', '/hold/held'))
  // Both of these come in when the other two have been quiet for a second, and not by the clocks of the test.
  const comers = await Promise.all([connect(hornet), connect(hornet)])
  for (const comer of comers) await answers(comer, 'comer')
  for (const gone of [silent, idle]) assert.equal((await gone.readToEnd()).length, 0)
  reading.write('Host: a\r\n\r\n')
  assert.equal((await reading.readResponse()).text, 'read')
  comers[0].write(message('GET', '/seen/release/held'))
  assert.equal((await held.readResponse()).text, 'held')
  const { text } = await ask('GET', '/metrics')
  assert.match(text, /^hornet_connections_closed_total\{reason="room"\} 2$/m)
  assert.match(text, /^hornet_accept_pauses_total [1-9]/m)
  for (const connection of [...comers, reading, held]) connection.destroy()
})

/** Soft limit on the descriptors of a running process. */
const limitDescriptors = ({ pid }: Hornet, count: number) =>
  execFileSync('prlimit', ['--pid', `${pid}`, `--nofile=${count}:`])
const descriptors = ({ pid }: Hornet) => readdirSync(`/proc/${pid}/fd`).length

test('out of descriptors: those inside are served, the others wait, and come in when there are some', async () => {
  await using controlled = await startControlled({ app, workers: 1 })
  const { hornet, ask } = controlled
  const inside = await connect(hornet)
  await answers(inside, 'inside')
  const highest = Math.max(...readdirSync(`/proc/${hornet.pid}/fd`).map(Number))
  limitDescriptors(hornet, highest + 1)
  const free = highest + 1 - descriptors(hornet)
  const outside = await Promise.all(Array.from({ length: free + 3 }, () => connect(hornet)))
  for (const connection of outside) connection.write('GET /text/outside HTTP/1.1\r\n')
  await hornet.waitForLog(/cannot accept connections: .*; trying again/)
  const before = processorMs(hornet)
  const start = performance.now()
  for (let number = 0; number < 100; number++) await answers(inside, `${number}`)
  // It rests meanwhile, and does not spin.
  await eventually('half a second', () => (performance.now() - start > 500 ? true : undefined))
  const busy = (processorMs(hornet) - before) / (performance.now() - start)
  assert.ok(busy < 0.7, `${busy} of a processor`)
  limitDescriptors(hornet, 1000)
  for (const connection of outside) {
    connection.write('Host: a\r\n\r\n')
    assert.equal((await connection.readResponse()).text, 'outside')
  }
  for (const connection of outside) connection.destroy()
  // One line for all of it, and one that it is over: said once it has gone well for a second.
  await asked('line that it is over', async () => {
    const late = await connect(hornet)
    await answers(late, 'late')
    late.destroy()
    return /connections are accepted again/.test(hornet.stderr)
  })
  assert.equal(hornet.stderr.match(/cannot accept connections/g)?.length, 1)
  assert.match((await ask('GET', '/metrics')).text, /^hornet_accept_errors_total [1-9]/m)
  inside.destroy()
})

/** Processor time of a process so far, all threads; in steps of 10 ms. */
function processorMs({ pid }: Hornet): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

test('500 connections pass through a server that holds 3', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '1', '--max-connections', '3'] })
  await Promise.all(
    Array.from({ length: 500 }, async (_, number) => {
      const connection = await connect(hornet)
      connection.write(message('GET', `/text/${number}`, { Connection: 'close' }))
      assert.equal((await connection.readResponse()).text, `${number}`)
      await connection.readToEnd()
    }),
  )
})
