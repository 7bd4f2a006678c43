import { ConfigError, ShapeError } from '../../errors/index.ts';
import { checkRank, checkShape, showShape } from '../common/check-shape.ts';
import type { Mamba3ScanInputs, Mamba3ScanOptions } from './mamba3-scan.ts';

export interface Mamba3Sizes {
  readonly batch: number;
  readonly length: number;
  readonly heads: number;
  readonly headWidth: number;
  readonly groups: number;
  readonly stateSize: number;
  readonly rank: number;
  readonly rotated: number;
  readonly sharedAngles: boolean;
}

const HEADS = 'Split the inner width into heads with tf.reshape(x, [batch, length, heads, headWidth]).';
const COEFFICIENTS = 'B and C are [B, L, R, G, N], or [B, L, G, N] with one rank.';
const STATE = 'Pass the state that an earlier call with the same batch returned.';

/** Checks every tensor of a Mamba-3 scan (B and C with their rank axis) and returns its sizes. */
export function checkMamba3Inputs(operation: string, { x, dt, logDecay, trap, B, C, angles }: Mamba3ScanInputs, options: Mamba3ScanOptions): Mamba3Sizes {
  checkRank(operation, 'x', x, 4, '[B, L, H, P]', HEADS);
  const [batch, length, heads, headWidth] = x.shape as [number, number, number, number];
  if (length < 1 || heads < 1 || headWidth < 1) throw new ShapeError(`${operation}: x has shape ${showShape(x.shape)}, expected at least one step, head and channel ([B, L, H, P]). ${HEADS}`);
  for (const [name, tensor] of [['dt', dt], ['logDecay', logDecay], ['trap', trap]] as const) {
    checkShape(operation, name, tensor, [batch, length, heads], '[B, L, H]', 'Give one value for each head and step.');
  }
  checkRank(operation, 'B', B, 5, '[B, L, R, G, N]', COEFFICIENTS);
  const [, , rank, groups, stateSize] = B.shape as [number, number, number, number, number];
  for (const [name, tensor] of [['B', B], ['C', C]] as const) checkShape(operation, name, tensor, [batch, length, rank, groups, stateSize], '[B, L, R, G, N]', COEFFICIENTS);
  if (rank < 1 || groups < 1 || heads % groups !== 0) throw new ShapeError(`${operation}: B has shape ${showShape(B.shape)}, so ${rank} ranks and ${groups} groups, expected at least one rank and groups that divide the ${heads} heads (H). ${COEFFICIENTS}`);
  const sharedAngles = angles.shape[2] === 1, rotated = angles.shape[3] ?? 0;
  checkShape(operation, 'angles', angles, [batch, length, sharedAngles ? 1 : heads, rotated], '[B, L, H, S] or [B, L, 1, S]', 'Give the angles of each head, or one set for all heads.');
  if (rotated < 1 || 2 * rotated > stateSize) {
    throw new ShapeError(`${operation}: angles has shape ${showShape(angles.shape)}, so ${rotated} pairs, expected 1 to ${Math.floor(stateSize / 2)}, because the state has ${stateSize} entries (N). Give fewer angles, or a larger state.`);
  }
  const { bBias, cBias, D, z, normWeight, state, normEpsilon } = options;
  for (const [name, tensor] of [['bBias', bBias], ['cBias', cBias]] as const) {
    if (tensor) checkShape(operation, name, tensor, [heads, rank, stateSize], '[H, R, N]', 'Give one bias for each head and rank.');
  }
  if (D) checkShape(operation, 'D', D, [heads], '[H]', 'Give one factor for each head.');
  if (z) checkShape(operation, 'z', z, x.shape, '[B, L, H, P], as x', HEADS);
  for (const name of ['xProjection', 'zProjection', 'outProjection'] as const) {
    const tensor = options[name];
    if (tensor) checkShape(operation, name, tensor, [heads, rank, headWidth], '[H, R, P]', 'Give one factor for each head, rank and channel.');
  }
  if (normWeight) checkShape(operation, 'normWeight', normWeight, [heads, headWidth], '[H, P]', 'Give one scale for each channel of each head.');
  if (normEpsilon !== undefined && !(normEpsilon > 0)) throw new ConfigError(`${operation}: normEpsilon is ${normEpsilon}, expected a number above 0. Leave it out for 1e-5.`);
  if (state) {
    checkShape(operation, 'state.angle', state.angle, [batch, heads, rotated], '[B, H, S]', STATE);
    checkShape(operation, 'state.ssm', state.ssm, [batch, heads, headWidth, stateSize], '[B, H, P, N]', STATE);
    checkShape(operation, 'state.B', state.B, [batch, heads, rank, stateSize], '[B, H, R, N]', STATE);
    checkShape(operation, 'state.x', state.x, [batch, heads, rank, headWidth], '[B, H, R, P]', STATE);
  }
  return { batch, length, heads, headWidth, groups, stateSize, rank, rotated, sharedAngles };
}
