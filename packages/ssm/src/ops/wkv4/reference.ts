/** RWKV-4's weighted mean in float64: the truth for the kernels. Imports nothing. */
type Values = ArrayLike<number> | null | undefined;

export interface Wkv4Inputs {
  readonly batch: number;
  readonly length: number;
  readonly channels: number;
  readonly k: ArrayLike<number>; // [B, L, E]
  readonly v: ArrayLike<number>; // [B, L, E]
  readonly decay: ArrayLike<number>; // [E], logarithm of what a step keeps
  readonly bonus: ArrayLike<number>; // [E], added to the key of the step itself
  readonly initialNumerator?: Values; // [B, E]
  readonly initialDenominator?: Values; // [B, E]
  readonly initialMaximum?: Values; // [B, E]
  /** [B, L]: bit 0 = masked, bit 1 = reset before this step. */
  readonly control?: Values;
}

export interface Wkv4Outputs {
  readonly output: Float64Array; // [B, L, E], 0 at masked steps
  readonly numerator: Float64Array; // [B, E], as the two below: the state after the last step
  readonly denominator: Float64Array;
  readonly maximum: Float64Array;
}

export interface Wkv4Slopes { readonly output: ArrayLike<number>; readonly numerator?: Values; readonly denominator?: Values; readonly maximum?: Values }

export type Wkv4Gradients = Readonly<Record<'k' | 'v' | 'decay' | 'bonus' | 'numerator' | 'denominator' | 'maximum', Float64Array>>;

interface State { numerator: number; denominator: number; maximum: number }

/** A denominator of 0 or below says that nothing was seen yet. */
const seen = (state: State): State => (state.denominator <= 0 ? { numerator: 0, denominator: 0, maximum: -1e30 } : state);

function weigh(carried: number, fresh: number): { larger: number; carried: number; fresh: number } {
  const larger = Math.max(carried, fresh);
  return { larger, carried: Math.exp(carried - larger), fresh: Math.exp(fresh - larger) };
}

/** The state before each counted step of one channel, and the one after the last. */
function walk(s: Wkv4Inputs, b: number, e: number, outputs: Wkv4Outputs): (State | null)[] {
  const place = b * s.channels + e;
  let state: State = { numerator: s.initialNumerator?.[place] ?? 0, denominator: s.initialDenominator?.[place] ?? 0, maximum: s.initialMaximum?.[place] ?? 0 };
  const before: (State | null)[] = [];
  for (let t = 0; t < s.length; t++) {
    const row = b * s.length + t, at = row * s.channels + e;
    const control = s.control?.[row] ?? 0;
    if (control & 2) state = { numerator: 0, denominator: 0, maximum: 0 };
    before.push(control & 1 ? null : state);
    if (control & 1) continue;
    const { numerator, denominator, maximum } = seen(state);
    const k = s.k[at]!, v = s.v[at]!;
    const out = weigh(maximum, s.bonus[e]! + k), next = weigh(maximum + s.decay[e]!, k);
    outputs.output[at] = (out.carried * numerator + out.fresh * v) / (out.carried * denominator + out.fresh);
    state = { numerator: next.carried * numerator + next.fresh * v, denominator: next.carried * denominator + next.fresh, maximum: next.larger };
  }
  for (const name of ['numerator', 'denominator', 'maximum'] as const) outputs[name][place] = state[name];
  return before;
}

function emptyOutputs({ batch, length, channels }: Wkv4Inputs): Wkv4Outputs {
  const state = (): Float64Array => new Float64Array(batch * channels);
  return { output: new Float64Array(batch * length * channels), numerator: state(), denominator: state(), maximum: state() };
}

export function wkv4ForwardReference(s: Wkv4Inputs): Wkv4Outputs {
  const outputs = emptyOutputs(s);
  for (let b = 0; b < s.batch; b++) for (let e = 0; e < s.channels; e++) walk(s, b, e, outputs);
  return outputs;
}

export function wkv4BackwardReference(s: Wkv4Inputs, slopes: Wkv4Slopes): Wkv4Gradients {
  const { batch, length, channels } = s;
  const outputs = emptyOutputs(s);
  const g: Wkv4Gradients = {
    k: new Float64Array(outputs.output.length), v: new Float64Array(outputs.output.length), decay: new Float64Array(channels), bonus: new Float64Array(channels),
    numerator: new Float64Array(batch * channels), denominator: new Float64Array(batch * channels), maximum: new Float64Array(batch * channels),
  };
  for (let b = 0; b < batch; b++) {
    for (let e = 0; e < channels; e++) {
      const before = walk(s, b, e, outputs);
      const place = b * channels + e;
      let d: State = { numerator: slopes.numerator?.[place] ?? 0, denominator: slopes.denominator?.[place] ?? 0, maximum: slopes.maximum?.[place] ?? 0 };
      for (let t = length - 1; t >= 0; t--) {
        const row = b * length + t;
        const state = before[t];
        if (state) d = stepBack(s, state, row * channels + e, e, slopes.output[row * channels + e]!, d, g);
        if ((s.control?.[row] ?? 0) & 2) d = { numerator: 0, denominator: 0, maximum: 0 };
      }
      for (const name of ['numerator', 'denominator', 'maximum'] as const) g[name][place] = d[name];
    }
  }
  return g;
}

/** One step back: `d` are the slopes of the state after the step; returns those before it. */
function stepBack(s: Wkv4Inputs, raw: State, at: number, e: number, dOutput: number, d: State, g: Wkv4Gradients): State {
  const { numerator, denominator, maximum } = seen(raw);
  const k = s.k[at]!, v = s.v[at]!;
  const out = weigh(maximum, s.bonus[e]! + k), next = weigh(maximum + s.decay[e]!, k);
  const below = out.carried * denominator + out.fresh, output = (out.carried * numerator + out.fresh * v) / below;
  const perBelow = dOutput / below;
  // The output does not change with the maximum that its weights are relative to.
  const dFreshOut = perBelow * (v - output) * out.fresh, dCarriedOut = perBelow * (numerator - output * denominator) * out.carried;
  const dCarried = (d.numerator * numerator + d.denominator * denominator) * next.carried, dFresh = (d.numerator * v + d.denominator) * next.fresh;
  const dLarger = d.maximum - dCarried - dFresh;
  const carriedWins = maximum + s.decay[e]! >= k;
  const toCarried = dCarried + (carriedWins ? dLarger : 0);
  g.k[at] = dFreshOut + dFresh + (carriedWins ? 0 : dLarger);
  g.v[at] = perBelow * out.fresh + d.numerator * next.fresh;
  g.bonus[e]! += dFreshOut;
  g.decay[e]! += toCarried;
  if (raw.denominator <= 0) return { numerator: 0, denominator: 0, maximum: 0 };
  return {
    numerator: d.numerator * next.carried + perBelow * out.carried, denominator: d.denominator * next.carried - perBelow * output * out.carried,
    maximum: toCarried + dCarriedOut,
  };
}
