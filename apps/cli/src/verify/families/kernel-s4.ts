import type { Tensor } from '@tensorflow/tfjs';
import { tf } from '@mamba360/ssm/backend';
import {
  cauchy, positive, s4CorrectedOutput, s4dKernel, s4DiscreteSystem, s4dScan, s4Kernel, s4Scan, vandermonde,
} from '@mamba360/ssm/ops';
import type { ComplexTensor, DiagonalDiscretisation, PositiveTransform, S4dParameters, S4Numbers, S4Parameters } from '@mamba360/ssm/ops';
import type { GoldenCase } from '@mamba360/testing';
import type { CaseOutputs } from '../compare-case.ts';
import { interleave } from '../layout.ts';
import type { Family } from './family.ts';
import { gradientsOf, wantsGradients } from './tensors.ts';

type Outputs = Record<string, ArrayLike<number>>;
type Named = Record<string, Tensor>;

/** The tensor as stored, complex ones with re, im on a last axis. */
function stored(golden: GoldenCase, name: string): Tensor {
  const value = golden.value(name);
  return tf.tensor(Float32Array.from(value.values), [...value.shape, ...(value.complex ? [2] : [])], 'float32');
}

const parts = (pairs: Tensor): ComplexTensor => {
  const [re, im] = tf.unstack(pairs, -1) as [Tensor, Tensor];
  return { re, im };
};

const pairsOf = ({ re, im }: ComplexTensor): Float32Array => interleave(re.dataSync(), im.dataSync());

const param = <T>(golden: GoldenCase, name: string): T => golden.description.params[name] as T;

/** The official parameters under our names; P [R, S, N, 2]. */
export function s4Tensors(golden: GoldenCase, prefix = ''): Named {
  const names: Record<string, string> = { invDt: 'inv_dt', ARe: 'A_real', AIm: 'A_imag', B: 'B', C: 'C', P: 'P' };
  return Object.fromEntries(Object.entries(names).filter(([, official]) => golden.has(prefix + official)).map(([own, official]) => [own, stored(golden, prefix + official)]));
}

const OFFICIAL: Readonly<Record<string, string>> = { invDt: 'inv_dt', ARe: 'A_real', AIm: 'A_imag', B: 'B', C: 'C', P: 'P', CTilde: 'C_tilde' };

/** y [B, L, C, H] as the case stores it, [B, C, H, L]. */
const channelsFirst = (y: Tensor): Float32Array => tf.transpose(y, [0, 2, 3, 1]).dataSync() as Float32Array;
const lengthSecond = (u: Tensor): Tensor => tf.transpose(u, [0, 2, 1]);

/** The plain parameters in float64, for what is done once before training. */
export function s4Numbers(golden: GoldenCase, prefix = ''): S4Numbers {
  const values = (name: string): Float64Array => Float64Array.from(golden.value(prefix + name).values);
  return { invDt: values('inv_dt'), ARe: values('A_real'), AIm: values('A_imag'), B: values('B'), C: values('C'), P: values('P') };
}

/** Sizes of the parameters, as the float64 functions take them. */
export function s4Sizes(golden: GoldenCase, prefix = '') {
  const [channels, heads, modes] = golden.value(`${prefix}C`).shape as [number, number, number];
  return {
    channels, heads, modes, copies: golden.value(`${prefix}A_real`).shape[0]!, rank: golden.value(`${prefix}P`).shape[0]!, steps: 1, rate: 1,
    dtTransform: 'exp' as const, realTransform: 'exp' as const, imagTransform: 'none' as const,
  };
}

/** Both halves of the conjugate pairs: [x, conj x]. */
function withConjugates(x: { re: Float64Array; im: Float64Array }, modes: number): number[] {
  return Array.from({ length: x.re.length / modes }, (_, row) => [1, -1].flatMap((sign) =>
    Array.from({ length: modes }, (__, n) => [x.re[row * modes + n]!, sign * x.im[row * modes + n]!]).flat())).flat();
}

