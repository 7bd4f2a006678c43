import { KernelError } from '../../errors/index.ts';
import { SIGNATURES } from '../../kernels/signatures.ts';
import type { KernelName } from '../../kernels/signatures.ts';
import type { KernelBuffer, KernelCall, KernelTarget } from '../../kernels/target.ts';
import { adamWReference, sumOfSquaresReference } from '../adam-w/reference.ts';
import { attentionBackwardReference, attentionForwardReference } from '../attention/reference.ts';
import { causalConv1dBackwardReference, causalConv1dForwardReference } from '../causal-conv1d/reference.ts';
import { crossEntropyBackwardReference, crossEntropyForwardReference } from '../linear-cross-entropy/reference.ts';
import { linearBackwardReference, linearForwardReference } from '../linear/reference.ts';
import { gatedLinearAttentionBackwardReference, gatedLinearAttentionForwardReference } from '../gated-linear-attention/reference.ts';
import { fftConvolutionBackwardReference, fftConvolutionForwardReference } from '../fft-convolution/reference.ts';
import { linearScanBackwardReference, linearScanForwardReference } from '../linear-scan/reference.ts';
import { expertsBackwardReference, expertsForwardReference } from '../mixture-of-experts/reference.ts';
import { mamba3ScanBackwardReference, mamba3ScanForwardReference } from '../mamba3-scan/reference.ts';
import { nonlinearScanBackwardReference, nonlinearScanForwardReference } from '../nonlinear-scan/reference.ts';
import { rmsNormBackwardReference, rmsNormForwardReference } from '../rms-norm/reference.ts';
import { complexScanBackwardReference, complexScanForwardReference } from '../selective-scan/reference-complex.ts';
import { ssdScanBackwardReference, ssdScanForwardReference } from '../ssd-scan/reference.ts';
import { selectiveScanBackwardReference, selectiveScanForwardReference } from '../selective-scan/reference.ts';
import { cauchyBackwardReference, cauchyForwardReference } from '../cauchy/reference.ts';
import { dplrKernelBackwardReference, dplrKernelForwardReference } from '../dplr-kernel/reference.ts';
import { legsBackwardReference, legsForwardReference } from '../legs-scan/reference.ts';
import { stateSpaceBackwardReference, stateSpaceForwardReference } from '../state-space-scan/reference.ts';
import { vandermondeBackwardReference, vandermondeForwardReference } from '../vandermonde/reference.ts';
import { wkv4BackwardReference, wkv4ForwardReference } from '../wkv4/reference.ts';

type Buffers = readonly (KernelBuffer | null)[];
type Results = readonly (ArrayLike<number> | null)[];
type Run = (inputs: Buffers, integers: readonly number[], scalars: readonly number[]) => Results;

/** The buffer at a place that the signature does not mark as optional. */
function required(buffers: Buffers, index: number): KernelBuffer {
  const buffer = buffers[index];
  if (!buffer) throw new KernelError(`reference target: input ${index} is missing, expected a buffer. Pass it as its signature says.`);
  return buffer;
}

const scanInputs = (buffers: Buffers, integers: readonly number[]) => ({
  batch: integers[0]!, length: integers[1]!, channels: integers[2]!, stateSize: integers[3]!, groupsB: integers[4]!, groupsC: integers[5]!,
  softplus: integers[6] === 1, stateEvery: integers[7]!,
  u: required(buffers, 0), delta: required(buffers, 1), A: required(buffers, 2), B: required(buffers, 3), C: required(buffers, 4),
  D: buffers[5], z: buffers[6], deltaBias: buffers[7], initialState: buffers[8], control: buffers[9],
});

