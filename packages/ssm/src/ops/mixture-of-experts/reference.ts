/** Expert networks with given choices and gates in float64, one row at a time: the truth for the kernels. Imports nothing. */
export interface ExpertInputs {
  readonly rows: number;
  readonly inner: number;
  readonly hidden: number;
  readonly experts: number;
  readonly choices: number;
  readonly activation: 'swiglu' | 'gelu' | 'relu';
  readonly x: ArrayLike<number>; // [R, D]
  readonly first: ArrayLike<number>; // [X, 2 F or F, D]
  readonly second: ArrayLike<number>; // [X, D, F]
  readonly gates: ArrayLike<number>; // [R, k]
  /** Expert of each pair. [R, k] */
  readonly chosen: ArrayLike<number>;
}

export interface ExpertGradients { readonly dx: Float64Array; readonly dFirst: Float64Array; readonly dSecond: Float64Array; readonly dGates: Float64Array }

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const bend = (x: number): number => Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3));

/** W1 x of the pair's expert, and its activation [F]. */
function hiddenOf(inputs: ExpertInputs, pair: number): { hidden: Float64Array; active: Float64Array } {
  const { inner, hidden: F, choices, activation, x, first, chosen } = inputs;
  const M = activation === 'swiglu' ? 2 * F : F;
  const row = Math.floor(pair / choices);
  const hidden = Float64Array.from({ length: M }, (_, m) => {
    let sum = 0;
    for (let d = 0; d < inner; d++) sum += first[(chosen[pair]! * M + m) * inner + d]! * x[row * inner + d]!;
    return sum;
  });
  const active = Float64Array.from({ length: F }, (_, f) => {
    const value = hidden[f]!;
    if (activation === 'relu') return Math.max(0, value);
    if (activation === 'gelu') return 0.5 * value * (1 + bend(value));
    return value * hidden[F + f]! * sigmoid(hidden[F + f]!);
  });
  return { hidden, active };
}

/** W2 active [D] */
function resultOf({ inner, hidden: F, second, chosen }: ExpertInputs, pair: number, active: Float64Array): Float64Array {
  return Float64Array.from({ length: inner }, (_, d) => active.reduce((sum, value, f) => sum + second[(chosen[pair]! * inner + d) * F + f]! * value, 0));
}

/** y [R, D] */
export function expertsForwardReference(inputs: ExpertInputs): Float64Array {
  const y = new Float64Array(inputs.rows * inputs.inner);
  for (let pair = 0; pair < inputs.rows * inputs.choices; pair++) {
    const row = Math.floor(pair / inputs.choices);
    resultOf(inputs, pair, hiddenOf(inputs, pair).active).forEach((value, d) => { y[row * inputs.inner + d]! += inputs.gates[pair]! * value; });
  }
  return y;
}

export function expertsBackwardReference(inputs: ExpertInputs, dy: ArrayLike<number>): ExpertGradients {
  const { rows, inner, hidden: F, choices, activation, x, first, second, gates, chosen } = inputs;
  const M = activation === 'swiglu' ? 2 * F : F;
  const gradients = { dx: new Float64Array(rows * inner), dFirst: new Float64Array(first.length), dSecond: new Float64Array(second.length), dGates: new Float64Array(rows * choices) };
  for (let pair = 0; pair < rows * choices; pair++) {
    const row = Math.floor(pair / choices);
    const expert = chosen[pair]!;
    const { hidden, active } = hiddenOf(inputs, pair);
    const slope = Float64Array.from({ length: inner }, (_, d) => dy[row * inner + d]!);
    gradients.dGates[pair] = resultOf(inputs, pair, active).reduce((sum, value, d) => sum + value * slope[d]!, 0);
    const dActive = new Float64Array(F);
    for (let d = 0; d < inner; d++) {
      for (let f = 0; f < F; f++) {
        const index = (expert * inner + d) * F + f;
        dActive[f]! += gates[pair]! * slope[d]! * second[index]!;
        gradients.dSecond[index]! += gates[pair]! * slope[d]! * active[f]!;
      }
    }
    const dHidden = new Float64Array(M);
    dActive.forEach((value, f) => {
      const z = hidden[f]!;
      if (activation === 'relu') dHidden[f] = z > 0 ? value : 0;
      else if (activation === 'gelu') dHidden[f] = value * 0.5 * (1 + bend(z) + z * (1 - bend(z) ** 2) * Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * z * z));
      else {
        const gate = hidden[F + f]!;
        dHidden[f] = value * gate * sigmoid(gate);
        dHidden[F + f] = value * z * sigmoid(gate) * (1 + gate * (1 - sigmoid(gate)));
      }
    });
    dHidden.forEach((value, m) => {
      for (let d = 0; d < inner; d++) {
        const index = (expert * M + m) * inner + d;
        gradients.dFirst[index]! += value * x[row * inner + d]!;
        gradients.dx[row * inner + d]! += value * first[index]!;
      }
    });
  }
  return gradients;
}
