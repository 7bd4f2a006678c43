import { expectGradient, SeededValues } from '@mamba360/testing';
import { describe, expect, it } from 'vitest';
import { ssdScanBackwardReference, ssdScanForwardReference } from './reference.ts';
import type { SsdScanInputs } from './reference.ts';

const SIZES = { batch: 2, length: 5, heads: 4, headWidth: 2, stateSize: 3 };
const CONTROL = [0, 1, 0, 2, 0, 1, 0, 0, 1, 2];
const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => Array.from(a).reduce((sum, value, i) => sum + value * b[i]!, 0);

function makeInputs(groups: number, full: boolean): SsdScanInputs {
  const random = new SeededValues(groups + (full ? 100 : 0));
  const { batch, length, heads, headWidth, stateSize } = SIZES;
  const steps = batch * length;
  return {
    ...SIZES, groups, softplus: full, stateEvery: full ? 2 : 0, varyingDecay: full, wideSkip: full, dtLeast: full ? 0.3 : -Infinity, dtMost: full ? 1.5 : Infinity,
    x: random.normal(steps * heads * headWidth), dt: random.between(steps * heads, 0.1, 1), A: random.between(full ? steps * heads : heads, -2, -0.1),
    B: random.normal(steps * groups * stateSize), C: random.normal(steps * groups * stateSize),
    ...(full ? {
      D: random.normal(heads * headWidth), z: random.normal(steps * heads * headWidth), dtBias: random.normal(heads, 2),
      initialState: random.normal(batch * heads * headWidth * stateSize), control: CONTROL,
    } : {}),
  };
}

describe('SSD scan in float64', () => {
  it.each([[1, false], [2, false], [1, true], [4, true]] as const)('gradients with %i groups, all options: %s', (groups, full) => {
    const inputs = makeInputs(groups, full);
    const random = new SeededValues(5);
    const forward = ssdScanForwardReference(inputs);
    const dy = random.normal(forward.y.length);
    const dFinal = random.normal(forward.finalState.length);
    const dStates = forward.states ? random.normal(forward.states.length) : null;
    const loss = (): number => {
      const { y, finalState, states } = ssdScanForwardReference(inputs);
      return dot(y, dy) + dot(finalState, dFinal) + (states && dStates ? dot(states, dStates) : 0);
    };
    const g = ssdScanBackwardReference(inputs, dy, dFinal, dStates);
    const pairs: [string, ArrayLike<number>, ArrayLike<number> | null | undefined][] = [
      ['x', g.dx, inputs.x], ['dt', g.dDt, inputs.dt], ['A', g.dA, inputs.A], ['B', g.dB, inputs.B], ['C', g.dC, inputs.C],
      ['D', g.dD, inputs.D], ['z', g.dz, inputs.z], ['dtBias', g.dDtBias, inputs.dtBias], ['initialState', g.dInitialState, inputs.initialState],
    ];
    for (const [name, gradient, values] of pairs) if (values) expectGradient(name, gradient, loss, values as Float64Array);
  });

  it('is the sum over impulse responses where nothing varies', () => {
    const { y } = ssdScanForwardReference({
      batch: 1, length: 6, heads: 1, headWidth: 1, groups: 1, stateSize: 1, softplus: false, stateEvery: 0, varyingDecay: false, wideSkip: false, dtLeast: -Infinity, dtMost: Infinity,
      x: [1, 0, 0, 0, 0, 0], dt: Array<number>(6).fill(0.5), A: [-1], B: Array<number>(6).fill(3), C: Array<number>(6).fill(2),
    });
    y.forEach((value, t) => expect(value).toBeCloseTo(2 * 0.5 * 3 * Math.exp(-0.5 * t), 14));
  });

  it('returns the states that steps pass through, a short last chunk included', () => {
    const inputs = makeInputs(2, true);
    const { states, finalState } = ssdScanForwardReference(inputs);
    const all = ssdScanForwardReference({ ...inputs, stateEvery: 1 }).states!;
    const size = SIZES.heads * SIZES.headWidth * SIZES.stateSize;
    const at = (source: Float64Array, index: number): number[] => [...source.subarray(index * size, (index + 1) * size)];
    expect(at(states!, 0)).toEqual(at(all, 1));
    expect(at(states!, 1)).toEqual(at(all, 3));
    expect(at(states!, 2)).toEqual(at(finalState, 0));
  });
});
