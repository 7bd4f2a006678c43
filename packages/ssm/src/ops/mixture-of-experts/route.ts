/** The k largest of each row of logits, best first; of equal ones the first. NaN is below everything, so a row always has k choices. [R, k] */
export function topChoices(logits: ArrayLike<number>, rows: number, experts: number, k: number): Int32Array {
  const chosen = new Int32Array(rows * k);
  for (let row = 0; row < rows; row++) {
    const taken = new Set<number>();
    for (let choice = 0; choice < k; choice++) {
      let best = -1;
      for (let expert = 0; expert < experts; expert++) {
        if (taken.has(expert)) continue;
        if (best < 0 || logits[row * experts + expert]! > logits[row * experts + best]! || (Number.isNaN(logits[row * experts + best]!) && !Number.isNaN(logits[row * experts + expert]!))) best = expert;
      }
      taken.add(best);
      chosen[row * k + choice] = best;
    }
  }
  return chosen;
}

/** Pairs (row * k + choice) by expert. */
export interface ExpertOrder {
  /** Pairs sorted by expert, within one in their order. */
  readonly order: Int32Array;
  /** First place of each expert in `order`, and the end. [X + 1] */
  readonly offsets: Int32Array;
  /** Expert, begin and end of each block of at most 32 places. [blocks, 3] */
  readonly blocks: Int32Array;
}

const BLOCK = 32;

export function sortByExpert(chosen: Int32Array, experts: number): ExpertOrder {
  const offsets = new Int32Array(experts + 1);
  for (const expert of chosen) offsets[expert + 1]! += 1;
  for (let expert = 0; expert < experts; expert++) offsets[expert + 1]! += offsets[expert]!;
  const next = offsets.slice();
  const order = new Int32Array(chosen.length);
  chosen.forEach((expert, pair) => {
    order[next[expert]!] = pair;
    next[expert]! += 1;
  });
  const blocks: number[] = [];
  for (let expert = 0; expert < experts; expert++) {
    for (let begin = offsets[expert]!; begin < offsets[expert + 1]!; begin += BLOCK) blocks.push(expert, begin, Math.min(begin + BLOCK, offsets[expert + 1]!));
  }
  return { order, offsets, blocks: Int32Array.from(blocks) };
}
