import { availableParallelism, cpus } from 'node:os';
import { hasRelaxedSimd, loadKernelTarget } from '@mamba360/ssm/kernels';
import type { KernelReport, KernelTarget } from '@mamba360/ssm/kernels';
import { wasmInPlace } from './wasm-in-place.ts';
import { measureInTurns } from './measure.ts';
import { exponentialCall, multiplyAddCall, scanCalls, streamCall } from './scan-calls.ts';
import type { ScanCalls, ScanShape } from './scan-calls.ts';

/** The shape the project's speed targets speak of. */
const SHAPE: ScanShape = { B: 1, L: 2048, E: 1536, N: 16 };
const LONG: ScanShape = { B: 1, L: 65536, E: 1536, N: 16 };
const MULTIPLY_ADD_REPETITIONS = 2_000_000, STREAM_FLOATS = 2 ** 23, VECTORS_A_REPETITION = 12;

export interface TargetResult {
  readonly target: string;
  readonly instructionSet: string;
  readonly milliseconds: { readonly exponentials: number; readonly forwardPlain: number; readonly forward: number; readonly backward: number };
  /** Forward with every option (softplus, delta bias, D, z) over the loop of B*L*E*N exponentials. */
  readonly forwardOverExponentials: number;
  /** The same with D only. */
  readonly forwardPlainOverExponentials: number;
  readonly backwardOverForward: number;
  /** Time on one thread over time on two, forward and backward; null where two threads were not measured. */
  readonly twoThreadsForward: number | null;
  readonly twoThreadsBackward: number | null;
  readonly nanosecondsPerStepAndChannel: number;
  /** Ceilings of one thread in the same binary. */
  readonly gigaFlops: number;
  readonly streamGigabytesPerSecond: number;
}

export interface BenchReport {
  readonly machine: string;
  readonly processors: number;
  readonly node: string;
  readonly shape: ScanShape;
  readonly turns: number;
  readonly lookup: KernelReport;
  readonly targets: readonly TargetResult[];
  /** Backward at L = 65,536: bytes the kernel allocated, and their share of the [L, E, N] states it does not store. Null where the addon is missing. */
  readonly backwardMemory: { readonly shape: ScanShape; readonly bytes: number; readonly shareOfStates: number; readonly target: string } | null;
  /** Ratios of `ops.selectiveScan` under tfjs to the bare kernel are added here by the ops' benchmark. */
  readonly operations: readonly { readonly backend: string; readonly overKernel: number; readonly copyShare: number }[];
}

export interface BenchOptions {
  /** Measured turns; medians are reported. Default 11. */
  readonly turns?: number;
  /** Measure the memory of the backward pass at L = 65,536 (needs 3 GiB). Default true. */
  readonly long?: boolean;
  readonly print?: (line: string) => void;
}

const LANES: Readonly<Record<string, number>> = { avx512: 16, avx2: 8 };

/** A target, and calls whose buffers lie where it works without copies. */
interface Placed { readonly target: KernelTarget; readonly full: ScanCalls; readonly plain: ScanCalls }

function measureTarget(first: Placed, second: Placed | null, turns: number): TargetResult {
  const { B, L, E, N } = SHAPE, { target: one, full, plain } = first, two = second?.target, other = second ?? first;
  const exponentials = exponentialCall(B * L * E * N), multiplyAdds = multiplyAddCall(MULTIPLY_ADD_REPETITIONS), stream = streamCall(STREAM_FLOATS);
  const times = measureInTurns({
    exponentials: () => one.run(exponentials), forwardPlain: () => one.run(plain.forward), forward: () => one.run(full.forward), backward: () => one.run(full.backward),
    forwardTwo: () => other.target.run(other.full.forward), backwardTwo: () => other.target.run(other.full.backward), multiplyAdds: () => one.run(multiplyAdds), stream: () => one.run(stream),
  }, turns);
  const middle = (name: keyof typeof times): number => times[name].medianMilliseconds;
  return {
    target: one.name,
    instructionSet: one.instructionSet,
    milliseconds: { exponentials: middle('exponentials'), forwardPlain: middle('forwardPlain'), forward: middle('forward'), backward: middle('backward') },
    forwardOverExponentials: middle('forward') / middle('exponentials'),
    forwardPlainOverExponentials: middle('forwardPlain') / middle('exponentials'),
    backwardOverForward: middle('backward') / middle('forward'),
    twoThreadsForward: two ? middle('forward') / middle('forwardTwo') : null,
    twoThreadsBackward: two ? middle('backward') / middle('backwardTwo') : null,
    nanosecondsPerStepAndChannel: (middle('forward') * 1e6) / (B * L * E),
    gigaFlops: (2 * MULTIPLY_ADD_REPETITIONS * VECTORS_A_REPETITION * (LANES[one.instructionSet] ?? 4)) / (middle('multiplyAdds') * 1e6),
    streamGigabytesPerSecond: (3 * 4 * STREAM_FLOATS) / (middle('stream') * 1e6),
  };
}

