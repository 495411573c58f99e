/**
 * Percentiles from histograms whose counts only grow.
 */
import type { Histogram } from './api.js'

/** What was observed between two looks. */
export function histogramSince(now: Histogram, before: Histogram | undefined): Histogram {
  if (before === undefined) return now
  return {
    bounds: now.bounds,
    counts: now.counts.map((count, index) => count - (before.counts[index] ?? 0)),
    sum: now.sum - before.sum,
  }
}

/** The value below which a part `q` of the observations lie, in seconds; undefined without observations. */
export function quantile({ bounds, counts }: Histogram, q: number): number | undefined {
  const total = counts.reduce((sum, count) => sum + count, 0)
  if (total === 0) return undefined
  let rank = q * total
  for (const [index, count] of counts.entries()) {
    if (rank > count || count === 0) {
      rank -= count
      continue
    }
    // Evenly spread within its bucket is as good a guess as any; above the last bound there is none.
    const low = bounds[index - 1] ?? 0
    const high = bounds[index] ?? low
    return low + ((high - low) * rank) / count
  }
  return bounds.at(-1)
}
