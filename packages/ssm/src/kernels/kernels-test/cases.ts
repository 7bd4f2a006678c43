import type { KernelName } from '../signatures.ts';
import type { Case } from './make-call.ts';

function scanCases(kernel: KernelName): Case[] {
  const cases: Case[] = [];
  const add = (B: number, L: number, E: number, N: number, gB: number, gC: number, softplus: number, every: number, more: Partial<Case> = {}): void => {
    cases.push({ kernel, integers: [B, L, E, N, gB, gC, softplus, every], ...more });
  };
  for (const L of [1, 2, 3, 63, 64, 65, 257]) add(1, L, 16, 16, 1, 1, 1, 0);
  for (const E of [1, 3, 33, 64, 100]) add(2, 65, E, 16, 1, 1, 1, 7);
  for (const N of [1, 3, 20]) add(2, 66, 33, N, 1, 1, 1, 0, { control: [0.3, 0.05] });
  add(2, 70, 12, 5, 0, 1, 0, 3, { control: [0.4, 0.1] });
  add(2, 70, 12, 5, 1, 0, 1, 64, { control: [0.4, 0.1] });
  add(2, 67, 12, 4, 0, 0, 0, 1, { control: [0.9, 0.2] });
  add(2, 67, 24, 16, 2, 3, 1, 5);
  add(1, 130, 200, 16, 4, 1, 1, 64, { control: [0.2, 0.02] });
  add(3, 65, 33, 9, 1, 1, 1, 0, { absent: ['D', 'z', 'deltaBias', 'initialState', 'initialRe', 'initialIm', 'dFinalState', 'dFinalRe', 'dFinalIm'] });
  add(1, 65, 17, 8, 1, 1, 0, 0, { absent: ['z'], control: [1, 0.1] });
  if (kernel.includes('Complex')) add(2, 65, 6, 4, 1, 0, 1, 4, { absent: ['BIm', 'CIm'] });
  return cases;
}

function ssdCases(kernel: KernelName): Case[] {
  const cases: Case[] = [];
  const add = (B: number, L: number, H: number, P: number, G: number, N: number, every: number, varying: number, wide: number, more: Partial<Case> = {}): void => {
    cases.push({ kernel, integers: [B, L, H, P, G, N, varying === 1 ? 0 : 1, every, varying, wide], scalars: [-Infinity, Infinity], ...more });
  };
  for (const L of [1, 2, 3, 63, 64, 65, 257]) add(1, L, 2, 16, 1, 16, 0, 0, 0);
  for (const P of [1, 3, 33, 64]) add(2, 65, 3, P, 1, 16, 7, 0, 1);
  for (const N of [1, 3, 20, 128]) add(2, 66, 4, 5, 2, N, 0, 1, 0, { control: [0.3, 0.05] });
  add(2, 70, 4, 6, 4, 5, 3, 0, 1, { control: [0.4, 0.1] });
  add(2, 130, 9, 4, 1, 5, 64, 1, 0, { control: [0.4, 0.1] });
  add(2, 67, 4, 3, 2, 4, 1, 0, 0, { control: [0.9, 0.2] });
  add(1, 200, 20, 8, 1, 16, 64, 0, 0, { scalars: [0.05, 0.2] });
  add(3, 65, 3, 11, 1, 9, 0, 0, 0, { absent: ['D', 'z', 'dtBias', 'initialState', 'dFinalState'] });
  add(1, 65, 2, 17, 1, 8, 0, 0, 0, { absent: ['z'], control: [1, 0.1] });
  return cases;
}

