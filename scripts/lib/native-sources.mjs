// Which native sources stand alone, for the programs that are built without a loop, a socket or a JavaScript engine.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './addon.mjs'

/** The parts of native/http that see more than native/base (STYLE: the pure ones can be tested and fuzzed alone). */
const impureHttp = ['http_connection.cc', 'secure_connection.cc']

/** The .cc files of one folder of native/, relative to the repository. */
export function sourcesOf(folder) {
  return readdirSync(join(root, 'native', folder))
    .filter((name) => name.endsWith('.cc'))
    .map((name) => `native/${folder}/${name}`)
}

/** The parser, the decoder, the encoder and what they need, relative to the repository. */
export function pureHttpSources() {
  return sourcesOf('http').filter((source) => !impureHttp.some((name) => source.endsWith(`/${name}`)))
}
