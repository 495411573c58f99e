/**
 * Splits text into words the way a shell does: blanks separate, quotes and backslashes protect. Nothing is expanded.
 */

/** @returns The words; undefined when a quote is never closed or the text ends in a lone backslash. */
export function splitShellWords(text: string): string[] | undefined {
  const words: string[] = []
  // Undefined between words, so that '' is a word of its own and blanks are none.
  let word: string | undefined
  let quote = ''
  for (let index = 0; index < text.length; index++) {
    const character = text[index]
    if (character === '\\' && quote !== "'") {
      const next = text[++index]
      if (next === undefined) return undefined
      // Inside double quotes a backslash protects only what would be special there (POSIX XCU 2.2.3).
      const isLiteral = quote === '"' && !'"\\$`'.includes(next)
      word = (word ?? '') + (isLiteral ? `\\${next}` : next)
    } else if (quote) {
      if (character === quote) quote = ''
      else word += character
    } else if (character === '"' || character === "'") {
      quote = character
      word ??= ''
    } else if (/\s/.test(character)) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else {
      word = (word ?? '') + character
    }
  }
  if (quote) return undefined
  if (word !== undefined) words.push(word)
  return words
}

/** The word as a shell, and `splitShellWords`, read it back. */
export function quoteShellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
