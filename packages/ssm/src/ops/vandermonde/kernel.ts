import type { TensorInfo } from '@tensorflow/tfjs';
import { complexZeros } from '../../math/index.ts';
import { defineKernelPair } from '../common/define-operation.ts';
import type { NamedInputs, Where } from '../common/define-operation.ts';
import { readFloat64, runFloat64, writeTensor } from '../common/float64-call.ts';
import type { Modes, Raw, RawSlopes } from '../state-space/system.ts';

/** Modes are prepared from the parameters in float64, forward and again backward: that is small work beside the L steps of each. */
export interface ModesAttributes {
  readonly channels: number;
  readonly heads: number;
  readonly modes: number;
  readonly length: number;
  /** Also the imaginary part. */
  readonly imaginary: boolean;
  prepare(raw: Raw): Modes;
}

/** Parameters in float64 by name. */
export const readRaw = (where: Where, inputs: NamedInputs, names: readonly string[]): Raw =>
  Object.fromEntries(names.filter((name) => inputs[name]).map((name) => [name, readFloat64(where, inputs[name]!)]));

/** Slopes as tensors of the parameters' shapes, in the order of the inputs. */
export const writeSlopes = (where: Where, inputs: NamedInputs, slopes: RawSlopes): TensorInfo[] =>
  Object.entries(inputs).map(([name, tensor]) => writeTensor(where, slopes[name], tensor!.shape));

const integers = (a: ModesAttributes): number[] => [a.channels, a.heads, a.modes, a.length];

/** K [C, H, L] = sum over n of v e^(l x), real part, imaginary part where wanted. */
export const modesKernel = defineKernelPair<ModesAttributes>({
  name: 'vandermonde',
  forward: (where, inputs, a) => {
    const { x, v } = a.prepare(readRaw(where, inputs, Object.keys(inputs))), shape = [a.channels, a.heads, a.length];
    return runFloat64(where, { kernel: 'vandermondeForward', inputs: [v.re, v.im, x.re, x.im], outputs: [shape, a.imaginary ? shape : null], integers: integers(a) });
  },
  backward: (where, inputs, slopes, a) => {
    const { x, v, pullback } = a.prepare(readRaw(where, inputs, Object.keys(inputs)));
    const dx = complexZeros(x.re.length), dv = complexZeros(v.re.length);
    runFloat64(where, {
      kernel: 'vandermondeBackward', inputs: [v.re, v.im, x.re, x.im, slopes[0]!, slopes[1] ?? null], outputs: [dv.re, dv.im, dx.re, dx.im], integers: integers(a),
    });
    return writeSlopes(where, inputs, pullback(dx, dv));
  },
  gradientOf: (inputs) => Object.keys(inputs),
});
