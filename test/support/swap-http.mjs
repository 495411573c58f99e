// Puts hornet/http in the place of node:http in the whole process, frameworks and all: `node --import ./swap-http.mjs`.
import Module, { register } from 'node:module'

const hornetHttp = await import('hornet/http')
const names = ['http', 'node:http']

// require: the loader that CommonJS modules have in every Node.
const load = Module._load
Module._load = function (request, parent, isMain) {
  return names.includes(request) ? hornetHttp.default : load.call(this, request, parent, isMain)
}

// import: a hook on the loader's own thread.
register(
  `data:text/javascript,${encodeURIComponent(`
    const names = ${JSON.stringify(names)}
    const ours = ${JSON.stringify(import.meta.resolve('hornet/http'))}
    const inside = ${JSON.stringify(new URL('..', import.meta.resolve('hornet/http')).href)}
    export function resolve(specifier, context, next) {
      const isOurs = context.parentURL?.startsWith(inside)
      return names.includes(specifier) && !isOurs ? { url: ours, shortCircuit: true } : next(specifier, context)
    }
  `)}`,
)
