/**
 * Reads a command line in which nothing is wrong and nothing is asked for, as nearly every start has it. Commander, which
 * judges the others and writes the help, takes ten milliseconds to load and to be told of all options.
 */
import type { RawValues } from './command-line.js'
import { type SettingKey, settingEntries } from './settings.js'

interface PlainOption {
  key: SettingKey
  /** What it stands for by itself; undefined when a value follows. */
  preset: 'true' | 'false' | undefined
}

/** Undefined: it is for commander to say. What this returns, commander would. */
export function readPlainLine(words: readonly string[]): { values: RawValues; app?: string } | undefined {
  const options = optionsByName()
  const values: RawValues = {}
  const add = (key: SettingKey, text: string) => {
    const texts = values[key] ?? []
    texts.push(text)
    values[key] = texts
  }
  let app: string | undefined
  for (let i = 0; i < words.length; i++) {
    const word = words[i]
    if (word.length < 2 || word[0] !== '-') {
      if (app !== undefined) return undefined
      app = word
      continue
    }
    const option = options.get(word)
    if (option !== undefined) {
      // Whatever the next word looks like.
      const text = option.preset ?? words[++i]
      if (text === undefined) return undefined
      add(option.key, text)
      continue
    }
    // -w4 and --workers=4
    const length = word[1] === '-' ? word.indexOf('=') : 2
    const joined = length > 0 ? options.get(word.slice(0, length)) : undefined
    if (joined === undefined || joined.preset !== undefined) return undefined
    add(joined.key, word.slice(word[1] === '-' ? length + 1 : length))
  }
  return { values, app }
}

function optionsByName(): Map<string, PlainOption> {
  const options = new Map<string, PlainOption>()
  for (const [key, { flag, short, alias, kind }] of settingEntries) {
    const isSwitch = kind.metavar === ''
    for (const name of [flag, short, alias]) {
      if (name !== undefined) options.set(name, { key, preset: isSwitch ? 'true' : undefined })
    }
    if (isSwitch) options.set(`--no-${flag.slice(2)}`, { key, preset: 'false' })
  }
  return options
}
