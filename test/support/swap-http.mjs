// Puts hornet/http in the place of node:http in the whole process, frameworks and all: `node --import ./swap-http.mjs`.
import Module from 'node:module'

const hornetHttp = await import('hornet/http')
const names = ['http', 'node:http']
const { registerHooks } = Module

// require: the loader that CommonJS modules have in every Node.
const load = Module._load
Module._load = function (request, parent, isMain) {
  return names.includes(request) ? hornetHttp.default : load.call(this, request, parent, isMain)
}

const ours = import.meta.resolve('hornet/http')
const inside = new URL('..', ours).href
/** Of a loader's hook: `inside` must go on to see Node's. */
function resolve(specifier, context, next) {
  const isOurs = context.parentURL?.startsWith(inside)
  return names.includes(specifier) && !isOurs ? { url: ours, shortCircuit: true } : next(specifier, context)
}

// import: a hook in this thread where Node has such (22.15 and later; the other kind is deprecated from 26 on).
if (registerHooks !== undefined) {
  registerHooks({ resolve })
} else {
  const constants = Object.entries({ names, ours, inside }).map(
    ([name, value]) => `const ${name} = ${JSON.stringify(value)}`,
  )
  Module.register(`data:text/javascript,${encodeURIComponent(`${constants.join('\n')}\nexport ${resolve}`)}`)
}