const complexInputs = (buffers: Buffers, integers: readonly number[]) => ({
  batch: integers[0]!, length: integers[1]!, channels: integers[2]!, stateSize: integers[3]!, groupsB: integers[4]!, groupsC: integers[5]!,
  softplus: integers[6] === 1, stateEvery: integers[7]!,
  u: required(buffers, 0), delta: required(buffers, 1), ARe: required(buffers, 2), AIm: required(buffers, 3),
  BRe: required(buffers, 4), BIm: buffers[5], CRe: required(buffers, 6), CIm: buffers[7],
  D: buffers[8], z: buffers[9], deltaBias: buffers[10], initialRe: buffers[11], initialIm: buffers[12], control: buffers[13],
});

const ssdInputs = (buffers: Buffers, integers: readonly number[], scalars: readonly number[]) => ({
  batch: integers[0]!, length: integers[1]!, heads: integers[2]!, headWidth: integers[3]!, groups: integers[4]!, stateSize: integers[5]!,
  softplus: integers[6] === 1, stateEvery: integers[7]!, varyingDecay: integers[8] === 1, wideSkip: integers[9] === 1, dtLeast: scalars[0]!, dtMost: scalars[1]!,
  x: required(buffers, 0), dt: required(buffers, 1), A: required(buffers, 2), B: required(buffers, 3), C: required(buffers, 4),
  D: buffers[5], z: buffers[6], dtBias: buffers[7], initialState: buffers[8], control: buffers[9],
});

const mamba3Inputs = (buffers: Buffers, integers: readonly number[], scalars: readonly number[]) => ({
  batch: integers[0]!, length: integers[1]!, heads: integers[2]!, headWidth: integers[3]!, groups: integers[4]!, stateSize: integers[5]!, rank: integers[6]!, rotated: integers[7]!,
  sharedAngles: integers[8] === 1, wrapAngles: integers[9] === 1, normEpsilon: scalars[0]!,
  x: required(buffers, 0), dt: required(buffers, 1), logDecay: required(buffers, 2), trap: required(buffers, 3), B: required(buffers, 4), C: required(buffers, 5), angles: required(buffers, 6),
  bBias: buffers[7], cBias: buffers[8], D: buffers[9], z: buffers[10], xProjection: buffers[11], zProjection: buffers[12], outProjection: buffers[13], normWeight: buffers[14],
  initialAngle: buffers[15], initialState: buffers[16], initialB: buffers[17], initialX: buffers[18], control: buffers[19],
});

const convolutionInputs = (buffers: Buffers, integers: readonly number[]) => ({
  batch: integers[0]!, length: integers[1]!, channels: integers[2]!, width: integers[3]!, silu: integers[4] === 1,
  x: required(buffers, 0), weight: required(buffers, 1), bias: buffers[2], tail: buffers[3], control: buffers[4],
});

const longConvolutionInputs = (buffers: Buffers, integers: readonly number[]) => ({
  batch: integers[0]!, length: integers[1]!, channels: integers[2]!, taps: integers[3]!, kernels: integers[4]!, columns: integers[5]!, kernelColumns: integers[6]!,
  centreRow: integers[7]!, centreColumn: integers[8]!, u: required(buffers, 0), kernel: required(buffers, 1), D: buffers[2], preGate: buffers[3], postGate: buffers[4],
  history: buffers[5], control: buffers[6],
});

const normInputs = (buffers: Buffers, integers: readonly number[], scalars: readonly number[]) => ({
  rows: integers[0]!, width: integers[1]!, groups: integers[2]!, gateBeforeNorm: integers[3] === 1, epsilon: scalars[0]!,
  x: required(buffers, 0), weight: buffers[1], z: buffers[2], bias: buffers[3],
});

const RECURRENT_KINDS = ['lstm', 'gru', 'rnn', 'slstm', 'ltc'] as const;

const recurrentInputs = (buffers: Buffers, integers: readonly number[], scalars: readonly number[]) => ({
  batch: integers[0]!, length: integers[1]!, heads: integers[2]!, headWidth: integers[3]!, kind: RECURRENT_KINDS[integers[4]!]!,
  unfolds: integers[4] === 4 ? integers[5]! : 1, timeStep: scalars[0]!,
  x: required(buffers, 0), recurrent: required(buffers, 1), recurrentBias: buffers[2], initialHidden: buffers[3], initialCell: buffers[4],
  control: buffers[5], initialNormaliser: buffers[6], initialMaximum: buffers[7], constants: buffers[8],
});

