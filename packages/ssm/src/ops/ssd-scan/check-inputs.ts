import type { Tensor } from '@tensorflow/tfjs';
import { ShapeError } from '../../errors/index.ts';
import { checkRank, checkShape, showShape } from '../common/check-shape.ts';

export interface SsdTensors {
  readonly x: Tensor;
  readonly dt: Tensor;
  readonly A: Tensor;
  readonly B: Tensor;
  readonly C: Tensor;
  readonly D?: Tensor | undefined;
  readonly z?: Tensor | undefined;
  readonly dtBias?: Tensor | undefined;
  readonly state?: Tensor | undefined;
}

export interface SsdSizes {
  readonly batch: number;
  readonly length: number;
  readonly heads: number;
  readonly headWidth: number;
  readonly groups: number;
  readonly stateSize: number;
  readonly varyingDecay: boolean;
  readonly wideSkip: boolean;
}

const COEFFICIENTS = 'B and C are [B, L, G, N]; one group for all heads is [B, L, 1, N].';
const HEADS = 'Split the inner width into heads with tf.reshape(x, [batch, length, heads, headWidth]).';

/** Checks every tensor of an SSD scan and returns its sizes. */
export function checkSsdInputs(operation: string, tensors: SsdTensors): SsdSizes {
  const { x, dt, A, B, C, D, z, dtBias, state } = tensors;
  checkRank(operation, 'x', x, 4, '[B, L, H, P]', HEADS);
  const [batch, length, heads, headWidth] = x.shape as [number, number, number, number];
  if (length < 1 || heads < 1 || headWidth < 1) throw new ShapeError(`${operation}: x has shape ${showShape(x.shape)}, expected at least one step, head and channel ([B, L, H, P]). ${HEADS}`);
  checkShape(operation, 'dt', dt, [batch, length, heads], '[B, L, H], one step size for each head', 'Give one step size for each head, not for each channel.');
  const varyingDecay = A.shape.length === 3;
  checkShape(operation, 'A', A, varyingDecay ? [batch, length, heads] : [heads], varyingDecay ? '[B, L, H], varying' : '[H]', 'Give one decay rate for each head, [H], or for each head and step, [B, L, H].');
  checkRank(operation, 'B', B, 4, '[B, L, G, N]', COEFFICIENTS);
  const [, , groups, stateSize] = B.shape as [number, number, number, number];
  checkShape(operation, 'B', B, [batch, length, groups, stateSize], '[B, L, G, N]', COEFFICIENTS);
  if (groups < 1 || heads % groups !== 0) throw new ShapeError(`${operation}: B has shape ${showShape(B.shape)}, so ${groups} groups, expected a number that divides the ${heads} heads (H). ${COEFFICIENTS}`);
  if (stateSize < 1) throw new ShapeError(`${operation}: B has shape ${showShape(B.shape)}, expected at least one state (N >= 1). ${COEFFICIENTS}`);
  checkShape(operation, 'C', C, [batch, length, groups, stateSize], '[B, L, G, N], as B', COEFFICIENTS);
  const wideSkip = D !== undefined && D.shape.length === 2;
  if (D) checkShape(operation, 'D', D, wideSkip ? [heads, headWidth] : [heads], wideSkip ? '[H, P]' : '[H]', 'Give one factor for each head, [H], or for each channel, [H, P].');
  if (z) checkShape(operation, 'z', z, x.shape, '[B, L, H, P], as x', HEADS);
  if (dtBias) checkShape(operation, 'dtBias', dtBias, [heads], '[H]', 'Give one bias for each head.');
  if (state) checkShape(operation, 'state', state, [batch, heads, headWidth, stateSize], '[B, H, P, N]', 'Pass the state that an earlier call with the same batch returned.');
  return { batch, length, heads, headWidth, groups, stateSize, varyingDecay, wideSkip };
}
