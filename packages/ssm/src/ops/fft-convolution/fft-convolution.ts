import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '../../backend/tensorflow.ts';
import { ConfigError, ShapeError } from '../../errors/index.ts';
import { checkRank, checkShape, sequenceSizes, showShape } from '../common/check-shape.ts';
import { controlBytes } from '../common/control.ts';
import type { SequenceOptions } from '../common/control.ts';
import { longConvolution } from './kernel.ts';

/** `auto` picks the cheaper one by sizes; the others are for tests and measurements. */
export type FftConvolutionMethod = 'auto' | 'direct' | 'fft';

export interface FftConvolutionStepOptions {
  readonly D?: Tensor | undefined;
  readonly preGate?: Tensor | undefined;
  readonly postGate?: Tensor | undefined;
}

export interface FftConvolutionOptions extends FftConvolutionStepOptions, SequenceOptions {
  readonly state?: Tensor | undefined;
  readonly method?: FftConvolutionMethod | undefined;
}

export type FftConvolutionResult = { readonly output: Tensor; readonly state: Tensor };

export interface BidirectionalFftConvolutionOptions extends FftConvolutionStepOptions, SequenceOptions {
  readonly method?: FftConvolutionMethod | undefined;
}

const METHODS: readonly FftConvolutionMethod[] = ['auto', 'direct', 'fft'];

export function methodNumber(operation: string, method: FftConvolutionMethod = 'auto'): number {
  const number = METHODS.indexOf(method);
  if (number < 0) throw new ConfigError(`${operation}: method is '${String(method)}', expected 'auto', 'direct' or 'fft'. Leave it out to have the cheaper one picked.`);
  return number;
}

/** Checks kernel, D and gates against u, and says how many kernels a channel has and how the output is shaped. */
export function convolutionSizes(operation: string, sizes: readonly [number, number, number], kernel: Tensor, name: string, { D, preGate, postGate }: FftConvolutionStepOptions) {
  const [batch, length, channels] = sizes;
  const several = kernel.rank === 3;
  if (!several) checkRank(operation, name, kernel, 2, '[E, K] or [M, E, K]', 'Give one row of K taps for each channel of u, the tap of lag 0 first.');
  const kernels = several ? kernel.shape[0]! : 1;
  const taps = kernel.shape.at(-1)!;
  checkShape(operation, name, kernel, several ? [kernels, channels, taps] : [channels, taps], several ? '[M, E, K], E as u' : '[E, K], E as u', 'Give one row of K taps for each channel of u, the tap of lag 0 first.');
  if (taps < 1 || kernels < 1) throw new ShapeError(`${operation}: ${name} has shape ${showShape(kernel.shape)}, expected at least one tap and one kernel (K >= 1, M >= 1). Give one row of K taps for each channel of u.`);
  const outputShape = several ? [batch, length, kernels, channels] : [batch, length, channels];
  if (D) checkShape(operation, 'D', D, several ? [kernels, channels] : [channels], several ? '[M, E]' : '[E]', 'Give one factor for each channel of the output.');
  if (preGate) checkShape(operation, 'preGate', preGate, [batch, length, channels], '[B, L, E], as u');
  if (postGate) checkShape(operation, 'postGate', postGate, outputShape, several ? '[B, L, M, E], as the output' : '[B, L, E], as the output');
  return { batch, length, channels, kernels, taps, outputShape };
}

/**
 * Long causal convolution: y[t, e] = post[t, e] (sum over s of kernel[e, s] v[t - s, e] + D[e] v[t, e]), v = pre * u, by a real FFT or, where that is
 * cheaper, by direct sums.
 *
 * @param u - Input sequence. Shape [B, L, E], L >= 1, any length.
 * @param kernel - Taps of each channel, lag 0 first. Shape [E, K], K >= 1, any length, also longer than L; or [M, E, K] for M kernels a channel.
 * @param options.D - Skip. Shape [E], or [M, E]. Default: none.
 * @param options.preGate - Factor before the convolution. Shape [B, L, E]. Default: none.
 * @param options.postGate - Factor behind it. Shape as the output. Default: none.
 * @param options.state - The K - 1 values of v before the first step, oldest first. Shape [B, K-1, E]. Default: zeros. Not disposed here.
 * @param options.lengths, options.mask, options.segments, options.previousSegments - See `SequenceOptions`. A masked step is left out as if it did not exist,
 * its output is 0; a new segment sees nothing of the one before.
 * @param options.method - Default 'auto'.
 * @returns `output` [B, L, E], or [B, L, M, E], and `state` [B, K-1, E], the last K - 1 counted values of v. The caller disposes both.
 * @throws ShapeError if any shape differs from the ones above; the message names the tensor.
 * @throws ConfigError if a tensor is not float32 or an option has no such value.
 * @throws BackendError if `useBackend` was not called for the active backend.
 * @throws GradientError if a gradient of its gradient is asked for.
 * @remarks Float32; an error of the FFT is relative to the largest value of its channel, not to each value. Time O(E L log L) where K is of the order of L,
 * memory beyond the output about 4 (L + K) floats for each kernel and 16 channels. A value that is not finite makes NaN of the outputs its taps reach and of no
 * others; direct sums keep the sign of an infinity. Gradients reach u, kernel, D, both gates and the state, and come from output and state.
 * With gates and skip in one call this is what the paper's fused kernels compute; the state has K - 1 rows whatever was seen.
 * @see Fu et al. 2023, FlashFFTConv, arXiv 2311.05908. Official reference: state-spaces/s4, src/models/sequence/kernels/fftconv.py, FFTConv.
 * @example
 * fftConvolution(tf.tensor([[[1], [2], [3]]]), tf.tensor([[1, 10, 100]])).output.arraySync(); // [[[1], [12], [123]]]
 */