const entropyInputs = (buffers: Buffers, integers: readonly number[]) => ({
  rows: integers[0]!, inner: integers[1]!, vocabSize: integers[2]!,
  x: required(buffers, 0), weight: required(buffers, 1), bias: buffers[2], targets: required(buffers, 3),
});

const affineInputs = (buffers: Buffers, integers: readonly number[]) => ({
  rows: integers[0]!, inner: integers[1]!, outer: integers[2]!, x: required(buffers, 0), weight: required(buffers, 1), bias: buffers[2],
});

const linearSizes = ([batch, length, channels, varying, reverse]: readonly number[]) => ({
  batch: batch!, length: length!, channels: channels!, varying: varying === 1, reverse: reverse === 1,
});

const linearInputs = (buffers: Buffers, integers: readonly number[]) => ({
  ...linearSizes(integers), b: required(buffers, 0), a: required(buffers, 1), initial: buffers[2], control: buffers[3],
});

const linearComplexInputs = (buffers: Buffers, integers: readonly number[]) => ({
  ...linearSizes(integers), b: required(buffers, 0), bIm: buffers[1], a: required(buffers, 2), aIm: required(buffers, 3),
  initial: buffers[4], initialIm: buffers[5], control: buffers[6],
});

const vandermondeInputs = (buffers: Buffers, [channels, heads, modes, length]: readonly number[]) => ({
  channels: channels!, heads: heads!, modes: modes!, length: length!, vRe: required(buffers, 0), vIm: required(buffers, 1), xRe: required(buffers, 2), xIm: required(buffers, 3),
});

const cauchyInputs = (buffers: Buffers, [batch, modes, nodes, conjugate]: readonly number[]) => ({
  batch: batch!, modes: modes!, nodes: nodes!, conjugate: conjugate === 1, vRe: required(buffers, 0), vIm: required(buffers, 1),
  zRe: required(buffers, 2), zIm: required(buffers, 3), wRe: required(buffers, 4), wIm: required(buffers, 5),
});

const dplrInputs = (buffers: Buffers, [heads, modes, channels, rank, nodes, length]: readonly number[]) => ({
  heads: heads!, modes: modes!, channels: channels!, rank: rank!, nodes: nodes!, length: length!, aRe: required(buffers, 0), aIm: required(buffers, 1),
  rowsRe: required(buffers, 2), rowsIm: required(buffers, 3), columnsRe: required(buffers, 4), columnsIm: required(buffers, 5),
});

const legsInputs = (buffers: Buffers, [batch, length, heads, stateSize, channels]: readonly number[], [alpha]: readonly number[]) => ({
  batch: batch!, length: length!, heads: heads!, stateSize: stateSize!, channels: channels!, alpha: alpha!, u: required(buffers, 0), c: required(buffers, 1),
  initial: buffers[2], steps: buffers[3], control: buffers[4],
});

const spaceInputs = (buffers: Buffers, [batch, length, heads, modes, channels, rank]: readonly number[]) => {
  const optional = (index: number): KernelBuffer => buffers[index] ?? new Float64Array(0);
  return {
    batch: batch!, length: length!, heads: heads!, modes: modes!, channels: channels!, rank: rank!, u: required(buffers, 0),
    aRe: required(buffers, 1), aIm: required(buffers, 2), bRe: required(buffers, 3), bIm: required(buffers, 4), cRe: optional(5), cIm: optional(6),
    fRe: optional(7), fIm: optional(8), gRe: optional(9), gIm: optional(10), initialRe: buffers[11], initialIm: buffers[12], control: buffers[13],
  };
};

