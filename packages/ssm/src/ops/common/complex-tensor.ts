import type { Tensor } from '@tensorflow/tfjs';

/** A complex tensor as two real ones of one shape, because tfjs has no gradient through its own complex type. */
export type ComplexTensor = { readonly re: Tensor; readonly im: Tensor };

export const isComplex = (value: Tensor | ComplexTensor): value is ComplexTensor => 're' in value && 'im' in value;
