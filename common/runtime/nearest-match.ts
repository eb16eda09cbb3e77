// "Did you mean …?": the known word that is closest to one that is not known.

/** Longer words are not compared: nobody mistypes them into each other, and the cost is the product of the lengths. */
const MAX_WORD_LENGTH = 100;
/** So many characters name a candidate that alone begins with them. */
const MIN_BEGINNING = 4;

/**
 * The candidate with the fewest edits from `word` (case ignored), if they are few enough to be a slip: a third of the
 * word's length, at least one. The first of equally near candidates. Where none is but one edit away, the only one that begins with `word` goes before.
 */
export function nearestMatch(word: string, candidates: Iterable<string>): string | undefined {
  if (word.length > MAX_WORD_LENGTH) return undefined;
  const lower = word.toLowerCase();
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  // It may be one that can be gone through only once.
  const words = Array.from(candidates);
  for (const candidate of words) {
    if (candidate.length > MAX_WORD_LENGTH) continue;
    const distance = editDistance(lower, candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return bestDistance <= 1 ? best : (onlyOneThatBegins(lower, words) ?? best);
}

/** `--data` for `--data-dir`. */
function onlyOneThatBegins(lower: string, words: readonly string[]): string | undefined {
  if (lower.length < MIN_BEGINNING) return undefined;
  const found = words.filter((word) => word.toLowerCase().startsWith(lower));
  return found.length === 1 ? found[0] : undefined;
}

/** ` (did you mean "x"?)`, or nothing. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const match = nearestMatch(word, candidates);
  return match === undefined ? "" : ` (did you mean "${match}"?)`;
}

/**
 * Edits (insert, delete, replace, swap of two neighbours) between two words: optimal string alignment, the usual
 * extension of Levenshtein's distance for typing mistakes.
 */
export function editDistance(from: string, to: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= to.length; j += 1) {
      const same = from[i - 1] === to[j - 1];
      let cost = Math.min(at(last, j) + 1, at(row, j - 1) + 1, at(last, j - 1) + (same ? 0 : 1));
      const isSwap = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
      if (isSwap) cost = Math.min(cost, at(beforeLast, j - 2) + 1);
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return at(last, to.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY;
}
