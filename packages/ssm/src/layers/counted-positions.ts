import { controlBytes } from '../ops/index.ts';
import type { SequenceOptions } from '../ops/index.ts';

/** Where each step stands: how many steps of its own segment counted before it. */
export interface CountedPositions {
  /** [B * L] */
  readonly positions: Int32Array;
  /** [B]: counted steps of the segment that is still open. */
  readonly next: Int32Array;
}

/**
 * Positions of the steps of a call, as every form of the state law sees them: masked steps take none, a new segment starts at 0.
 *
 * @param start - [B], counted steps before this call. Default: 0.
 */
export function countedPositions(what: string, batch: number, length: number, sequence: SequenceOptions, start?: ArrayLike<number>): CountedPositions {
  const control = controlBytes(what, batch, length, sequence);
  const positions = new Int32Array(batch * length);
  const next = Int32Array.from({ length: batch }, (_, b) => start?.[b] ?? 0);
  for (let i = 0; i < positions.length; i++) {
    const b = Math.floor(i / length);
    const bits = control?.[i] ?? 0;
    if (bits & 2) next[b] = 0;
    positions[i] = next[b]!;
    if (!(bits & 1)) next[b]!++;
  }
  return { positions, next };
}
