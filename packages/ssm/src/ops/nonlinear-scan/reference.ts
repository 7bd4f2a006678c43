/** RNN, LSTM, GRU, sLSTM and LTC over a sequence with a block-diagonal recurrent matrix, in float64: the truth for the kernels. Imports nothing. */
export type RecurrentKind = 'lstm' | 'gru' | 'rnn' | 'slstm' | 'ltc';

export interface NonlinearScanInputs {
  readonly batch: number;
  readonly length: number;
  readonly heads: number;
  readonly headWidth: number;
  readonly kind: RecurrentKind;
  readonly x: ArrayLike<number>; // [B, L, K*E], E = heads * headWidth, K = 4 (LSTM: i f g o; sLSTM: i f z o), 3 (r z n) or 1
  readonly recurrent: ArrayLike<number>; // [H, P, K*P]
  readonly recurrentBias?: ArrayLike<number> | null | undefined; // [K*E]
  readonly initialHidden?: ArrayLike<number> | null | undefined; // [B, E]
  readonly initialCell?: ArrayLike<number> | null | undefined; // [B, E], LSTM and sLSTM
  readonly initialNormaliser?: ArrayLike<number> | null | undefined; // [B, E], sLSTM
  readonly initialMaximum?: ArrayLike<number> | null | undefined; // [B, E], sLSTM
  /** LTC: asymptote A, then rate 1/tau. [2, E] */
  readonly constants?: ArrayLike<number> | null | undefined;
  /** LTC: length of a step, and solver steps in it. Default 1. */
  readonly timeStep?: number;
  readonly unfolds?: number;
  /** [B, L]: bit 0 = masked, bit 1 = reset before this step. */
  readonly control?: ArrayLike<number> | null | undefined;
}

export interface NonlinearScanOutputs {
  readonly hidden: Float64Array; // [B, L, E], 0 at masked steps
  readonly finalHidden: Float64Array; // [B, E]
  /** [B, E] each, zeros for kinds without them. */
  readonly finalCell: Float64Array;
  readonly finalNormaliser: Float64Array;
  readonly finalMaximum: Float64Array;
}

export interface NonlinearScanGradients {
  readonly dx: Float64Array;
  readonly dRecurrent: Float64Array;
  readonly dRecurrentBias: Float64Array;
  readonly dInitialHidden: Float64Array;
  readonly dInitialCell: Float64Array;
  readonly dInitialNormaliser: Float64Array;
  readonly dInitialMaximum: Float64Array;
  readonly dConstants: Float64Array;
}

/** Slopes of the final states. */
export interface FinalSlopes {
  readonly hidden?: ArrayLike<number> | null | undefined;
  readonly cell?: ArrayLike<number> | null | undefined;
  readonly normaliser?: ArrayLike<number> | null | undefined;
  readonly maximum?: ArrayLike<number> | null | undefined;
}

/** h, c, n, m of one sequence, [E] each. */
type States = readonly [Float64Array, Float64Array, Float64Array, Float64Array];

/** What one solver step needs again on the way back. */
interface Trace {
  readonly before: States;
  /** h R + bias, [K, E]. */
  readonly recurrent: Float64Array;
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const logSigmoid = (x: number): number => Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x)));
const GATES: Readonly<Record<RecurrentKind, number>> = { lstm: 4, gru: 3, rnn: 1, slstm: 4, ltc: 1 };
const STATES: Readonly<Record<RecurrentKind, number>> = { lstm: 2, gru: 1, rnn: 1, slstm: 4, ltc: 1 };

