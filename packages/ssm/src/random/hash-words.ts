/**
 * Mixes a label into a key of four 32-bit words; equal inputs give equal words on every engine.
 *
 * @param key - Four words, the parent's key.
 * @param label - Text or number that names the child.
 * @returns Four words, never all zero (xoroshiro's forbidden state).
 * @remarks Four multiply-rotate lanes with the 32-bit avalanche of MurmurHash3 at the end; not cryptographic.
 */
export function hashWords(key: readonly number[], label: string | number): number[] {
  const text = typeof label === 'number' ? `#${label}` : label;
  const lanes: number[] = [key[0] ^ 0x9e3779b9, key[1] ^ 0x243f6a88, key[2] ^ 0xb7e15162, key[3] ^ 0x85ebca6b];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    for (let lane = 0; lane < 4; lane++) {
      const mixed = Math.imul(lanes[lane] ^ code, MULTIPLIERS[lane]);
      lanes[lane] = (mixed << 13) | (mixed >>> 19);
    }
    lanes[i & 3] = (lanes[i & 3] + lanes[(i + 1) & 3]) | 0;
  }
  for (let round = 0; round < 2; round++) {
    for (let lane = 0; lane < 4; lane++) lanes[lane] = avalanche((lanes[lane] + lanes[(lane + 1) & 3] + text.length) | 0);
  }
  if (!lanes.some((lane) => lane !== 0)) lanes[0] = 1;
  return lanes;
}

const MULTIPLIERS = [0xcc9e2d51, 0x1b873593, 0x85ebca6b, 0xc2b2ae35] as const;

function avalanche(word: number): number {
  let mixed = word;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
