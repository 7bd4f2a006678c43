import type { Tensor } from '@tensorflow/tfjs';
import { expectTensorClose } from './expect-tensor-close.ts';
import { expectNoLeaks } from './leak-guard.ts';
import type { TensorMemory } from './leak-guard.ts';
import { SeededValues } from './seeded-values.ts';

export interface NamedArray { readonly shape: readonly number[]; readonly values: Float64Array }
export type NamedArrays = Readonly<Record<string, NamedArray>>;
type Tensors = Record<string, Tensor>;

/** What the check needs of tfjs; passed in so that this package loads none. */
export interface TensorLibrary {
  tensor(values: Float32Array, shape: number[], dtype: 'float32'): Tensor;
  tidy(work: () => void): void;
  grads(f: (...xs: Tensor[]) => Tensor): (xs: Tensor[]) => Tensor[];
  sum(x: Tensor): Tensor;
  mul(a: Tensor, b: Tensor): Tensor;
  addN(xs: Tensor[]): Tensor;
  memory(): TensorMemory;
}

export interface OperationCheck {
  readonly tf: TensorLibrary;
  readonly inputs: NamedArrays;
  /** The op; outputs by name. Names that begin with "state" are held to the bound of states. */
  readonly run: (tensors: Tensors) => Tensors;
  readonly expected: Readonly<Record<string, ArrayLike<number>>>;
  /** Gradients of sum(output * slope) over all outputs. Left out: only values are compared. */
  readonly expectedGradients?: (slopes: Readonly<Record<string, Float64Array>>) => Readonly<Record<string, ArrayLike<number>>>;
}

/** Tensors of named arrays, in float32. */
export function tensorsOf(tf: Pick<TensorLibrary, 'tensor'>, inputs: NamedArrays): Tensors {
  return Object.fromEntries(Object.entries(inputs).map(([name, { shape, values }]) => [name, tf.tensor(Float32Array.from(values), [...shape], 'float32')]));
}

/** Compares an op with its float64 reference in every output and gradient; checks that inputs stay as they were and nothing leaks. */
export function checkOperation({ tf, inputs, run, expected, expectedGradients }: OperationCheck): void {
  expectNoLeaks(tf.memory, () => tf.tidy(() => {
    const names = Object.keys(inputs);
    const tensors = tensorsOf(tf, inputs);
    const outputs = run(tensors);
    const missing = Object.keys(expected).filter((name) => !(name in outputs)).concat(Object.keys(outputs).filter((name) => !(name in expected)));
    if (missing.length > 0) throw new Error(`outputs differ: ${missing.join(', ')}`);
    for (const [name, values] of Object.entries(expected)) {
      expectTensorClose(outputs[name]!.dataSync(), values, { kind: name.startsWith('state') ? 'state' : 'output', name });
    }
    if (expectedGradients) {
      const random = new SeededValues(11);
      const slopes = Object.fromEntries(Object.entries(expected).map(([name, values]) => [name, random.normal(values.length)]));
      const gradients = tf.grads((...xs: Tensor[]) => {
        const results = run(Object.fromEntries(names.map((name, i) => [name, xs[i]!])));
        return tf.addN(Object.entries(results).map(([name, result]) =>
          tf.sum(tf.mul(result, tf.tensor(Float32Array.from(slopes[name]!), result.shape, 'float32')))));
      })(names.map((name) => tensors[name]!));
      const wanted = expectedGradients(slopes);
      names.forEach((name, i) => expectTensorClose(gradients[i]!.dataSync(), wanted[name]!, { kind: 'gradient', name: `gradient of ${name}` }));
    }
    for (const name of names) {
      const now = tensors[name]!.dataSync();
      if (!inputs[name]!.values.every((value, i) => Object.is(Math.fround(value), now[i]))) throw new Error(`input ${name} was changed`);
    }
  }));
}
