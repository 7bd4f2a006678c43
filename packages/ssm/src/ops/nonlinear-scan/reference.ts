/** LSTM and GRU over a sequence with a block-diagonal recurrent matrix, in float64: the truth for the kernels. Imports nothing. */
export interface NonlinearScanInputs {
  readonly batch: number;
  readonly length: number;
  readonly heads: number;
  readonly headWidth: number;
  readonly kind: 'lstm' | 'gru';
  readonly x: ArrayLike<number>; // [B, L, K*E], E = heads * headWidth, K = 4 (i f g o) or 3 (r z n)
  readonly recurrent: ArrayLike<number>; // [H, P, K*P]
  readonly recurrentBias?: ArrayLike<number> | null | undefined; // [K*E]
  readonly initialHidden?: ArrayLike<number> | null | undefined; // [B, E]
  readonly initialCell?: ArrayLike<number> | null | undefined; // [B, E], LSTM only
  /** [B, L]: bit 0 = masked, bit 1 = reset before this step. */
  readonly control?: ArrayLike<number> | null | undefined;
}

export interface NonlinearScanOutputs {
  readonly hidden: Float64Array; // [B, L, E], 0 at masked steps
  readonly finalHidden: Float64Array; // [B, E]
  readonly finalCell: Float64Array; // [B, E], zeros for a GRU
}

export interface NonlinearScanGradients {
  readonly dx: Float64Array;
  readonly dRecurrent: Float64Array;
  readonly dRecurrentBias: Float64Array;
  readonly dInitialHidden: Float64Array;
  readonly dInitialCell: Float64Array;
}