/** LSTM, GRU, RNN, sLSTM, LTC; a random normaliser of an sLSTM would be no state that any sequence leads to, so it starts from none. */
function mamba3Cases(kernel: KernelName): Case[] {
  const cases: Case[] = [];
  const add = (B: number, L: number, H: number, P: number, G: number, N: number, R: number, S: number, shared: number, wrap: number, more: Partial<Case> = {}): void => {
    cases.push({ kernel, integers: [B, L, H, P, G, N, R, S, shared, wrap], scalars: [1e-5], values: { logDecay: (random) => -0.5 * random }, ...more });
  };
  const plain = ['xProjection', 'zProjection', 'outProjection', 'normWeight'];
  for (const L of [1, 2, 3, 63, 64, 65, 257]) add(1, L, 2, 16, 1, 16, 1, 4, 1, 0, { absent: plain });
  for (const P of [1, 3, 33, 64]) add(2, 65, 3, P, 1, 6, 1, 3, 0, 0);
  for (const N of [1, 3, 20, 34]) add(2, 66, 4, 5, 2, N, 2, Math.floor(N / 4), 1, 0, { control: [0.3, 0.05], absent: ['normWeight'] });
  add(2, 70, 4, 6, 4, 6, 4, 2, 0, 1, { control: [0.4, 0.1], absent: ['initialAngle', 'initialState', 'initialB', 'initialX', 'dFinalAngle'] });
  add(1, 130, 9, 4, 1, 8, 2, 4, 1, 0, { control: [0.4, 0.1] });
  add(2, 67, 2, 3, 1, 4, 1, 0, 1, 1, { absent: ['D', 'z', 'bBias', 'cBias', 'dFinalState', 'dFinalB', 'dFinalX', ...plain] });
  add(1, 65, 2, 17, 1, 8, 3, 2, 0, 0, { absent: ['z', 'zProjection'], control: [1, 0.1] });
  return cases;
}

function recurrentCases(kernel: KernelName): Case[] {
  const states = (letters: string): string[] => [...letters].flatMap((letter) => [`initial${letter}`, `final${letter}`, `dFinal${letter}`, `dInitial${letter}`]);
  const never = [[...states('NM'), 'constants', 'dConstants'], [...states('CNM'), 'constants', 'dConstants'], [...states('CNM'), 'constants', 'dConstants'],
    ['initialH', 'initialC', 'initialN', 'initialM', 'dInitialH', 'dInitialC', 'dInitialN', 'dInitialM', 'constants', 'dConstants'], states('CNM')];
  return never.flatMap((absent, kind) => {
    const same = { scalars: [0.8], values: { constants: (random: number) => random } };
    return ([
      [1, 1, 1, 1], [2, 17, 1, 3], [3, 33, 2, 16], [9, 16, 1, 20], [7, 15, 3, 5], [17, 40, 1, 33],
    ] as const).flatMap(([B, L, H, P]): Case[] => [
      { kernel, integers: [B, L, H, P, kind, 3], ...same, absent },
      { kernel, integers: [B, L, H, P, kind, 1], ...same, absent: [...absent, 'recurrentBias', 'initialH', 'initialC', 'dFinalH'], control: [0.3, 0.1] },
    ]);
  });
}

const convolutionCases = (kernel: KernelName): Case[] => ([[1, 1, 1, 4], [2, 3, 3, 4], [2, 65, 64, 4], [3, 130, 100, 3], [1, 9, 33, 1], [2, 12, 16, 9]] as const)
  .flatMap(([B, L, E, W]): Case[] => [
    { kernel, integers: [B, L, E, W, 1] },
    { kernel, integers: [B, L, E, W, 0], absent: ['bias', 'tail', 'dFinalTail'], control: [0.4, 0.1] },
    { kernel, integers: [B, L, E, W, 1], control: [0.3, 0.2] },
  ]);

const normCases = (kernel: KernelName): Case[] => ([[1, 1, 1], [3, 16, 1], [33, 100, 1], [40, 96, 4], [5, 33, 3], [200, 12, 2]] as const)
  .flatMap(([R, D, groups]): Case[] => [
    { kernel, integers: [R, D, groups, 0], scalars: [1e-5] },
    { kernel, integers: [R, D, groups, 1], scalars: [1e-5] },
    { kernel, integers: [R, D, groups, 0], scalars: [1e-6], absent: ['z', 'bias', 'weight'] },
  ]);

const affineCases = (kernel: KernelName): Case[] => ([[1, 1, 1], [1, 33, 40], [3, 16, 5], [5, 1, 33], [97, 17, 31], [100, 300, 70], [193, 64, 257], [13, 513, 32]] as const)
  .flatMap(([R, D, M]): Case[] => [{ kernel, integers: [R, D, M] }, { kernel, integers: [R, D, M], absent: ['bias', 'dBias'] }]);
