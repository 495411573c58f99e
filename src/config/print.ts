/**
 * The settings as `--print-config` shows them.
 */
import type { LoadedRun } from './load.js'
import { type AnySetting, configName, settingEntries } from './settings.js'

/** One line a value: name, value, where it came from; secrets are hidden. */
export function printConfiguration({ settings, origins, app, configPath }: LoadedRun): string {
  const rows: [name: string, value: string, origin: string][] = []
  for (const [key, setting] of settingEntries) {
    if (setting.scope === 'command line') continue
    for (const value of printedValues(setting, settings[key])) {
      rows.push([configName(setting.flag), value, origins[key]])
    }
  }
  const width = (column: 0 | 1) => Math.max(...rows.map((row) => Math.min(row[column].length, columnMax)))
  const lines = rows.map(([name, value, origin]) => `${name.padEnd(width(0))}  ${value.padEnd(width(1))}  ${origin}\n`)
  const head = `# application: ${app}\n# config file: ${configPath ?? 'none'}\n`
  return head + lines.join('')
}

/** A long value may stick out; the others need not stand behind it. */
const columnMax = 40

/** The values of one setting, one text each; `-` where there is none. */
export function printedValues(setting: AnySetting, value: unknown): string[] {
  if (value === undefined) return ['-']
  if (setting.isSecret) return ['(hidden)']
  if (!setting.repeatable) return [setting.kind.format(value)]
  const items = value as readonly unknown[] // every repeatable setting is a list
  return items.length === 0 ? ['-'] : items.map((item) => setting.kind.format(item))
}
