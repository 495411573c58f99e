// The part of a page that a program writes: what lies between two comments in it.
import { readFileSync, writeFileSync } from 'node:fs'

/**
 * Replaces what lies between the lines `<!-- NAME: begin… -->` and `<!-- NAME: end -->` of the file `page`.
 *
 * @throws Error The page lacks one of them, or has them the other way round; it is left as it is.
 */
export function writeMarkedPart(page, name, text) {
  const whole = readFileSync(page, 'utf8')
  const [begin] = new RegExp(`^<!-- ${name}: begin.*-->$`, 'm').exec(whole) ?? []
  const from = begin === undefined ? -1 : whole.indexOf(begin) + begin.length
  const to = whole.indexOf(`<!-- ${name}: end -->`)
  if (from < 0 || to < from)
    throw new Error(`${page} lacks the lines <!-- ${name}: begin --> and <!-- ${name}: end -->`)
  writeFileSync(page, `${whole.slice(0, from)}\n\n${text.trim()}\n\n${whole.slice(to)}`)
}
