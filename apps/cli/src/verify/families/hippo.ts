import {
  diagonalInitialisation, discretiseDense, discretiseDiagonal, hippoTransition, legsMemory, lowRankCorrection, normalPlusLowRank,
} from '@mamba360/ssm/math';
import type { ComplexArray, DiagonalInitialisation, DiscretisationMethod, HippoMeasure, LegsMethod, NormalPlusLowRank } from '@mamba360/ssm/math';
import type { GoldenCase } from '@mamba360/testing';
import type { CaseOutputs } from '../compare-case.ts';
import type { Family } from './family.ts';

type Outputs = Record<string, ArrayLike<number>>;

const pairs = ({ re, im }: ComplexArray): Float64Array => Float64Array.from({ length: 2 * re.length }, (_, i) => (i % 2 ? im : re)[i >> 1]!);
const sizes = ({ re, im }: ComplexArray): Float64Array => re.map((value, i) => Math.hypot(value, im[i]!));
const unpaired = (values: ArrayLike<number>): ComplexArray => ({
  re: Float64Array.from({ length: values.length / 2 }, (_, i) => values[2 * i]!), im: Float64Array.from({ length: values.length / 2 }, (_, i) => values[2 * i + 1]!),
});
const text = (golden: GoldenCase, name: string): string => String(golden.description.params[name]);

function transition(golden: GoldenCase): CaseOutputs {
  const { params } = golden.description;
  const outputs: Outputs = {};
  for (const size of params['sizes'] as number[]) {
    const { A, B } = hippoTransition(text(golden, 'measure') as HippoMeasure, size, {
      beta: (params['beta'] as number | null) ?? undefined, alpha: (params['alpha'] as number | null) ?? undefined,
    });
    outputs[`A_${size}`] = A.values;
    outputs[`B_${size}`] = B;
  }
  return outputs;
}

/** Each eigenvector times the unit factor that brings it onto the stored one (it is free up to that), and P, B with it. */
function aligned(own: NormalPlusLowRank, stored: ComplexArray, rank: number): NormalPlusLowRank {
  const kept = own.eigenvalues.re.length, size = own.V.re.length / kept;
  const copy = ({ re, im }: ComplexArray): ComplexArray => ({ re: re.slice(), im: im.slice() });
  const turned = { eigenvalues: own.eigenvalues, P: copy(own.P), B: copy(own.B), V: copy(own.V) };
  const turn = (target: ComplexArray, at: number, re: number, im: number): void => {
    const x = target.re[at]!, y = target.im[at]!;
    target.re[at] = x * re - y * im;
    target.im[at] = x * im + y * re;
  };
  for (let m = 0; m < kept; m++) {
    let re = 0, im = 0; // conj(own) . stored
    for (let i = 0; i < size; i++) {
      const at = i * kept + m;
      re += own.V.re[at]! * stored.re[at]! + own.V.im[at]! * stored.im[at]!;
      im += own.V.re[at]! * stored.im[at]! - own.V.im[at]! * stored.re[at]!;
    }
    const length = Math.hypot(re, im);
    for (let i = 0; i < size; i++) turn(turned.V, i * kept + m, re / length, im / length);
    for (let r = 0; r < rank; r++) turn(turned.P, r * kept + m, re / length, -im / length);
    turn(turned.B, m, re / length, -im / length);
  }
  return turned;
}

function decomposition(golden: GoldenCase): CaseOutputs {
  const measure = text(golden, 'measure') as HippoMeasure, rank = golden.description.params['rank'] as number;
  const outputs: Outputs = {};
  for (const size of golden.description.params['sizes'] as number[]) {
    const own = normalPlusLowRank(measure, size, { rank });
    outputs[`Lambda_${size}`] = pairs(own.eigenvalues);
    if (!golden.has(`V_${size}`)) continue;
    const { P, B, V } = aligned(own, unpaired(golden.value(`V_${size}`).values), rank);
    const kept = B.re.length;
    outputs[`P_${size}`] = pairs(P);
    outputs[`B_${size}`] = pairs(B);
    outputs[`V_${size}`] = pairs(V);
    outputs[`B_clipped_${size}`] = pairs({ re: B.re, im: B.im.map((value) => Math.max(-2, Math.min(2, value))) });
    outputs[`B_times_conj_P_${size}`] = pairs({
      re: P.re.map((value, i) => B.re[i % kept]! * value + B.im[i % kept]! * P.im[i]!),
      im: P.re.map((value, i) => B.im[i % kept]! * value - B.re[i % kept]! * P.im[i]!),
    });
    outputs[`P_abs_${size}`] = sizes(P);
    outputs[`B_abs_${size}`] = sizes(B);
    outputs[`low_rank_${size}`] = lowRankCorrection(measure, size, rank).values;
  }
  return outputs;
}

