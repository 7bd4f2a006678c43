import type { Tensor } from '@tensorflow/tfjs';
import { ConfigError, ShapeError } from '../../errors/index.ts';
import { checkFloat, showShape } from '../common/check-shape.ts';
import { dplrKernel } from '../dplr-kernel/kernel.ts';
import { runStateSpace } from '../state-space-scan/index.ts';
import type { StateSpaceOptions, StateSpaceResult } from '../state-space-scan/index.ts';
import { modesKernel } from '../vandermonde/kernel.ts';
import { diagonalModes, diagonalSystem } from './diagonal.ts';
import type { DiagonalDiscretisation, DiagonalOptions } from './diagonal.ts';
import { dplrPoints, dplrSystem } from './dplr.ts';
import type { DplrOptions } from './dplr.ts';
import type { PositiveTransform } from './positive.ts';
import type { SystemCache } from './system-cache.ts';

/** Parameters of S4D by the shapes of the official code; N is the number of kept modes, one of each conjugate pair; S copies repeat cyclically over H. */
export interface S4dParameters {
  /** Steps before the transform, [H, 1] or [H, N]. */
  readonly invDt: Tensor;
  /** Minus the real and imaginary parts of A before the transform, [S, N]. Without AIm the eigenvalues are real. */
  readonly ARe: Tensor;
  readonly AIm?: Tensor | undefined;
  /** [S, N, 2], re and im; an axis of 1 in front is allowed. */
  readonly B: Tensor;
  /** [C, H, N, 2] */
  readonly C: Tensor;
}

/** Parameters of S4: those of S4D and the low-rank part. */
export interface S4Parameters extends S4dParameters {
  /** [R, S, N, 2] */
  readonly P: Tensor;
}

export interface SpectrumTransforms {
  /** Default 'exp'. */
  readonly dtTransform?: PositiveTransform | undefined;
  /** Default 'exp'. */
  readonly realTransform?: PositiveTransform | undefined;
  /** Default 'none'. */
  readonly imagTransform?: PositiveTransform | undefined;
  /** Sampling rate relative to the one of the parameters: 2 for signals with half as many samples. Default 1. */
  readonly rate?: number | undefined;
}

export interface S4dOptions extends SpectrumTransforms {
  /** Default 'zoh'. */
  readonly discretisation?: DiagonalDiscretisation | undefined;
}

export interface S4Options extends SpectrumTransforms {
  /** Length L0 that C belongs to: C~ = C (I - A^L0) of the discrete A at rate 1. 0: C is the plain output vector (the recurrence only). */
  readonly kernelLength: number;
}

function sizesOf(operation: string, p: S4dParameters & { readonly P?: Tensor }, options: SpectrumTransforms): Omit<DiagonalOptions, 'discretisation'> & { rank: number } {
  for (const [name, tensor] of Object.entries(p)) if (tensor) checkFloat(operation, name, tensor as Tensor);
  const shape = (tensor: Tensor): number[] => tensor.shape;
  const expected = (name: string, tensor: Tensor, sizes: readonly number[], letters: string): void => {
    const given = shape(tensor), trimmed = name === 'B' && given.length === 4 && given[0] === 1 ? given.slice(1) : given;
    if (trimmed.join() !== sizes.join()) throw new ShapeError(`${operation}: ${name} has shape ${showShape(given)}, expected ${showShape(sizes)} (${letters}). Shapes are those of the official S4 code.`);
  };
  if (shape(p.C).length !== 4 || shape(p.C)[3] !== 2) throw new ShapeError(`${operation}: C has shape ${showShape(shape(p.C))}, expected 4 axes ([C, H, N, 2]). Stack re and im on the last axis.`);
  const [channels, heads, modes] = shape(p.C) as [number, number, number, number], copies = shape(p.ARe)[0] ?? 0, steps = shape(p.invDt)[1] ?? 0;
  expected('ARe', p.ARe, [copies, modes], '[S, N]');
  if (copies < 1 || heads % copies) throw new ShapeError(`${operation}: ARe has shape ${showShape(shape(p.ARe))}, expected a number of copies that divides H = ${heads} ([S, N]). Give one for all channels or one for each.`);
  if (p.AIm) expected('AIm', p.AIm, [copies, modes], '[S, N], as ARe');
  expected('B', p.B, [copies, modes, 2], '[S, N, 2]');
  expected('invDt', p.invDt, [heads, steps === modes ? modes : 1], '[H, 1] or [H, N]');
  const rank = p.P ? (shape(p.P)[0] ?? 0) : 0;
  if (p.P) expected('P', p.P, [rank, copies, modes, 2], '[R, S, N, 2]');
  const { rate = 1, dtTransform = 'exp', realTransform = 'exp', imagTransform = 'none' } = options;
  if (!(rate > 0)) throw new ConfigError(`${operation}: rate is ${rate}, expected a number above 0. Leave it out for the rate of training.`);
  return { heads, modes, copies, channels, steps, rank, dtTransform, realTransform, imagTransform, rate };
}

