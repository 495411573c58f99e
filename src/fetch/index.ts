/**
 * What the worker needs to serve a fetch handler: one import, made when there is one.
 */
export { installFetchGlobals } from './globals.js'
export { toListener } from './serve.js'