/** h R + bias for every gate: [K, E]. Each head multiplies its own part of h with its own block of R. */
function recurrentInput(inputs: NonlinearScanInputs, hidden: Float64Array): Float64Array {
  const { heads, headWidth } = inputs;
  const E = heads * headWidth;
  const K = GATES[inputs.kind];
  const sums = new Float64Array(K * E);
  for (let k = 0; k < K; k++) {
    for (let head = 0; head < heads; head++) {
      for (let j = 0; j < headWidth; j++) {
        const target = k * E + head * headWidth + j;
        let sum = inputs.recurrentBias?.[target] ?? 0;
        for (let p = 0; p < headWidth; p++) {
          sum += hidden[head * headWidth + p]! * inputs.recurrent[(head * headWidth + p) * K * headWidth + k * headWidth + j]!;
        }
        sums[target] = sum;
      }
    }
  }
  return sums;
}

/** Everything an sLSTM computes for one channel from its gates and its c, n, m. */
function stabilised(raw: readonly number[], c: number, n: number, m: number) {
  const carried = logSigmoid(raw[1]!) + m;
  // Before the first step there is nothing carried that a maximum could stabilise.
  const takesInput = n === 0 || raw[0]! > carried;
  const maximum = takesInput ? raw[0]! : carried;
  const input = Math.exp(raw[0]! - maximum);
  const isCut = carried > maximum;
  const forget = isCut ? 1 : Math.exp(carried - maximum);
  const value = Math.tanh(raw[2]!);
  const output = sigmoid(raw[3]!);
  return { takesInput, isCut, maximum, input, forget, value, output, cell: forget * c + input * value, normaliser: forget * n + input };
}

/** One solver step for one sequence; the states are advanced in place. Row = the step's place in [B, L]. */
function step(inputs: NonlinearScanInputs, row: number, states: States): Trace {
  const E = inputs.heads * inputs.headWidth;
  const K = GATES[inputs.kind];
  const before = states.map((state) => state.slice()) as unknown as States;
  const [hidden, cell, normaliser, maximum] = states;
  const recurrent = recurrentInput(inputs, before[0]);
  const dt = (inputs.timeStep ?? 1) / (inputs.unfolds ?? 1);
  for (let e = 0; e < E; e++) {
    const x = (k: number): number => inputs.x[row * K * E + k * E + e]!;
    const r = (k: number): number => recurrent[k * E + e]!;
    switch (inputs.kind) {
      case 'lstm':
        cell[e] = sigmoid(x(1) + r(1)) * cell[e]! + sigmoid(x(0) + r(0)) * Math.tanh(x(2) + r(2));
        hidden[e] = sigmoid(x(3) + r(3)) * Math.tanh(cell[e]!);
        break;
      case 'gru': {
        const keep = sigmoid(x(1) + r(1));
        hidden[e] = (1 - keep) * Math.tanh(x(2) + sigmoid(x(0) + r(0)) * r(2)) + keep * hidden[e]!;
        break;
      }
      case 'rnn':
        hidden[e] = Math.tanh(x(0) + r(0));
        break;
      case 'slstm': {
        const s = stabilised([0, 1, 2, 3].map((k) => x(k) + r(k)), cell[e]!, normaliser[e]!, maximum[e]!);
        cell[e] = s.cell;
        normaliser[e] = s.normaliser;
        maximum[e] = s.maximum;
        hidden[e] = s.output * s.cell / s.normaliser;
        break;
      }
      case 'ltc': {
        const open = sigmoid(x(0) + r(0));
        hidden[e] = (hidden[e]! + dt * open * inputs.constants![e]!) / (1 + dt * (inputs.constants![E + e]! + open));
        break;
      }
    }
  }
  return { before, recurrent };
}

