import type { KernelTarget } from '@mamba360/ssm/kernels';
import type { OperationBenchmark } from '../operations/index.ts';
import { ssdCall, ssdWork } from '../operations/ssd-scan.ts';
import { arithmeticLoops, matmulCall, mixedStreamCall, streamBytes } from '../ratios/ceilings.ts';
import { measureByBudget } from '../ratios/measure-by-budget.ts';
import type { Budget } from '../ratios/measure-by-budget.ts';
import { exponentialCall, scanCalls } from '../scan-calls.ts';
import { atLeastShare, atMost } from './line.ts';
import type { AcceptanceLine } from './line.ts';

const SCAN = { B: 1, L: 2048, E: 1536, N: 16 }, SSD = { B: 1, L: 4096, H: 24, P: 64, N: 128 }, MATMUL = 512, STREAM_SIZE = { B: 1, L: 262_144, E: 64 };

/** The selective scan as Mamba uses it over a loop that only evaluates its exponentials. */
export function exponentialLine(target: KernelTarget, budget: Budget): AcceptanceLine {
  const { B, L, E, N } = SCAN, exponentials = exponentialCall(B * L * E * N), full = scanCalls(SCAN, 'full').forward, plain = scanCalls(SCAN, 'plain').forward;
  const times = measureByBudget({ exponentials: () => { target.run(exponentials); }, full: () => { target.run(full); }, plain: () => { target.run(plain); } }, budget);
  return atMost('3', `selectiveScan forward over the loop of exponentials, ${target.threads} threads`, 1.6, times.full / times.exponentials,
    `softplus, gate and bias included; ${(times.plain / times.exponentials).toFixed(2)} without; L = ${L}, E = ${E}, N = ${N}`);
}

/** The kernels' own matrix product over multiply-adds in registers. */
export function matmulLine(target: KernelTarget, budget: Budget): { line: AcceptanceLine; flopsPerSecond: number } {
  const loops = arithmeticLoops(target), call = matmulCall(MATMUL);
  const times = measureByBudget({ matmul: () => { target.run(call); }, multiplyAdds: loops.multiplyAdds, exponentials: loops.exponentials }, budget);
  const flopsPerSecond = (1000 * 2 * MATMUL ** 3) / times.matmul, peak = loops.ofTimes(times).flopsPerSecond;
  return { line: atLeastShare('speed', `matmul ${MATMUL} x ${MATMUL} x ${MATMUL} of the multiply-add peak`, 0.7, flopsPerSecond / peak, `${(flopsPerSecond / 1e9).toFixed(0)} of ${(peak / 1e9).toFixed(0)} GFLOP/s`), flopsPerSecond };
}

/** Mamba-2's scan at its usual size over the kernels' own matrix product of 512 x 512 x 512. */
export function ssdLine(target: KernelTarget, budget: Budget): AcceptanceLine {
  const call = ssdCall(SSD), product = matmulCall(MATMUL), flops = 2 * ssdWork(SSD).multiplyAdds;
  const times = measureByBudget({ ssd: () => { target.run(call); }, matmul: () => { target.run(product); } }, budget);
  const rate = flops / times.ssd / 1e6, peak = (2 * MATMUL ** 3) / times.matmul / 1e6;
  return atLeastShare('3', `ssdScan at E = 1536, N = 128, P = 64, L = 4096 of the matmul peak, ${target.threads} threads`, 0.4, rate / peak, `${rate.toFixed(0)} of ${peak.toFixed(0)} GFLOP/s, ${times.ssd.toFixed(1)} ms; half-empty triangles counted as half`);
}

/** Bytes a second of an op over a stream with its mix of reads and writes. */
export function bandwidthLine(operation: Omit<OperationBenchmark, 'naive'>, target: KernelTarget, budget: Budget, size = STREAM_SIZE): AcceptanceLine {
  const call = operation.call(size), stream = mixedStreamCall(operation.mix), work = operation.work(size);
  const times = measureByBudget({ kernel: () => { target.run(call); }, stream: () => { target.run(stream); } }, budget);
  const rate = (4 * (work.reads + work.writes)) / times.kernel / 1e6, peak = streamBytes(operation.mix) / times.stream / 1e6;
  return atLeastShare('3', `${operation.name} (${operation.settings}) of the memory bandwidth`, 0.6, rate / peak, `${rate.toFixed(1)} of ${peak.toFixed(1)} GB/s, stream ${operation.mix.join(':')}`);
}