const attentionInputs = (buffers: Buffers, integers: readonly number[], scalars: readonly number[]) => ({
  batch: integers[0]!, length: integers[1]!, heads: integers[2]!, keyWidth: integers[3]!, valueWidth: integers[4]!,
  decayKind: (['none', 'head', 'headKey', 'step', 'stepKey'] as const)[integers[5]!]!, normaliser: (['none', 'sum', 'maximum'] as const)[integers[6]!]!,
  scale: scalars[0]!, epsilon: scalars[1]!, q: required(buffers, 0), k: required(buffers, 1), v: required(buffers, 2), decay: buffers[3], bonus: buffers[4],
  beta: buffers[5], a: buffers[6], b: buffers[7], inputGate: buffers[8], initialState: buffers[9], initialNormaliser: buffers[10], initialMaximum: buffers[11],
  control: buffers[12],
});

const weightedInputs = (buffers: Buffers, integers: readonly number[]) => ({
  batch: integers[0]!, length: integers[1]!, channels: integers[2]!, k: required(buffers, 0), v: required(buffers, 1), decay: required(buffers, 2),
  bonus: required(buffers, 3), initialNumerator: buffers[4], initialDenominator: buffers[5], initialMaximum: buffers[6], control: buffers[7],
});
const softmaxInputs = (buffers: Buffers, integers: readonly number[], scalars: readonly number[]) => ({
  batch: integers[0]!, length: integers[1]!, capacity: integers[2]!, heads: integers[3]!, groups: integers[4]!, keyWidth: integers[5]!, valueWidth: integers[6]!,
  rotary: integers[7]!, interleaved: integers[8] === 1, scale: scalars[0]!, q: required(buffers, 0), k: required(buffers, 1), v: required(buffers, 2), keys: buffers[3], values: buffers[4],
  rows: required(buffers, 5), counts: required(buffers, 6), cosine: buffers[7], sine: buffers[8],
});

/** Experts by pair, from the pairs sorted by expert. */
function expertInputs(buffers: Buffers, integers: readonly number[]) {
  const [order, blocks] = [required(buffers, 4), required(buffers, 5)];
  const chosen = new Int32Array(order.length);
  for (let block = 0; block < blocks.length; block += 3) {
    for (let place = blocks[block + 1]!; place < blocks[block + 2]!; place++) chosen[order[place]!] = blocks[block]!;
  }
  return {
    rows: integers[0]!, inner: integers[1]!, hidden: integers[2]!, experts: integers[3]!, choices: integers[4]!, activation: (['swiglu', 'gelu', 'relu'] as const)[integers[5]!]!,
    x: required(buffers, 0), first: required(buffers, 1), second: required(buffers, 2), gates: required(buffers, 3), chosen,
  };
}

