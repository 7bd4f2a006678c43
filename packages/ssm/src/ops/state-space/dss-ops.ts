import type { Tensor } from '@tensorflow/tfjs';
import { ConfigError, ShapeError } from '../../errors/index.ts';
import { checkFloat, checkShape, showShape } from '../common/check-shape.ts';
import { runStateSpace } from '../state-space-scan/index.ts';
import type { StateSpaceResult } from '../state-space-scan/index.ts';
import { modesKernel } from '../vandermonde/kernel.ts';
import { dssModes, dssSystem } from './dss.ts';
import type { DssOptions, DssVersion } from './dss.ts';
import type { SystemOptions } from './s4.ts';

/** Parameters of DSS by the shapes of the official code; the N eigenvalues are shared by all channels. */
export interface DssParameters {
  /** Logarithms of the steps, [H], or [H, 2] with one for the real and one for the imaginary part. */
  readonly logDt: Tensor;
  /** softmax and clip: eigenvalues, [N, 2]. */
  readonly Lambda?: Tensor | undefined;
  /** exp: log of minus the real part, and the imaginary part, [N] each. */
  readonly logNegRe?: Tensor | undefined;
  readonly lambdaIm?: Tensor | undefined;
  /** [C, H, N, 2] */
  readonly W: Tensor;
}

export interface DssKernelOptions {
  /** Default 'softmax'. */
  readonly version?: DssVersion | undefined;
  /** Bound of reciprocals. Default 1e-7. */
  readonly epsilon?: number | undefined;
  /** clip: real parts are at most minus this. Default 1e-4. */
  readonly maxRealLambda?: number | undefined;
}

const VERSIONS: readonly DssVersion[] = ['softmax', 'exp', 'exp-no-scale', 'clip', 'clip-no-scale'];

function optionsOf(operation: string, p: DssParameters, options: DssKernelOptions): DssOptions {
  const { version = 'softmax', epsilon = 1e-7, maxRealLambda = 1e-4 } = options;
  if (!VERSIONS.includes(version)) throw new ConfigError(`${operation}: unknown version ${JSON.stringify(version)}, expected one of ${VERSIONS.join(', ')}.`);
  checkFloat(operation, 'W', p.W);
  if (p.W.shape.length !== 4 || p.W.shape[3] !== 2) throw new ShapeError(`${operation}: W has shape ${showShape(p.W.shape)}, expected 4 axes ([C, H, N, 2]). Stack re and im on the last axis.`);
  const [channels, heads, modes] = p.W.shape as [number, number, number, number], steps = p.logDt.shape.length === 2 ? 2 : 1;
  checkShape(operation, 'logDt', p.logDt, steps === 2 ? [heads, 2] : [heads], '[H] or [H, 2]', 'Give one step for each channel, or two.');
  const wanted = version.startsWith('exp') ? (['logNegRe', 'lambdaIm'] as const) : (['Lambda'] as const);
  for (const name of wanted) {
    const tensor = p[name];
    if (!tensor) throw new ConfigError(`${operation}: version '${version}' needs ${name}, expected ${wanted.join(' and ')}. Give it, or choose another version.`);
    checkShape(operation, name, tensor, name === 'Lambda' ? [modes, 2] : [modes], name === 'Lambda' ? '[N, 2]' : '[N]', 'Give one eigenvalue for each coefficient of W.');
  }
  return { version, epsilon, maxRealLambda, channels, heads, modes, steps };
}

function named(p: DssParameters, { version }: DssOptions): Record<string, Tensor | undefined> {
  return version.startsWith('exp') ? { logDt: p.logDt, logNegRe: p.logNegRe, lambdaIm: p.lambdaIm, W: p.W } : { logDt: p.logDt, Lambda: p.Lambda, W: p.W };
}

/**
 * DSS's convolution kernel: K[c, h, l] = Re sum over n of W s e^(l dt Lambda), s the version's factor: row-softmax over the L steps divided by Lambda ('softmax'),
 * (e^(dt Lambda) - 1) / Lambda ('exp', 'clip'), or 1 ('...-no-scale').
 *
 * @param p - Parameters, see `DssParameters`. @param length - L, at least 1.
 * @returns K [C, H, L]. The caller disposes it.
 * @throws ShapeError, ConfigError naming the tensor or option.
 * @remarks In double precision from the parameters on. As published: no conjugate pairs, reciprocals bounded by epsilon, and with Re Lambda > 0 the largest entry of a
 * softmax row is a constant for the gradient. Gradients reach every parameter.
 * @see Gupta, Gu and Berant 2022, arXiv 2203.14343, proposition 1. Official reference: ag1988/dss, DSSKernel.
 */
export function dssKernel(p: DssParameters, length: number, options: DssKernelOptions = {}): Tensor {
  const o = optionsOf('dssKernel', p, options);
  if (!Number.isSafeInteger(length) || length < 1) throw new ConfigError(`dssKernel: length is ${length}, expected a whole number of steps, at least 1.`);
  return modesKernel.run(named(p, o), { channels: o.channels, heads: o.heads, modes: o.modes, length, imaginary: false, prepare: (raw) => dssModes(raw, o, length) })[0]!;
}

/**
 * DSS as a recurrence: the same map as convolving with `dssKernel`.
 *
 * @param options.kernelLength - softmax: the L of the kernel that the recurrence stands for; its rows are normalised over as many steps. Others ignore it.
 * @param sequence - `state`, `lengths`, `mask`, `segments` as in `stateSpaceScan`.
 * @returns `output` [B, L, C, H] and `state` [B, H, N] each of re, im.
 */
export function dssScan(u: Tensor, p: DssParameters, options: DssKernelOptions & { readonly kernelLength: number }, sequence: SystemOptions = {}): StateSpaceResult {
  const o = optionsOf('dssScan', p, options);
  return runStateSpace('dssScan', u, named(p, o), { heads: o.heads, modes: o.modes, channels: o.channels, rank: 0 }, (raw) => {
    const make = () => dssSystem(raw, o, options.kernelLength);
    return sequence.cache ? sequence.cache.system(raw, make) : make();
  }, sequence);
}
