/**
 * A headless Chromium, driven over its debugging pipe: no port, no driver package.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { within } from './deadline.js'

/** Where Debian and others put it; undefined when there is none. */
export function findChromium(): string | undefined {
  const places = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
  return process.env.CHROMIUM ?? places.find((path) => existsSync(path))
}

// Without the last ones it talks to its maker's servers, which a test machine does not reach.
const flags = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--remote-debugging-pipe',
  '--no-first-run',
  '--hide-scrollbars',
  '--disable-quic',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

interface Reply {
  id?: number
  method?: string
  params?: Record<string, unknown>
  result?: Record<string, unknown>
  error?: { message: string }
}

/** One page. Use with `await using`. */
export class Page {
  /** What the page wrote to its console as errors, and exceptions nobody caught. */
  readonly problems: string[] = []
  readonly #child: ChildProcess
  readonly #folder: string
  readonly #waiting = new Map<number, (reply: Reply) => void>()
  #sessionId: string | undefined
  #lastId = 0
  #handleLoad = () => {}

  static async open(chromium: string, size: { width: number; height: number; scale?: number }): Promise<Page> {
    const page = new Page(chromium)
    const { targetId } = await page.send('Target.createTarget', { url: 'about:blank' })
    const { sessionId } = await page.send('Target.attachToTarget', { targetId, flatten: true })
    page.#sessionId = String(sessionId)
    for (const domain of ['Page', 'Runtime', 'Log']) await page.send(`${domain}.enable`)
    const { width, height, scale = 1 } = size
    await page.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: scale, mobile: false })
    return page
  }

  constructor(chromium: string) {
    this.#folder = mkdtempSync(join(tmpdir(), 'hornet-chromium-'))
    this.#child = spawn(chromium, [...flags, `--user-data-dir=${this.#folder}`], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
      detached: true,
    })
    let text = ''
    const output = this.#child.stdio[4] as Readable
    output.setEncoding('utf8').on('data', (chunk: string) => {
      const messages = (text + chunk).split('\0')
      text = messages.pop() ?? ''
      for (const message of messages) this.#receive(JSON.parse(message))
    })
  }

  async goto(url: string): Promise<void> {
    const loaded = new Promise<void>((resolve) => {
      this.#handleLoad = resolve
    })
    await this.send('Page.navigate', { url })
    await within(loaded, `load of ${url}`)
  }

  /** The value of an expression; promises are waited for. */
  async evaluate<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await this.send('Runtime.evaluate', {
      expression,
      awaitPromise: true,
      returnByValue: true,
    })
    if (exceptionDetails) throw new Error(`in the page: ${JSON.stringify(exceptionDetails)}`)
    return (result as { value: T }).value
  }

  /** Looks again and again, at the pace of the page, until the expression is true. */
  async waitFor(expression: string, ms?: number): Promise<void> {
    const loop = `new Promise((done) => { const look = () => ((${expression}) ? done() : setTimeout(look, 50)); look() })`
    await within(this.evaluate(loop), `page where ${expression}`, ms, () => this.problems.join('\n'))
  }

  async prefer(scheme: 'light' | 'dark'): Promise<void> {
    await this.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] })
  }

  /** PNG of the whole page. */
  async screenshot(): Promise<Buffer> {
    const { data } = await this.send('Page.captureScreenshot', { format: 'png', captureBeyondViewport: true })
    return Buffer.from(String(data), 'base64')
  }

  async send(method: string, params: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
    const id = ++this.#lastId
    const reply = new Promise<Reply>((resolve) => this.#waiting.set(id, resolve))
    const input = this.#child.stdio[3] as Writable
    input.write(`${JSON.stringify({ id, method, params, sessionId: this.#sessionId })}\0`)
    const { result, error } = await within(reply, `answer to ${method}`)
    if (error) throw new Error(`${method}: ${error.message}`)
    return result ?? {}
  }

  async close(): Promise<void> {
    const exited = once(this.#child, 'exit')
    try {
      // With all its helpers: it is a process group of its own.
      process.kill(-(this.#child.pid ?? 0), 'SIGKILL')
      await within(exited, 'end of Chromium')
    } finally {
      rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 })
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #receive(message: Reply): void {
    if (message.id !== undefined) {
      this.#waiting.get(message.id)?.(message)
      this.#waiting.delete(message.id)
    } else if (message.method === 'Page.loadEventFired') {
      this.#handleLoad()
    } else if (message.method === 'Runtime.exceptionThrown' || message.method === 'Log.entryAdded') {
      this.problems.push(JSON.stringify(message.params))
    }
  }
}
