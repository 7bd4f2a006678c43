import type { Tensor } from '@tensorflow/tfjs';
import { ConfigError, ShapeError } from '../../errors/index.ts';

const CHANNELS_FIRST = 'If your data is channels first, transpose it.';

export const showShape = (shape: readonly number[]): string => `[${shape.join(', ')}]`;

/** Throws unless `tensor` is a float32 tensor. */
export function checkFloat(operation: string, name: string, tensor: Tensor): void {
  if (tensor.dtype !== 'float32') {
    throw new ConfigError(`${operation}: ${name} has dtype ${tensor.dtype}, expected float32. Cast it with tf.cast(${name}, 'float32').`);
  }
}

/** Throws unless `tensor` is float32 of the shape `expected`. `letters` says what the axes are, `wayOut` what to do. */
export function checkShape(operation: string, name: string, tensor: Tensor, expected: readonly number[], letters: string, wayOut = CHANNELS_FIRST): void {
  checkFloat(operation, name, tensor);
  const { shape } = tensor;
  if (shape.length === expected.length && shape.every((size, i) => size === expected[i])) return;
  throw new ShapeError(`${operation}: ${name} has shape ${showShape(shape)}, expected ${showShape(expected)} (${letters}). ${wayOut}`);
}

/** Throws unless `tensor` is float32 and has `rank` axes. */
export function checkRank(operation: string, name: string, tensor: Tensor, rank: number, letters: string, wayOut: string): void {
  checkFloat(operation, name, tensor);
  if (tensor.shape.length === rank) return;
  throw new ShapeError(`${operation}: ${name} has shape ${showShape(tensor.shape)}, expected ${rank} axes (${letters}). ${wayOut}`);
}

/** Sizes of a sequence tensor [B, L, E]; L = 0 is refused because there is no last step then. */
export function sequenceSizes(operation: string, name: string, tensor: Tensor, letters: string): readonly [number, number, number] {
  checkRank(operation, name, tensor, 3, letters, 'Add a batch axis of 1 to a single sequence with tf.expandDims(x, 0).');
  const [batch, length, channels] = tensor.shape as [number, number, number];
  if (length < 1) throw new ShapeError(`${operation}: ${name} has shape ${showShape(tensor.shape)}, expected at least one step (${letters}, L >= 1). Leave the call out where there is nothing to process.`);
  return [batch, length, channels];
}