function run(inputs: NonlinearScanInputs): { outputs: NonlinearScanOutputs; traces: (Trace[] | null)[] } {
  const { batch, length, unfolds = 1 } = inputs;
  const E = inputs.heads * inputs.headWidth;
  const count = STATES[inputs.kind];
  const empty = (): Float64Array => new Float64Array(batch * E);
  const outputs = { hidden: new Float64Array(batch * length * E), finalHidden: empty(), finalCell: empty(), finalNormaliser: empty(), finalMaximum: empty() };
  const given = [inputs.initialHidden, inputs.initialCell, inputs.initialNormaliser, inputs.initialMaximum];
  const finals = [outputs.finalHidden, outputs.finalCell, outputs.finalNormaliser, outputs.finalMaximum];
  const traces: (Trace[] | null)[] = [];
  for (let b = 0; b < batch; b++) {
    const states = finals.map((state) => state.subarray(b * E, (b + 1) * E)) as unknown as States;
    states.forEach((state, i) => state.forEach((_, e) => { state[e] = i < count ? (given[i]?.[b * E + e] ?? 0) : 0; }));
    for (let t = 0; t < length; t++) {
      const row = b * length + t;
      const control = inputs.control?.[row] ?? 0;
      if (control & 2) for (const state of states) state.fill(0);
      if (control & 1) {
        traces.push(null);
        continue;
      }
      traces.push(Array.from({ length: unfolds }, () => step(inputs, row, states)));
      outputs.hidden.set(states[0], row * E);
    }
  }
  return { outputs, traces };
}

export function nonlinearScanForwardReference(inputs: NonlinearScanInputs): NonlinearScanOutputs {
  return run(inputs).outputs;
}

/** Back-propagation through time: slopes of the states walk backwards, each step adds its share to R, its bias and its x. */
export function nonlinearScanBackwardReference(inputs: NonlinearScanInputs, dHidden: ArrayLike<number>, dFinal: FinalSlopes = {}): NonlinearScanGradients {
  const { batch, length } = inputs;
  const E = inputs.heads * inputs.headWidth;
  const { traces } = run(inputs);
  const empty = (): Float64Array => new Float64Array(batch * E);
  const gradients: NonlinearScanGradients = {
    dx: new Float64Array(inputs.x.length), dRecurrent: new Float64Array(inputs.recurrent.length), dRecurrentBias: new Float64Array(GATES[inputs.kind] * E),
    dInitialHidden: empty(), dInitialCell: empty(), dInitialNormaliser: empty(), dInitialMaximum: empty(), dConstants: new Float64Array(2 * E),
  };
  const carried = [gradients.dInitialHidden, gradients.dInitialCell, gradients.dInitialNormaliser, gradients.dInitialMaximum];
  const given = [dFinal.hidden, dFinal.cell, dFinal.normaliser, dFinal.maximum];
  for (let b = 0; b < batch; b++) {
    const slopes = carried.map((slope) => slope.subarray(b * E, (b + 1) * E)) as unknown as States;
    slopes.forEach((slope, i) => slope.forEach((_, e) => { slope[e] = i < STATES[inputs.kind] ? (given[i]?.[b * E + e] ?? 0) : 0; }));
    for (let t = length - 1; t >= 0; t--) {
      const row = b * length + t;
      const steps = traces[row]!;
      if (steps) {
        for (let e = 0; e < E; e++) slopes[0][e]! += dHidden[row * E + e]!;
        for (const trace of steps.toReversed()) backwardStep(inputs, row, trace, slopes, gradients);
      }
      if ((inputs.control?.[row] ?? 0) & 2) for (const slope of slopes) slope.fill(0);
    }
  }
  return gradients;
}

