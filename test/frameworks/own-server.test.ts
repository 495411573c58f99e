/**
 * Promise: a framework takes hornet/http where it lets the application choose the server, and by nothing else than that.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Server } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { serve } from '@hono/node-server'
import { fastify } from 'fastify'
import { Hono } from 'hono'
import http from 'hornet/http'
import { get } from '../support/http.js'

// They bring no types.
const require = createRequire(import.meta.url)
const express = require('express')
const Koa = require('koa')

async function check(server: Server): Promise<void> {
  try {
    if (!server.listening) await once(server, 'listening')
    assert.ok(server instanceof http.Server)
    const { port } = server.address() as AddressInfo
    assert.equal((await get({ port }, '/')).text, 'served')
  } finally {
    server.close()
    server.closeAllConnections()
  }
  await once(server, 'close')
}

test('Express: http.createServer(app)', async () => {
  const app = express()
  app.get('/', (_req: unknown, res: { send(text: string): void }) => res.send('served'))
  await check(http.createServer(app).listen(0, '127.0.0.1'))
})

test('Koa: http.createServer(app.callback())', async () => {
  const app = new Koa()
  app.use((context: { body: string }) => {
    context.body = 'served'
  })
  await check(http.createServer(app.callback()).listen(0, '127.0.0.1'))
})

test('Fastify: serverFactory', async () => {
  const app = fastify({ serverFactory: (handler) => http.createServer(handler) })
  app.get('/', async () => 'served')
  await app.listen({ port: 0, host: '127.0.0.1' })
  await check(app.server)
  await app.close()
})

test('Hono: createServer', async () => {
  const app = new Hono()
  app.get('/', (context) => context.text('served'))
  const { createServer } = http
  await check(serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1', createServer }) as Server)
})