const vandermondeCases = (kernel: KernelName): Case[] => ([[1, 1, 1, 1], [2, 3, 4, 63], [1, 9, 5, 257], [3, 2, 1, 600]] as const).flatMap(([C, H, N, L]): Case[] => [
  { kernel, integers: [C, H, N, L], values: { xRe: (r) => -0.05 * r, xIm: (r) => 7 * r } },
  { kernel, integers: [C, H, N, L], absent: ['KIm', 'dKIm'], values: { xRe: (r) => -2 * r } },
]);

const legsCases = (kernel: KernelName): Case[] => ([[1, 1, 1, 1, 1], [2, 65, 9, 3, 2], [1, 257, 17, 8, 1], [3, 130, 5, 4, 1]] as const).flatMap((integers): Case[] => [
  { kernel, integers, scalars: [0.5], values: { steps: (r) => Math.floor(9 * r) } },
  { kernel, integers, scalars: [1], absent: ['initial', 'dFinal', 'steps'], control: [0.3, 0.1] },
]);

const cauchyCases = (kernel: KernelName): Case[] => ([[1, 1, 1], [3, 5, 7], [2, 17, 65]] as const).flatMap(([B, N, M]): Case[] =>
  [0, 1].map((conjugate) => ({ kernel, integers: [B, N, M, conjugate], values: { wRe: (r) => -0.2 - r, zRe: (r) => 0.1 + r } })));

const dplrCases = (kernel: KernelName): Case[] => ([[1, 1, 1, 1, 1, 1], [2, 3, 2, 1, 16, 16], [3, 4, 1, 2, 15, 15], [9, 2, 1, 1, 64, 40], [1, 5, 3, 2, 257, 257]] as const)
  .map((integers): Case => ({ kernel, integers, values: { aRe: (r) => -0.05 - 0.3 * r, aIm: (r) => -3 * r } }));

/** Slow decays, and a low-rank part small enough to keep the system stable. */
const spaceCases = (kernel: KernelName): Case[] => ([[1, 1, 1, 1, 1, 0], [2, 65, 9, 3, 2, 0], [1, 257, 17, 4, 1, 1], [2, 63, 8, 2, 1, 2], [3, 130, 5, 4, 1, 0], [1, 5000, 3, 2, 1, 0]] as const)
  .flatMap((integers): Case[] => {
    const values = { aRe: (r: number) => 0.6 * r, aIm: (r: number) => 0.6 * r, fRe: (r: number) => 0.2 * r, fIm: (r: number) => 0.2 * r, gRe: (r: number) => 0.2 * r, gIm: (r: number) => -0.2 * r };
    const absent = integers[5] === 0 ? ['fRe', 'fIm', 'gRe', 'gIm'] : [];
    return [
      { kernel, integers, values, absent },
      { kernel, integers, values, absent: [...absent, 'initialRe', 'initialIm', 'dFinalRe', 'dFinalIm'], control: [0.3, 0.1] },
    ];
  });

const minus = (random: number): number => -0.1 - random;
const plus = (random: number): number => 0.1 + random;

function attentionCases(kernel: KernelName): Case[] {
  const options = ['bonus', 'beta', 'a', 'b', 'inputGate', 'initialState', 'initialNormaliser', 'initialMaximum', 'decay'];
  const pairs: Readonly<Record<string, readonly string[]>> = {
    bonus: ['dBonus'], beta: ['dBeta'], a: ['da'], b: ['db'], inputGate: ['dInputGate'], initialState: ['dInitialState'], decay: ['dDecay'],
    initialNormaliser: ['dInitialNormaliser', 'finalNormaliser', 'dFinalNormaliser'], initialMaximum: ['dInitialMaximum', 'finalMaximum', 'dFinalMaximum'],
  };
  const without = (...kept: string[]): string[] => options.filter((name) => !kept.includes(name)).flatMap((name) => [name, ...pairs[name]!]);
  const rules: [number, number, string[]][] = [
    [0, 0, []], [1, 0, ['decay']], [2, 0, ['decay', 'bonus', 'initialState']], [3, 0, ['decay', 'beta']], [4, 0, ['decay', 'a', 'b', 'initialState']],
    [3, 2, ['decay', 'inputGate', 'initialState', 'initialNormaliser', 'initialMaximum']], [3, 2, ['decay', 'initialNormaliser', 'initialState']],
  ];
  return rules.flatMap(([decay, normaliser, kept]) => ([[1, 1, 1, 1, 1], [2, 37, 2, 5, 17], [2, 18, 3, 16, 130]] as const).flatMap(([B, L, H, K, V]): Case[] => {
    const shared = { kernel, integers: [B, L, H, K, V, decay, normaliser], scalars: [1 / Math.sqrt(K), 1e-6], values: { decay: minus }, absent: without(...kept) };
    return [shared, { ...shared, control: [0.3, 0.1] }];
  }));
}

