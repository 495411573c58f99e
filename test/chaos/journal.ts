/**
 * What the application noted: which worker began which request. Read as far as it has been written whenever somebody asks.
 */
import { closeSync, openSync, readSync } from 'node:fs'

const deadlyPath = /^\/fault\/(?:throw|exit|spin|heap)$/

export class Journal {
  /** The worker that began a request, as `pid:number`. */
  readonly begun = new Map<number, string>()
  /** Workers that were given a request that ends its worker. */
  readonly doomed = new Set<string>()
  readonly #fd: number
  readonly #buffer = Buffer.alloc(65_536)
  #rest = ''

  constructor(path: string) {
    this.#fd = openSync(path, 'a+')
  }

  read(): this {
    for (;;) {
      const count = readSync(this.#fd, this.#buffer)
      if (count === 0) return this
      const lines = (this.#rest + this.#buffer.toString('latin1', 0, count)).split('\n')
      this.#rest = lines.pop() ?? ''
      for (const line of lines) this.#note(line)
    }
  }

  close(): void {
    closeSync(this.#fd)
  }

  #note(line: string): void {
    const [id, worker = '', path = ''] = line.split(' ')
    this.begun.set(Number(id), worker)
    if (deadlyPath.test(path)) this.doomed.add(worker)
  }
}
