/** Number of single-character edits between two words. */
function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(substitution, previous[j]! + 1, row[j - 1]! + 1));
    }
    previous = row;
  }
  return previous[b.length]!;
}

/** The candidate a mistyped word most likely meant, or undefined when none is near. */
export function closest(word: string, candidates: readonly string[]): string | undefined {
  const lower = word.toLowerCase();
  const prefixed = lower.length >= 3 ? candidates.filter((candidate) => candidate.startsWith(lower)) : [];
  if (prefixed.length === 1) return prefixed[0];
  const ranked = candidates.map((candidate) => ({ candidate, edits: distance(lower, candidate.toLowerCase()) })).sort((a, b) => a.edits - b.edits);
  const best = ranked[0];
  return best !== undefined && best.edits <= Math.ceil(best.candidate.length / 3) ? best.candidate : undefined;
}

/** ` Did you mean "x"?` or nothing. */
export function suggestion(word: string, candidates: readonly string[], prefix = ''): string {
  const candidate = closest(word, candidates);
  return candidate === undefined ? '' : ` Did you mean ${prefix}${candidate}?`;
}