export function fftConvolution(u: Tensor, kernel: Tensor, options: FftConvolutionOptions = {}): FftConvolutionResult {
  const sizes = convolutionSizes('fftConvolution', sequenceSizes('fftConvolution', 'u', u, '[B, L, E]'), kernel, 'kernel', options);
  const { batch, length, channels, taps } = sizes;
  const { state, D, preGate, postGate } = options;
  if (state) checkShape('fftConvolution', 'state', state, [batch, taps - 1, channels], '[B, K-1, E]', 'Pass the state that an earlier call with the same batch and kernel length returned.');
  const [output, final] = longConvolution.run({ u, kernel, D, preGate, postGate, history: state }, {
    ...sizes, columns: length, kernelColumns: taps, centreRow: 0, centreColumn: 0, method: methodNumber('fftConvolution', options.method), withState: true,
    control: controlBytes('fftConvolution', batch, length, options),
  });
  return { output: output!, state: final! };
}

/**
 * Long convolution that sees both sides: y[t, e] = post (sum over s >= 0 of kernel[e, s] v[t - s, e] + sum over s >= 0 of reverseKernel[e, s] v[t + 1 + s, e]
 * + D v[t, e]), v = pre * u.
 *
 * @param u - Input sequence. Shape [B, L, E].
 * @param kernel - Taps of lags 0, 1, ... Shape [E, K] or [M, E, K].
 * @param reverseKernel - Taps of lags -1, -2, ... Shape [E, R] or [M, E, R], R >= 1.
 * @param options - As `fftConvolution`, without a state. Masked steps are left out, segments do not see each other.
 * @returns Output [B, L, E] or [B, L, M, E]. The caller disposes it.
 * @throws ShapeError, ConfigError, BackendError, GradientError as `fftConvolution`.
 * @see Official reference: state-spaces/s4, FFTConv with bidirectional=True.
 * @example
 * bidirectionalFftConvolution(tf.tensor([[[1], [2], [3]]]), tf.tensor([[1, 10]]), tf.tensor([[100]])).arraySync(); // [[[201], [312], [23]]]
 */
export function bidirectionalFftConvolution(u: Tensor, kernel: Tensor, reverseKernel: Tensor, options: BidirectionalFftConvolutionOptions = {}): Tensor {
  const operation = 'bidirectionalFftConvolution';
  const sequence = sequenceSizes(operation, 'u', u, '[B, L, E]');
  convolutionSizes(operation, sequence, kernel, 'kernel', options);
  const { taps: before } = convolutionSizes(operation, sequence, reverseKernel, 'reverseKernel', {});
  if (reverseKernel.rank !== kernel.rank || (kernel.rank === 3 && reverseKernel.shape[0] !== kernel.shape[0])) {
    throw new ShapeError(`${operation}: reverseKernel has shape ${showShape(reverseKernel.shape)} and kernel ${showShape(kernel.shape)}, expected the same number of kernels. Give both directions for each kernel.`);
  }
  return tf.tidy(() => {
    const joined = tf.concat([tf.reverse(reverseKernel, -1), kernel], -1);
    const sizes = convolutionSizes(operation, sequence, joined, 'kernel', options);
    const { batch, length, taps } = sizes;
    const { D, preGate, postGate } = options;
    return longConvolution.run({ u, kernel: joined, D, preGate, postGate }, {
      ...sizes, columns: length, kernelColumns: taps, centreRow: 0, centreColumn: before, method: methodNumber(operation, options.method), withState: false,
      control: controlBytes(operation, batch, length, options),
    })[0]!;
  });
}
