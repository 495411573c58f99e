/**
 * `--reload`: asks for a reload when a file of the application changes.
 */
import { type FSWatcher, watch } from 'chokidar'

/** An editor, a compiler or a checkout writes many files, one after another: wait for a pause... */
const quietMs = 100
/** ...but not for ever. */
const quietMsMax = 2000

export class FileWatcher {
  readonly #watcher: FSWatcher
  readonly #onChange: (path: string) => void
  #timer: NodeJS.Timeout | undefined
  #firstMs = 0

  /** @param onChange Called after the last of several changes, with the first of the files. */
  constructor(onChange: (path: string) => void) {
    this.#onChange = onChange
    // Of files that are replaced, as most editors do, the new one is watched too.
    this.#watcher = watch([], { ignoreInitial: true, ignorePermissionErrors: true })
    this.#watcher.on('all', (_event, path) => this.#note(path))
    this.#watcher.on('error', () => {}) // A file that cannot be watched is one that is reloaded by hand.
  }

  add(paths: readonly string[]): void {
    this.#watcher.add([...paths])
  }

  close(): void {
    clearTimeout(this.#timer)
    void this.#watcher.close()
  }

  #note(path: string): void {
    const nowMs = performance.now()
    if (this.#timer === undefined) this.#firstMs = nowMs
    clearTimeout(this.#timer)
    const waitMs = Math.max(0, Math.min(quietMs, this.#firstMs + quietMsMax - nowMs))
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#onChange(path)
    }, waitMs)
  }
}
