import type { Tensor, Tensor2D } from '@tensorflow/tfjs';
import { tf } from '../../backend/tensorflow.ts';
import { ConfigError, ShapeError } from '../../errors/index.ts';
import { checkFloat, checkRank, checkShape, showShape } from '../common/check-shape.ts';
import { linear } from '../linear/index.ts';
import { experts } from './kernel.ts';
import { sortByExpert, topChoices } from './route.ts';

export interface ExpertWeights {
  /** Scores each expert for a row. [X, D] */
  readonly router: Tensor;
  /** First matrix of each expert, [X, 2 F, D] for SwiGLU (value above gate), else [X, F, D]. */
  readonly first: Tensor;
  /** Second matrix of each expert. [X, D, F] */
  readonly second: Tensor;
}

export interface MixtureOfExpertsOptions {
  readonly topK?: number | undefined;
  readonly activation?: 'swiglu' | 'gelu' | 'relu' | undefined;
  readonly normalise?: boolean | undefined;
  readonly counted?: Tensor | undefined;
}

export type MixtureOfExpertsResult = {
  /** [..., D] */
  readonly output: Tensor;
  /** Router scores before the softmax. [..., X] */
  readonly logits: Tensor;
  /** Chosen experts, best first. [..., k] int32 */
  readonly chosen: Tensor;
  /** X times the sum over experts of (share of rows that chose it) times (mean router probability): k where all are equally busy. A scalar. */
  readonly balanceLoss: Tensor;
  /** Mean squared log-sum-exp of the logits. A scalar. */
  readonly routerLoss: Tensor;
};

/**
 * Mixture of experts without a capacity: y = sum over the k best experts e of g_e W2_e act(W1_e x), g = softmax(router x), of the chosen divided by their sum where `normalise`.
 *
 * @param x - Rows. Shape [..., D].
 * @param weights - `router` [X, D], `first` [X, 2 F or F, D], `second` [X, D, F].
 * @param options.topK - Experts for each row, 1 to X. Default 1 (Switch).
 * @param options.activation - 'swiglu': (value * silu(gate)), the halves of W1 x; 'gelu' in its tanh form; 'relu'. Default 'swiglu'.
 * @param options.normalise - Divide the chosen probabilities by their sum. Default false: with one choice the gate is its probability, and that trains the router.
 * @param options.counted - [...], not 0 where the row counts in the two losses. Default: all do.
 * @returns `output` and what training needs: `logits`, `chosen`, `balanceLoss`, `routerLoss`. The caller disposes all of them.
 * @throws ShapeError if any shape differs from the ones above.
 * @throws ConfigError if a tensor is not float32 or an option has no such value.
 * @throws BackendError if `useBackend` was not called for the active backend.
 * @throws GradientError if a gradient of its gradient is asked for.
 * @remarks Nothing is dropped and nothing but the row itself decides its experts: chunks, batches and padding change no result. Time O(R k D F), not O(R X D F); memory O(R k (D + F))
 * with the gradient. Gradients reach x, the experts, and the router through the gates and both losses. The choice itself has no gradient.
 * @see Fedus et al. 2021 (Switch), arXiv 2101.03961, equations 4 to 6; Zoph et al. 2022, arXiv 2202.08906, equation 5 (router loss); Gale et al. 2022, arXiv 2211.15841 (dropless); Jiang et al.
 * 2024 (Mixtral), arXiv 2401.04088 (two normalised choices).
 * @example
 * const weights = { router: tf.tensor([[1], [-1]]), first: tf.ones([2, 1, 1]), second: tf.tensor([10, 20], [2, 1, 1]) };
 * mixtureOfExperts(tf.tensor([[2], [-2]]), weights, { activation: 'relu', normalise: true }).output.arraySync(); // [[20], [0]]
 */
