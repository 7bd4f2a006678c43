import type { Tensor } from '@tensorflow/tfjs';
import { ConfigError, ShapeError } from '../../errors/index.ts';
import { checkRank, checkShape, showShape } from '../common/check-shape.ts';
import { methodNumber } from './fft-convolution.ts';
import type { FftConvolutionMethod } from './fft-convolution.ts';
import { longConvolution } from './kernel.ts';

export interface FftConvolution2dOptions {
  /** Place [row, column] in the kernel whose tap meets the output's own pixel. Default [0, 0]: the causal quadrant. */
  readonly centre?: readonly [number, number] | undefined;
  readonly D?: Tensor | undefined;
  readonly preGate?: Tensor | undefined;
  readonly postGate?: Tensor | undefined;
  readonly method?: FftConvolutionMethod | undefined;
}

/**
 * Depthwise convolution of images with kernels of any size:
 * y[i, j, c] = post (sum over p, q of kernel[c, p, q] v[i + centre0 - p, j + centre1 - q, c] + D[c] v[i, j, c]), v = pre * u, zeros outside of the image.
 *
 * @param u - Images. Shape [B, height, width, C].
 * @param kernel - Shape [C, KH, KW], any size, also larger than the image; or [M, C, KH, KW] for M kernels a channel.
 * @param options.centre - Lags run from -centre to size - 1 - centre. Default [0, 0].
 * @param options.D - Skip. Shape [C], or [M, C]. Default: none.
 * @param options.preGate - Shape as u. Default: none.
 * @param options.postGate - Shape as the output. Default: none.
 * @returns Output [B, height, width, C], or [B, height, width, M, C]. The caller disposes it.
 * @throws ShapeError, ConfigError, BackendError, GradientError as `fftConvolution`.
 * @remarks The image is one long sequence whose rows lie width + KW - 1 apart, so one transform of about (height + KH) (width + KW) values does both axes, at the
 * cost of a two-dimensional one. A value that is not finite makes NaN of its whole channel.
 * @see Nguyen et al. 2022, S4ND, arXiv 2210.06583.
 * @example
 * fftConvolution2d(tf.tensor([[[[1], [2]], [[3], [4]]]]), tf.tensor([[[1, 10], [100, 1000]]])).arraySync(); // [[[[1], [12]], [[103], [1234]]]]
 */
export function fftConvolution2d(u: Tensor, kernel: Tensor, options: FftConvolution2dOptions = {}): Tensor {
  const operation = 'fftConvolution2d';
  checkRank(operation, 'u', u, 4, '[B, height, width, C]', 'Add a batch axis of 1 to a single image with tf.expandDims(x, 0).');
  const [batch, height, width, channels] = u.shape as [number, number, number, number];
  if (height < 1 || width < 1) throw new ShapeError(`${operation}: u has shape ${showShape(u.shape)}, expected at least one pixel. Leave the call out where there is nothing to process.`);
  const several = kernel.rank === 4;
  if (!several) checkRank(operation, 'kernel', kernel, 3, '[C, KH, KW] or [M, C, KH, KW]', 'Give one matrix of taps for each channel of u.');
  const kernels = several ? kernel.shape[0]! : 1;
  const [kernelRows, kernelColumns] = kernel.shape.slice(-2) as [number, number];
  checkShape(operation, 'kernel', kernel, [...(several ? [kernels] : []), channels, kernelRows, kernelColumns], several ? '[M, C, KH, KW], C as u' : '[C, KH, KW], C as u', 'Give one matrix of taps for each channel of u.');
  const { centre = [0, 0], D, preGate, postGate } = options;
  if (kernel.size === 0 && channels > 0) throw new ShapeError(`${operation}: kernel has shape ${showShape(kernel.shape)}, expected at least one tap. Give one matrix of taps for each channel of u.`);
  for (const axis of [0, 1] as const) {
    const size = axis === 0 ? kernelRows : kernelColumns;
    if (!Number.isInteger(centre[axis]) || centre[axis] < 0 || centre[axis] >= size) {
      throw new ConfigError(`${operation}: centre is [${centre.join(', ')}], expected places in a kernel of ${kernelRows} x ${kernelColumns}. For a kernel that sees all sides give [(KH - 1) / 2, (KW - 1) / 2].`);
    }
  }
  const outputShape = [batch, height, width, ...(several ? [kernels] : []), channels];
  if (D) checkShape(operation, 'D', D, several ? [kernels, channels] : [channels], several ? '[M, C]' : '[C]', 'Give one factor for each channel of the output.');
  if (preGate) checkShape(operation, 'preGate', preGate, u.shape, '[B, height, width, C], as u');
  if (postGate) checkShape(operation, 'postGate', postGate, outputShape, 'as the output');
  return longConvolution.run({ u, kernel, D, preGate, postGate }, {
    batch, length: height * width, channels, taps: kernelRows * kernelColumns, kernels, columns: width, kernelColumns, centreRow: centre[0], centreColumn: centre[1],
    method: methodNumber(operation, options.method), withState: false, control: null, outputShape,
  })[0]!;
}
