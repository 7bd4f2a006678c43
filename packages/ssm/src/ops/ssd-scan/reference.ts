/**
 * The SSD scan of Mamba-2 in float64, written to be read. It imports nothing and is the truth the compiled kernels are tested against.
 *
 * Letters: B batch, L length, H heads, P head width, G groups, N state size. Arrays are row-major, last axis fastest. Head h reads group floor(h / (H / G)).
 */
export interface SsdScanInputs {
  readonly batch: number;
  readonly length: number;
  readonly heads: number;
  readonly headWidth: number;
  readonly groups: number;
  readonly stateSize: number;
  readonly softplus: boolean;
  /** 0: no intermediate states; q: the states after steps q, 2q, ... and after the last one. */
  readonly stateEvery: number;
  /** A is [B, L, H], else [H]. */
  readonly varyingDecay: boolean;
  /** D is [H, P], else [H]. */
  readonly wideSkip: boolean;
  /** Step sizes are brought into [dtLeast, dtMost] after the softplus. */
  readonly dtLeast: number;
  readonly dtMost: number;
  readonly x: ArrayLike<number>; // [B, L, H, P]
  readonly dt: ArrayLike<number>; // [B, L, H]
  readonly A: ArrayLike<number>;
  readonly B: ArrayLike<number>; // [B, L, G, N]
  readonly C: ArrayLike<number>; // [B, L, G, N]
  readonly D?: ArrayLike<number> | null | undefined;
  readonly z?: ArrayLike<number> | null | undefined; // [B, L, H, P]
  readonly dtBias?: ArrayLike<number> | null | undefined; // [H]
  readonly initialState?: ArrayLike<number> | null | undefined; // [B, H, P, N]
  /** [B, L]: bit 0 = masked, bit 1 = reset before this step. */
  readonly control?: ArrayLike<number> | null | undefined;
}

export interface SsdScanOutputs {
  readonly y: Float64Array; // [B, L, H, P]
  readonly finalState: Float64Array; // [B, H, P, N]
  readonly states: Float64Array | null; // [B, ceil(L / q), H, P, N]
}

