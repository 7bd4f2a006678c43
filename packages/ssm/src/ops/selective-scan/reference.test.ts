import { centralDifferences, expectGradient, SeededValues } from '@mamba360/testing';
import { describe, expect, it } from 'vitest';
import { complexScanBackwardReference, complexScanForwardReference } from './reference-complex.ts';
import type { ComplexScanInputs } from './reference-complex.ts';
import { selectiveScanBackwardReference, selectiveScanForwardReference, selectiveScanStepReference } from './reference.ts';
import type { SelectiveScanInputs } from './reference.ts';

const SIZES = { batch: 2, length: 5, channels: 4, stateSize: 3 };
const CONTROL = [0, 1, 0, 2, 0, 1, 0, 0, 1, 2];
const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => Array.from(a).reduce((sum, value, i) => sum + value * b[i]!, 0);

function realInputs(groupsB: number, groupsC: number, full: boolean, stateEvery = 0): SelectiveScanInputs {
  const random = new SeededValues(groupsB * 7 + groupsC + (full ? 100 : 0));
  const { batch, length, channels, stateSize } = SIZES;
  const coefficient = (groups: number): Float64Array => random.normal(groups === 0 ? channels * stateSize : batch * length * groups * stateSize);
  return {
    ...SIZES, groupsB, groupsC, softplus: full, stateEvery,
    u: random.normal(batch * length * channels), delta: random.between(batch * length * channels, 0.1, 1),
    A: random.between(channels * stateSize, -2, -0.1), B: coefficient(groupsB), C: coefficient(groupsC),
    ...(full ? {
      D: random.normal(channels), z: random.normal(batch * length * channels), deltaBias: random.normal(channels),
      initialState: random.normal(batch * channels * stateSize), control: CONTROL,
    } : {}),
  };
}

describe('real scan in float64', () => {
  it.each([[0, 0, false], [1, 1, false], [0, 1, true], [1, 0, true], [2, 4, true]] as const)('gradients with %i groups of B, %i of C, all options: %s', (groupsB, groupsC, full) => {
    const inputs = realInputs(groupsB, groupsC, full, full ? 2 : 0);
    const random = new SeededValues(5);
    const forward = selectiveScanForwardReference(inputs);
    const dy = random.normal(forward.y.length);
    const dFinal = random.normal(forward.finalState.length);
    const dStates = forward.states ? random.normal(forward.states.length) : null;
    const loss = (): number => {
      const { y, finalState, states } = selectiveScanForwardReference(inputs);
      return dot(y, dy) + dot(finalState, dFinal) + (states && dStates ? dot(states, dStates) : 0);
    };
    const g = selectiveScanBackwardReference(inputs, dy, dFinal, dStates);
    const pairs: [string, ArrayLike<number>, ArrayLike<number> | null | undefined][] = [
      ['u', g.du, inputs.u], ['delta', g.dDelta, inputs.delta], ['A', g.dA, inputs.A], ['B', g.dB, inputs.B], ['C', g.dC, inputs.C],
      ['D', g.dD, inputs.D], ['z', g.dz, inputs.z], ['deltaBias', g.dDeltaBias, inputs.deltaBias], ['initialState', g.dInitialState, inputs.initialState],
    ];
    for (const [name, gradient, values] of pairs) if (values) expectGradient(name, gradient, loss, values as Float64Array);
  });

  it('is the sum over impulse responses where nothing varies', () => {
    const inputs: SelectiveScanInputs = {
      batch: 1, length: 6, channels: 1, stateSize: 1, groupsB: 0, groupsC: 0, softplus: false, stateEvery: 0,
      u: [1, 0, 0, 0, 0, 0], delta: Array<number>(6).fill(0.5), A: [-1], B: [3], C: [2],
    };
    const { y } = selectiveScanForwardReference(inputs);
    y.forEach((value, t) => expect(value).toBeCloseTo(2 * 0.5 * 3 * Math.exp(-0.5 * t), 14));
  });

  it('returns the states that steps pass through, a short last chunk included', () => {
    const inputs = realInputs(1, 1, true, 2);
    const { states, finalState } = selectiveScanForwardReference(inputs);
    const all = selectiveScanForwardReference({ ...inputs, stateEvery: 1 }).states!;
    const size = SIZES.channels * SIZES.stateSize;
    expect(states).toHaveLength(2 * 3 * size);
    for (const [slot, t] of [[0, 1], [1, 3], [2, 4]] as const) {
      expect([...states!.subarray(slot * size, (slot + 1) * size)]).toEqual([...all.subarray(t * size, (t + 1) * size)]);
    }
    expect([...states!.subarray(2 * size, 3 * size)]).toEqual([...finalState.subarray(0, size)]);
  });

  it('leaves out a masked step and starts anew at a reset', () => {
    const inputs = realInputs(1, 1, true);
    const { y } = selectiveScanForwardReference(inputs);
    const { channels, stateSize } = SIZES;
    const state = Float64Array.from(inputs.initialState!).subarray(0, channels * stateSize);
    for (const t of [0, 2]) expect([...y.subarray(t * channels, (t + 1) * channels)]).toEqual([...selectiveScanStepReference(inputs, 0, t, state)]);
    const fresh = new Float64Array(channels * stateSize);
    for (const t of [3, 4]) expect([...y.subarray(t * channels, (t + 1) * channels)]).toEqual([...selectiveScanStepReference(inputs, 0, t, fresh)]);
    expect([...y.subarray(channels, 2 * channels)]).toEqual([0, 0, 0, 0]);
  });
});

