/**
 * Promise: with more to do than the workers can, those who have just asked are answered in time, and not everybody late;
 * what was passed over has its turn when the load falls.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Hornet, startHornet } from '../support/hornet.js'
import { connect, message, type RawConnection } from '../support/http.js'
import { until } from '../support/until.js'

// Holds its thread for 5 ms: 200 requests a second.
const app = 'bench/overload/app.mjs'

/** Counts what is answered, by status. */
class Clients {
  readonly statuses = new Map<number, number>()
  readonly connections: RawConnection[] = []

  constructor(readonly hornet: Hornet) {}

  get answered(): number {
    return [...this.statuses.values()].reduce((sum, count) => sum + count, 0)
  }

  async ask(): Promise<{ status: Promise<number> }> {
    const connection = await connect(this.hornet)
    this.connections.push(connection)
    connection.write(message('GET', '/'))
    const status = connection.readResponse().then((response) => response.status)
    status.then(
      (each) => this.statuses.set(each, (this.statuses.get(each) ?? 0) + 1),
      () => {},
    )
    return { status }
  }

  leave(): void {
    for (const connection of this.connections) connection.destroy()
  }
}

test('when clients leave a late queue the newest go first; the others are answered when it falls', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '1'] })
  const clients = new Clients(hornet)
  const old = await Promise.all(Array.from({ length: 500 }, () => clients.ask()))
  await until(() => clients.answered >= 40, '40 answers')
  // Some of the last in line lose their patience. Seen at once: after an end alone they may still be reading.
  for (const connection of clients.connections.slice(-150)) connection.reset()
  // Until that is seen to be more than a whim.
  await until(() => clients.answered >= 180, '180 answers')
  assert.equal(await (await clients.ask()).status, 200)
  assert.ok(clients.answered < 320, `${clients.answered} of 351 were answered when the one was that asked last`)
  for (const { status } of old.slice(0, -150)) assert.equal(await status, 200)
  clients.leave()
})

test('as long as nobody leaves, all are served in the order they came', async () => {
  await using hornet = await startHornet({ app, args: ['--workers', '1'] })
  const clients = new Clients(hornet)
  await Promise.all(Array.from({ length: 200 }, () => clients.ask()))
  await until(() => clients.answered >= 60, '60 answers')
  assert.equal(await (await clients.ask()).status, 200)
  assert.equal(clients.answered, 201)
  clients.leave()
})

test('a full queue sheds the oldest while the newest go first', async () => {
  const args = ['--workers', '1', '--worker-connections', '2', '--request-queue', '300']
  await using hornet = await startHornet({ app, args })
  const clients = new Clients(hornet)
  // Those that find it full are shed: nobody is late yet.
  await Promise.all(Array.from({ length: 600 }, () => clients.ask()))
  await until(() => (clients.statuses.get(200) ?? 0) >= 140, '140 answers')
  const shed = clients.statuses.get(503) ?? 0
  assert.ok(shed > 200)
  const more = await Promise.all(Array.from({ length: 290 }, () => clients.ask()))
  const statuses = await Promise.all(more.map(({ status }) => status))
  const served = statuses.filter((status) => status === 200).length
  assert.ok(served >= 250, `${served} of those that came late were served`)
  assert.ok((clients.statuses.get(503) ?? 0) > shed, 'in place of older ones')
  clients.leave()
})
