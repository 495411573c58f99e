// Of samples: medians, spreads, ratios. Pure.

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** A shuffled copy (Fisher–Yates). */
export function shuffle(values) {
  const copy = [...values]
  for (let i = copy.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1))
    ;[copy[i], copy[j]] = [copy[j], copy[i]]
  }
  return copy
}

/**
 * @param {import('./measure.mjs').Row | undefined} row
 * @param {string} measure
 * @returns {{ median: number, low: number, high: number } | undefined} Undefined when the row has no such figures.
 */
export function spreadOf(row, measure) {
  const values = row?.samples.map((sample) => sample[measure]) ?? []
  if (values.length === 0 || values.some((value) => typeof value !== 'number')) return undefined
  return { median: median(values), low: Math.min(...values), high: Math.max(...values) }
}

/**
 * Of each round its own ratio, then the median: what slows a whole round cancels out.
 *
 * @returns {{ median: number, low: number, high: number } | undefined}
 */
export function ratioOf(row, base, measure) {
  if (spreadOf(row, measure) === undefined || spreadOf(base, measure) === undefined) return undefined
  const ratios = row.samples.map((sample, round) => sample[measure] / base.samples[round][measure])
  return { median: median(ratios), low: Math.min(...ratios), high: Math.max(...ratios) }
}

/**
 * How much of a processor others took while a scenario was timed.
 *
 * @param {import('./measure.mjs').Row[]} rows
 * @returns {{ median: number, highest: number } | undefined} 1 is one whole processor.
 */
export function disturbance(rows) {
  const shares = rows.flatMap(({ samples }) => samples.map(({ foreign }) => foreign)).filter((x) => x !== undefined)
  return shares.length === 0 ? undefined : { median: median(shares), highest: Math.max(...shares) }
}