const checkLength = (operation: string, length: number): void => {
  if (!Number.isSafeInteger(length) || length < 1) throw new ConfigError(`${operation}: length is ${length}, expected a whole number of steps, at least 1.`);
};

/**
 * S4D's convolution kernel: K[c, h, l] = 2 Re sum over n of C B' A'^l, A' and B' the discretised diagonal system.
 *
 * @param p - Parameters, see `S4dParameters`.
 * @param length - L, at least 1.
 * @param options.discretisation - 'zoh': A' = e^(dt A), B' = (A' - 1) / A B without cancellation near 0; 'bilinear'; 'dss': rows normalised as in DSS, without the
 * factor 2, as the published code. Default 'zoh'.
 * @param options - Transforms of the parameters and `rate`, see `SpectrumTransforms`.
 * @returns K [C, H, L]. The caller disposes it.
 * @throws ShapeError, ConfigError naming the tensor or option.
 * @remarks Everything from the parameters on in double precision, rounded to float32 once. Gradients reach every parameter.
 * @see Gu et al. 2022, arXiv 2206.11893. Official reference: state-spaces/s4, kernels/ssm.py, SSMKernelDiag.
 */
export function s4dKernel(p: S4dParameters, length: number, options: S4dOptions = {}): Tensor {
  const o: DiagonalOptions = { ...sizesOf('s4dKernel', p, options), discretisation: options.discretisation ?? 'zoh' };
  checkLength('s4dKernel', length);
  return modesKernel.run(named(p), { channels: o.channels, heads: o.heads, modes: o.modes, length, imaginary: false, prepare: (raw) => diagonalModes(raw, o, length) })[0]!;
}

/** Sequence options, and a cache that keeps the prepared system between calls with the same parameters. */
export interface SystemOptions extends StateSpaceOptions { readonly cache?: SystemCache | undefined }

/**
 * S4D as a recurrence: the same map as convolving with `s4dKernel`, with a state of constant size.
 *
 * @param u - [B, L, H]. @param p, options - As in `s4dKernel` ('dss' has no recurrence: its kernel depends on L).
 * @param sequence - `state`, `lengths`, `mask`, `segments` as in `stateSpaceScan`.
 * @returns `output` [B, L, C, H] and `state` [B, H, N] each of re, im.
 */
export function s4dScan(u: Tensor, p: S4dParameters, options: S4dOptions = {}, sequence: SystemOptions = {}): StateSpaceResult {
  const o: DiagonalOptions = { ...sizesOf('s4dScan', p, options), discretisation: options.discretisation ?? 'zoh' };
  if (o.discretisation === 'dss') throw new ConfigError("s4dScan: discretisation is 'dss', whose kernel depends on its length, expected 'zoh' or 'bilinear'. Convolve with s4dKernel.");
  return runStateSpace('s4dScan', u, named(p), { heads: o.heads, modes: o.modes, channels: o.channels, rank: 0 }, (raw) => (sequence.cache ? sequence.cache.system(raw, () => diagonalSystem(raw, o)) : diagonalSystem(raw, o)), sequence);
}