/** Everything one counted step needs again on the way back. */
interface Trace {
  readonly hiddenBefore: Float64Array;
  readonly cellBefore: Float64Array;
  /** LSTM: i, f, g, o; GRU: r, z, n. Each [E], after its nonlinearity. */
  readonly gates: Float64Array[];
  readonly cell: Float64Array;
  /** GRU: h R_n + b_n, the part that r multiplies. */
  readonly candidateInput: Float64Array;
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const gateCount = (kind: 'lstm' | 'gru'): number => (kind === 'lstm' ? 4 : 3);

/** h R + bias for every gate: [K, E]. Each head multiplies its own part of h with its own block of R. */
function recurrentInput(inputs: NonlinearScanInputs, hidden: Float64Array): Float64Array {
  const { heads, headWidth } = inputs;
  const E = heads * headWidth;
  const K = gateCount(inputs.kind);
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

/** One step for one sequence; `hidden` and `cell` [E] are advanced in place. Row = the step's place in [B, L]. */
export function nonlinearScanStepReference(inputs: NonlinearScanInputs, row: number, hidden: Float64Array, cell: Float64Array): Trace {
  const E = inputs.heads * inputs.headWidth;
  const K = gateCount(inputs.kind);
  const hiddenBefore = hidden.slice();
  const cellBefore = cell.slice();
  const recurrent = recurrentInput(inputs, hiddenBefore);
  const gates = Array.from({ length: K }, () => new Float64Array(E));
  const candidateInput = new Float64Array(E);
  for (let e = 0; e < E; e++) {
    const x = (k: number): number => inputs.x[row * K * E + k * E + e]!;
    const r = (k: number): number => recurrent[k * E + e]!;
    if (inputs.kind === 'lstm') {
      gates[0]![e] = sigmoid(x(0) + r(0));
      gates[1]![e] = sigmoid(x(1) + r(1));
      gates[2]![e] = Math.tanh(x(2) + r(2));
      gates[3]![e] = sigmoid(x(3) + r(3));
      cell[e] = gates[1]![e]! * cellBefore[e]! + gates[0]![e]! * gates[2]![e]!;
      hidden[e] = gates[3]![e]! * Math.tanh(cell[e]!);
    } else {
      gates[0]![e] = sigmoid(x(0) + r(0));
      gates[1]![e] = sigmoid(x(1) + r(1));
      candidateInput[e] = r(2);
      gates[2]![e] = Math.tanh(x(2) + gates[0]![e]! * r(2));
      hidden[e] = (1 - gates[1]![e]!) * gates[2]![e]! + gates[1]![e]! * hiddenBefore[e]!;
    }
  }
  return { hiddenBefore, cellBefore, gates, cell: cell.slice(), candidateInput };
}

function run(inputs: NonlinearScanInputs): { outputs: NonlinearScanOutputs; traces: (Trace | null)[] } {
  const { batch, length } = inputs;
  const E = inputs.heads * inputs.headWidth;
  const outputs = {
    hidden: new Float64Array(batch * length * E), finalHidden: new Float64Array(batch * E), finalCell: new Float64Array(batch * E),
  };
  const traces: (Trace | null)[] = [];
  for (let b = 0; b < batch; b++) {
    const hidden = outputs.finalHidden.subarray(b * E, (b + 1) * E);
    const cell = outputs.finalCell.subarray(b * E, (b + 1) * E);
    for (let e = 0; e < E; e++) {
      hidden[e] = inputs.initialHidden?.[b * E + e] ?? 0;
      cell[e] = inputs.kind === 'lstm' ? (inputs.initialCell?.[b * E + e] ?? 0) : 0;
    }
    for (let t = 0; t < length; t++) {
      const row = b * length + t;
      const control = inputs.control?.[row] ?? 0;
      if (control & 2) {
        hidden.fill(0);
        cell.fill(0);
      }
      if (control & 1) {
        traces.push(null);
        continue;
      }
      traces.push(nonlinearScanStepReference(inputs, row, hidden, cell));
      outputs.hidden.set(hidden, row * E);
    }
  }
  return { outputs, traces };
}

export function nonlinearScanForwardReference(inputs: NonlinearScanInputs): NonlinearScanOutputs {
  return run(inputs).outputs;
}

/** Back-propagation through time: slopes of h and c walk backwards, each step adds its share to R, its bias and its x. */
export function nonlinearScanBackwardReference(
  inputs: NonlinearScanInputs, dHidden: ArrayLike<number>, dFinalHidden?: ArrayLike<number> | null, dFinalCell?: ArrayLike<number> | null,
): NonlinearScanGradients {
  const { batch, length } = inputs;
  const E = inputs.heads * inputs.headWidth;
  const { traces } = run(inputs);
  const gradients: NonlinearScanGradients = {
    dx: new Float64Array(inputs.x.length), dRecurrent: new Float64Array(inputs.recurrent.length),
    dRecurrentBias: new Float64Array(gateCount(inputs.kind) * E),
    dInitialHidden: new Float64Array(batch * E), dInitialCell: new Float64Array(batch * E),
  };
  for (let b = 0; b < batch; b++) {
    const dh = gradients.dInitialHidden.subarray(b * E, (b + 1) * E);
    const dc = gradients.dInitialCell.subarray(b * E, (b + 1) * E);
    for (let e = 0; e < E; e++) {
      dh[e] = dFinalHidden?.[b * E + e] ?? 0;
      dc[e] = inputs.kind === 'lstm' ? (dFinalCell?.[b * E + e] ?? 0) : 0;
    }
    for (let t = length - 1; t >= 0; t--) {
      const row = b * length + t;
      const trace = traces[row]!;
      if (trace) {
        for (let e = 0; e < E; e++) dh[e]! += dHidden[row * E + e]!;
        backwardStep(inputs, row, trace, dh, dc, gradients);
      }
      if ((inputs.control?.[row] ?? 0) & 2) {
        dh.fill(0);
        dc.fill(0);
      }
    }
  }
  return gradients;
}

function backwardStep(
  inputs: NonlinearScanInputs, row: number, trace: Trace, dh: Float64Array, dc: Float64Array, gradients: NonlinearScanGradients,
): void {
  const { heads, headWidth } = inputs;
  const E = heads * headWidth;
  const K = gateCount(inputs.kind);
  const dRecurrentInput = new Float64Array(K * E);
  for (let e = 0; e < E; e++) {
    const gate = (k: number): number => trace.gates[k]![e]!;
    const dx = (k: number): number => row * K * E + k * E + e;
    if (inputs.kind === 'lstm') {
      const squashed = Math.tanh(trace.cell[e]!);
      const dCell = dc[e]! + dh[e]! * gate(3) * (1 - squashed * squashed);
      gradients.dx[dx(0)] = dCell * gate(2) * gate(0) * (1 - gate(0));
      gradients.dx[dx(1)] = dCell * trace.cellBefore[e]! * gate(1) * (1 - gate(1));
      gradients.dx[dx(2)] = dCell * gate(0) * (1 - gate(2) * gate(2));
      gradients.dx[dx(3)] = dh[e]! * squashed * gate(3) * (1 - gate(3));
      for (let k = 0; k < K; k++) dRecurrentInput[k * E + e] = gradients.dx[dx(k)]!;
      dc[e] = dCell * gate(1);
      dh[e] = 0;
    } else {
      const dCandidate = dh[e]! * (1 - gate(1)) * (1 - gate(2) * gate(2));
      gradients.dx[dx(0)] = dCandidate * trace.candidateInput[e]! * gate(0) * (1 - gate(0));
      gradients.dx[dx(1)] = dh[e]! * (trace.hiddenBefore[e]! - gate(2)) * gate(1) * (1 - gate(1));
      gradients.dx[dx(2)] = dCandidate;
      dRecurrentInput[e] = gradients.dx[dx(0)]!;
      dRecurrentInput[E + e] = gradients.dx[dx(1)]!;
      dRecurrentInput[2 * E + e] = dCandidate * gate(0);
      dh[e]! *= gate(1);
    }
  }
  for (let k = 0; k < K; k++) {
    for (let head = 0; head < heads; head++) {
      for (let j = 0; j < headWidth; j++) {
        const slope = dRecurrentInput[k * E + head * headWidth + j]!;
        gradients.dRecurrentBias[k * E + head * headWidth + j]! += slope;
        for (let p = 0; p < headWidth; p++) {
          const index = (head * headWidth + p) * K * headWidth + k * headWidth + j;
          gradients.dRecurrent[index]! += slope * trace.hiddenBefore[head * headWidth + p]!;
          dh[head * headWidth + p]! += slope * inputs.recurrent[index]!;
        }
      }
    }
  }
}
