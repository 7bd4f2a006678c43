import { ConfigError } from '../../errors/index.ts';

/** How a positive number is stored: exp(p), relu(p) + 1e-4, softplus(p), sigmoid(p), or as it is. */
export type PositiveTransform = 'none' | 'exp' | 'relu' | 'softplus' | 'sigmoid';

export const POSITIVE_TRANSFORMS: readonly PositiveTransform[] = ['none', 'exp', 'relu', 'softplus', 'sigmoid'];

const sigmoid = (p: number): number => (p >= 0 ? 1 / (1 + Math.exp(-p)) : Math.exp(p) / (1 + Math.exp(p)));

/** The number that `p` stands for. */
export function positive(transform: PositiveTransform, p: number): number {
  switch (transform) {
    case 'none': return p;
    case 'exp': return Math.exp(p);
    case 'relu': return Math.max(p, 0) + 1e-4;
    case 'softplus': return Math.max(p, 0) + Math.log1p(Math.exp(-Math.abs(p)));
    case 'sigmoid': return sigmoid(p);
    default: throw new ConfigError(`state space: unknown transform ${JSON.stringify(transform)}, expected one of ${POSITIVE_TRANSFORMS.join(', ')}.`);
  }
}

/** Its slope in p. */
export function positiveSlope(transform: PositiveTransform, p: number): number {
  switch (transform) {
    case 'exp': return Math.exp(p);
    case 'relu': return p > 0 ? 1 : 0;
    case 'softplus': return sigmoid(p);
    case 'sigmoid': return sigmoid(p) * (1 - sigmoid(p));
    default: return 1;
  }
}

/** The p that stands for a number; below 1e-4 it is taken as 1e-4, as the published code does. */
export function inversePositive(transform: PositiveTransform, value: number): number {
  const clamped = Math.max(value, 1e-4);
  switch (transform) {
    case 'exp': return Math.log(clamped);
    case 'sigmoid': return Math.log(clamped / (1 - clamped));
    case 'softplus': return Math.log(Math.expm1(clamped));
    default: return clamped;
  }
}