/** The discrete matrices over all conjugate pairs: dA = diag(a) + g (f / 2) + conjugates. */
function denseSystem(golden: GoldenCase): Outputs {
  const o = s4Sizes(golden), { a, b, c, f, g } = s4DiscreteSystem(s4Numbers(golden), o), { heads, modes: N, rank } = o;
  const dA: number[] = [];
  for (let h = 0; h < heads; h++) for (let i = 0; i < 2 * N; i++) for (let j = 0; j < 2 * N; j++) {
    const n = h * N + (i % N), m = h * N + (j % N), row = i < N ? 1 : -1, column = j < N ? 1 : -1;
    let re = i === j ? a.re[n]! : 0, im = i === j ? row * a.im[n]! : 0;
    for (let r = 0; r < rank; r++) {
      const at = r * heads * N, gRe = g.re[at + n]!, gIm = row * g.im[at + n]!, fRe = f.re[at + m]! / 2, fIm = (column * f.im[at + m]!) / 2;
      re += gRe * fRe - gIm * fIm;
      im += gRe * fIm + gIm * fRe;
    }
    dA.push(re, im);
  }
  // Our c is twice the output vector.
  const half = { re: c.re.map((value) => value / 2), im: c.im.map((value) => value / 2) };
  return { dA, dB: withConjugates(b, N), dC: withConjugates(half, N) };
}

function dplr(golden: GoldenCase): CaseOutputs {
  const length = param<number>(golden, 'length'), kernelLength = param<number>(golden, 'l_max'), rate = param<number>(golden, 'rate');
  const plain = s4Tensors(golden), corrected = s4CorrectedOutput(s4Numbers(golden), s4Sizes(golden), kernelLength);
  const tensors: Named = { ...plain, C: tf.tensor(Float32Array.from(corrected), plain['C']!.shape) };
  const kernel = (given: Named): Tensor => s4Kernel(given as unknown as S4Parameters, length, { kernelLength, rate });
  const impulse = tf.tensor(Float32Array.from({ length: length * plain['C']!.shape[1]! }, (_, i) => (i < plain['C']!.shape[1]! ? 1 : 0)), [1, length, plain['C']!.shape[1]!]);
  const outputs: Outputs = {
    K: kernel(tensors).dataSync(), C_tilde: corrected,
    K_by_powers: channelsFirst(s4Scan(impulse, plain as unknown as S4Parameters, { kernelLength: 0, rate }).output),
  };
  if (golden.has('y')) outputs['y'] = channelsFirst(s4Scan(lengthSecond(stored(golden, 'u')), tensors as unknown as S4Parameters, { kernelLength }).output);
  if (golden.has('dA')) Object.assign(outputs, denseSystem(golden));
  if (golden.has('initial_state')) {
    const state = parts(stored(golden, 'initial_state')), u = lengthSecond(stored(golden, 'u_state'));
    const run = (input: Tensor) => s4Scan(input, tensors as unknown as S4Parameters, { kernelLength }, { state });
    const result = run(u);
    outputs['k_state'] = channelsFirst(run(tf.zerosLike(u)).output);
    outputs['next_state'] = pairsOf(result.state);
    outputs['y_from_state'] = channelsFirst(result.output);
  }
  if (wantsGradients(golden)) {
    const dK = stored(golden, 'dK');
    const gradients = gradientsOf(tensors, (given) => tf.sum(tf.mul(kernel(given), dK)));
    for (const [name, gradient] of Object.entries(gradients)) outputs[`grad_${name === 'C' ? 'C_tilde' : OFFICIAL[name]}`] = gradient.dataSync();
  }
  return outputs;
}

function diagonal(golden: GoldenCase): CaseOutputs {
  const length = param<number>(golden, 'length'), tensors = s4Tensors(golden);
  const options = {
    discretisation: param<DiagonalDiscretisation>(golden, 'disc'), rate: param<number>(golden, 'rate'), dtTransform: param<PositiveTransform>(golden, 'dt_transform'),
    realTransform: param<PositiveTransform>(golden, 'real_transform'), imagTransform: param<PositiveTransform>(golden, 'imag_transform'),
  };
  const kernel = (given: Named): Tensor => s4dKernel(given as unknown as S4dParameters, length, options);
  const { dt, A } = valuesAfterTransforms(golden, options);
  const outputs: Outputs = { K: kernel(tensors).dataSync(), dt, A };
  if (golden.has('u')) {
    const state = parts(stored(golden, 'initial_state')), u = lengthSecond(stored(golden, 'u'));
    const run = (input: Tensor, initial?: ComplexTensor) => s4dScan(input, tensors as unknown as S4dParameters, options, { state: initial });
    outputs['y'] = channelsFirst(run(u).output);
    outputs['k_state'] = channelsFirst(run(tf.zerosLike(u), state).output);
    outputs['next_state'] = pairsOf(run(u, state).state);
  }
  if (wantsGradients(golden)) {
    const dK = stored(golden, 'dK');
    const gradients = gradientsOf(tensors, (given) => tf.sum(tf.mul(kernel(given), dK)));
    for (const [name, gradient] of Object.entries(gradients)) outputs[`grad_${OFFICIAL[name]}`] = gradient.dataSync();
  }
  return outputs;
}

