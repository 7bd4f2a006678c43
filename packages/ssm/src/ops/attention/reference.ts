/** Attention in float64, one query at a time, written to be read: the truth for the kernels. Imports nothing. */
export interface AttentionInputs {
  readonly batch: number;
  readonly length: number;
  readonly heads: number;
  readonly groups: number;
  readonly keyWidth: number;
  readonly valueWidth: number;
  readonly capacity: number;
  readonly scale: number;
  /** Elements that turn, pairs (2 i, 2 i + 1) where interleaved, else (i, i + rotary / 2). */
  readonly rotary: number;
  readonly interleaved: boolean;
  readonly q: ArrayLike<number>; // [B, L, H, K]
  readonly k: ArrayLike<number>; // [B, L, G, K]
  readonly v: ArrayLike<number>; // [B, L, G, V]
  readonly keys?: ArrayLike<number> | null | undefined; // [B, M, G, K], rotated
  readonly values?: ArrayLike<number> | null | undefined; // [B, M, G, V]
  /** [B, L, 4]: by counted step: step, lowest and highest place it sees, row of the tables; then the masked steps. */
  readonly rows: ArrayLike<number>;
  /** [B, 4]: counted steps, cached keys, first kept place, number kept. */
  readonly counts: ArrayLike<number>;
  readonly cosine?: ArrayLike<number> | null | undefined; // [angles, rotary / 2]
  readonly sine?: ArrayLike<number> | null | undefined;
}

export interface AttentionOutputs {
  readonly y: Float64Array; // [B, L, H, V]
  readonly finalKeys: Float64Array; // [B, M, G, K]
  readonly finalValues: Float64Array; // [B, M, G, V]
}

export interface AttentionGradients {
  readonly dq: Float64Array;
  readonly dk: Float64Array;
  readonly dv: Float64Array;
  readonly dKeys: Float64Array;
  readonly dValues: Float64Array;
}

/** Turns the pairs of a row by the angles of one row of the tables; sign -1 turns back. */
function turn({ rotary, interleaved, cosine, sine }: AttentionInputs, row: Float64Array, angle: number, sign: number): Float64Array {
  const half = rotary / 2;
  const turned = row.slice();
  for (let i = 0; i < half; i++) {
    const [first, second] = interleaved ? [2 * i, 2 * i + 1] : [i, i + half];
    const [c, s] = [cosine![angle * half + i]!, sign * sine![angle * half + i]!];
    turned[first] = row[first]! * c - row[second]! * s;
    turned[second] = row[second]! * c + row[first]! * s;
  }
  return turned;
}

const sliceOf = (values: ArrayLike<number>, at: number, width: number): Float64Array => Float64Array.from({ length: width }, (_, i) => values[at * width + i]!);
const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0);

/** Keys and values by place, for one sequence and group. */
function places(inputs: AttentionInputs, b: number, g: number): { keys: Float64Array[]; values: Float64Array[] } {
  const { length, groups, keyWidth, valueWidth, capacity, counts, rows } = inputs;
  const [count, cached] = [counts[b * 4]!, counts[b * 4 + 1]!];
  const keys: Float64Array[] = [];
  const values: Float64Array[] = [];
  for (let slot = 0; slot < cached; slot++) {
    keys.push(sliceOf(inputs.keys!, (b * capacity + slot) * groups + g, keyWidth));
    values.push(sliceOf(inputs.values!, (b * capacity + slot) * groups + g, valueWidth));
  }
  for (let i = 0; i < count; i++) {
    const row = (b * length + i) * 4;
    const at = (b * length + rows[row]!) * groups + g;
    keys.push(turn(inputs, sliceOf(inputs.k, at, keyWidth), rows[row + 3]!, 1));
    values.push(sliceOf(inputs.v, at, valueWidth));
  }
  return { keys, values };
}

/** Calls `visit` for every head and counted step with its turned query and its weights of the places it sees, from `low` on. */
function everyQuery(inputs: AttentionInputs, visit: (query: { b: number; head: number; at: number; angle: number; q: Float64Array; low: number; weights: Float64Array; keys: Float64Array[]; values: Float64Array[] }) => void): void {
  const { batch, length, heads, groups, keyWidth, scale, rows, counts } = inputs;
  for (let b = 0; b < batch; b++) {
    for (let head = 0; head < heads; head++) {
      const { keys, values } = places(inputs, b, Math.floor(head / (heads / groups)));
      for (let i = 0; i < counts[b * 4]!; i++) {
        const [step, low, high, angle] = [0, 1, 2, 3].map((k) => rows[(b * length + i) * 4 + k]!) as [number, number, number, number];
        const at = (b * length + step) * heads + head;
        const q = turn(inputs, sliceOf(inputs.q, at, keyWidth), angle, 1);
        const scores = Float64Array.from({ length: high - low + 1 }, (_, j) => scale * dot(q, keys[low + j]!));
        const largest = scores.reduce((a, c) => Math.max(a, c), -Infinity);
        const weights = scores.map((score) => Math.exp(score - largest));
        const total = weights.reduce((a, c) => a + c, 0);
        visit({ b, head, at, angle, q, low, weights: weights.map((weight) => weight / total), keys, values });
      }
    }
  }
}

