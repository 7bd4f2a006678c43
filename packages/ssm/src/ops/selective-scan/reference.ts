/**
 * The selective scan in float64, written to be read. It imports nothing and is the truth the compiled kernels are tested against.
 *
 * Letters: B batch, L length, E channels, N state size, G groups. Arrays are row-major, last axis fastest.
 */
export interface SelectiveScanInputs {
  readonly batch: number;
  readonly length: number;
  readonly channels: number;
  readonly stateSize: number;
  /** 0: B is constant, [E, N]; g >= 1: B is [B, L, g, N] and channel e reads group floor(e / (E / g)). */
  readonly groupsB: number;
  readonly groupsC: number;
  readonly softplus: boolean;
  /** 0: no intermediate states; q: the states after steps q, 2q, ... and after the last one. */
  readonly stateEvery: number;
  readonly u: ArrayLike<number>; // [B, L, E]
  readonly delta: ArrayLike<number>; // [B, L, E]
  readonly A: ArrayLike<number>; // [E, N]
  readonly B: ArrayLike<number>;
  readonly C: ArrayLike<number>;
  readonly D?: ArrayLike<number> | null | undefined; // [E]
  readonly z?: ArrayLike<number> | null | undefined; // [B, L, E]
  readonly deltaBias?: ArrayLike<number> | null | undefined; // [E]
  readonly initialState?: ArrayLike<number> | null | undefined; // [B, E, N]
  /** [B, L]: bit 0 = masked, bit 1 = reset before this step. */
  readonly control?: ArrayLike<number> | null | undefined;
}

export interface SelectiveScanOutputs {
  readonly y: Float64Array; // [B, L, E]
  readonly finalState: Float64Array; // [B, E, N]
  readonly states: Float64Array | null; // [B, ceil(L / q), E, N]
}

