import * as tf from '@tensorflow/tfjs';
import type { Tensor } from '@tensorflow/tfjs';
import type { KernelCall, KernelTarget } from '@mamba360/ssm/kernels';
import type { OperationBenchmark, Size, TensorForms } from '../operations/index.ts';
import { inputOf } from '../operations/named-call.ts';
import { arithmeticLoops, mixedStreamCall, streamBytes } from './ceilings.ts';
import { finish } from './comparisons.ts';
import { growthExponent } from './growth.ts';
import { measureByBudget } from './measure-by-budget.ts';
import type { Budget } from './measure-by-budget.ts';
import type { LengthResult, OperationResult, RatioReport } from './report.ts';

/** Largest relative difference at which two float32 forms still count as the same op: they add up in other orders. */
const SAME_OP = 2e-3;
const LONG = 4096;

export class DisagreementError extends Error {
  override readonly name = 'DisagreementError';
}

function requireAgreement(form: string, actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  let worst = 0, largest = 1e-3;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(actual[i]! - expected[i]!);
    if (!(difference <= worst)) worst = difference;
    largest = Math.max(largest, Math.abs(expected[i]!));
  }
  if (!(worst / largest <= SAME_OP) || actual.length !== expected.length) throw new DisagreementError(`${form} is ${(worst / largest).toExponential(1)} away from the kernel, at most ${SAME_OP} is allowed`);
}

const tensorsOf = (operation: OperationBenchmark, call: KernelCall, size: Size): Tensor[] =>
  operation.tensors!.inputs(size).map(([name, shape]) => tf.tensor(inputOf(call, name).slice(), [...shape]));

const hasComposed = ({ withoutComposed = [] }: TensorForms): boolean => !withoutComposed.includes(tf.getBackend());

/** Throws unless the naive loop and both tensor forms give what the kernel gives. */
function checkForms(operation: OperationBenchmark, target: KernelTarget, size: Size): void {
  const call = operation.call(size);
  target.run(call);
  const expected = call.outputs[0] as Float32Array;
  requireAgreement('the naive loop', operation.naive(call, size), expected);
  const { tensors } = operation;
  if (!tensors) return;
  tf.tidy(() => {
    const inputs = tensorsOf(operation, call, size);
    requireAgreement('the op under tfjs', tensors.fused(...inputs).dataSync(), expected);
    if (hasComposed(tensors)) requireAgreement('the form composed of tfjs ops', tensors.composed(...inputs).dataSync(), expected);
  });
}

export interface OperationBudget extends Budget {
  /** Milliseconds a call may take by the time of the length before; longer ones are left out. */
  readonly longest: number;
}

/**
 * All lengths of one op, and its ceilings in turns with the longest call.
 *
 * @throws DisagreementError where the naive or a tensor form does not give what the kernel gives.
 */
export function measureOperation(operation: OperationBenchmark, target: KernelTarget, lengths: readonly number[], E: number, comparisons: RatioReport['comparisons'], budget: OperationBudget): OperationResult {
  checkForms(operation, target, { B: 1, L: Math.min(64, lengths[0]!), E });
  const results: LengthResult[] = [], measured = lengths.filter((L) => L <= (operation.longest ?? Infinity));
  for (const L of measured) {
    const size = { B: 1, L, E }, call = operation.call(size), previous = results.at(-1), factor = previous ? L / previous.L : 1;
    const allowed = (before: number | null | undefined, growth = 1): boolean => previous === undefined || (before !== null && before !== undefined && before * factor ** growth <= budget.longest);
    const functions: Record<string, () => void> = { kernel: () => { target.run(call); } };
    if (allowed(previous?.naiveMilliseconds, operation.naiveGrowth)) functions.naive = () => { operation.naive(call, size); };
    const { tensors } = operation, composable = tensors && hasComposed(tensors) && L <= (tensors.composedLongest ?? Infinity) && allowed(previous?.composedMilliseconds);
    const inputs = composable ? tensorsOf(operation, call, size) : null;
    if (tensors && inputs) {
      functions.fused = () => { tf.tidy(() => { finish(tensors.fused(...inputs)); }); };
      functions.composed = () => { tf.tidy(() => { finish(tensors.composed(...inputs)); }); };
    }
    const times = measureByBudget(functions, budget), kernel = times.kernel!, over = (milliseconds: number | null | undefined): number | null => (milliseconds ? milliseconds / kernel : null);
    tf.dispose(inputs ?? []);
    const beside = comparisons.lengths.find((row) => row.L === L);
    results.push({
      ...size, kernelMilliseconds: kernel, nanosecondsPerElement: (kernel * 1e6) / (L * E), naiveMilliseconds: times.naive ?? null, fusedMilliseconds: times.fused ?? null, composedMilliseconds: times.composed ?? null,
      ratios: {
        naive: over(times.naive), composed: times.composed && times.fused ? times.composed / times.fused : null,
        fusedLstm: over(beside?.fusedLstm), tfLstm: over(beside?.tfLstm), attention: over(beside?.attention),
      },
    });
  }
  return { name: operation.name, kind: operation.kind, settings: operation.settings, lengths: results, ...growths(results), ...besideCeilings(operation, target, { B: 1, L: measured.at(-1)!, E }, budget) };
}

function growths(results: readonly LengthResult[]): Pick<OperationResult, 'growthExponent' | 'growthExponentLong'> {
  const points = results.map(({ L, kernelMilliseconds }) => ({ L, milliseconds: kernelMilliseconds }));
  return { growthExponent: growthExponent(points), growthExponentLong: growthExponent(points.filter(({ L }) => L >= LONG)) };
}

function besideCeilings(operation: OperationBenchmark, target: KernelTarget, size: Size, budget: Budget): Pick<OperationResult, 'ceilings' | 'shares' | 'bound'> {
  const call = operation.call(size), stream = mixedStreamCall(operation.mix), loops = arithmeticLoops(target);
  const times = measureByBudget({ kernel: () => { target.run(call); }, stream: () => { target.run(stream); }, exponentials: loops.exponentials, multiplyAdds: loops.multiplyAdds }, budget);
  const ceilings = { bytesPerSecond: (1000 * streamBytes(operation.mix)) / times.stream, ...loops.ofTimes(times), mix: operation.mix.join(':') };
  const work = operation.work(size), seconds = times.kernel / 1000;
  const shares = {
    bytes: (4 * (work.reads + work.writes)) / seconds / ceilings.bytesPerSecond,
    flops: (2 * work.multiplyAdds) / seconds / ceilings.flopsPerSecond,
    exponentials: work.exponentials / seconds / ceilings.exponentialsPerSecond,
  };
  const bound = (Object.keys(shares) as (keyof typeof shares)[]).reduce((best, name) => (shares[name] > shares[best] ? name : best));
  return { ceilings, shares, bound };
}