export function mixtureOfExperts(x: Tensor, weights: ExpertWeights, options: MixtureOfExpertsOptions = {}): MixtureOfExpertsResult {
  const { topK = 1, activation = 'swiglu', normalise = false, counted } = options;
  checkFloat('mixtureOfExperts', 'x', x);
  const { router, first, second } = weights;
  checkRank('mixtureOfExperts', 'router', router, 2, '[X, D]', 'Give one row of scores for each expert.');
  const [count, inner] = router.shape as [number, number];
  if (x.shape.length < 1 || x.shape.at(-1) !== inner) throw new ShapeError(`mixtureOfExperts: x has shape ${showShape(x.shape)}, expected a last axis of ${inner} ([..., D], D from router ${showShape(router.shape)}). Transpose the router if it is [D, X].`);
  if (activation !== 'swiglu' && activation !== 'gelu' && activation !== 'relu') throw new ConfigError(`mixtureOfExperts: activation is '${String(activation)}', expected 'swiglu', 'gelu' or 'relu'. Set options.activation.`);
  checkRank('mixtureOfExperts', 'second', second, 3, '[X, D, F]', 'Give one matrix for each expert.');
  const hidden = second.shape[2]!;
  checkShape('mixtureOfExperts', 'second', second, [count, inner, hidden], '[X, D, F]', 'Give one matrix for each expert.');
  checkShape('mixtureOfExperts', 'first', first, [count, activation === 'swiglu' ? 2 * hidden : hidden, inner], activation === 'swiglu' ? '[X, 2 F, D], value and gate' : '[X, F, D]', 'Give one matrix for each expert.');
  if (!Number.isSafeInteger(topK) || topK < 1 || topK > count) throw new ConfigError(`mixtureOfExperts: topK is ${topK}, expected 1 to ${count}, the number of experts. Set options.topK.`);
  const lead = x.shape.slice(0, -1);
  if (counted && showShape(counted.shape) !== showShape(lead)) throw new ShapeError(`mixtureOfExperts: counted has shape ${showShape(counted.shape)}, expected ${showShape(lead)} (x without its last axis). Give one entry for each row.`);
  return tf.tidy(() => {
    const rows = lead.reduce((product, size) => product * size, 1);
    const flat = tf.reshape(x, [rows, inner]);
    const logits = linear(flat, router);
    const choices = topChoices(logits.dataSync(), rows, count, topK);
    // Not tf.oneHot, which refuses a single expert.
    const picked = tf.cast(tf.equal(tf.tensor(choices, [rows, topK, 1], 'int32'), tf.range(0, count, 1, 'int32')), 'float32'); // [R, k, X]
    const probabilities = tf.softmax(logits as Tensor2D);
    const chances = tf.sum(tf.mul(tf.expandDims(probabilities, 1), picked), -1); // [R, k]
    const gates = normalise ? tf.div(chances, tf.sum(chances, -1, true)) : chances;
    const [output] = experts.run({ x: flat, first, second, gates }, { rows, inner, hidden, experts: count, choices: topK, activation, ...sortByExpert(choices, count) }) as [Tensor];
    return {
      output: tf.reshape(output, x.shape), logits: tf.reshape(logits, [...lead, count]), chosen: tf.tensor(choices, [...lead, topK], 'int32'),
      ...losses(logits, probabilities, picked, counted && tf.reshape(counted, [rows])),
    };
  });
}

function losses(logits: Tensor, probabilities: Tensor, picked: Tensor, counted: Tensor | undefined): { balanceLoss: Tensor; routerLoss: Tensor } {
  const [rows, count] = logits.shape as [number, number];
  const weight = counted ? tf.cast(tf.notEqual(counted, 0), 'float32') : tf.ones([rows]);
  const total = Math.max(1, rows === 0 ? 0 : tf.sum(weight).dataSync()[0]!);
  const mean = (values: Tensor): Tensor => tf.div(tf.sum(tf.mul(values, tf.expandDims(weight, 1)), 0), total); // [R, X] -> [X]
  if (rows === 0) return { balanceLoss: tf.scalar(0), routerLoss: tf.scalar(0) };
  const balanceLoss = tf.mul(tf.sum(tf.mul(mean(tf.sum(picked, 1)), mean(probabilities))), count);
  const routerLoss = tf.sum(mean(tf.expandDims(tf.square(tf.logSumExp(logits, -1)), 1)));
  return { balanceLoss, routerLoss };
}
