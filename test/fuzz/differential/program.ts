/** Builds, when it is stale, and finds the program that hornet-side.ts asks. */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from '../../support/root.js'

interface Builder {
  buildReplayProgram(): { program?: string; error?: string }
}

export async function loadReplayProgram(): Promise<string> {
  const script = pathToFileURL(join(root, 'scripts/lib/replay-program.mjs')).href
  const { program, error } = ((await import(script)) as Builder).buildReplayProgram()
  if (program === undefined) throw new Error(error)
  return program
}
