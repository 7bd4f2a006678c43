/** Softmax cross-entropy of a linear head in float64, written to be read: the truth for the kernel. Imports nothing. */
export interface CrossEntropyInputs {
  readonly rows: number;
  readonly inner: number;
  readonly vocabSize: number;
  readonly x: ArrayLike<number>; // [R, D]
  readonly weight: ArrayLike<number>; // [V, D]
  readonly bias?: ArrayLike<number> | null | undefined; // [V]
  readonly targets: ArrayLike<number>; // [R], -1 = ignored
}

export interface CrossEntropyGradients { readonly dx: Float64Array; readonly dWeight: Float64Array; readonly dBias: Float64Array }

/** Logits of one row, and log(sum of exp). */
function rowOf({ inner, vocabSize, x, weight, bias }: CrossEntropyInputs, row: number): { logits: Float64Array; logSum: number } {
  const logits = Float64Array.from({ length: vocabSize }, (_, v) => {
    let sum = bias?.[v] ?? 0;
    for (let d = 0; d < inner; d++) sum += x[row * inner + d]! * weight[v * inner + d]!;
    return sum;
  });
  const largest = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  return { logits, logSum: largest + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - largest), 0)) };
}

/** Loss of each row [R], 0 where the target is -1. */
export function crossEntropyForwardReference(inputs: CrossEntropyInputs): Float64Array {
  return Float64Array.from({ length: inputs.rows }, (_, row) => {
    const target = inputs.targets[row]!;
    if (target < 0) return 0;
    const { logits, logSum } = rowOf(inputs, row);
    return logSum - logits[target]!;
  });
}

/** Slope of a logit: (softmax - 1 at the target) * slope of the row's loss. */
export function crossEntropyBackwardReference(inputs: CrossEntropyInputs, dLoss: ArrayLike<number>): CrossEntropyGradients {
  const { rows, inner, vocabSize, x, weight, targets } = inputs;
  const gradients = { dx: new Float64Array(rows * inner), dWeight: new Float64Array(vocabSize * inner), dBias: new Float64Array(vocabSize) };
  for (let row = 0; row < rows; row++) {
    if (targets[row]! < 0) continue;
    const { logits, logSum } = rowOf(inputs, row);
    logits.forEach((logit, v) => {
      const slope = (Math.exp(logit - logSum) - (v === targets[row] ? 1 : 0)) * dLoss[row]!;
      gradients.dBias[v]! += slope;
      for (let d = 0; d < inner; d++) {
        gradients.dx[row * inner + d]! += slope * weight[v * inner + d]!;
        gradients.dWeight[v * inner + d]! += slope * x[row * inner + d]!;
      }
    });
  }
  return gradients;
}
