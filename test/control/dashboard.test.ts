/**
 * Promise: the dashboard shows a running server, in a real browser, without any other host, and its buttons do what
 * they say.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findChromium, Page } from '../support/chromium.js'
import { startHornet } from '../support/hornet.js'
import { connect, get, message } from '../support/http.js'
import { app } from './fixtures/control.js'

const chromium = findChromium()
const token = 'correct-horse-battery'

test('the page is allowed its own style and script and nothing else', async () => {
  await using server = await startDashboard()
  const { headers, text } = await get(server.control)
  assert.equal(headers['content-type'], 'text/html; charset=utf-8')
  const policy = headers['content-security-policy']
  assert.match(
    policy,
    /^default-src 'none'; script-src 'sha256-[\w+/=]{44}'; style-src 'sha256-[\w+/=]{44}'; connect-src 'self';/,
  )
  assert.match(policy, /frame-ancestors 'none'/)
  assert.doesNotMatch(text, / style=| on\w+=/, 'what the policy would block')
  const links = [...text.matchAll(/(?:src|href)="([^"]*)"/g)].map((match) => match[1])
  assert.ok(
    links.every((link) => link?.startsWith('data:')),
    links.join(),
  )
})

test('it shows what happens and does what is clicked', {
  skip: chromium ? false : 'there is no Chromium here',
}, async () => {
  await using server = await startDashboard()
  const { hornet, control } = server
  await using page = await Page.open(chromium ?? '', { width: 1360, height: 1000 })
  await page.goto(`http://127.0.0.1:${control.port}/`)
  await page.waitFor(`!document.getElementById('login').hidden`)
  // A refused answer is logged by the browser itself; from here on there is none.
  const enter = (secret: string) =>
    page.evaluate(
      `document.getElementById('token').value = '${secret}'; document.querySelector('#login button').click()`,
    )
  await enter('wrong-wrong-wrong')
  await page.waitFor(`/token is wrong/.test(document.getElementById('login-text').textContent)`)
  await enter(token)
  await page.waitFor(
    `!document.getElementById('app').hidden && document.getElementById('state').textContent === 'serving'`,
  )
  page.problems.length = 0

  for (let count = 0; count < 20; count++) await get(hornet)
  const held = await connect(hornet)
  held.write(message('GET', '/hold?<b>markup</b>'))
  await page.waitFor(`document.getElementById('t-rate-more').textContent.startsWith('21 in all')`)
  await page.waitFor(`document.querySelector('#requests .url')?.textContent === 'GET /hold?<b>markup</b>'`)
  await page.waitFor(`document.querySelectorAll('#charts path').length > 3`)
  await page.waitFor(`/^p50 .* ms/.test(document.getElementById('t-latency-more').textContent)`)
  held.destroy()

  const click = (selector: string) => page.evaluate(`document.querySelector(${JSON.stringify(selector)}).click()`)
  await click('#more')
  await page.waitFor(`document.querySelectorAll('#workers tr').length === 3`)
  await page.waitFor(`document.getElementById('t-workers').textContent === '3 of 3'`)

  const spinning = await connect(hornet)
  spinning.write(message('GET', '/spin'))
  await page.waitFor(`document.querySelector('#workers .blocked')`)
  await page.evaluate(`document.querySelector('#workers .blocked').closest('tr').querySelector('button').click()`)
  await page.waitFor(
    `/at spinForever \\(.*app\\.mjs:\\d+:\\d+\\)/.test(document.getElementById('dialog-text').textContent)`,
  )
  await click('#dialog-close')

  await click('#workers tr:last-child button:last-child')
  await page.waitFor(`/worker 4 is ready/.test(document.getElementById('events').textContent)`)
  await click('#reload')
  await page.waitFor(`/reloaded: generation 2/.test(document.getElementById('events').textContent)`)
  await page.waitFor(`/generation 2/.test(document.getElementById('facts').textContent)`)

  const background = () => page.evaluate<string>(`getComputedStyle(document.body).backgroundColor`)
  await page.prefer('light')
  const light = await background()
  await page.prefer('dark')
  assert.notEqual(await background(), light)
  await click('#theme')
  assert.equal(await background(), light)
  assert.deepEqual(page.problems, [])
  spinning.destroy()
})

async function startDashboard() {
  const hornet = await startHornet({
    app,
    args: ['--workers', '2', '--control', '127.0.0.1:0', '--graceful-timeout', '1'],
    env: { HORNET_CONTROL_TOKEN: token },
  })
  const [, port] = await hornet.waitForLog(/control API on 127\.0\.0\.1:(\d+)/)
  await hornet.waitForLog(/worker 2 ready/)
  return {
    hornet,
    control: { port: Number(port) },
    [Symbol.asyncDispose]: async () => void (await hornet.stop()),
  }
}