const meanCases = (kernel: KernelName): Case[] => ([[1, 1, 1], [2, 40, 5], [3, 65, 130]] as const).flatMap(([B, L, E]): Case[] => [
  { kernel, integers: [B, L, E], values: { decay: minus, initialDenominator: plus } },
  { kernel, integers: [B, L, E], values: { decay: minus, initialDenominator: plus }, absent: ['initialNumerator', 'initialDenominator', 'initialMaximum', 'dFinalMaximum', 'dInitialNumerator', 'dInitialDenominator', 'dInitialMaximum'], control: [0.3, 0.1] },
]);
/** |a| stays below 1: complex parts of at most .7. */
const linearCases = (kernel: KernelName): Case[] => {
  const part = (random: number): number => 1.4 * random - 0.7;
  const values = kernel.includes('Complex') ? { aRe: part, aIm: part } : {};
  return [[1, 1, 1], [2, 2, 3], [2, 65, 64], [1, 257, 100], [9, 33, 17], [3, 63, 33], [4, 35, 270]].flatMap((sizes) => [0, 1].flatMap((varying) => [0, 1].flatMap((reverse): Case[] => {
    const integers = [...sizes, varying, reverse];
    return [
      { kernel, integers, values },
      { kernel, integers, values, absent: ['initialState', 'initialRe', 'initialIm', 'dFinalState', 'dFinalRe', 'dFinalIm', 'bIm'], control: [0.4, 0.1] },
      { kernel, integers, values, control: [0.2, 0.2] },
    ];
  })));
};
/** Targets from -1, which is ignored, to the last word. */
const wordsOf = (vocabSize: number): NonNullable<Case['values']> => ({ targets: (random) => Math.floor(random * (vocabSize + 1)) - 1 });

/** Causal attention of L steps behind `cached` keys; M = 0: none. */
function softmaxCases(kernel: KernelName): Case[] {
  return ([
    [1, 1, 0, 1, 1, 1, 1, 0, 0], [2, 70, 0, 4, 2, 8, 5, 8, 0], [1, 33, 50, 2, 1, 17, 16, 4, 1], [2, 5, 130, 3, 3, 6, 33, 6, 0],
  ] as const).map(([B, L, M, H, G, K, V, R, interleaved]): Case => {
    const cached = Math.max(0, M - L), kept = M === 0 ? 0 : cached + L, absent = [...(M === 0 ? ['keys', 'values', 'finalKeys', 'finalValues', 'dFinalKeys', 'dFinalValues', 'dKeys', 'dValues'] : []), ...(R === 0 ? ['cosine', 'sine'] : [])];
    const row = (i: number): number => Math.floor(i / 4) % L;
    return {
      kernel, integers: [B, L, M, H, G, K, V, R, interleaved, L], scalars: [0.6], absent,
      values: { rows: (_random, i) => [row(i), 0, cached + row(i), row(i)][i % 4]!, counts: (_random, i) => [L, cached, 0, kept][i % 4]! },
    };
  });
}

/** Pair p chooses expert p mod X. */
function expertCases(kernel: KernelName): Case[] {
  return ([[1, 1, 1, 1, 1, 0], [40, 5, 9, 3, 2, 0], [70, 33, 16, 4, 1, 1], [9, 16, 17, 5, 2, 2]] as const).map(([R, D, F, X, k, activation]): Case => {
    const order = Array.from({ length: X }, (_, expert) => Array.from({ length: R * k }, (__, pair) => pair).filter((pair) => pair % X === expert));
    const offsets = order.reduce((sums, pairs) => [...sums, sums.at(-1)! + pairs.length], [0]);
    const blocks = order.flatMap((pairs, expert) => Array.from({ length: Math.ceil(pairs.length / 32) }, (_, i) => [expert, offsets[expert]! + 32 * i, Math.min(offsets[expert]! + 32 * (i + 1), offsets[expert + 1]!)]));
    return {
      kernel, integers: [R, D, F, X, k, activation, blocks.length],
      values: { order: (_random, i) => order.flat()[i]!, blocks: (_random, i) => blocks.flat()[i]!, offsets: (_random, i) => offsets[i]! },
    };
  });
}

