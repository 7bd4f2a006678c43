/** Short depthwise causal convolution in float64, written to be read: the truth for the kernels. Imports nothing. */
export interface CausalConv1dInputs {
  readonly batch: number;
  readonly length: number;
  readonly channels: number;
  readonly width: number;
  readonly silu: boolean;
  readonly x: ArrayLike<number>; // [B, L, E]
  readonly weight: ArrayLike<number>; // [E, W]
  readonly bias?: ArrayLike<number> | null | undefined; // [E]
  /** The W - 1 inputs before the first step, oldest first. [B, W-1, E] */
  readonly tail?: ArrayLike<number> | null | undefined;
  /** [B, L]: bit 0 = masked, bit 1 = the window is emptied before this step. */
  readonly control?: ArrayLike<number> | null | undefined;
}

export interface CausalConv1dOutputs {
  readonly y: Float64Array; // [B, L, E]
  readonly finalTail: Float64Array; // [B, W-1, E]
}

export interface CausalConv1dGradients {
  readonly dx: Float64Array;
  readonly dWeight: Float64Array;
  readonly dBias: Float64Array;
  readonly dTail: Float64Array;
}

/** Where one element of the window comes from: row of x, row of the tail, or nothing (a zero). */
type Source = { readonly kind: 'x' | 'tail'; readonly row: number } | null;

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

function read(inputs: CausalConv1dInputs, source: Source, e: number): number {
  if (source === null) return 0;
  return source.kind === 'x' ? inputs.x[source.row * inputs.channels + e]! : (inputs.tail?.[source.row * inputs.channels + e] ?? 0);
}

/** Window [W] of each step of sequence b (null for a masked step), and the W - 1 sources left at the end. */
function windowsOf(inputs: CausalConv1dInputs, b: number): { windows: (Source[] | null)[]; tail: Source[] } {
  const { length, width } = inputs;
  let tail: Source[] = Array.from({ length: width - 1 }, (_, k) => ({ kind: 'tail', row: b * (width - 1) + k }));
  const windows: (Source[] | null)[] = [];
  for (let t = 0; t < length; t++) {
    const control = inputs.control?.[b * length + t] ?? 0;
    if (control & 2) tail = tail.map(() => null);
    if (control & 1) {
      windows.push(null);
      continue;
    }
    const window: Source[] = [...tail, { kind: 'x', row: b * length + t }];
    windows.push(window);
    tail = window.slice(1);
  }
  return { windows, tail };
}

function preactivation(inputs: CausalConv1dInputs, window: readonly Source[], e: number): number {
  let sum = inputs.bias?.[e] ?? 0;
  for (let w = 0; w < inputs.width; w++) sum += inputs.weight[e * inputs.width + w]! * read(inputs, window[w]!, e);
  return sum;
}

/** One step for one sequence: y [E] for the window [tail..., x]. */
export function causalConv1dStepReference(inputs: CausalConv1dInputs, window: readonly Source[]): Float64Array {
  return Float64Array.from({ length: inputs.channels }, (_, e) => {
    const sum = preactivation(inputs, window, e);
    return inputs.silu ? sum * sigmoid(sum) : sum;
  });
}

/** y[t, e] = act(bias[e] + sum_w weight[e, w] window[t][w, e]); masked steps do not exist for the window and give 0. */
export function causalConv1dForwardReference(inputs: CausalConv1dInputs): CausalConv1dOutputs {
  const { batch, length, channels, width } = inputs;
  const y = new Float64Array(batch * length * channels);
  const finalTail = new Float64Array(batch * (width - 1) * channels);
  for (let b = 0; b < batch; b++) {
    const { windows, tail } = windowsOf(inputs, b);
    windows.forEach((window, t) => {
      if (window) y.set(causalConv1dStepReference(inputs, window), (b * length + t) * channels);
    });
    tail.forEach((source, k) => {
      for (let e = 0; e < channels; e++) finalTail[(b * (width - 1) + k) * channels + e] = read(inputs, source, e);
    });
  }
  return { y, finalTail };
}

/** Sends the slope of each output back to the sources of its window. */
export function causalConv1dBackwardReference(
  inputs: CausalConv1dInputs, dy: ArrayLike<number>, dFinalTail?: ArrayLike<number> | null,
): CausalConv1dGradients {
  const { batch, length, channels, width } = inputs;
  const dx = new Float64Array(batch * length * channels);
  const dWeight = new Float64Array(channels * width);
  const dBias = new Float64Array(channels);
  const dTail = new Float64Array(batch * (width - 1) * channels);
  const send = (source: Source, e: number, slope: number): void => {
    if (source === null) return;
    (source.kind === 'x' ? dx : dTail)[source.row * channels + e]! += slope;
  };
  for (let b = 0; b < batch; b++) {
    const { windows, tail } = windowsOf(inputs, b);
    windows.forEach((window, t) => {
      if (!window) return;
      for (let e = 0; e < channels; e++) {
        let slope = dy[(b * length + t) * channels + e]!;
        if (inputs.silu) {
          const sum = preactivation(inputs, window, e);
          slope *= sigmoid(sum) * (1 + sum * (1 - sigmoid(sum)));
        }
        dBias[e]! += slope;
        window.forEach((source, w) => {
          dWeight[e * width + w]! += slope * read(inputs, source, e);
          send(source, e, slope * inputs.weight[e * width + w]!);
        });
      }
    });
    if (dFinalTail) {
      tail.forEach((source, k) => {
        for (let e = 0; e < channels; e++) send(source, e, dFinalTail[(b * (width - 1) + k) * channels + e]!);
      });
    }
  }
  return { dx, dWeight, dBias, dTail };
}
