/**
 * Numbers and tables for people at a terminal.
 */

/** `1234` -> `1,234`. */
export function formatCount(count: number): string {
  return Math.round(count).toLocaleString('en-US')
}

/** Three digits and a unit: `842 B`, `12.4 MB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit += 1
  }
  return `${unit === 0 || value >= 99.5 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}

/** `0.4 ms`, `12 ms`, `3.2 s`, `5m 12s`, `2d 4h`: two parts at the most. */
export function formatSpan(ms: number): string {
  if (ms === 0) return '0 ms'
  if (ms < 1) return `${ms.toFixed(2)} ms`
  if (ms < 10) return `${ms.toFixed(1)} ms`
  if (ms < 999.5) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`
  const seconds = Math.floor(ms / 1000)
  const [days, hours] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3600) % 24]
  const [minutes, rest] = [Math.floor(seconds / 60) % 60, seconds % 60]
  if (days > 0) return `${days}d ${hours}h`
  return hours > 0 ? `${hours}h ${minutes}m` : `${minutes}m ${rest}s`
}

export function formatPercent(part: number | null): string {
  return part === null ? '-' : `${Math.round(part * 100)}%`
}

/** What came from outside, made harmless for a terminal: its controls are shown, not obeyed. */
export function formatText(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, (control) => `\\x${control.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

export interface Column<Row> {
  title: string
  isNumber?: boolean
  cell: (row: Row) => string
}

/** Lines of a table: columns as wide as they must be, numbers to the right. */
export function formatTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string[] {
  const cells = [columns.map(({ title }) => title), ...rows.map((row) => columns.map(({ cell }) => cell(row)))]
  const widths = columns.map((_, index) => Math.max(...cells.map((line) => line[index].length)))
  return cells.map((line) =>
    line
      .map((text, index) => (columns[index].isNumber ? text.padStart(widths[index]) : text.padEnd(widths[index])))
      .join('  ')
      .trimEnd(),
  )
}