function backwardStep(inputs: NonlinearScanInputs, row: number, trace: Trace, slopes: States, gradients: NonlinearScanGradients): void {
  const { heads, headWidth } = inputs;
  const E = heads * headWidth;
  const K = GATES[inputs.kind];
  const [dh, dc, dn, dm] = slopes;
  /** Slopes at h R + bias, and at x: they differ only where something multiplies h R inside the cell (GRU). */
  const dRecurrent = new Float64Array(K * E);
  const dx = new Float64Array(K * E);
  for (let e = 0; e < E; e++) {
    const r = (k: number): number => trace.recurrent[k * E + e]!;
    const gate = (k: number): number => inputs.x[row * K * E + k * E + e]! + r(k);
    const [h, c, n, m] = trace.before.map((state) => state[e]!) as [number, number, number, number];
    const set = (...values: number[]): void => values.forEach((value, k) => { dx[k * E + e] = dRecurrent[k * E + e] = value; });
    switch (inputs.kind) {
      case 'lstm': {
        const [input, forget, value, output] = [sigmoid(gate(0)), sigmoid(gate(1)), Math.tanh(gate(2)), sigmoid(gate(3))];
        const squashed = Math.tanh(forget * c + input * value);
        const dCell = dc[e]! + dh[e]! * output * (1 - squashed * squashed);
        set(dCell * value * input * (1 - input), dCell * c * forget * (1 - forget), dCell * input * (1 - value * value), dh[e]! * squashed * output * (1 - output));
        dc[e] = dCell * forget;
        dh[e] = 0;
        break;
      }
      case 'gru': {
        const [reset, keep] = [sigmoid(gate(0)), sigmoid(gate(1))];
        const value = Math.tanh(gate(2) - r(2) + reset * r(2));
        const dValue = dh[e]! * (1 - keep) * (1 - value * value);
        set(dValue * r(2) * reset * (1 - reset), dh[e]! * (h - value) * keep * (1 - keep), dValue);
        dRecurrent[2 * E + e] = dValue * reset;
        dh[e]! *= keep;
        break;
      }
      case 'rnn': {
        const value = Math.tanh(gate(0));
        set(dh[e]! * (1 - value * value));
        dh[e] = 0;
        break;
      }
      case 'slstm': {
        const s = stabilised([0, 1, 2, 3].map(gate), c, n, m);
        const dCell = dc[e]! + dh[e]! * s.output / s.normaliser;
        const dNormaliser = dn[e]! - dh[e]! * s.output * s.cell / (s.normaliser * s.normaliser);
        let dInput = (dCell * s.value + dNormaliser) * s.input;
        let dCarried = s.isCut ? 0 : (dCell * c + dNormaliser * n) * s.forget;
        const dMaximum = dm[e]! - dInput - dCarried;
        if (s.takesInput) dInput += dMaximum;
        else dCarried += dMaximum;
        set(dInput, dCarried * sigmoid(-gate(1)), dCell * s.input * (1 - s.value * s.value), dh[e]! * (s.cell / s.normaliser) * s.output * (1 - s.output));
        dh[e] = 0;
        dc[e] = dCell * s.forget;
        dn[e] = dNormaliser * s.forget;
        dm[e] = dCarried;
        break;
      }
      case 'ltc': {
        const dt = (inputs.timeStep ?? 1) / (inputs.unfolds ?? 1);
        const open = sigmoid(gate(0));
        const below = 1 + dt * (inputs.constants![E + e]! + open);
        const next = (h + dt * open * inputs.constants![e]!) / below;
        const slope = dh[e]! / below;
        set(slope * dt * (inputs.constants![e]! - next) * open * (1 - open));
        gradients.dConstants[e]! += slope * dt * open;
        gradients.dConstants[E + e]! -= slope * dt * next;
        dh[e] = slope;
        break;
      }
    }
  }
  for (let k = 0; k < K; k++) {
    for (let head = 0; head < heads; head++) {
      for (let j = 0; j < headWidth; j++) {
        const target = k * E + head * headWidth + j;
        const slope = dRecurrent[target]!;
        gradients.dx[row * K * E + target]! += dx[target]!;
        gradients.dRecurrentBias[target]! += slope;
        for (let p = 0; p < headWidth; p++) {
          const index = (head * headWidth + p) * K * headWidth + k * headWidth + j;
          gradients.dRecurrent[index]! += slope * trace.before[0][head * headWidth + p]!;
          dh[head * headWidth + p]! += slope * inputs.recurrent[index]!;
        }
      }
    }
  }
}