export function attentionForwardReference(inputs: AttentionInputs): AttentionOutputs {
  const { batch, length, heads, groups, keyWidth, valueWidth, capacity, counts } = inputs;
  const outputs = {
    y: new Float64Array(batch * length * heads * valueWidth), finalKeys: new Float64Array(batch * capacity * groups * keyWidth), finalValues: new Float64Array(batch * capacity * groups * valueWidth),
  };
  everyQuery(inputs, ({ at, low, weights, values }) => weights.forEach((weight, j) => values[low + j]!.forEach((value, d) => { outputs.y[at * valueWidth + d]! += weight * value; })));
  for (let b = 0; b < batch; b++) {
    for (let g = 0; g < groups; g++) {
      const { keys, values } = places(inputs, b, g);
      for (let slot = 0; slot < counts[b * 4 + 3]!; slot++) {
        const place = counts[b * 4 + 2]! + slot;
        outputs.finalKeys.set(keys[place]!, ((b * capacity + slot) * groups + g) * keyWidth);
        outputs.finalValues.set(values[place]!, ((b * capacity + slot) * groups + g) * valueWidth);
      }
    }
  }
  return outputs;
}

export function attentionBackwardReference(
  inputs: AttentionInputs, dy: ArrayLike<number>, dFinalKeys?: ArrayLike<number> | null, dFinalValues?: ArrayLike<number> | null,
): AttentionGradients {
  const { batch, length, heads, groups, keyWidth, valueWidth, capacity, scale, counts, rows } = inputs;
  const gradients: AttentionGradients = {
    dq: new Float64Array(inputs.q.length), dk: new Float64Array(inputs.k.length), dv: new Float64Array(inputs.v.length),
    dKeys: new Float64Array(batch * capacity * groups * keyWidth), dValues: new Float64Array(batch * capacity * groups * valueWidth),
  };
  /** Slopes of keys and values by sequence, group and place. */
  const slopes = Array.from({ length: batch * groups }, (_, pair) => Array.from({ length: counts[Math.floor(pair / groups) * 4]! + counts[Math.floor(pair / groups) * 4 + 1]! },
    () => ({ key: new Float64Array(keyWidth), value: new Float64Array(valueWidth) })));
  everyQuery(inputs, ({ b, head, at, angle, q, low, weights, keys, values }) => {
    const slope = sliceOf(dy, at, valueWidth);
    const own = slopes[b * groups + Math.floor(head / (heads / groups))]!;
    const dWeights = weights.map((_, j) => dot(slope, values[low + j]!));
    const mean = dot(weights, dWeights);
    const dq = new Float64Array(keyWidth);
    weights.forEach((weight, j) => {
      const dScore = scale * weight * (dWeights[j]! - mean);
      const place = own[low + j]!;
      for (let d = 0; d < keyWidth; d++) {
        dq[d]! += dScore * keys[low + j]![d]!;
        place.key[d]! += dScore * q[d]!;
      }
      slope.forEach((value, d) => { place.value[d]! += weight * value; });
    });
    gradients.dq.set(turn(inputs, dq, angle, -1), at * keyWidth);
  });
  for (let b = 0; b < batch; b++) {
    const [, cached, first, kept] = [0, 1, 2, 3].map((i) => counts[b * 4 + i]!) as [number, number, number, number];
    for (let g = 0; g < groups; g++) {
      slopes[b * groups + g]!.forEach(({ key, value }, place) => {
        const slot = place - first;
        const after = (b * capacity + slot) * groups + g;
        if (slot >= 0 && slot < kept) {
          key.forEach((_, d) => { key[d]! += dFinalKeys?.[after * keyWidth + d] ?? 0; });
          value.forEach((_, d) => { value[d]! += dFinalValues?.[after * valueWidth + d] ?? 0; });
        }
        if (place < cached) {
          gradients.dKeys.set(key, ((b * capacity + place) * groups + g) * keyWidth);
          gradients.dValues.set(value, ((b * capacity + place) * groups + g) * valueWidth);
        } else {
          const row = (b * length + place - cached) * 4;
          const at = (b * length + rows[row]!) * groups + g;
          gradients.dk.set(turn(inputs, key, rows[row + 3]!, -1), at * keyWidth);
          gradients.dv.set(value, at * valueWidth);
        }
      });
    }
  }
  return gradients;
}
