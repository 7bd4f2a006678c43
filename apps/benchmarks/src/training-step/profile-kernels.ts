import * as tf from '@tensorflow/tfjs';

export interface ProfileRow { readonly part: string; readonly milliseconds: number; readonly share: number; readonly calls: number }

/** What a tfjs kernel belongs to; the first that matches. */
const PARTS: readonly (readonly [RegExp, string])[] = [
  [/^Mamba360Linear(Gradient)?$|MatMul/, 'matrix products'], [/^Mamba360LinearCrossEntropy/, 'loss and sums'],
  [/^Mamba360SelectiveScan.*Gradient/, 'selective scan, backward'], [/^Mamba360SelectiveScan/, 'selective scan, forward'],
  [/^Mamba360CausalConv1d/, 'causal convolution'], [/^Mamba360RmsNorm/, 'norm'], [/^Mamba360NonlinearScan/, 'LSTM recurrence'], [/^Mamba360(AdamW|SumOfSquares|.*[Cc]lip)/, 'optimiser'], [/^Mamba360/, 'other kernels of ours'],
  [/^(Slice|SplitV|Split|Concat|Pack|Unpack|Pad.*|Tile|GatherV2|GatherNd|ScatterNd|Transpose|StridedSlice|Reshape|Identity|Cast)$/, 'slices, concatenation, reshapes, gathers'],
  [/^(Softmax|LogSoftmax|Log|Max|Sum|Mean|OneHot|SoftmaxCrossEntropyWithLogits|Exp|Sub|Neg|RealDiv)$/, 'loss and sums'],
];
const partOf = (kernel: string): string => PARTS.find(([pattern]) => pattern.test(kernel))?.[1] ?? 'other tfjs kernels';

interface Engine { runKernel(name: string, inputs: unknown, attributes?: unknown): unknown }

/**
 * Counts the time inside each tfjs kernel while `work` runs; what is left of the whole is JavaScript between kernels: the tape, shapes, disposal.
 *
 * @remarks Kernels of tensorflow and wasm are done when their call returns. A kernel called by another counts for itself only.
 */
export async function profileKernels(work: () => Promise<void>): Promise<{ milliseconds: number; rows: ProfileRow[] }> {
  const engine = tf.engine() as unknown as Engine, original = engine.runKernel;
  const times = new Map<string, number>(), calls = new Map<string, number>();
  let inside = 0;
  engine.runKernel = function (this: unknown, name, inputs, attributes) {
    const outer = inside, started = performance.now();
    inside = 0;
    try {
      return Reflect.apply(original, engine, [name, inputs, attributes]);
    } finally {
      const whole = performance.now() - started, part = partOf(name);
      times.set(part, (times.get(part) ?? 0) + whole - inside);
      calls.set(part, (calls.get(part) ?? 0) + 1);
      inside = outer + whole;
    }
  };
  const started = performance.now();
  try { await work(); } finally { engine.runKernel = original; }
  const milliseconds = performance.now() - started, known = [...times.values()].reduce((sum, time) => sum + time, 0);
  const rows = [...times].map(([part, time]): ProfileRow => ({ part, milliseconds: time, share: time / milliseconds, calls: calls.get(part)! }));
  rows.push({ part: 'JavaScript between kernels', milliseconds: milliseconds - known, share: (milliseconds - known) / milliseconds, calls: 0 });
  return { milliseconds, rows: rows.sort((a, b) => b.milliseconds - a.milliseconds) };
}