/**
 * S4's convolution kernel: C, B of A = diag - P P^* under the bilinear transform, by Cauchy products at the nodes of the unit circle and Woodbury's identity.
 *
 * @param p - Parameters, see `S4Parameters`; C is C~ = C (I - A^L0).
 * @param length - L, 1 to L0 / rate.
 * @param options.kernelLength - L0. `rate` r: L0 / r nodes (rounded) with steps r times as long, as published; exact only at rate 1.
 * @returns K [C, H, L]. The caller disposes it.
 * @throws ShapeError, ConfigError naming the tensor or option.
 * @remarks Double precision from the parameters to the result; the node at -1 is no special case. Any L0 (odd ones by Bluestein's transform). Ranks up to 4.
 * @see Gu, Goel and Re 2021, arXiv 2111.00396, algorithm 1. Official reference: state-spaces/s4, kernels/ssm.py, SSMKernelDPLR.
 */
export function s4Kernel(p: S4Parameters, length: number, options: S4Options): Tensor {
  const o = dplrOptions('s4Kernel', p, options);
  checkLength('s4Kernel', length);
  const nodes = Math.round(options.kernelLength / o.rate);
  if (length > nodes) throw new ConfigError(`s4Kernel: length is ${length}, expected at most ${nodes} (kernelLength / rate). Run longer sequences by s4Scan, or correct C for a longer kernel.`);
  return dplrKernel.run(named(p), { channels: o.channels, heads: o.heads, modes: o.modes, rank: o.rank, nodes, length, prepare: (raw) => dplrPoints(raw, o) })[0]!;
}

/**
 * S4 as a recurrence: x' = A x + B u with the discrete A kept as diagonal plus low rank, O(N R) a step.
 *
 * @param u - [B, L, H]. @param p, options - As in `s4Kernel`; the output vector is solved from C~ in float64, O(N^3 log L0) for each channel, with gradients.
 * @param sequence - `state`, `lengths`, `mask`, `segments` as in `stateSpaceScan`.
 * @returns `output` [B, L, C, H] and `state` [B, H, N] each of re, im.
 */
export function s4Scan(u: Tensor, p: S4Parameters, options: S4Options, sequence: SystemOptions = {}): StateSpaceResult {
  const o = dplrOptions('s4Scan', p, options);
  return runStateSpace('s4Scan', u, named(p), { heads: o.heads, modes: o.modes, channels: o.channels, rank: o.rank }, (raw) => (sequence.cache ? sequence.cache.system(raw, () => dplrSystem(raw, o)) : dplrSystem(raw, o)), sequence);
}

const MAXIMUM_RANK = 4;

function dplrOptions(operation: string, p: S4Parameters, options: S4Options): DplrOptions {
  const o = sizesOf(operation, p, options), { kernelLength } = options;
  if (o.rank < 1 || o.rank > MAXIMUM_RANK) throw new ConfigError(`${operation}: P has ${o.rank} rows, expected 1 to ${MAXIMUM_RANK} ([R, S, N, 2]). Use s4dKernel for a diagonal system.`);
  if (o.steps !== 1) throw new ShapeError(`${operation}: invDt has shape ${showShape(p.invDt.shape)}, expected [${o.heads}, 1] ([H, 1]). Only S4D has a step for each mode.`);
  if (!Number.isSafeInteger(kernelLength) || kernelLength < 0) throw new ConfigError(`${operation}: kernelLength is ${kernelLength}, expected a whole number of steps (0: C is not corrected).`);
  return { ...o, nodes: Math.round(kernelLength / o.rate) };
}

const named = (p: S4dParameters & { readonly P?: Tensor }): Record<string, Tensor | undefined> =>
  ({ invDt: p.invDt, ARe: p.ARe, AIm: p.AIm, B: p.B, C: p.C, ...(p.P && { P: p.P }) });
