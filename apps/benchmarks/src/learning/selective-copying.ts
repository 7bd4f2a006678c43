import * as tf from '@tensorflow/tfjs';
import type { Tensor2D } from '@tensorflow/tfjs';
import { namedParameters } from '@mamba360/ssm/layers';
import { Backbone } from '@mamba360/ssm/models';
import { Random } from '@mamba360/ssm/random';
import { fit } from '@mamba360/ssm/training';
import type { BatchSource } from '@mamba360/ssm/training';

export interface SelectiveCopyingOptions {
  /** Steps in which the tokens to keep are strewn. Default 128. */
  readonly length?: number;
  /** Tokens to keep and repeat. Default 16. */
  readonly kept?: number;
  readonly mixer?: string;
  readonly dModel?: number;
  readonly nLayer?: number;
  readonly steps?: number;
  readonly batchSize?: number;
  readonly learningRate?: number;
  readonly seed?: number;
  readonly onProgress?: (step: number, loss: number, accuracy: number) => void;
}

export interface SelectiveCopyingResult {
  readonly task: 'selective-copying';
  readonly mixer: string;
  readonly parameters: number;
  readonly length: number;
  readonly steps: number;
  readonly seed: number;
  /** Share of kept tokens repeated rightly, on sequences of another stream than the training's. */
  readonly accuracy: number;
  readonly sequences: number;
  readonly seconds: number;
}

/** Data tokens; one more means "nothing here", one more "now repeat". */
const SYMBOLS = 14;
const NOISE = SYMBOLS;
const MARKER = SYMBOLS + 1;
export const VOCABULARY = SYMBOLS + 2;

interface CopyBatch { readonly tokens: Tensor2D; readonly target: Tensor2D }

/**
 * Sequences of the selective copying task: `kept` symbols at random places among noise, then as many markers, at which the symbols must be said in order.
 *
 * @returns `tokens` [batch, length + kept] and `target` [batch, kept], row after row.
 * @see Gu and Dao 2023, arXiv 2312.00752, section 4.1.1; Jing et al. 2019, arXiv 1706.02761 (random spacing).
 */
export function selectiveCopyingSequences(random: Random, batchSize: number, length: number, kept: number): { tokens: Int32Array; target: Int32Array } {
  const tokens = new Int32Array(batchSize * (length + kept)).fill(NOISE);
  const target = new Int32Array(batchSize * kept);
  for (let row = 0; row < batchSize; row++) {
    const places = random.permutation(length).slice(0, kept).sort();
    const start = row * (length + kept);
    places.forEach((place, index) => {
      const symbol = Math.floor(random.next() * SYMBOLS);
      tokens[start + place] = symbol;
      target[row * kept + index] = symbol;
    });
    tokens.fill(MARKER, start + length, start + length + kept);
  }
  return { tokens, target };
}

/** The same as tensors. */
export function selectiveCopyingBatch(random: Random, batchSize: number, length: number, kept: number): CopyBatch {
  const { tokens, target } = selectiveCopyingSequences(random, batchSize, length, kept);
  return { tokens: tf.tensor2d(tokens, [batchSize, length + kept], 'int32'), target: tf.tensor2d(target, [batchSize, kept], 'int32') };
}

/** Trains a small backbone on selective copying and scores it on fresh sequences. A layer without selection cannot learn it; `identity` cannot either. */
export async function selectiveCopying(options: SelectiveCopyingOptions = {}): Promise<SelectiveCopyingResult> {
  const { length = 128, kept = 16, mixer = 'mamba', dModel = 64, nLayer = 2, steps = 3750, batchSize = 64, learningRate = 5e-3, seed = 1 } = options;
  const model = Backbone.create({ dModel, nLayer, mixer, ssmCfg: {}, vocabSize: VOCABULARY, padVocabSizeMultiple: 1, tieEmbeddings: false }, { seed });
  const answers = (tokens: Tensor2D): tf.Tensor3D => tf.tidy(() => {
    const { output } = model.apply(tokens);
    return tf.slice(output, [0, output.shape[1]! - kept, 0], [-1, kept, VOCABULARY]) as tf.Tensor3D;
  });
  const loss = (batch: CopyBatch): tf.Tensor => tf.tidy(() => {
    const logits = tf.reshape(answers(batch.tokens), [-1, VOCABULARY]);
    return tf.losses.softmaxCrossEntropy(tf.oneHot(tf.reshape(batch.target, [-1]) as tf.Tensor1D, VOCABULARY), logits);
  });
  const score = (random: Random, batches: number): number => {
    let right = 0;
    for (let i = 0; i < batches; i++) {
      right += tf.tidy(() => {
        const { tokens, target } = selectiveCopyingBatch(random.split(i), 64, length, kept);
        return tf.mean(tf.cast(tf.equal(tf.argMax(answers(tokens), 2), target), 'float32')).dataSync()[0];
      });
    }
    return right / batches;
  };
  const perEpoch = 250;
  const epochs = Math.ceil(steps / perEpoch);
  // Short sequences first: they teach the copying at a third of the cost; the rest teaches to skip the noise. Only full lengths are scored.
  const lengthAt = (epoch: number): number => Math.max(kept, epoch < epochs * 0.25 ? Math.ceil(length / 4) : epoch < epochs * 0.45 ? Math.ceil(length / 2) : length);
  const source: BatchSource<CopyBatch> = { batchCount: () => perEpoch, batch: ({ epoch, index, random }) => selectiveCopyingBatch(random.split(index), batchSize, lengthAt(epoch), kept) };
  const started = performance.now();
  const fresh = Random.fromSeed(`selective-copying test ${seed}`);
  await fit({ parameters: model.parameters, config: model.config, loss }, source, {
    epochs, seed, learningRate, schedule: { kind: 'cosine', warmupSteps: 100, minimum: 0.02 }, weightDecay: 0.01,
    validation: () => ({ accuracy: score(fresh.split('validation'), 4) }),
    onProgress: (event) => { if (event.type === 'epoch-end') options.onProgress?.((event.epoch + 1) * perEpoch, event.loss, event.validation?.accuracy ?? Number.NaN); },
  });
  const accuracy = score(fresh.split('test'), 32);
  const parameters = namedParameters(model.parameters).reduce((sum, [, variable]) => sum + variable.size, 0);
  model.dispose();
  return { task: 'selective-copying', mixer, parameters, length, steps: epochs * perEpoch, seed, accuracy, sequences: 32 * 64, seconds: (performance.now() - started) / 1000 };
}
