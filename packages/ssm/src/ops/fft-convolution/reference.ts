/** Long convolution in float64 by direct sums, written to be read: the truth for the kernels. Imports nothing. */
export interface FftConvolutionInputs {
  readonly batch: number;
  /** Steps of a sequence, or rows x columns of an image. */
  readonly length: number;
  readonly channels: number;
  readonly taps: number;
  readonly kernels: number;
  /** Columns of an image; `length` for a sequence. */
  readonly columns: number;
  /** Columns of the kernel; `taps` for a sequence. */
  readonly kernelColumns: number;
  /** The tap at this place of the kernel meets the output's own input. */
  readonly centreRow: number;
  readonly centreColumn: number;
  readonly u: ArrayLike<number>; // [B, L, E]
  readonly kernel: ArrayLike<number>; // [M, E, K]
  readonly D?: ArrayLike<number> | null | undefined; // [M, E]
  readonly preGate?: ArrayLike<number> | null | undefined; // [B, L, E]
  readonly postGate?: ArrayLike<number> | null | undefined; // [B, L, M, E]
  /** The K - 1 values of v before the first step, oldest first. [B, K-1, E] */
  readonly history?: ArrayLike<number> | null | undefined;
  /** [B, L]: bit 0 = masked, bit 1 = nothing before this step is seen any more. */
  readonly control?: ArrayLike<number> | null | undefined;
}

export interface FftConvolutionOutputs {
  readonly y: Float64Array; // [B, L, M, E]
  readonly finalHistory: Float64Array; // [B, K-1, E]
}

export interface FftConvolutionGradients {
  readonly du: Float64Array;
  readonly dKernel: Float64Array;
  readonly dD: Float64Array;
  readonly dPreGate: Float64Array;
  readonly dPostGate: Float64Array;
  readonly dHistory: Float64Array;
}

/** Where a value v comes from: step t of the sequence, or row t of the history. */
interface Source { readonly kind: 'step' | 'history'; readonly row: number }
/** What one output sums: tap j times source. */
interface Output { readonly step: number; readonly terms: readonly { readonly tap: number; readonly source: Source }[] }

/** Outputs of sequence b with the taps and sources they sum, and the K - 1 newest sources at the end (null = a zero). */
function outputsOf(inputs: FftConvolutionInputs, b: number): { outputs: Output[]; tail: (Source | null)[] } {
  const { length, taps, columns, kernelColumns, centreRow, centreColumn } = inputs;
  if (columns !== length || kernelColumns !== taps) return { outputs: imageOutputs(inputs), tail: [] };
  const outputs: Output[] = [];
  const history: (Source | null)[] = Array.from({ length: taps - 1 }, (_, row) => (inputs.history ? { kind: 'history', row: b * (taps - 1) + row } : null));
  let seen: (Source | null)[] = history; // everything since the last reset, oldest first
  let pending: number[] = []; // places in `seen` of the counted steps of this piece
  const close = (): void => {
    for (const place of pending) {
      const terms = [];
      for (let tap = 0; tap < taps; tap++) {
        const source = seen[place + centreRow + centreColumn - tap];
        if (source) terms.push({ tap, source });
      }
      outputs.push({ step: seen[place]!.row, terms });
    }
    pending = [];
  };
  for (let t = 0; t < length; t++) {
    const control = inputs.control?.[b * length + t] ?? 0;
    if (control & 2) {
      close();
      seen = [];
    }
    if (control & 1) continue;
    pending.push(seen.length);
    seen = seen === history ? [...history] : seen;
    seen.push({ kind: 'step', row: b * length + t });
  }
  close();
  const tail = Array.from({ length: taps - 1 }, (_, k) => seen[seen.length - (taps - 1) + k] ?? null);
  return { outputs: outputs.map(({ step, terms }) => ({ step: step - b * length, terms })), tail };
}

/** The same for an image; sources outside of it are zeros. Rows are those of sequence 0. */
function imageOutputs({ length, taps, columns, kernelColumns, centreRow, centreColumn }: FftConvolutionInputs): Output[] {
  const rows = length / columns;
  return Array.from({ length }, (_, step) => {
    const terms = [];
    for (let tap = 0; tap < taps; tap++) {
      const row = Math.floor(step / columns) + centreRow - Math.floor(tap / kernelColumns);
      const column = (step % columns) + centreColumn - (tap % kernelColumns);
      if (row >= 0 && row < rows && column >= 0 && column < columns) terms.push({ tap, source: { kind: 'step' as const, row: row * columns + column } });
    }
    return { step, terms };
  });
}

