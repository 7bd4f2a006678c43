import { StateError } from '../errors/index.ts';

/** Who sees whom in Mega's attention, and what the next state keeps: numbers only, made on the host from masks, segments and positions. */
export interface MegaLayout {
  /** [B, L, K], K = kept + L: 1 where a step sees a key. */
  readonly seen: Float32Array;
  /** [B, L, K]: place of the key minus place of the step, plus `span` - 1; 0 where unseen. */
  readonly offset: Int32Array;
  /** [B, L]: how many keys the step sees, at least 1. */
  readonly count: Float32Array;
  /** [B, kept]: row of the flat [B * K] keys for each kept slot, and 1 or 0 whether the slot is filled. */
  readonly source: Int32Array;
  readonly filled: Float32Array;
  /** [B]: places taken in the last chunk. */
  readonly position: Int32Array;
}

interface Key { readonly index: number; readonly place: number; readonly group: number }

/**
 * Lays out one call. Places count the counted steps of a segment; with chunks they start again at each chunk, and a step sees only its own chunk.
 *
 * @param kept - Slots of the state: the chunk, or the longest sequence; 0 for a bidirectional layer.
 * @param control - Control bytes [B, L], or null.
 * @param position - Places taken before the call, [B].
 * @param chunk - Steps of a chunk, or -1.
 * @throws StateError where a sequence grows beyond `span` places.
 */
export function megaLayout(
  batch: number, length: number, kept: number, control: Uint8Array | null, position: ArrayLike<number>, chunk: number, causal: boolean, span: number,
): MegaLayout {
  const keys = kept + length;
  const layout: MegaLayout = {
    seen: new Float32Array(batch * length * keys), offset: new Int32Array(batch * length * keys), count: new Float32Array(batch * length).fill(1),
    source: new Int32Array(batch * kept), filled: new Float32Array(batch * kept), position: new Int32Array(batch),
  };
  for (let b = 0; b < batch; b++) {
    const known: Key[] = Array.from({ length: kept > 0 ? position[b]! : 0 }, (_, place) => ({ index: place, place, group: 0 }));
    let [place, group] = [position[b]!, 0];
    const steps: (Key | null)[] = [];
    for (let t = 0; t < length; t++) {
      const bits = control?.[b * length + t] ?? 0;
      if (bits & 2 || (chunk > 0 && place === chunk)) {
        place = 0;
        group++;
      }
      if (bits & 1) {
        steps.push(null);
        continue;
      }
      if (place >= span) throw new StateError(`Mega: a sequence has more than ${span} steps, expected at most maxPositions. Create the layer with a larger maxPositions, or with a chunkSize.`);
      const key = { index: kept + t, place, group };
      steps.push(key);
      known.push(key);
      place++;
    }
    steps.forEach((step, t) => {
      if (!step) return;
      const row = (b * length + t) * keys;
      const visible = known.filter((key) => key.group === step.group && (!causal || key.place <= step.place));
      layout.count[b * length + t] = visible.length;
      for (const key of visible) {
        layout.seen[row + key.index] = 1;
        layout.offset[row + key.index] = key.place - step.place + span - 1;
      }
    });
    if (chunk > 0 && place === chunk) {
      place = 0;
      group++;
    }
    layout.position[b] = place;
    for (const key of known) {
      if (kept === 0 || key.group !== group) continue;
      layout.source[b * kept + key.place] = b * keys + key.index;
      layout.filled[b * kept + key.place] = 1;
    }
  }
  return layout;
}