const RUNS: Readonly<Record<KernelName, Run>> = {
  selectiveScanForward: (buffers, integers) => {
    const { y, finalState, states } = selectiveScanForwardReference(scanInputs(buffers, integers));
    return [y, finalState, states];
  },
  selectiveScanBackward: (buffers, integers) => {
    const g = selectiveScanBackwardReference(scanInputs(buffers, integers), required(buffers, 10), buffers[11] ?? null, buffers[12] ?? null);
    return [g.du, g.dDelta, g.dA, g.dB, g.dC, g.dD, g.dz, g.dDeltaBias, g.dInitialState];
  },
  selectiveScanComplexForward: (buffers, integers) => {
    const { y, finalRe, finalIm, statesRe, statesIm } = complexScanForwardReference(complexInputs(buffers, integers));
    return [y, finalRe, finalIm, statesRe, statesIm];
  },
  selectiveScanComplexBackward: (buffers, integers) => {
    const g = complexScanBackwardReference(complexInputs(buffers, integers), {
      dy: required(buffers, 14), dFinalRe: buffers[15], dFinalIm: buffers[16], dStatesRe: buffers[17], dStatesIm: buffers[18],
    });
    return [g.du, g.dDelta, g.dARe, g.dAIm, g.dBRe, g.dBIm, g.dCRe, g.dCIm, g.dD, g.dz, g.dDeltaBias, g.dInitialRe, g.dInitialIm];
  },
  ssdScanForward: (buffers, integers, scalars) => {
    const { y, finalState, states } = ssdScanForwardReference(ssdInputs(buffers, integers, scalars));
    return [y, finalState, states];
  },
  ssdScanBackward: (buffers, integers, scalars) => {
    const g = ssdScanBackwardReference(ssdInputs(buffers, integers, scalars), required(buffers, 10), buffers[11] ?? null, buffers[12] ?? null);
    return [g.dx, g.dDt, g.dA, g.dB, g.dC, g.dD, g.dz, g.dDtBias, g.dInitialState];
  },
  mamba3ScanForward: (buffers, integers, scalars) => {
    const { y, finalAngle, finalState, finalB, finalX } = mamba3ScanForwardReference(mamba3Inputs(buffers, integers, scalars));
    return [y, finalAngle, finalState, finalB, finalX];
  },
  mamba3ScanBackward: (buffers, integers, scalars) => {
    const g = mamba3ScanBackwardReference(mamba3Inputs(buffers, integers, scalars), {
      dy: required(buffers, 20), dFinalAngle: buffers[21], dFinalState: buffers[22], dFinalB: buffers[23], dFinalX: buffers[24],
    });
    return [g.dx, g.dDt, g.dLogDecay, g.dTrap, g.dB, g.dC, g.dAngles, g.dBBias, g.dCBias, g.dD, g.dz, g.dXProjection, g.dZProjection, g.dOutProjection, g.dNormWeight,
      g.dInitialAngle, g.dInitialState, g.dInitialB, g.dInitialX];
  },
  causalConv1dForward: (buffers, integers) => {
    const { y, finalTail } = causalConv1dForwardReference(convolutionInputs(buffers, integers));
    return [y, finalTail];
  },
  causalConv1dBackward: (buffers, integers) => {
    const g = causalConv1dBackwardReference(convolutionInputs(buffers, integers), required(buffers, 5), buffers[6] ?? null);
    return [g.dx, g.dWeight, g.dBias, g.dTail];
  },
  linearForward: (buffers, integers) => [linearForwardReference(affineInputs(buffers, integers))],
  linearBackward: (buffers, integers) => {
    const g = linearBackwardReference(affineInputs(buffers, integers), required(buffers, 2));
    return [g.dx, g.dWeight, g.dBias];
  },
  fftConvolutionForward: (buffers, integers) => {
    const { y, finalHistory } = fftConvolutionForwardReference(longConvolutionInputs(buffers, integers));
    return [y, finalHistory];
  },
  fftConvolutionBackward: (buffers, integers) => {
    const g = fftConvolutionBackwardReference(longConvolutionInputs(buffers, integers), required(buffers, 7), buffers[8] ?? null);
    return [g.du, g.dKernel, g.dD, g.dPreGate, g.dPostGate, g.dHistory];
  },
  rmsNormForward: (buffers, integers, scalars) => [rmsNormForwardReference(normInputs(buffers, integers, scalars))],
  rmsNormBackward: (buffers, integers, scalars) => {
    const g = rmsNormBackwardReference(normInputs(buffers, integers, scalars), required(buffers, 4));
    return [g.dx, g.dWeight, g.dz, g.dBias];
  },
  nonlinearScanForward: (buffers, integers, scalars) => {
    const r = nonlinearScanForwardReference(recurrentInputs(buffers, integers, scalars));
    return [r.hidden, r.finalHidden, r.finalCell, r.finalNormaliser, r.finalMaximum];
  },
  nonlinearScanBackward: (buffers, integers, scalars) => {
    const g = nonlinearScanBackwardReference(recurrentInputs(buffers, integers, scalars), required(buffers, 9), {
      hidden: buffers[10], cell: buffers[11], normaliser: buffers[12], maximum: buffers[13],
    });
    return [g.dx, g.dRecurrent, g.dRecurrentBias, g.dInitialHidden, g.dInitialCell, g.dInitialNormaliser, g.dInitialMaximum, g.dConstants];
  },
  linearCrossEntropyForward: (buffers, integers) => [crossEntropyForwardReference(entropyInputs(buffers, integers))],
  linearCrossEntropyBackward: (buffers, integers) => {
    const g = crossEntropyBackwardReference(entropyInputs(buffers, integers), required(buffers, 4));
    return [g.dx, g.dWeight, g.dBias];
  },
  vandermondeForward: (buffers, integers) => {
    const { kRe, kIm } = vandermondeForwardReference(vandermondeInputs(buffers, integers));
    return [kRe, kIm];
  },
  vandermondeBackward: (buffers, integers) => {
    const g = vandermondeBackwardReference(vandermondeInputs(buffers, integers), required(buffers, 4), buffers[5]);
    return [g.dvRe, g.dvIm, g.dxRe, g.dxIm];
  },
  cauchyForward: (buffers, integers) => {
    const { re, im } = cauchyForwardReference(cauchyInputs(buffers, integers));
    return [re, im];
  },
  cauchyBackward: (buffers, integers) => {
    const g = cauchyBackwardReference(cauchyInputs(buffers, integers), required(buffers, 6), required(buffers, 7));
    return [g.dvRe, g.dvIm, g.dzRe, g.dzIm, g.dwRe, g.dwIm];
  },
  dplrKernelForward: (buffers, integers) => [dplrKernelForwardReference(dplrInputs(buffers, integers))],
  dplrKernelBackward: (buffers, integers) => {
    const g = dplrKernelBackwardReference(dplrInputs(buffers, integers), required(buffers, 6));
    return [g.daRe, g.daIm, g.dRowsRe, g.dRowsIm, g.dColumnsRe, g.dColumnsIm];
  },
  stateSpaceScanForward: (buffers, integers) => {
    const { y, finalRe, finalIm } = stateSpaceForwardReference(spaceInputs(buffers, integers));
    return [y, finalRe, finalIm];
  },
  stateSpaceScanBackward: (buffers, integers) => {
    const g = stateSpaceBackwardReference(spaceInputs(buffers, integers), buffers[14], buffers[15], buffers[16]);
    return [g.du, g.daRe, g.daIm, g.dbRe, g.dbIm, g.dcRe, g.dcIm, g.dfRe, g.dfIm, g.dgRe, g.dgIm, g.dInitialRe, g.dInitialIm];
  },
  legsScanForward: (buffers, integers, scalars) => {
    const { y, final } = legsForwardReference(legsInputs(buffers, integers, scalars));
    return [y, final];
  },
  legsScanBackward: (buffers, integers, scalars) => {
    const g = legsBackwardReference(legsInputs(buffers, integers, scalars), required(buffers, 5), buffers[6]);
    return [g.du, g.dc, g.dInitial];
  },
  gatedLinearAttentionForward: (buffers, integers, scalars) => {
    const { output, finalState, finalNormaliser, finalMaximum } = gatedLinearAttentionForwardReference(attentionInputs(buffers, integers, scalars));
    return [output, finalState, finalNormaliser, finalMaximum];
  },
  gatedLinearAttentionBackward: (buffers, integers, scalars) => {
    const g = gatedLinearAttentionBackwardReference(attentionInputs(buffers, integers, scalars), {
      output: required(buffers, 13), finalState: buffers[14], finalNormaliser: buffers[15], finalMaximum: buffers[16],
    });
    return [g.q, g.k, g.v, g.decay, g.bonus, g.beta, g.a, g.b, g.inputGate, g.initialState, g.initialNormaliser, g.initialMaximum];
  },
  wkv4Forward: (buffers, integers) => {
    const { output, numerator, denominator, maximum } = wkv4ForwardReference(weightedInputs(buffers, integers));
    return [output, numerator, denominator, maximum];
  },
  wkv4Backward: (buffers, integers) => {
    const g = wkv4BackwardReference(weightedInputs(buffers, integers), {
      output: required(buffers, 8), numerator: buffers[9], denominator: buffers[10], maximum: buffers[11],
    });
    return [g.k, g.v, g.decay, g.bonus, g.numerator, g.denominator, g.maximum];
  },
  linearScanForward: (buffers, integers) => {
    const { x, final } = linearScanForwardReference(linearInputs(buffers, integers));
    return [x, final];
  },
  linearScanBackward: (buffers, integers) => {
    const g = linearScanBackwardReference(linearInputs(buffers, integers), { dx: required(buffers, 4), dFinal: buffers[5] });
    return [g.db, g.da, g.dInitial];
  },
  linearScanComplexForward: (buffers, integers) => {
    const { x, xIm, final, finalIm } = linearScanForwardReference(linearComplexInputs(buffers, integers));
    return [x, xIm, final, finalIm];
  },
  linearScanComplexBackward: (buffers, integers) => {
    const g = linearScanBackwardReference(linearComplexInputs(buffers, integers), {
      dx: required(buffers, 7), dxIm: required(buffers, 8), dFinal: buffers[9], dFinalIm: buffers[10],
    });
    return [g.db, g.dbIm, g.da, g.daIm, g.dInitial, g.dInitialIm];
  },
  attentionForward: (buffers, integers, scalars) => {
    const { y, finalKeys, finalValues } = attentionForwardReference(softmaxInputs(buffers, integers, scalars));
    return [y, finalKeys, finalValues];
  },
  attentionBackward: (buffers, integers, scalars) => {
    const g = attentionBackwardReference(softmaxInputs(buffers, integers, scalars), required(buffers, 9), buffers[10], buffers[11]);
    return [g.dq, g.dk, g.dv, g.dKeys, g.dValues];
  },
  mixtureOfExpertsForward: (buffers, integers) => [expertsForwardReference(expertInputs(buffers, integers))],
  mixtureOfExpertsBackward: (buffers, integers) => {
    const g = expertsBackwardReference(expertInputs(buffers, integers), required(buffers, 6));
    return [g.dx, g.dFirst, g.dSecond, g.dGates];
  },
  sumOfSquares: (buffers) => [[sumOfSquaresReference(required(buffers, 0))]],
  adamW: (buffers, _integers, scalars) => {
    const [learningRate, beta1, beta2, epsilon, weightDecay, correction1, correction2, clipScale] = scalars as readonly [
      number, number, number, number, number, number, number, number,
    ];
    const settings = { learningRate, beta1, beta2, epsilon, weightDecay, correction1, correction2, clipScale };
    const r = adamWReference(required(buffers, 0), required(buffers, 1), required(buffers, 2), required(buffers, 3), settings);
    return [r.parameter, r.firstMoment, r.secondMoment];
  },
};

/**
 * A kernel target made of the float64 references: thousands of times slower than a compiled one, for debugging and for checking the
 * other targets. Nothing picks it by itself; ask for it by `useBackend({ name, kernels: 'reference' })`.
 */
export function createReferenceTarget(): KernelTarget {
  return {
    name: 'reference',
    instructionSet: 'float64 reference',
    threads: 1,
    run(call: KernelCall): void {
      if (!(call.kernel in SIGNATURES)) {
        throw new KernelError(`reference target: kernel '${call.kernel}' does not exist, expected one of ${Object.keys(SIGNATURES).join(', ')}.`);
      }
      const results = RUNS[call.kernel as KernelName](call.inputs, call.integers, call.scalars ?? []);
      call.outputs.forEach((output, i) => {
        if (output) output.set(results[i]!);
      });
    },
    memory: () => ({ lastCallBytes: 0, highWaterBytes: 0, heapBytes: 0 }),
    dispose: () => {},
  };
}