const NO_HISTORY = ['history', 'finalHistory', 'dHistory', 'dFinalHistory'];

const fftConvolutionCases = (kernel: KernelName): Case[] => [
  ...([[1, 1, 1, 1, 1], [2, 5, 3, 9, 1], [2, 65, 17, 65, 1], [1, 130, 16, 64, 2], [2, 33, 20, 5, 1], [1, 257, 33, 257, 1]] as const).flatMap(([B, L, E, K, M]): Case[] => [0, 1, 2].flatMap((method): Case[] => {
    const integers = [B, L, E, K, M, L, K, 0, 0, method];
    return [
      { kernel, integers },
      { kernel, integers, absent: ['D', 'preGate', 'dPreGate', 'postGate', 'dPostGate', ...NO_HISTORY], control: [0.3, 0.05] },
    ];
  })),
  ...[1, 2].map((method): Case => ({ kernel, integers: [2, 42, 5, 9, 1, 7, 3, 1, 1, method], absent: NO_HISTORY })),
];

/**
 * Small calls of every kernel: what `kernels.test.ts` holds against the float64 reference, and what the browser must repeat. A new kernel adds its own.
 */
export const CASES: readonly Case[] = [
  ...(['selectiveScanForward', 'selectiveScanBackward', 'selectiveScanComplexForward', 'selectiveScanComplexBackward'] as const).flatMap(scanCases),
  ...(['ssdScanForward', 'ssdScanBackward'] as const).flatMap(ssdCases),
  ...(['mamba3ScanForward', 'mamba3ScanBackward'] as const).flatMap(mamba3Cases),
  ...(['causalConv1dForward', 'causalConv1dBackward'] as const).flatMap(convolutionCases),
  ...(['linearForward', 'linearBackward'] as const).flatMap(affineCases),
  ...(['fftConvolutionForward', 'fftConvolutionBackward'] as const).flatMap(fftConvolutionCases),
  ...(['rmsNormForward', 'rmsNormBackward'] as const).flatMap(normCases),
  ...(['nonlinearScanForward', 'nonlinearScanBackward'] as const).flatMap(recurrentCases),
  ...(['vandermondeForward', 'vandermondeBackward'] as const).flatMap(vandermondeCases),
  ...(['cauchyForward', 'cauchyBackward'] as const).flatMap(cauchyCases),
  ...(['dplrKernelForward', 'dplrKernelBackward'] as const).flatMap(dplrCases),
  ...(['stateSpaceScanForward', 'stateSpaceScanBackward'] as const).flatMap(spaceCases),
  ...(['legsScanForward', 'legsScanBackward'] as const).flatMap(legsCases),
  ...(['gatedLinearAttentionForward', 'gatedLinearAttentionBackward'] as const).flatMap(attentionCases),
  ...(['wkv4Forward', 'wkv4Backward'] as const).flatMap(meanCases),
  ...(['linearScanForward', 'linearScanBackward', 'linearScanComplexForward', 'linearScanComplexBackward'] as const).flatMap(linearCases),
  ...(['linearCrossEntropyForward', 'linearCrossEntropyBackward'] as const).flatMap((kernel) => ([[1, 1, 1], [70, 5, 9], [33, 32, 130], [130, 17, 65]] as const).flatMap((integers): Case[] => [
    { kernel, integers, values: wordsOf(integers[2]) }, { kernel, integers, absent: ['bias'], values: wordsOf(integers[2]) },
  ])),
  ...(['attentionForward', 'attentionBackward'] as const).flatMap(softmaxCases),
  ...(['mixtureOfExpertsForward', 'mixtureOfExpertsBackward'] as const).flatMap(expertCases),
  ...[1, 7, 16384, 70001].flatMap((n): Case[] => [
    { kernel: 'sumOfSquares', integers: [n] },
    { kernel: 'adamW', integers: [n], scalars: [1e-3, 0.9, 0.999, 1e-8, 0.01, 0.271, 0.003, 0.7] },
  ]),
];
