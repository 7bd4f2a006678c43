import { expectGradient, SeededValues } from '@mamba360/testing';
import { describe, expect, it } from 'vitest';
import { mamba3ScanBackwardReference, mamba3ScanForwardReference } from './reference.ts';
import type { Mamba3ScanInputs, Mamba3ScanOutputs } from './reference.ts';

const SIZES = { batch: 2, length: 5, heads: 4, headWidth: 2, stateSize: 5 };
const CONTROL = [0, 1, 0, 2, 0, 1, 0, 0, 1, 2];
const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => Array.from(a).reduce((sum, value, i) => sum + value * b[i]!, 0);

function makeInputs(groups: number, rank: number, full: boolean): Mamba3ScanInputs {
  const random = new SeededValues(groups + 10 * rank + (full ? 100 : 0));
  const { batch, length, heads, headWidth, stateSize } = SIZES;
  const steps = batch * length, rotated = full ? 2 : 1, parameters = heads * rank * headWidth;
  return {
    ...SIZES, groups, rank, rotated, sharedAngles: !full, wrapAngles: full, normEpsilon: 1e-5,
    x: random.normal(steps * heads * headWidth), dt: random.between(steps * heads, 0.1, 1), logDecay: random.between(steps * heads, -2, -0.1), trap: random.normal(steps * heads),
    B: random.normal(steps * rank * groups * stateSize), C: random.normal(steps * rank * groups * stateSize), angles: random.normal(steps * (full ? heads : 1) * rotated),
    ...(full ? {
      bBias: random.normal(heads * rank * stateSize), cBias: random.normal(heads * rank * stateSize), D: random.normal(heads), z: random.normal(steps * heads * headWidth),
      xProjection: random.normal(parameters), zProjection: random.normal(parameters), outProjection: random.normal(parameters), normWeight: random.normal(heads * headWidth),
      initialAngle: random.between(batch * heads * rotated, 0.5, 5.5), initialState: random.normal(batch * heads * headWidth * stateSize),
      initialB: random.normal(batch * heads * rank * stateSize), initialX: random.normal(batch * heads * rank * headWidth), control: CONTROL,
    } : {}),
  };
}

describe('Mamba-3 scan in float64', () => {
  it.each([[1, 1, false], [2, 1, true], [1, 3, true]] as const)('gradients with %i groups and %i ranks, all options: %s', (groups, rank, full) => {
    const inputs = makeInputs(groups, rank, full);
    const random = new SeededValues(5);
    const forward = mamba3ScanForwardReference(inputs);
    const slopes = Object.fromEntries(Object.entries(forward).map(([name, values]) => [name, random.normal((values as Float64Array).length)])) as Record<keyof Mamba3ScanOutputs, Float64Array>;
    const loss = (): number => {
      const outputs = mamba3ScanForwardReference(inputs);
      return Object.entries(outputs).reduce((sum, [name, values]) => sum + dot(values as Float64Array, slopes[name as keyof Mamba3ScanOutputs]), 0);
    };
    const g = mamba3ScanBackwardReference(inputs, { dy: slopes.y, dFinalAngle: slopes.finalAngle, dFinalState: slopes.finalState, dFinalB: slopes.finalB, dFinalX: slopes.finalX });
    const pairs: [string, ArrayLike<number>, ArrayLike<number> | null | undefined][] = [
      ['x', g.dx, inputs.x], ['dt', g.dDt, inputs.dt], ['logDecay', g.dLogDecay, inputs.logDecay], ['trap', g.dTrap, inputs.trap], ['B', g.dB, inputs.B], ['C', g.dC, inputs.C], ['angles', g.dAngles, inputs.angles],
      ['bBias', g.dBBias, inputs.bBias], ['cBias', g.dCBias, inputs.cBias], ['D', g.dD, inputs.D], ['z', g.dz, inputs.z], ['xProjection', g.dXProjection, inputs.xProjection],
      ['zProjection', g.dZProjection, inputs.zProjection], ['outProjection', g.dOutProjection, inputs.outProjection], ['normWeight', g.dNormWeight, inputs.normWeight],
      ['initialAngle', g.dInitialAngle, inputs.initialAngle], ['initialState', g.dInitialState, inputs.initialState], ['initialB', g.dInitialB, inputs.initialB], ['initialX', g.dInitialX, inputs.initialX],
    ];
    for (const [name, gradient, values] of pairs) if (values) expectGradient(name, gradient, loss, values as Float64Array);
  });

  it('is the trapezoidal rule: an impulse enters by half in its step and by half, decayed, in the next', () => {
    const { y, finalAngle } = mamba3ScanForwardReference({
      batch: 1, length: 4, heads: 1, headWidth: 1, groups: 1, stateSize: 2, rank: 1, rotated: 1, sharedAngles: true, wrapAngles: true, normEpsilon: 1e-5,
      x: [1, 0, 0, 0], dt: [2, 2, 2, 2], logDecay: Array<number>(4).fill(Math.log(0.5)), trap: [0, 0, 0, 0], B: Array<number>(8).fill(1), C: Array<number>(8).fill(1), angles: [0, 0, 0, 0],
    });
    [2, 2, 1, 0.5].forEach((value, t) => expect(y[t]).toBeCloseTo(value, 12));
    expect(finalAngle[0]).toBe(0);
  });

  it('does not depend on whether the angle is wrapped', () => {
    const inputs = { ...makeInputs(1, 2, true), angles: new SeededValues(3).normal(80, 4) };
    const wrapped = mamba3ScanForwardReference(inputs), grown = mamba3ScanForwardReference({ ...inputs, wrapAngles: false });
    wrapped.y.forEach((value, i) => expect(value).toBeCloseTo(grown.y[i]!, 10));
    expect(wrapped.finalAngle.every((angle) => angle >= 0 && angle < 2 * Math.PI)).toBe(true);
  });
});