export interface SsdScanGradients {
  readonly dx: Float64Array;
  readonly dDt: Float64Array;
  readonly dA: Float64Array;
  readonly dB: Float64Array;
  readonly dC: Float64Array;
  readonly dD: Float64Array;
  readonly dz: Float64Array;
  readonly dDtBias: Float64Array;
  readonly dInitialState: Float64Array;
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const silu = (x: number): number => x * sigmoid(x);
const siluSlope = (x: number): number => sigmoid(x) * (1 + x * (1 - sigmoid(x)));
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

const stateSizeOf = (inputs: SsdScanInputs): number => inputs.heads * inputs.headWidth * inputs.stateSize;
const skipOf = (inputs: SsdScanInputs, h: number, p: number): number => inputs.D?.[inputs.wideSkip ? h * inputs.headWidth + p : h] ?? 0;
const decayIndex = (inputs: SsdScanInputs, step: number, h: number): number => (inputs.varyingDecay ? step * inputs.heads + h : h);
/** First element of the coefficients of head h at a step (b L + t). */
const coefficientRow = (inputs: SsdScanInputs, step: number, h: number): number =>
  (step * inputs.groups + Math.floor(h / (inputs.heads / inputs.groups))) * inputs.stateSize;

/** The step size that reaches the recurrence, and its slope with respect to the raw one. */
function stepSize(inputs: SsdScanInputs, step: number, h: number): { dt: number; slope: number } {
  const raw = inputs.dt[step * inputs.heads + h]! + (inputs.dtBias?.[h] ?? 0);
  const size = inputs.softplus ? softplus(raw) : raw;
  if (size < inputs.dtLeast) return { dt: inputs.dtLeast, slope: 0 };
  if (size > inputs.dtMost) return { dt: inputs.dtMost, slope: 0 };
  return { dt: size, slope: inputs.softplus ? sigmoid(raw) : 1 };
}

/**
 * One step (b L + t) of one sequence: `state` [H, P, N] is advanced in place, the result is y [H, P].
 * h = exp(dt A) h + dt x B^T;  y = (h C + D x) * silu(z).
 */
export function ssdScanStepReference(inputs: SsdScanInputs, step: number, state: Float64Array): Float64Array {
  const { heads, headWidth, stateSize } = inputs;
  const y = new Float64Array(heads * headWidth);
  for (let h = 0; h < heads; h++) {
    const { dt } = stepSize(inputs, step, h);
    const decay = Math.exp(dt * inputs.A[decayIndex(inputs, step, h)]!);
    const row = coefficientRow(inputs, step, h);
    for (let p = 0; p < headWidth; p++) {
      const x = inputs.x[(step * heads + h) * headWidth + p]!;
      let sum = skipOf(inputs, h, p) * x;
      for (let n = 0; n < stateSize; n++) {
        const i = (h * headWidth + p) * stateSize + n;
        state[i] = decay * state[i]! + dt * x * inputs.B[row + n]!;
        sum += inputs.C[row + n]! * state[i]!;
      }
      y[h * headWidth + p] = inputs.z ? sum * silu(inputs.z[(step * heads + h) * headWidth + p]!) : sum;
    }
  }
  return y;
}

/** Slot of `states` that holds the state after step t, or -1. */
function stateSlot(inputs: SsdScanInputs, t: number): number {
  const every = inputs.stateEvery;
  if (every === 0) return -1;
  return (t + 1) % every === 0 || t === inputs.length - 1 ? Math.ceil((t + 1) / every) - 1 : -1;
}

/** The whole sequence. A masked step leaves the state alone and gives 0; a reset empties the state before the step. */
export function ssdScanForwardReference(inputs: SsdScanInputs): SsdScanOutputs {
  const { batch, length, heads, headWidth, stateEvery } = inputs;
  const size = stateSizeOf(inputs);
  const y = new Float64Array(batch * length * heads * headWidth);
  const finalState = new Float64Array(batch * size);
  const slots = stateEvery === 0 ? 0 : Math.ceil(length / stateEvery);
  const states = stateEvery === 0 ? null : new Float64Array(batch * slots * size);
  for (let b = 0; b < batch; b++) {
    const state = finalState.subarray(b * size, (b + 1) * size);
    if (inputs.initialState) for (let i = 0; i < size; i++) state[i] = inputs.initialState[b * size + i]!;
    for (let t = 0; t < length; t++) {
      const step = b * length + t;
      const control = inputs.control?.[step] ?? 0;
      if (control & 2) state.fill(0);
      if (!(control & 1)) y.set(ssdScanStepReference(inputs, step, state), step * heads * headWidth);
      const slot = stateSlot(inputs, t);
      if (states && slot >= 0) states.set(state, (b * slots + slot) * size);
    }
  }
  return { y, finalState, states };
}

/**
 * Gradient of a scalar with dy = its slope at y, dFinalState at the final state and dStates at `states`.
 * Walks backwards with g = slope at h[t]: g[t-1] = exp(dt A) g[t]; every other gradient is a product of g[t] with what made h[t].
 */
export function ssdScanBackwardReference(
  inputs: SsdScanInputs, dy: ArrayLike<number>, dFinalState?: ArrayLike<number> | null, dStates?: ArrayLike<number> | null,
): SsdScanGradients {
  const { batch, length, heads, headWidth, stateEvery } = inputs;
  const size = stateSizeOf(inputs);
  const slots = stateEvery === 0 ? 0 : Math.ceil(length / stateEvery);
  const gradients: SsdScanGradients = {
    dx: new Float64Array(inputs.x.length), dDt: new Float64Array(inputs.dt.length), dA: new Float64Array(inputs.A.length),
    dB: new Float64Array(inputs.B.length), dC: new Float64Array(inputs.C.length), dD: new Float64Array(inputs.wideSkip ? heads * headWidth : heads),
    dz: new Float64Array(inputs.x.length), dDtBias: new Float64Array(heads), dInitialState: new Float64Array(batch * size),
  };
  const history = ssdScanForwardReference({ ...inputs, stateEvery: 1 }).states!; // [B, L, H, P, N]
  for (let b = 0; b < batch; b++) {
    const g = gradients.dInitialState.subarray(b * size, (b + 1) * size);
    if (dFinalState) for (let i = 0; i < size; i++) g[i] = dFinalState[b * size + i]!;
    for (let t = length - 1; t >= 0; t--) {
      const slot = stateSlot(inputs, t);
      if (dStates && slot >= 0) for (let i = 0; i < size; i++) g[i]! += dStates[(b * slots + slot) * size + i]!;
      const control = inputs.control?.[b * length + t] ?? 0;
      if (!(control & 1)) backwardStep(inputs, b, t, history, dy, g, gradients);
      if (control & 2) g.fill(0);
    }
  }
  return gradients;
}

function backwardStep(inputs: SsdScanInputs, b: number, t: number, history: Float64Array, dy: ArrayLike<number>, g: Float64Array, gradients: SsdScanGradients): void {
  const { heads, headWidth, stateSize } = inputs;
  const size = stateSizeOf(inputs);
  const step = b * inputs.length + t;
  const reset = ((inputs.control?.[step] ?? 0) & 2) !== 0;
  for (let h = 0; h < heads; h++) {
    const { dt, slope } = stepSize(inputs, step, h);
    const A = inputs.A[decayIndex(inputs, step, h)]!;
    const decay = Math.exp(dt * A);
    const row = coefficientRow(inputs, step, h);
    let dDt = 0;
    let dLogDecay = 0;
    for (let p = 0; p < headWidth; p++) {
      const at = (step * heads + h) * headWidth + p;
      const x = inputs.x[at]!;
      const from = (h * headWidth + p) * stateSize;
      let dOut = dy[at]!;
      if (inputs.z) {
        let ungated = skipOf(inputs, h, p) * x;
        for (let n = 0; n < stateSize; n++) ungated += inputs.C[row + n]! * history[step * size + from + n]!;
        gradients.dz[at] = dOut * ungated * siluSlope(inputs.z[at]!);
        dOut *= silu(inputs.z[at]!);
      }
      let dx = skipOf(inputs, h, p) * dOut;
      gradients.dD[inputs.wideSkip ? h * headWidth + p : h]! += dOut * x;
      for (let n = 0; n < stateSize; n++) {
        const i = from + n;
        const before = reset ? 0 : t > 0 ? history[(step - 1) * size + i]! : (inputs.initialState?.[b * size + i] ?? 0);
        gradients.dC[row + n]! += dOut * history[step * size + i]!;
        g[i]! += dOut * inputs.C[row + n]!;
        dx += g[i]! * dt * inputs.B[row + n]!;
        dDt += g[i]! * x * inputs.B[row + n]!;
        dLogDecay += g[i]! * decay * before;
        gradients.dB[row + n]! += g[i]! * dt * x;
        g[i]! *= decay;
      }
      gradients.dx[at] = dx;
    }
    gradients.dA[decayIndex(inputs, step, h)]! += dLogDecay * dt;
    gradients.dDt[step * heads + h] = (dDt + dLogDecay * A) * slope;
    gradients.dDtBias[h]! += (dDt + dLogDecay * A) * slope;
  }
}
