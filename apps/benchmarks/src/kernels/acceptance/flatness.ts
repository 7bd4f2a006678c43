import type { KernelTarget } from '@mamba360/ssm/kernels';
import { transformLength } from '../operations/fft-convolution.ts';
import type { OperationBenchmark } from '../operations/index.ts';
import { measureByBudget } from '../ratios/measure-by-budget.ts';
import type { Budget } from '../ratios/measure-by-budget.ts';
import { atMostShare } from './line.ts';
import type { AcceptanceLine } from './line.ts';

const ELEMENTS = 262_144, E = 64, RECURRENT_BAR = 0.1, TRANSFORM_BAR = 0.25;
const LENGTHS = [4096, 16_384, 65_536, 262_144];

/** B x L fixed, L growing: how much the time per element varies; transforms are divided by log2 of their length first. */
export function flatnessLine(operation: OperationBenchmark, target: KernelTarget, budget: Budget, elements = ELEMENTS, lengths: readonly number[] = LENGTHS): AcceptanceLine {
  const functions = Object.fromEntries(lengths.map((L) => {
    const call = operation.call({ B: elements / L, L, E });
    return [String(L), () => { target.run(call); }];
  }));
  const times = measureByBudget(functions, budget), isTransform = operation.kind === 'transform';
  const each = lengths.map((L) => (times[String(L)]! * 1e6) / (elements * E) / (isTransform ? Math.log2(transformLength(L)) : 1));
  const variation = Math.max(...each) / Math.min(...each) - 1;
  return atMostShare('2', `${operation.name}: time per element, L ${lengths[0]!.toLocaleString('en')} to ${lengths.at(-1)!.toLocaleString('en')}`, isTransform ? TRANSFORM_BAR : RECURRENT_BAR, variation,
    `${each.map((value) => value.toPrecision(3)).join(', ')} ns${isTransform ? ' over log2 of the transform' : ''}`);
}
