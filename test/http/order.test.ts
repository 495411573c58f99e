/**
 * Promise: `req` and `res` emit their events in the order that the running Node emits them in, bodies that nobody reads
 * and connections that the application gave up among them.
 */
import assert from 'node:assert/strict'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { type Hornet, startHornet } from '../support/hornet.js'
import { connect, get, message, type Target } from '../support/http.js'
import { root } from '../support/root.js'

const app = 'test/http/fixtures/order.mjs'
const { default: listener, names } = (await import(pathToFileURL(join(root, app)).href)) as {
  default: RequestListener
  names: string[]
}

let runs = 0

async function notesOf(target: Target, name: string, method: string): Promise<unknown> {
  const run = String(++runs)
  const connection = await connect(target)
  const path = `/${name}/${run}`
  connection.write(message(method, path, { Connection: 'close' }, method === 'POST' ? 'hello' : undefined))
  await connection.readToEnd()
  return JSON.parse((await get(target, `/log/${run}`)).text)
}

describe('order of events, as Node has it', () => {
  const node = createServer(listener)
  let hornet: Hornet
  before(async () => {
    hornet = await startHornet({ app, args: ['--workers', '1'] })
    await new Promise<void>((listening) => node.listen(0, '127.0.0.1', listening))
  })
  after(async () => {
    node.close()
    await hornet.stop()
  })

  for (const method of ['GET', 'POST']) {
    for (const name of names) {
      test(`${method} ${name}`, async () => {
        const { port } = node.address() as AddressInfo
        assert.deepEqual(await notesOf(hornet, name, method), await notesOf({ port }, name, method))
      })
    }
  }
})