function measureBackwardMemory(target: KernelTarget): BenchReport['backwardMemory'] {
  target.run(scanCalls(LONG, 'plain').backward);
  const bytes = target.memory().lastCallBytes;
  return { shape: LONG, bytes, shareOfStates: bytes / (LONG.L * LONG.E * LONG.N * 4), target: `${target.name} ${target.instructionSet}` };
}

const ratio = (value: number | null): string => (value === null ? '-' : value.toFixed(2));

function printReport(report: BenchReport, print: (line: string) => void): void {
  print(`${report.machine}, ${report.processors} processors, Node ${report.node}; medians of ${report.turns} turns; selective scan B=${SHAPE.B} L=${SHAPE.L} E=${SHAPE.E} N=${SHAPE.N}`);
  print('target                         exp ms  forward ms  forward/exp  plain/exp  backward/forward  2 threads fwd, bwd  ns/(step,channel)');
  for (const t of report.targets) {
    print([
      `${t.target} ${t.instructionSet}`.padEnd(29), t.milliseconds.exponentials.toFixed(1).padStart(7), t.milliseconds.forward.toFixed(1).padStart(11), ratio(t.forwardOverExponentials).padStart(12),
      ratio(t.forwardPlainOverExponentials).padStart(10), ratio(t.backwardOverForward).padStart(17), `${ratio(t.twoThreadsForward)}, ${ratio(t.twoThreadsBackward)}`.padStart(19), t.nanosecondsPerStepAndChannel.toFixed(2).padStart(18),
    ].join(' '));
  }
  if (report.backwardMemory) print(`backward at L=65536 allocates ${(report.backwardMemory.bytes / 2 ** 20).toFixed(0)} MiB, ${(100 * report.backwardMemory.shareOfStates).toFixed(2)}% of the [L, E, N] states`);
  for (const reason of report.lookup.reasons) print(`note: ${reason}`);
}

/**
 * Ratios of the compiled selective scan to loops in the same binary, on every target this process has: all from one run, in turns.
 *
 * @param options.print - Gets the table, line by line. Default: nothing is printed.
 * @returns The report as one JSON value. Ratios of the ops under tfjs are left empty here.
 */
export async function benchKernels(options: BenchOptions = {}): Promise<BenchReport> {
  const turns = options.turns ?? 11, canShare = availableParallelism() > 1, targets: TargetResult[] = [];
  const full = scanCalls(SHAPE, 'full'), plain = scanCalls(SHAPE, 'plain');
  const { target: best, report: lookup } = await loadKernelTarget({ threads: 1 });
  let backwardMemory: BenchReport['backwardMemory'] = null;
  if (best.name === 'addon') {
    const two = canShare ? (await loadKernelTarget({ target: 'addon', threads: 2 })).target : null;
    targets.push(measureTarget({ target: best, full, plain }, two && { target: two, full, plain }, turns));
    if (options.long ?? true) backwardMemory = measureBackwardMemory(best);
  }
  for (const variant of hasRelaxedSimd() ? ['simd', 'relaxed'] as const : ['simd'] as const) {
    const one = await wasmInPlace(variant, 1, full, plain), two = canShare ? await wasmInPlace(variant, 2, full, plain) : null;
    targets.push(measureTarget(one, two, turns));
    one.target.dispose();
    two?.target.dispose();
  }
  best.dispose();
  const report = { machine: cpus()[0]?.model ?? 'unknown', processors: availableParallelism(), node: process.versions.node, shape: SHAPE, turns, lookup, targets, backwardMemory, operations: [] };
  if (options.print) printReport(report, options.print);
  return report;
}
