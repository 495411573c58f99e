// The package's `prepare` script, run by npm in a clone (and before packing), never on a user's machine: compiles the
// TypeScript into dist/.
import { buildPackage } from './lib/typescript.mjs'

process.exitCode = buildPackage()
