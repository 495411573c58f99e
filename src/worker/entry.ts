/**
 * Imports the application's module as the main module of its program: many a script looks whether it is that one before
 * it starts (`require.main === module`, `import.meta.main`).
 */
import { realpathSync } from 'node:fs'
import Module from 'node:module'
import { pathToFileURL } from 'node:url'

type Load = (this: unknown, request: string, parent: unknown, isMain: boolean) => unknown

/** Parts of node:module that its types leave out, or that this Node may not have. */
interface ModuleInternals {
  _load: Load
  _cache: Record<string, NodeJS.Module | undefined>
  registerHooks?: (hooks: { load: LoadHook }) => { deregister(): void }
}
type LoadHook = (url: string, context: unknown, next: (url: string, context: unknown) => LoadResult) => LoadResult
interface LoadResult {
  format: string | null | undefined
  source?: string | ArrayBuffer | NodeJS.TypedArray
}

/** @throws whatever the module throws. */
export async function importEntry(path: string): Promise<Record<string, unknown>> {
  // Node names a module by its real path.
  const realPath = realpathSync(path)
  const { href } = pathToFileURL(realPath)
  const stops = [markCommonJs(realPath), markEsModule(href)]
  try {
    return await import(href)
  } finally {
    for (const stop of stops) stop()
  }
}

/**
 * import() loads CommonJS through `Module._load`, which Node keeps replaceable for exactly such uses. By then it has
 * made the module, so that asking for a main module has no effect: what Node does for one is done here.
 */
function markCommonJs(path: string): () => void {
  const internals = Module as unknown as ModuleInternals
  const load = internals._load
  const marked: Load = function (request, parent, isMain) {
    const made = request === path && process.mainModule === undefined ? internals._cache[path] : undefined
    if (made !== undefined) {
      // Every require() made from now on has it as its `main`.
      process.mainModule = made
      made.id = '.'
    }
    return load.call(this, request, parent, isMain)
  }
  internals._load = marked
  return () => {
    // The application may have put its own in front of ours (a tracing agent): then ours stays and passes on.
    if (internals._load === marked) internals._load = load
  }
}

/** Node 24.2 and later: a property of import.meta, which only the module itself can set. */
function markEsModule(href: string): () => void {
  const { registerHooks } = Module as unknown as ModuleInternals
  if (registerHooks === undefined || !('main' in import.meta)) return () => {}
  const load: LoadHook = (url, context, next) => {
    const result = next(url, context)
    if (url !== href || result.source === undefined) return result
    if (result.format !== 'module' && result.format !== 'module-typescript') return result
    const text = typeof result.source === 'string' ? result.source : new TextDecoder().decode(result.source)
    // At the beginning of a line, so that all keep their numbers; the first when it is code.
    const at = text.startsWith('#!') ? text.indexOf('\n') + 1 : 0
    return { ...result, source: `${text.slice(0, at)}import.meta.main = true;${text.slice(at)}` }
  }
  const hooks = registerHooks({ load })
  return () => hooks.deregister()
}
