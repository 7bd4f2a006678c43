import type { KernelTarget } from '@mamba360/ssm/kernels';
import type { OperationBenchmark } from '../operations/index.ts';
import { measureByBudget } from '../ratios/measure-by-budget.ts';
import type { Budget } from '../ratios/measure-by-budget.ts';
import { atMostShare } from './line.ts';
import type { AcceptanceLine } from './line.ts';

const ELEMENTS = 262_144, E = 64, RECURRENT_BAR = 0.1, TRANSFORM_BAR = 0.25;
const LENGTHS = [4096, 16_384, 65_536, 262_144];

/** Length of the transform that a causal convolution of L steps with a kernel of L needs at least. */
const transformLength = (L: number): number => 2 ** Math.ceil(Math.log2(2 * L));

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