export interface SelectiveScanGradients {
  readonly du: Float64Array;
  readonly dDelta: Float64Array;
  readonly dA: Float64Array;
  readonly dB: Float64Array;
  readonly dC: Float64Array;
  readonly dD: Float64Array;
  readonly dz: Float64Array;
  readonly dDeltaBias: Float64Array;
  readonly dInitialState: Float64Array;
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const silu = (x: number): number => x * sigmoid(x);
const siluSlope = (x: number): number => sigmoid(x) * (1 + x * (1 - sigmoid(x)));
/** log(1 + e^x) that neither overflows for large x nor rounds to 0 for small ones. */
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

/** Position of element n of B or C for one channel of one step. */
function coefficientIndex(groups: number, inputs: SelectiveScanInputs, b: number, t: number, e: number, n: number): number {
  if (groups === 0) return e * inputs.stateSize + n;
  const group = Math.floor(e / (inputs.channels / groups));
  return ((b * inputs.length + t) * groups + group) * inputs.stateSize + n;
}

/** The step size that reaches the recurrence, and its slope with respect to the raw delta. */
function stepSize(inputs: SelectiveScanInputs, row: number, e: number): { dt: number; slope: number } {
  const raw = inputs.delta[row + e]! + (inputs.deltaBias?.[e] ?? 0);
  return inputs.softplus ? { dt: softplus(raw), slope: sigmoid(raw) } : { dt: raw, slope: 1 };
}

/**
 * One step for one sequence: `state` [E, N] is advanced in place, the result is y [E].
 * h = exp(dt A) h + dt B u;  y = (C . h + D u) * silu(z).
 */
export function selectiveScanStepReference(inputs: SelectiveScanInputs, b: number, t: number, state: Float64Array): Float64Array {
  const { channels, stateSize } = inputs;
  const row = (b * inputs.length + t) * channels;
  const y = new Float64Array(channels);
  for (let e = 0; e < channels; e++) {
    const { dt } = stepSize(inputs, row, e);
    const u = inputs.u[row + e]!;
    let sum = 0;
    for (let n = 0; n < stateSize; n++) {
      const i = e * stateSize + n;
      const decay = Math.exp(dt * inputs.A[i]!);
      state[i] = decay * state[i]! + dt * inputs.B[coefficientIndex(inputs.groupsB, inputs, b, t, e, n)]! * u;
      sum += inputs.C[coefficientIndex(inputs.groupsC, inputs, b, t, e, n)]! * state[i]!;
    }
    if (inputs.D) sum += inputs.D[e]! * u;
    y[e] = inputs.z ? sum * silu(inputs.z[row + e]!) : sum;
  }
  return y;
}

/** Slot of `states` that holds the state after step t, or -1. */
function stateSlot(inputs: SelectiveScanInputs, t: number): number {
  const every = inputs.stateEvery;
  if (every === 0) return -1;
  return (t + 1) % every === 0 || t === inputs.length - 1 ? Math.ceil((t + 1) / every) - 1 : -1;
}

/** The whole sequence. A masked step leaves the state alone and gives 0; a reset empties the state before the step. */
export function selectiveScanForwardReference(inputs: SelectiveScanInputs): SelectiveScanOutputs {
  const { batch, length, channels, stateSize, stateEvery } = inputs;
  const size = channels * stateSize;
  const y = new Float64Array(batch * length * channels);
  const finalState = new Float64Array(batch * size);
  const slots = stateEvery === 0 ? 0 : Math.ceil(length / stateEvery);
  const states = stateEvery === 0 ? null : new Float64Array(batch * slots * size);
  for (let b = 0; b < batch; b++) {
    const state = finalState.subarray(b * size, (b + 1) * size);
    if (inputs.initialState) for (let i = 0; i < size; i++) state[i] = inputs.initialState[b * size + i]!;
    for (let t = 0; t < length; t++) {
      const control = inputs.control?.[b * length + t] ?? 0;
      if (control & 2) state.fill(0);
      if (!(control & 1)) y.set(selectiveScanStepReference(inputs, b, t, state), (b * length + t) * channels);
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
export function selectiveScanBackwardReference(
  inputs: SelectiveScanInputs,
  dy: ArrayLike<number>,
  dFinalState?: ArrayLike<number> | null,
  dStates?: ArrayLike<number> | null,
): SelectiveScanGradients {
  const { batch, length, channels, stateSize, stateEvery } = inputs;
  const size = channels * stateSize;
  const slots = stateEvery === 0 ? 0 : Math.ceil(length / stateEvery);
  const gradients = {
    du: new Float64Array(batch * length * channels), dDelta: new Float64Array(batch * length * channels),
    dA: new Float64Array(size), dB: new Float64Array(inputs.B.length), dC: new Float64Array(inputs.C.length),
    dD: new Float64Array(channels), dz: new Float64Array(batch * length * channels),
    dDeltaBias: new Float64Array(channels), dInitialState: new Float64Array(batch * size),
  };
  const history = selectiveScanForwardReference({ ...inputs, stateEvery: 1 }).states!; // [B, L, E, N]
  for (let b = 0; b < batch; b++) {
    const g = gradients.dInitialState.subarray(b * size, (b + 1) * size);
    if (dFinalState) for (let i = 0; i < size; i++) g[i] = dFinalState[b * size + i]!;
    for (let t = length - 1; t >= 0; t--) {
      const slot = stateSlot(inputs, t);
      if (dStates && slot >= 0) for (let i = 0; i < size; i++) g[i]! += dStates[(b * slots + slot) * size + i]!;
      const control = inputs.control?.[b * length + t] ?? 0;
      if (!(control & 1)) backwardStep(inputs, b, t, control, history, dy, g, gradients);
      if (control & 2) g.fill(0);
    }
  }
  return gradients;
}

function backwardStep(
  inputs: SelectiveScanInputs, b: number, t: number, control: number, history: Float64Array, dy: ArrayLike<number>,
  g: Float64Array, gradients: SelectiveScanGradients,
): void {
  const { length, channels, stateSize } = inputs;
  const row = (b * length + t) * channels;
  for (let e = 0; e < channels; e++) {
    const { dt, slope } = stepSize(inputs, row, e);
    const u = inputs.u[row + e]!;
    let dOut = dy[row + e]!;
    if (inputs.z) {
      const z = inputs.z[row + e]!;
      let ungated = (inputs.D?.[e] ?? 0) * u;
      for (let n = 0; n < stateSize; n++) {
        ungated += inputs.C[coefficientIndex(inputs.groupsC, inputs, b, t, e, n)]! * history[(row + e) * stateSize + n]!;
      }
      gradients.dz[row + e] = dOut * ungated * siluSlope(z);
      dOut *= silu(z);
    }
    let du = (inputs.D?.[e] ?? 0) * dOut;
    let dDt = 0;
    gradients.dD[e]! += dOut * u;
    for (let n = 0; n < stateSize; n++) {
      const i = e * stateSize + n;
      const indexB = coefficientIndex(inputs.groupsB, inputs, b, t, e, n);
      const indexC = coefficientIndex(inputs.groupsC, inputs, b, t, e, n);
      const before = previousState(inputs, history, b, t, control, i);
      const decay = Math.exp(dt * inputs.A[i]!);
      gradients.dC[indexC]! += dOut * history[(row + e) * stateSize + n]!;
      g[i]! += dOut * inputs.C[indexC]!;
      du += g[i]! * dt * inputs.B[indexB]!;
      dDt += g[i]! * (inputs.A[i]! * decay * before + inputs.B[indexB]! * u);
      gradients.dA[i]! += g[i]! * dt * decay * before;
      gradients.dB[indexB]! += g[i]! * dt * u;
      g[i]! *= decay;
    }
    gradients.du[row + e] = du;
    gradients.dDelta[row + e] = dDt * slope;
    gradients.dDeltaBias[e]! += dDt * slope;
  }
}

/** State before step t, which a reset makes 0. `i` counts within [E, N]. */
function previousState(inputs: SelectiveScanInputs, history: Float64Array, b: number, t: number, control: number, i: number): number {
  const size = inputs.channels * inputs.stateSize;
  if (control & 2) return 0;
  return t > 0 ? history[(b * inputs.length + t - 1) * size + i]! : (inputs.initialState?.[b * size + i] ?? 0);
}
