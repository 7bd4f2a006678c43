import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../../backend/tensorflow.ts';
import { checkRank } from '../common/check-shape.ts';
import { fftConvolution } from './fft-convolution.ts';
import type { FftConvolutionResult, FftConvolutionStepOptions } from './fft-convolution.ts';

/**
 * One step of the causal long convolution, for streaming: the dot product of the kernel with the newest K values. The same kernel as the whole
 * sequence with L = 1.
 *
 * @param state - The K - 1 values of v before this step, oldest first. Shape [B, K-1, E]. Not disposed here.
 * @param u - Input of this step. Shape [B, E].
 * @param kernel - Shape [E, K] or [M, E, K].
 * @param options - `D` as in `fftConvolution`; `preGate` [B, E] and `postGate` [B, E] or [B, M, E] of this step.
 * @returns `output` [B, E] or [B, M, E] and the next `state` [B, K-1, E]. The caller disposes both.
 * @throws ShapeError, ConfigError, BackendError as `fftConvolution`.
 * @remarks Time O(E K), the same at every step.
 * @example
 * fftConvolutionStep(tf.tensor([[[1], [2]]]), tf.tensor([[3]]), tf.tensor([[1, 10, 100]])).output.arraySync(); // [[123]]
 */
export function fftConvolutionStep(state: Tensor, u: Tensor, kernel: Tensor, options: FftConvolutionStepOptions = {}): FftConvolutionResult {
  checkRank('fftConvolutionStep', 'u', u, 2, '[B, E]', 'Pass one step of each sequence, without the L axis.');
  return tf.tidy(() => {
    const { D, preGate, postGate } = options;
    const result = fftConvolution(tf.expandDims(u, 1), kernel, {
      D, state, preGate: preGate && tf.expandDims(preGate, 1), postGate: postGate && tf.expandDims(postGate, 1),
    });
    return { output: tf.squeeze(result.output, [1]), state: result.state };
  });
}
