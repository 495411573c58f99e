/**
 * Modules of Node that few runs use, loaded when they are. Imported, they would cost every start and every worker half a
 * millisecond to three, and their memory. (An `import()` would do as well where one can wait for it.)
 */
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

export const builtins = {
  childProcess: (): typeof import('node:child_process') => require('node:child_process'),
  crypto: (): typeof import('node:crypto') => require('node:crypto'),
  dgram: (): typeof import('node:dgram') => require('node:dgram'),
  dns: (): typeof import('node:dns/promises') => require('node:dns/promises'),
  http: (): typeof import('node:http') => require('node:http'),
  https: (): typeof import('node:https') => require('node:https'),
  net: (): typeof import('node:net') => require('node:net'),
  tls: (): typeof import('node:tls') => require('node:tls'),
  tty: (): typeof import('node:tty') => require('node:tty'),
  v8: (): typeof import('node:v8') => require('node:v8'),
  vm: (): typeof import('node:vm') => require('node:vm'),
}
