import * as tf from '@tensorflow/tfjs';
import type { Tensor, Tensor1D } from '@tensorflow/tfjs';
import { namedParameters } from '@mamba360/ssm/layers';
import { Backbone, mixer } from '@mamba360/ssm/models';
import type { LearningTask, Recipe, TaskBatch } from './task.ts';

const commonDivisor = (a: number, b: number): number => (b === 0 ? a : commonDivisor(b, a % b));

/** Options that a mixer needs at a width; everything else is its own default. */
const AT_WIDTH: Readonly<Record<string, (dModel: number, longest: number) => Record<string, unknown>>> = {
  mamba2: (dModel) => ({ headdim: commonDivisor(2 * dModel, 64), dState: 64 }),
  mamba3: (dModel) => ({ headdim: commonDivisor(2 * dModel, 64), dState: 64 }),
  // Negative eigenvalues, without which no delta rule tracks a state.
  'delta-net': () => ({ allowNegEigval: true }),
  'gated-delta-net': (dModel) => ({ allowNegEigval: true, headDim: commonDivisor(dModel, 32), numHeads: dModel / commonDivisor(dModel, 32) }),
  hgrn2: (dModel) => ({ expandRatio: commonDivisor(dModel, 32) }),
  rwkv5: (dModel) => ({ headSize: commonDivisor(dModel, 32) }),
  rwkv6: (dModel) => ({ headSize: commonDivisor(dModel, 32) }),
  rwkv7: (dModel) => ({ headSize: commonDivisor(dModel, 32) }),
  // Attention of 4 heads, and the feed-forward layer that belongs to it.
  'transformer-decoder': (_dModel, longest) => ({ attention: { numHeads: 4, maximumLength: longest } }),
};

function mixerOptions(name: string, task: LearningTask, dModel: number): Record<string, unknown> {
  const { capabilities, tiny } = mixer(name);
  // What has no constant state is built for four times the trained length; longer tests it cannot read, and the report says so.
  const longest = Math.min(task.maximumLength, 4 * task.trainLength);
  return { ...(capabilities.state === 'growing' && 'maximumLength' in tiny && { maximumLength: longest }), ...AT_WIDTH[name]?.(dModel, longest) };
}

/** Products of features by which two documents are compared, for each class. */
const PAIR_RANK = 16;

/** A backbone for the task, with the published first values. */
export function taskModel(task: LearningTask, name: string, recipe: Recipe, seed: number): Backbone {
  const { reads, classes, answer } = task;
  return Backbone.create({
    dModel: recipe.dModel, nLayer: recipe.nLayer, mixer: name, ssmCfg: mixerOptions(name, task, recipe.dModel), outputSize: answer === 'pair' ? (2 + PAIR_RANK) * classes : classes, tieEmbeddings: false,
    ...(reads.kind === 'tokens' ? { vocabSize: reads.vocabSize, padVocabSizeMultiple: 1 } : { inputSize: reads.channels }),
  }, { seed });
}

export const countParameters = (model: Backbone): number => namedParameters(model.parameters).reduce((sum, [, variable]) => sum + variable.size, 0);

/**
 * The width, a multiple of 8, at which a mixer has as many parameters as `wanted`, as near as it goes.
 *
 * @param count - Parameters at a width; grows with it.
 */
export function widthForParameters(wanted: number, count: (dModel: number) => number, largest = 512): number {
  let [low, high] = [1, largest / 8];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (count(8 * middle) < wanted) low = middle + 1;
    else high = middle;
  }
  const [below, above] = [Math.max(8, 8 * (low - 1)), 8 * low];
  return wanted - count(below) < count(above) - wanted ? below : above;
}

/** Tensors of a batch, in the form that `fit` disposes. */
export interface TensorBatch { readonly x: Tensor; readonly targets: Tensor1D; readonly lengths: Int32Array | undefined }

export function tensorBatch({ reads }: LearningTask, { batch, length, inputs, targets, lengths }: TaskBatch): TensorBatch {
  const x = reads.kind === 'tokens' ? tf.tensor2d(inputs, [batch, length], 'int32') : tf.tensor3d(inputs, [batch, length, reads.channels], 'float32');
  return { x, targets: tf.tensor1d(targets, 'int32'), lengths };
}

/** Logits [answers, classes], one row for each target, -1 or not. Call inside `tf.tidy`. */
export function taskLogits(task: LearningTask, model: Backbone, { x, lengths }: TensorBatch): Tensor {
  const { output } = model.apply(x, lengths ? { lengths: [...lengths] } : {});
  if (task.answer === 'positions') return tf.reshape(output, [-1, task.classes]);
  const pooled = meanOverCounted(output, lengths);
  return task.answer === 'pair' ? pairLogits(pooled, task.classes) : pooled;
}

function meanOverCounted(output: Tensor, lengths: Int32Array | undefined): Tensor {
  if (!lengths) return tf.mean(output, 1);
  const [batch, length] = output.shape as [number, number, number];
  const counted = tf.tensor(Float32Array.from({ length: batch * length }, (_, index) => (index % length < lengths[Math.floor(index / length)]! ? 1 / lengths[Math.floor(index / length)]! : 0)), [batch, length, 1]);
  return tf.sum(tf.mul(output, counted), 1);
}

/** A linear form of each document, and a bilinear one of both. */
function pairLogits(pooled: Tensor, classes: number): Tensor {
  const [first, second] = tf.split(pooled, 2, 0) as [Tensor, Tensor];
  const part = (features: Tensor, begin: number, count: number): Tensor => tf.slice(features, [0, begin], [-1, count]);
  const product = tf.mul(part(first, 2 * classes, PAIR_RANK * classes), part(second, 2 * classes, PAIR_RANK * classes));
  return tf.addN([part(first, 0, classes), part(second, classes, classes), tf.sum(tf.reshape(product, [-1, classes, PAIR_RANK]), 2)]);
}

/** Mean cross-entropy over what is asked, in nats. */
export function taskLoss(task: LearningTask, model: Backbone, batch: TensorBatch): Tensor {
  return tf.tidy(() => {
    // A target of -1 has a row of zeros.
    const wanted = tf.cast(tf.oneHot(batch.targets, task.classes), 'float32');
    const said = tf.logSoftmax(taskLogits(task, model, batch));
    return tf.neg(tf.div(tf.sum(tf.mul(wanted, said)), tf.maximum(tf.sum(wanted), 1)));
  });
}

/** Answers that are right, and answers that were asked. */
export function taskAccuracy(task: LearningTask, model: Backbone, raw: TaskBatch): { right: number; asked: number } {
  const batch = tensorBatch(task, raw);
  const said = tf.tidy(() => tf.argMax(taskLogits(task, model, batch), -1).dataSync());
  tf.dispose([batch.x, batch.targets]);
  let [right, asked] = [0, 0];
  raw.targets.forEach((target, index) => {
    if (target < 0) return;
    asked += 1;
    if (said[index] === target) right += 1;
  });
  return { right, asked };
}
