/** Token shift in float64, written to be read: the truth for the op. Imports nothing. */
export interface TokenShiftInputs {
  readonly batch: number;
  readonly length: number;
  readonly channels: number;
  readonly x: ArrayLike<number>; // [B, L, D]
  readonly mix?: ArrayLike<number> | null | undefined; // [D]
  readonly state?: ArrayLike<number> | null | undefined; // [B, D]
  /** [B, L]: bit 0 = masked, bit 1 = the row before is zeros. */
  readonly control?: ArrayLike<number> | null | undefined;
}

export interface TokenShiftOutputs { readonly y: Float64Array; readonly finalState: Float64Array }
export interface TokenShiftGradients { readonly dx: Float64Array; readonly dMix: Float64Array; readonly dState: Float64Array }

/** Row of x before each counted step: its index, -1 for the state, -2 for zeros; null for a masked step. And the last counted row. */
function rowsBefore({ length, control }: TokenShiftInputs, b: number): { before: (number | null)[]; last: number } {
  let last = -1;
  const before: (number | null)[] = [];
  for (let t = 0; t < length; t++) {
    const bits = control?.[b * length + t] ?? 0;
    if (bits & 2) last = -2;
    before.push(bits & 1 ? null : last);
    if (!(bits & 1)) last = t;
  }
  return { before, last };
}

/** y[t] = mix x[t] + (1 - mix) x[before t] */
export function tokenShiftForwardReference(inputs: TokenShiftInputs): TokenShiftOutputs {
  const { batch, length, channels, x, mix, state } = inputs;
  const y = new Float64Array(batch * length * channels);
  const finalState = new Float64Array(batch * channels);
  for (let b = 0; b < batch; b++) {
    const value = (row: number, d: number): number => (row >= 0 ? x[(b * length + row) * channels + d]! : row === -1 ? (state?.[b * channels + d] ?? 0) : 0);
    const { before, last } = rowsBefore(inputs, b);
    for (let d = 0; d < channels; d++) {
      const share = mix?.[d] ?? 0;
      before.forEach((row, t) => {
        if (row !== null) y[(b * length + t) * channels + d] = share * value(t, d) + (1 - share) * value(row, d);
      });
      finalState[b * channels + d] = value(last, d);
    }
  }
  return { y, finalState };
}

/** Each slope goes to its step and to the row before it. */
export function tokenShiftBackwardReference(inputs: TokenShiftInputs, dy: ArrayLike<number>, dFinalState?: ArrayLike<number> | null): TokenShiftGradients {
  const { batch, length, channels, x, mix, state } = inputs;
  const gradients = { dx: new Float64Array(batch * length * channels), dMix: new Float64Array(channels), dState: new Float64Array(batch * channels) };
  for (let b = 0; b < batch; b++) {
    const { before, last } = rowsBefore(inputs, b);
    for (let d = 0; d < channels; d++) {
      const share = mix?.[d] ?? 0;
      const value = (row: number): number => (row >= 0 ? x[(b * length + row) * channels + d]! : row === -1 ? (state?.[b * channels + d] ?? 0) : 0);
      const send = (row: number, slope: number): void => {
        if (row >= 0) gradients.dx[(b * length + row) * channels + d]! += slope;
        else if (row === -1) gradients.dState[b * channels + d]! += slope;
      };
      before.forEach((row, t) => {
        if (row === null) return;
        const slope = dy[(b * length + t) * channels + d]!;
        send(t, slope * share);
        send(row, slope * (1 - share));
        gradients.dMix[d]! += slope * (value(t) - value(row));
      });
      send(last, dFinalState?.[b * channels + d] ?? 0);
    }
  }
  return gradients;
}
