/** AdamW with decoupled weight decay and a global-norm clip, in float64: the truth for the kernels. Imports nothing. */
export interface AdamWSettings {
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  /** 1 - beta1^step and 1 - beta2^step, step counted from 1. */
  readonly correction1: number;
  readonly correction2: number;
  /** Factor on the gradient: min(1, maximum norm / global norm). */
  readonly clipScale: number;
}

export interface AdamWResult { readonly parameter: Float64Array; readonly firstMoment: Float64Array; readonly secondMoment: Float64Array }

export function sumOfSquaresReference(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! * values[i]!;
  return sum;
}

/** sqrt of the sum of squares over all tensors together. */
export function globalNormReference(tensors: readonly ArrayLike<number>[]): number {
  return Math.sqrt(tensors.reduce((sum, values) => sum + sumOfSquaresReference(values), 0));
}

/** m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; p = p (1 - lr decay) - lr (m / c1) / (sqrt(v / c2) + epsilon). */
export function adamWReference(
  parameter: ArrayLike<number>, gradient: ArrayLike<number>, firstMoment: ArrayLike<number>, secondMoment: ArrayLike<number>, settings: AdamWSettings,
): AdamWResult {
  const { learningRate, beta1, beta2, epsilon, weightDecay, correction1, correction2, clipScale } = settings;
  const result = {
    parameter: new Float64Array(parameter.length), firstMoment: new Float64Array(parameter.length), secondMoment: new Float64Array(parameter.length),
  };
  for (let i = 0; i < parameter.length; i++) {
    const g = gradient[i]! * clipScale;
    const m = beta1 * firstMoment[i]! + (1 - beta1) * g;
    const v = beta2 * secondMoment[i]! + (1 - beta2) * g * g;
    result.firstMoment[i] = m;
    result.secondMoment[i] = v;
    result.parameter[i] = parameter[i]! * (1 - learningRate * weightDecay) - (learningRate * (m / correction1)) / (Math.sqrt(v / correction2) + epsilon);
  }
  return result;
}
