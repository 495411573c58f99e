/**
 * Promise: connections beyond --max-connections wait in the kernel's queue, and are served as soon as one leaves.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startHornet } from '../support/hornet.js'
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
      inside.push(connection)
    }
    const outside: RawConnection[] = []
    for (let number = 0; number < 4; number++) {
      const connection = await connect(target(number))
      connection.write(message('GET', '/text/outside'))
      outside.push(connection)
    }
    for (const connection of inside) await answers(connection, 'again')
    for (const { state, buffered } of outside) assert.deepEqual([state, buffered.length], ['open', 0])

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
      for (const waiting of served.keys()) assert.equal(waiting.buffered.length, 0)
    }
    for (const connection of outside) connection.destroy()
  })
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