/** dt and A as the transforms give them, repeated over the channels. */
function valuesAfterTransforms(golden: GoldenCase, options: { rate: number; dtTransform: PositiveTransform; realTransform: PositiveTransform; imagTransform: PositiveTransform }): { dt: number[]; A: number[] } {
  const values = (name: string, transform: PositiveTransform): number[] => Array.from(golden.value(name).values, (p) => positive(transform, p));
  const re = values('A_real', options.realTransform), im = values('A_imag', options.imagTransform);
  const [copies, modes] = golden.value('A_real').shape as [number, number], heads = golden.value('inv_dt').shape[0]!;
  return {
    dt: values('inv_dt', options.dtTransform).map((value) => value * options.rate),
    A: Array.from({ length: heads * modes }, (_, i) => (Math.floor(i / modes) % copies) * modes + (i % modes)).flatMap((at) => [-re[at]!, -im[at]!]),
  };
}

function products(golden: GoldenCase): CaseOutputs {
  const [v, w, z, x] = ['v', 'w', 'z', 'x'].map((name) => parts(stored(golden, name))) as [ComplexTensor, ComplexTensor, ComplexTensor, ComplexTensor];
  const [rows, modes] = golden.value('v').shape as [number, number], length = param<number>(golden, 'length');
  // One set of coefficients for each row: v [1, H, N].
  const lifted = { re: tf.expandDims(v.re, 0), im: tf.expandDims(v.im, 0) };
  const K = vandermonde(lifted, x, length);
  // The transposed product v sum of u e^(x l) is v times the conjugate slope of v under sum(u Re K).
  const u = stored(golden, 'u'), transposed: number[] = [];
  for (let b = 0; b < u.shape[0]!; b++) {
    const cotangent = tf.slice(u, [b, 0, 0], [1, rows, length]);
    const [dRe, dIm] = tf.grads((re: Tensor, im: Tensor) => tf.sum(tf.mul(vandermonde({ re, im }, x, length).re, cotangent)))([lifted.re, lifted.im]) as [Tensor, Tensor];
    const sRe = dRe.dataSync(), sIm = tf.neg(dIm).dataSync(), vRe = lifted.re.dataSync(), vIm = lifted.im.dataSync();
    for (let i = 0; i < rows * modes; i++) transposed.push(vRe[i]! * sRe[i]! - vIm[i]! * sIm[i]!, vRe[i]! * sIm[i]! + vIm[i]! * sRe[i]!);
  }
  const conjugated = cauchy(v, z, w, { conjugate: true });
  const pairsOrReal = (name: string, value: ComplexTensor): ArrayLike<number> => (golden.value(name).complex ? pairsOf(value) : value.re.dataSync());
  return {
    cauchy_plain: pairsOrReal('cauchy_plain', cauchy(v, z, w)), cauchy_conj: pairsOrReal('cauchy_conj', conjugated),
    log_vandermonde_plain: pairsOf(K), log_vandermonde_conj: tf.mul(K.re, 2).dataSync(), log_vandermonde_transpose: transposed,
  };
}

/** S4 (diagonal plus low rank) and S4D kernels, their recurrences, and the two products they are made of. */
export const kernelS4Family: Family = {
  name: 'kernel_s4',
  unsupported: ({ params }) => (params['bandlimit'] === undefined || params['bandlimit'] === null ? null : 'the band limit of kernels is not built'),
  run: (golden) => (golden.has('cauchy_plain') ? products(golden) : golden.has('P') ? dplr(golden) : diagonal(golden)),
};
