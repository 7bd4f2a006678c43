import { availableParallelism, cpus } from 'node:os';
import { useBackend } from '@mamba360/ssm/backend';
import type { BackendName } from '@mamba360/ssm/backend';
import { loadKernelTarget } from '@mamba360/ssm/kernels';
import { OPERATIONS } from '../operations/index.ts';
import type { OperationBenchmark } from '../operations/index.ts';
import { measureComparisons } from './comparisons.ts';
import { DisagreementError, measureOperation } from './measure-operation.ts';
import { testOperations } from './operation-tests.ts';
import type { Verdicts } from './operation-tests.ts';
import type { OperationResult, RatioReport } from './report.ts';

const LENGTHS = [256, 1024, 4096, 16_384, 65_536, 262_144], QUICK_LENGTHS = [64, 256];
const WIDTH = 64;

export interface RatioOptions {
  /** Two short lengths and one turn, for tests of the benchmark itself. */
  readonly quick?: boolean;
  /** Only the ops of these names. */
  readonly only?: readonly string[];
  readonly backend?: BackendName | 'auto';
  /** Default: the processors, at most 2. */
  readonly threads?: number;
  readonly print?: (line: string) => void;
  readonly operations?: readonly OperationBenchmark[];
  /** Decides whether an op may be reported. Default: its tests, run now or known to be green. */
  readonly test?: (operations: readonly OperationBenchmark[], print: (line: string) => void) => Verdicts;
}

/** Every op beside its naive loop, its form composed of tfjs ops, an LSTM, attention and the ceilings of this process, in one run. */
export async function benchRatios({ quick = false, only, backend = 'auto', threads = Math.min(2, availableParallelism()), print = () => {}, operations = OPERATIONS, test = testOperations }: RatioOptions = {}): Promise<RatioReport> {
  const started = performance.now();
  const chosen = operations.filter(({ name }) => only === undefined || only.includes(name));
  const unknown = only?.filter((name) => !operations.some((operation) => operation.name === name)) ?? [];
  if (unknown.length > 0) throw new Error(`There is no op ${unknown.join(', ')} in this benchmark, only ${operations.map(({ name }) => name).join(', ')}.`);
  const verdicts = test(chosen, print);
  const { backend: picked } = await useBackend({ name: backend, threads });
  const { target } = await loadKernelTarget({ threads });
  const lengths = quick ? QUICK_LENGTHS : LENGTHS, budget = quick ? { turns: 1, milliseconds: 50, longest: 500 } : { turns: 7, milliseconds: 900, longest: 2500 };
  print('Measuring LSTM and attention ...');
  const comparisons = measureComparisons(target, lengths, WIDTH, budget);
  const results: OperationResult[] = [], refused: { name: string; reason: string }[] = [];
  for (const operation of chosen) {
    const reason = verdicts.get(operation.name) ?? null;
    if (reason !== null) {
      refused.push({ name: operation.name, reason });
      continue;
    }
    print(`Measuring ${operation.name} ...`);
    try {
      results.push(measureOperation(operation, target, lengths, WIDTH, comparisons, budget));
    } catch (error) {
      if (!(error instanceof DisagreementError)) throw error;
      refused.push({ name: operation.name, reason: error.message });
    }
  }
  target.dispose();
  return {
    machine: cpus()[0]?.model ?? 'unknown', processors: availableParallelism(), node: process.versions.node, target: target.name, instructionSet: target.instructionSet, threads: target.threads, backend: picked,
    width: WIDTH, quick, seconds: (performance.now() - started) / 1000, comparisons, operations: results, refused,
  };
}