/** Visits every output of every sequence; sources of images are moved to their sequence. */
function visit(inputs: FftConvolutionInputs, perOutput: (b: number, output: Output) => void, perTail: (b: number, k: number, source: Source) => void): void {
  const isImage = inputs.columns !== inputs.length || inputs.kernelColumns !== inputs.taps;
  for (let b = 0; b < inputs.batch; b++) {
    const { outputs, tail } = outputsOf(inputs, b);
    for (const { step, terms } of outputs) {
      perOutput(b, { step, terms: isImage ? terms.map(({ tap, source }) => ({ tap, source: { ...source, row: source.row + b * inputs.length } })) : terms });
    }
    tail.forEach((source, k) => { if (source) perTail(b, k, source); });
  }
}

function valueOf(inputs: FftConvolutionInputs, { kind, row }: Source, e: number): number {
  const at = row * inputs.channels + e;
  return kind === 'history' ? inputs.history![at]! : inputs.u[at]! * (inputs.preGate?.[at] ?? 1);
}

/** The sum and the skip of one output, before the gate behind them. */
function sumOf(inputs: FftConvolutionInputs, b: number, { step, terms }: Output, m: number, e: number): number {
  const { channels, taps, length } = inputs;
  let sum = 0;
  for (const { tap, source } of terms) sum += inputs.kernel[(m * channels + e) * taps + tap]! * valueOf(inputs, source, e);
  if (inputs.D) sum += inputs.D[m * channels + e]! * valueOf(inputs, { kind: 'step', row: b * length + step }, e);
  return sum;
}

export function fftConvolutionForwardReference(inputs: FftConvolutionInputs): FftConvolutionOutputs {
  const { batch, length, channels, kernels, taps } = inputs;
  const y = new Float64Array(batch * length * kernels * channels);
  const finalHistory = new Float64Array(batch * (taps - 1) * channels);
  visit(inputs, (b, output) => {
    for (let m = 0; m < kernels; m++) {
      for (let e = 0; e < channels; e++) {
        const at = ((b * length + output.step) * kernels + m) * channels + e;
        y[at] = sumOf(inputs, b, output, m, e) * (inputs.postGate?.[at] ?? 1);
      }
    }
  }, (b, k, source) => {
    for (let e = 0; e < channels; e++) finalHistory[(b * (taps - 1) + k) * channels + e] = valueOf(inputs, source, e);
  });
  return { y, finalHistory };
}

export function fftConvolutionBackwardReference(inputs: FftConvolutionInputs, dy: ArrayLike<number>, dFinalHistory?: ArrayLike<number> | null): FftConvolutionGradients {
  const { batch, length, channels, kernels, taps } = inputs;
  const du = new Float64Array(batch * length * channels);
  const dPreGate = new Float64Array(du.length);
  const dPostGate = new Float64Array(du.length * kernels);
  const dKernel = new Float64Array(kernels * channels * taps);
  const dD = new Float64Array(kernels * channels);
  const dHistory = new Float64Array(batch * (taps - 1) * channels);
  const send = ({ kind, row }: Source, e: number, slope: number): void => {
    const at = row * channels + e;
    if (kind === 'history') {
      dHistory[at]! += slope;
      return;
    }
    du[at]! += slope * (inputs.preGate?.[at] ?? 1);
    dPreGate[at]! += slope * inputs.u[at]!;
  };
  visit(inputs, (b, output) => {
    const own: Source = { kind: 'step', row: b * length + output.step };
    for (let m = 0; m < kernels; m++) {
      for (let e = 0; e < channels; e++) {
        const at = ((b * length + output.step) * kernels + m) * channels + e;
        dPostGate[at] = dy[at]! * sumOf(inputs, b, output, m, e);
        const slope = dy[at]! * (inputs.postGate?.[at] ?? 1);
        for (const { tap, source } of output.terms) {
          dKernel[(m * channels + e) * taps + tap]! += slope * valueOf(inputs, source, e);
          send(source, e, slope * inputs.kernel[(m * channels + e) * taps + tap]!);
        }
        dD[m * channels + e]! += slope * valueOf(inputs, own, e);
        if (inputs.D) send(own, e, slope * inputs.D[m * channels + e]!);
      }
    }
  }, (b, k, source) => {
    if (!dFinalHistory) return;
    for (let e = 0; e < channels; e++) send(source, e, dFinalHistory[(b * (taps - 1) + k) * channels + e]!);
  });
  return { du, dKernel, dD, dPreGate, dPostGate, dHistory };
}
