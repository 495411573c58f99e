/**
 * The nearest match for a misspelt name: what "did you mean" suggests.
 */

/**
 * Picks the candidate closest to `word`.
 *
 * @returns Undefined when nothing is close: a far-fetched suggestion is worse than none.
 */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined
  let bestDistance = Number.POSITIVE_INFINITY
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase())
    // One slip in three characters still reads as the same word; more is a different one.
    const allowed = Math.ceil(Math.max(word.length, candidate.length) / 3)
    if (distance <= allowed && distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`. */
function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const replace = previous[column - 1] + (a[row - 1] === b[column - 1] ? 0 : 1)
      let cheapest = Math.min(replace, previous[column] + 1, current[column - 1] + 1)
      const isSwap = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
      if (isSwap) cheapest = Math.min(cheapest, beforePrevious[column - 2] + 1)
      current.push(cheapest)
    }
    beforePrevious = previous
    previous = current
  }
  return previous[b.length]
}
