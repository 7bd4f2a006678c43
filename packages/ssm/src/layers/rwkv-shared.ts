import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../backend/tensorflow.ts';
import { tokenShift } from '../ops/index.ts';
import type { SequenceOptions } from '../ops/index.ts';
import { constant, fanInUniform } from '../random/index.ts';
import type { Initialiser } from '../random/index.ts';

/** Place of a layer in its model, which the published first values depend on. */
export interface RwkvPlace {
  /** Default 0. */
  readonly layerIndex: number;
  /** Number of layers. Default 1. */
  readonly layers: number;
  /** Size of the first weights of the output as a part of the usual +-1/sqrt(inputs). Published: 0, every block starts as the identity. */
  readonly outputScale: number;
}

export const RWKV_PLACE: RwkvPlace = { layerIndex: 0, layers: 1, outputScale: 0 };

/** 0 in the first layer to 1 in the last, and 1 in the first to nearly 0 in the last. */
export const depthRatios = ({ layerIndex, layers }: RwkvPlace): { rising: number; falling: number } =>
  ({ rising: layers > 1 ? layerIndex / (layers - 1) : 0, falling: 1 - layerIndex / layers });

/** A value for each channel, from its place in [0, 1). */
export const byChannel = (of: (place: number, channel: number, channels: number) => number): Initialiser =>
  (shape) => {
    const channels = shape.reduce((product, size) => product * size, 1);
    return Float32Array.from({ length: channels }, (_, channel) => of(channel / channels, channel, channels));
  };

/** -1/2, 0, 1/2, ... over the channels, as the published models break ties. */
export const zigzag = (channel: number): number => (((channel + 1) % 3) - 1) * 0.5;

export const outputInitialiser = (scale: number): Initialiser =>
  (scale === 0 ? constant(0) : (shape, random) => fanInUniform()(shape, random).map((value) => value * scale));

/** The step before each step and the last counted one. */
export function previousStep(x: Tensor, shift: Tensor | undefined, sequence: SequenceOptions): { before: Tensor; shift: Tensor } {
  const { output, state } = tokenShift(x, { ...sequence, state: shift });
  return { before: output, shift: state };
}

/** mix * x + (1 - mix) * before: versions 4 and 5. */
export const mixed = (x: Tensor, before: Tensor, mix: Tensor): Tensor => tf.add(tf.mul(x, mix), tf.mul(before, tf.sub(1, mix)));

/** x + (before - x) * mix: versions 6 and 7. */
export const moved = (x: Tensor, difference: Tensor, mix: Tensor): Tensor => tf.add(x, tf.mul(difference, mix));

export const squaredRelu = (x: Tensor): Tensor => tf.square(tf.relu(x));

/** x M with M [inputs, outputs], as RWKV stores its low-rank matrices. */
export function times(x: Tensor, matrix: Tensor): Tensor {
  const [inputs, outputs] = matrix.shape as [number, number];
  return tf.reshape(tf.matMul(tf.reshape(x, [x.size / inputs, inputs]), matrix as never), [...x.shape.slice(0, -1), outputs]);
}

/** Width of a head. Published: 64. */
export interface HeadSize { readonly headSize: number }
