import { availableParallelism, cpus } from 'node:os';
import { loadKernelTarget } from '@mamba360/ssm/kernels';
import { OPERATIONS } from '../operations/index.ts';
import type { OperationBenchmark } from '../operations/index.ts';
import { causalConv1dPlain } from '../operations/causal-conv1d.ts';
import { bandwidthLine, exponentialLine, matmulLine, ssdLine } from './arithmetic-lines.ts';
import { fftLines } from './fft-lines.ts';
import { flatnessLine } from './flatness.ts';
import { notMeasured } from './line.ts';
import type { AcceptanceLine } from './line.ts';
import { stepCostLine } from './step-cost.ts';

export interface AcceptanceReport {
  readonly machine: string;
  readonly node: string;
  readonly target: string;
  readonly threads: number;
  readonly quick: boolean;
  readonly seconds: number;
  readonly lines: readonly AcceptanceLine[];
  readonly missed: number;
}

export interface AcceptanceOptions {
  /** Small sizes and one turn, to see that it works; its figures mean nothing. */
  readonly quick?: boolean;
  readonly only?: readonly string[];
  readonly threads?: number;
  readonly print?: (line: string) => void;
}

/** The bars on speed as one table, all from one run on the target this process has. */
export async function benchAcceptance({ quick = false, only, threads = Math.min(2, availableParallelism()), print = () => {} }: AcceptanceOptions = {}): Promise<AcceptanceReport> {
  // The bars are about the addon; a run to see that it works takes what is there.
  const started = performance.now(), { target } = await loadKernelTarget({ threads, target: quick ? 'auto' : 'addon' });
  const budget = quick ? { turns: 1, milliseconds: 20 } : { turns: 9, milliseconds: 2500 }, lines: AcceptanceLine[] = [];
  const wanted = (name: string): boolean => only === undefined || only.includes(name);
  const find = (name: string): OperationBenchmark | undefined => OPERATIONS.find((operation) => operation.name === name && wanted(name));
  const add = (line: AcceptanceLine): void => {
    lines.push(line);
    print(`${line.name}: ${line.shown} (${line.bar})`);
  };
  for (const operation of OPERATIONS) {
    if (!wanted(operation.name) || (operation.kind !== 'recurrent' && operation.kind !== 'transform')) continue;
    add(quick ? flatnessLine(operation, target, budget, 512, [256, 512]) : flatnessLine(operation, target, budget));
    if (operation.carry) add(stepCostLine(operation, target, quick ? 4 : 200));
  }
  if (wanted('selectiveScan') && !quick) add(exponentialLine(target, budget));
  if (only === undefined) add(matmulLine(target, budget).line);
  if (wanted('ssdScan') && !quick) add(ssdLine(target, budget));
  for (const name of ['linearScan', 'causalConv1d']) {
    const operation = find(name), size = quick ? { B: 1, L: 256, E: 64 } : undefined;
    if (operation) add(bandwidthLine(operation, target, budget, size));
    else if (wanted(name)) add(notMeasured('3', `${name} of the memory bandwidth`, '>= 60%', 'the op is not here'));
    if (name === 'causalConv1d' && operation) add(bandwidthLine(causalConv1dPlain, target, budget, size));
  }
  if (wanted('fftConvolution') && !quick) for (const line of await fftLines(target, threads, budget)) add(line);
  target.dispose();
  return {
    machine: cpus()[0]?.model ?? 'unknown', node: process.versions.node, target: `${target.name} ${target.instructionSet}`, threads: target.threads, quick,
    seconds: (performance.now() - started) / 1000, lines, missed: lines.filter(({ met }) => met === false).length,
  };
}
