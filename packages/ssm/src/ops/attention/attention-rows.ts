import { StateError } from '../../errors/index.ts';
import { MASKED, RESET } from '../common/control.ts';

/**
 * Who sees whom, in numbers for the kernel. Steps that count are numbered by "places": first the cached keys, then the counted steps of this call.
 */
export interface AttentionRows {
  /** [B, L, 4]: for each counted step, in order: step, lowest and highest place it sees, row of the rotation table; then the masked steps. */
  readonly rows: Int32Array;
  /** [B, 4]: counted steps, cached keys, first place that the new state keeps, number kept. */
  readonly counts: Int32Array;
  /** Counted steps of the current segment after this call. [B] */
  readonly positions: Int32Array;
  /** Position within its segment of each row of the rotation table. */
  readonly angles: readonly number[];
}

export interface AttentionView {
  readonly batch: number;
  readonly length: number;
  readonly control: Uint8Array | null;
  readonly causal: boolean;
  /** Steps a query sees, itself included; Infinity: all. */
  readonly window: number;
  /** Slots of the state. */
  readonly capacity: number;
  /** A state that drops its oldest key when full (a window), else one that refuses. */
  readonly drops: boolean;
  /** Counted steps of the current segment before this call. [B] */
  readonly positions: ArrayLike<number>;
}

export function attentionRows(view: AttentionView): AttentionRows {
  const { batch, length, control, causal, window, capacity } = view;
  const rows = new Int32Array(batch * length * 4);
  const counts = new Int32Array(batch * 4);
  const positions = new Int32Array(batch);
  const angles: number[] = [];
  const rowOfAngle = new Map<number, number>();
  const angleRow = (position: number): number => {
    let row = rowOfAngle.get(position);
    if (row === undefined) {
      row = angles.push(position) - 1;
      rowOfAngle.set(position, row);
    }
    return row;
  };
  for (let b = 0; b < batch; b++) {
    let position = view.positions[b] ?? 0;
    const cached = Math.min(position, capacity);
    const own = rows.subarray(b * length * 4, (b + 1) * length * 4);
    const masked: number[] = [];
    let count = 0;
    let segment = 0; // first place of the current segment
    let first = 0; // first counted step of it
    const close = (): void => {
      if (causal) return;
      for (let i = first; i < count; i++) own[i * 4 + 2] = Math.min(own[i * 4 + 2]!, cached + count - 1);
    };
    for (let t = 0; t < length; t++) {
      const bits = control?.[b * length + t] ?? 0;
      if (bits & RESET) {
        close();
        segment = cached + count;
        first = count;
        position = 0;
      }
      if (bits & MASKED) {
        masked.push(t);
        continue;
      }
      const place = cached + count;
      own.set([t, Math.max(segment, place - window + 1), causal ? place : Math.min(2 ** 30, place + window - 1), angleRow(position)], count * 4);
      count++;
      position++;
      if (!view.drops && position > capacity) {
        throw new StateError(`attention: sequence ${b} has ${position} steps, expected at most ${capacity}, the declared maximum length. Declare a larger maximumLength, or give a window, whose state never grows.`);
      }
    }
    close();
    masked.forEach((t, i) => { own[(count + i) * 4] = t; });
    const kept = Math.min(position, capacity);
    counts.set([count, cached, cached + count - kept, kept], b * 4);
    positions[b] = position;
  }
  return { rows, counts, positions, angles };
}

/** Cosines and sines of position * base^(-2 i / R), [angles, R / 2] each, computed in double. */
export function rotationTable(angles: readonly number[], width: number, base: number): { cosine: Float32Array; sine: Float32Array } {
  const half = width / 2;
  const frequencies = Float64Array.from({ length: half }, (_, i) => base ** (-2 * i / width));
  const cosine = new Float32Array(angles.length * half);
  const sine = new Float32Array(angles.length * half);
  angles.forEach((position, row) => frequencies.forEach((frequency, i) => {
    cosine[row * half + i] = Math.cos(position * frequency);
    sine[row * half + i] = Math.sin(position * frequency);
  }));
  return { cosine, sine };
}
