import { ConfigError } from '../errors/index.ts';
import type { Random } from './random.ts';

/** Fills a new parameter; `shape` is [outputs, inputs] for matrices, as in the published checkpoints. */
export type Initialiser = (shape: readonly number[], random: Random) => Float32Array;

const size = (shape: readonly number[]): number => shape.reduce((product, length) => product * length, 1);

/** Every value equal to `value`. */
export function constant(value: number): Initialiser {
  return (shape) => new Float32Array(size(shape)).fill(value);
}

/** Normal values with mean 0 and the given standard deviation. */
export function normal(deviation: number): Initialiser {
  return (shape, random) => random.normal(size(shape), { deviation });
}

/**
 * Uniform in [-1/sqrt(fanIn), 1/sqrt(fanIn)), the default of PyTorch's linear and convolution layers, which the published models start from.
 *
 * @param fanIn - Inputs of one output value; default: product of all axes but the first.
 */
export function fanInUniform(fanIn?: number): Initialiser {
  return (shape, random) => {
    const bound = 1 / Math.sqrt(fanIn ?? size(shape.slice(1)));
    return random.uniform(size(shape), { low: -bound, high: bound });
  };
}

/** Uniform in +-gain sqrt(6 / (inputs + outputs)) (Glorot and Bengio 2010). */
export function glorotUniform(gain = 1): Initialiser {
  return (shape, random) => {
    const bound = gain * Math.sqrt(6 / (shape[0] + size(shape.slice(1))));
    return random.uniform(size(shape), { low: -bound, high: bound });
  };
}

/**
 * Row-orthogonal or column-orthogonal matrix: Q of a Gaussian matrix by modified Gram and Schmidt in float64.
 *
 * @param shape - Two axes [rows, columns].
 */
export function orthogonal(): Initialiser {
  return (shape, random) => {
    if (shape.length !== 2) throw new ConfigError(`orthogonal: shape [${shape}] has ${shape.length} axes, expected 2. Use it per matrix.`);
    const transposed = shape[0] > shape[1];
    const [rows, columns] = transposed ? [shape[1], shape[0]] : [shape[0], shape[1]];
    const basis: Float64Array[] = [];
    for (let row = 0; row < rows; row++) {
      const vector = Float64Array.from({ length: columns }, () => random.nextNormal());
      // Two passes: one leaves a rest of rounding size times the condition number.
      for (let pass = 0; pass < 2; pass++) {
        for (const earlier of basis) {
          const overlap = vector.reduce((sum, value, index) => sum + value * earlier[index], 0);
          for (let column = 0; column < columns; column++) vector[column] -= overlap * earlier[column];
        }
      }
      const norm = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
      basis.push(vector.map((value) => value / norm));
    }
    return Float32Array.from({ length: rows * columns }, (_, flat) =>
      transposed ? basis[flat % rows][Math.floor(flat / rows)] : basis[Math.floor(flat / columns)][flat % columns]);
  };
}
