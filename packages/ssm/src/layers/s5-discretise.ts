import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { complexExp, phi1, phi1Slope } from '../math/index.ts';
import type { Complex } from '../math/index.ts';
import type { ComplexTensor } from '../ops/index.ts';

export type Discretisation = 'zoh' | 'bilinear';

/** Values and derivatives for one state: d/d lambda and d/d step of the decay and of the input's factor. */
interface Discrete { readonly decay: Complex; readonly input: Complex; readonly decayByLambda: Complex; readonly decayByStep: Complex; readonly inputByLambda: Complex; readonly inputByStep: Complex }

const scale = (p: Complex, factor: number): Complex => ({ re: p.re * factor, im: p.im * factor });
const product = (p: Complex, q: Complex): Complex => ({ re: p.re * q.re - p.im * q.im, im: p.re * q.im + p.im * q.re });

function discretise(lambda: Complex, step: number, method: Discretisation): Discrete {
  const z = scale(lambda, step);
  if (method === 'zoh') {
    const decay = complexExp(z);
    return {
      decay, input: scale(phi1(z), step), decayByLambda: scale(decay, step), decayByStep: product(lambda, decay), inputByLambda: scale(phi1Slope(z), step * step), inputByStep: decay,
    };
  }
  const below: Complex = { re: 1 - z.re / 2, im: -z.im / 2 };
  const square = below.re ** 2 + below.im ** 2;
  const inverse: Complex = { re: below.re / square, im: -below.im / square };
  const twice = product(inverse, inverse);
  return {
    decay: product({ re: 1 + z.re / 2, im: z.im / 2 }, inverse), input: scale(inverse, step),
    decayByLambda: scale(twice, step), decayByStep: product(lambda, twice), inputByLambda: scale(twice, step * step / 2), inputByStep: twice,
  };
}

/** conj(p) q: what a slope q of a value with derivative p sends back. */
const sendBack = (p: Complex, q: Complex): Complex => ({ re: p.re * q.re + p.im * q.im, im: p.re * q.im - p.im * q.re });

/**
 * Diagonal system in steps of `step`: Lambda-bar, and the factor that turns B into B-bar.
 *
 * @param lambda - Eigenvalues [P].
 * @param step - Step sizes, one for each state, [P].
 * @param method - zoh: exp(lambda step) and (exp(lambda step) - 1) / lambda, by expm1; bilinear: (1 + lambda step / 2) / (1 - lambda step / 2) and step / (1 - lambda step / 2).
 * @returns Both [P]; made inside the caller's tidy.
 * @remarks Values and gradients in float64, rounded once: in float32 the gradient of a slow eigenvalue is lost in the difference of large parts.
 */
export function discretiseDiagonal(lambda: ComplexTensor, step: Tensor, method: Discretisation): { decay: ComplexTensor; input: ComplexTensor } {
  const states = step.shape[0]!;
  // One tensor in and one out, because a custom gradient has one output: rows re, im, step and decay.re, decay.im, input.re, input.im.
  const packed = tf.customGrad((...[given, save]) => {
    (save as unknown as (tensors: Tensor[]) => void)([given as Tensor]);
    const all = discreteStates(given as Tensor, method);
    const rows = [all.map(({ decay }) => decay.re), all.map(({ decay }) => decay.im), all.map(({ input }) => input.re), all.map(({ input }) => input.im)];
    return {
      value: tf.tensor(Float32Array.from(rows.flat()), [4, states]),
      gradFunc: (slope: Tensor, saved: Tensor[]) => {
        const values = slope.dataSync();
        const result = new Float32Array(3 * states);
        discreteStates(saved[0]!, method).forEach((one, p) => {
          const decay: Complex = { re: values[p]!, im: values[states + p]! }, input: Complex = { re: values[2 * states + p]!, im: values[3 * states + p]! };
          const [a, b] = [sendBack(one.decayByLambda, decay), sendBack(one.inputByLambda, input)];
          result[p] = a.re + b.re;
          result[states + p] = a.im + b.im;
          result[2 * states + p] = sendBack(one.decayByStep, decay).re + sendBack(one.inputByStep, input).re;
        });
        return tf.tensor(result, [3, states]);
      },
    };
  })(tf.stack([lambda.re, lambda.im, step]));
  const [decayRe, decayIm, inputRe, inputIm] = tf.unstack(packed);
  return { decay: { re: decayRe!, im: decayIm! }, input: { re: inputRe!, im: inputIm! } };
}

function discreteStates(packed: Tensor, method: Discretisation): Discrete[] {
  const values = packed.dataSync(), states = packed.shape[1]!;
  return Array.from({ length: states }, (_, p) => discretise({ re: values[p]!, im: values[states + p]! }, values[2 * states + p]!, method));
}
