import type { KernelTarget } from '@mamba360/ssm/kernels';
import { median } from '../measure.ts';
import type { OperationBenchmark } from '../operations/index.ts';
import { outputOf, withInputs } from '../operations/named-call.ts';
import { atMostShare } from './line.ts';
import type { AcceptanceLine } from './line.ts';

const SIZE = { B: 1, L: 1, E: 256 }, BAR = 0.1, BLOCK = 100;

/**
 * Step by step through the kernel with its state carried: a block of steps with nothing before beside a block at the end of a growing past, in turns.
 *
 * @param blocks - Blocks of 100 steps in the past at the end.
 */
export function stepCostLine(operation: OperationBenchmark, target: KernelTarget, blocks: number): AcceptanceLine {
  const session = (): { steps: (count: number) => void; forget: () => void } => {
    const fresh = operation.call(SIZE), pairs = operation.carry!.map(([output, input]) => [outputOf(fresh, output), input] as const);
    const states = Object.fromEntries(pairs.map(([buffer, input]) => [input, new Float32Array(buffer.length)])), call = withInputs(fresh, states);
    return {
      steps: (count) => {
        for (let step = 0; step < count; step++) {
          target.run(call);
          for (const [buffer, input] of pairs) states[input]!.set(buffer);
        }
      },
      forget: () => { for (const state of Object.values(states)) state.fill(0); },
    };
  };
  const young = session(), old = session(), youngTimes: number[] = [], oldTimes: number[] = [];
  const timed = (work: () => void): number => {
    const started = performance.now();
    work();
    return performance.now() - started;
  };
  young.steps(BLOCK * 5);
  old.steps(BLOCK * 5);
  for (let block = 0; block < blocks; block++) {
    young.forget();
    youngTimes.push(timed(() => { young.steps(BLOCK); }));
    oldTimes.push(timed(() => { old.steps(BLOCK); }));
  }
  const late = median(oldTimes.slice(-Math.ceil(blocks / 2))), early = median(youngTimes.slice(-Math.ceil(blocks / 2)));
  return atMostShare('2', `${operation.name}: a step after ${(BLOCK * (blocks + 5)).toLocaleString('en')} steps over one after at most ${BLOCK}`, BAR, late / early - 1,
    `${((1000 * late) / BLOCK).toPrecision(3)} and ${((1000 * early) / BLOCK).toPrecision(3)} microseconds, E = ${SIZE.E}`);
}