/** S5's decomposition keeps all pairs of LegS. */
function decompositionOfS5(golden: GoldenCase): CaseOutputs {
  const outputs: Outputs = {};
  for (const size of golden.description.params['sizes'] as number[]) {
    const own = aligned(normalPlusLowRank('legs', size, { pairs: 'all' }), unpaired(golden.value(`V_${size}`).values), 1);
    outputs[`Lambda_${size}`] = pairs(own.eigenvalues);
    outputs[`P_${size}`] = pairs(own.P);
    outputs[`B_${size}`] = pairs(own.B);
    outputs[`V_${size}`] = pairs(own.V);
    outputs[`B_orig_${size}`] = hippoTransition('legs', size).B;
  }
  return outputs;
}

function initialisations(golden: GoldenCase): CaseOutputs {
  const outputs: Outputs = {};
  for (const kind of ['lin', 'inv', 'inv2', 'quad', 'real', 'legs'] as DiagonalInitialisation[]) {
    const { A, B } = diagonalInitialisation(kind, golden.description.params['N'] as number);
    outputs[`A_${kind}`] = pairs(A);
    outputs[`B_${kind}`] = kind === 'legs' ? sizes(B) : pairs(B);
  }
  return outputs;
}

const METHODS: Readonly<Record<string, DiscretisationMethod>> = {
  bilinear: 'bilinear', zoh: 'zoh', euler: 'euler', backward_diff: 'backward', 'gbt0.25': { alpha: 0.25 }, foh: 'foh',
};

function discretisation(golden: GoldenCase): CaseOutputs {
  const outputs: Outputs = {};
  if (golden.has('Lambda')) {
    const lambda = unpaired(golden.value('Lambda').values), B = unpaired(golden.value('B').values);
    for (const method of ['bilinear', 'zoh'] as const) {
      const discrete = discretiseDiagonal(lambda, B, golden.value('Delta').values, method);
      outputs[`Lambda_bar_${method}`] = pairs(discrete.A);
      outputs[`B_bar_${method}`] = pairs(discrete.B);
    }
    return outputs;
  }
  const { values, shape } = golden.value('A');
  const A = { rows: shape[0]!, columns: shape[1]!, values: Float64Array.from(values) };
  for (const method of golden.description.params['methods'] as string[]) {
    for (const step of golden.description.params['dt'] as number[]) {
      const discrete = discretiseDense(A, Float64Array.from(golden.value('B').values), step, METHODS[method]!);
      outputs[`dA_${method}_${step}`] = discrete.A.values;
      outputs[`dB_${method}_${step}`] = discrete.B;
      if (discrete.feedThrough !== undefined) outputs[`dD_${method}_${step}`] = [discrete.feedThrough];
    }
  }
  return outputs;
}

function memory(golden: GoldenCase): CaseOutputs {
  const methods: LegsMethod[] = ['forward', 'backward', 'bilinear', 'zoh'];
  return Object.fromEntries(methods.map((method) => [`memory_${method}`, legsMemory(golden.value('f').values, golden.description.params['N'] as number, method)]));
}

const RUNS: readonly [RegExp, (golden: GoldenCase) => CaseOutputs][] = [
  [/^transition_/, transition], [/^nplr_/, decomposition], [/^s5_dplr/, decompositionOfS5], [/^s4d_inits/, initialisations],
  [/^discretise_/, discretisation], [/memory/, memory],
];

const runOf = (name: string): ((golden: GoldenCase) => CaseOutputs) | undefined => RUNS.find(([pattern]) => pattern.test(name))?.[1];

/** HiPPO matrices, their normal plus low-rank forms, discretisations and the LegS memory: mathematics in float64, the same on every backend. */
export const hippoFamily: Family = {
  name: 'hippo',
  unsupported: ({ case: name }) => (runOf(name) ? null : `the case ${name} is none of transition, nplr, s5_dplr, s4d_inits, discretise, memory`),
  run: (golden) => runOf(golden.description.case)!(golden),
};