function complexInputs(groupsB: number, groupsC: number, full: boolean): ComplexScanInputs {
  const real = realInputs(groupsB, groupsC, full, full ? 3 : 0);
  const random = new SeededValues(77);
  return {
    ...real, ARe: real.A, AIm: random.normal(real.A.length), BRe: real.B, CRe: real.C,
    BIm: full ? random.normal(real.B.length) : null, CIm: full ? random.normal(real.C.length) : null,
    ...(full ? { initialRe: real.initialState, initialIm: random.normal(real.initialState!.length) } : {}),
  };
}

describe('complex scan in float64', () => {
  it.each([[0, 0, false], [0, 1, true], [2, 0, true], [1, 2, true]] as const)('gradients with %i groups of B, %i of C, all options: %s', (groupsB, groupsC, full) => {
    const inputs = complexInputs(groupsB, groupsC, full);
    const random = new SeededValues(6);
    const first = complexScanForwardReference(inputs);
    const slopes = {
      dy: random.normal(first.y.length), dFinalRe: random.normal(first.finalRe.length), dFinalIm: random.normal(first.finalIm.length),
      dStatesRe: first.statesRe && random.normal(first.statesRe.length), dStatesIm: first.statesIm && random.normal(first.statesIm.length),
    };
    const loss = (): number => {
      const { y, finalRe, finalIm, statesRe, statesIm } = complexScanForwardReference(inputs);
      return dot(y, slopes.dy) + dot(finalRe, slopes.dFinalRe) + dot(finalIm, slopes.dFinalIm)
        + (statesRe ? dot(statesRe, slopes.dStatesRe!) + dot(statesIm!, slopes.dStatesIm!) : 0);
    };
    const g = complexScanBackwardReference(inputs, slopes);
    const pairs: [string, ArrayLike<number>, ArrayLike<number> | null | undefined][] = [
      ['u', g.du, inputs.u], ['delta', g.dDelta, inputs.delta], ['ARe', g.dARe, inputs.ARe], ['AIm', g.dAIm, inputs.AIm],
      ['BRe', g.dBRe, inputs.BRe], ['BIm', g.dBIm, inputs.BIm], ['CRe', g.dCRe, inputs.CRe], ['CIm', g.dCIm, inputs.CIm], ['D', g.dD, inputs.D],
      ['z', g.dz, inputs.z], ['deltaBias', g.dDeltaBias, inputs.deltaBias], ['initialRe', g.dInitialRe, inputs.initialRe], ['initialIm', g.dInitialIm, inputs.initialIm],
    ];
    for (const [name, gradient, values] of pairs) if (values) expectGradient(name, gradient, loss, values as Float64Array);
  });

  it('with no imaginary part is twice the real scan', () => {
    const real = realInputs(1, 1, false);
    const zeros = new Float64Array(real.A.length);
    const complex = complexScanForwardReference({ ...real, ARe: real.A, AIm: zeros, BRe: real.B, CRe: real.C });
    const { y } = selectiveScanForwardReference(real);
    complex.y.forEach((value, i) => expect(value).toBeCloseTo(2 * y[i]!, 12));
    expect(complex.finalIm.every((value) => value === 0)).toBe(true);
  });
});

it('central differences restore what they move', () => {
  const values = Float64Array.of(1, 2);
  expect([...centralDifferences(() => values[0]! * values[1]!, values)].map((v) => Math.round(v * 1e6) / 1e6)).toEqual([2, 1]);
  expect([...values]).toEqual([1, 2]);
});
