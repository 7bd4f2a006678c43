import type { KernelTarget } from '@mamba360/ssm/kernels';
import { fftConvolution, transformLength } from '../operations/fft-convolution.ts';
import { inputOf, outputOf } from '../operations/named-call.ts';
import { arithmeticLoops } from '../ratios/ceilings.ts';
import { measureByBudget } from '../ratios/measure-by-budget.ts';
import type { Budget } from '../ratios/measure-by-budget.ts';
import { atLeast, atLeastShare } from './line.ts';
import type { AcceptanceLine } from './line.ts';
import { npmFfts } from './npm-fft.ts';

const SIZE = { B: 1, L: 16_384, E: 64 }, SAME = 1e-3;

/** [L, E] to [E, L], and what has been added by the skip taken away: the libraries convolve only. */
function byChannel(values: Float32Array, { L, E }: typeof SIZE): Float32Array {
  const turned = new Float32Array(L * E);
  for (let t = 0; t < L; t++) for (let e = 0; e < E; e++) turned[e * L + t] = values[t * E + e]!;
  return turned;
}

/** The convolution of 16,384 steps and 64 channels beside the fastest FFT of npm that runs, and beside the multiply-adds it could be. */
export async function fftLines(target: KernelTarget, threads: number, budget: Budget): Promise<AcceptanceLine[]> {
  const { L, E } = SIZE, n = transformLength(L), withSkip = fftConvolution.call(SIZE);
  inputOf(withSkip, 'D').fill(0);
  const u = byChannel(inputOf(withSkip, 'u'), SIZE), kernel = inputOf(withSkip, 'kernel'), loops = arithmeticLoops(target);
  target.run(withSkip);
  const expected = byChannel(outputOf(withSkip, 'y'), SIZE), libraries = await npmFfts(L, n), functions: Record<string, () => void> = { kernel: () => { target.run(withSkip); }, multiplyAdds: loops.multiplyAdds, exponentials: loops.exponentials };
  for (const { name, convolve } of libraries) {
    const y = new Float32Array(L * E);
    convolve(u, kernel, y);
    if (expected.some((value, i) => !(Math.abs(value - y[i]!) <= SAME))) throw new Error(`${name} and fftConvolution give different convolutions.`);
    functions[name] = () => { convolve(u, kernel, y); };
  }
  const times = measureByBudget(functions, budget), fastest = libraries.map(({ name }) => name).reduce((best, name) => (times[name]! < times[best]! ? name : best));
  // One transform of the input, one of the kernel and one back for each channel, each counted as 2.5 n log2 n.
  const flops = 3 * E * 2.5 * n * Math.log2(n), rate = flops / times.kernel! / 1e6, peak = loops.ofTimes({ exponentials: times.exponentials!, multiplyAdds: times.multiplyAdds! }).flopsPerSecond / 1e9;
  return [
    atLeast('3', `fftConvolution at L = 16,384 over the fastest npm FFT, ${threads} threads, times faster`, 3, times[fastest]! / times.kernel!, `${fastest} on its one thread: ${libraries.map(({ name }) => `${name} ${times[name]!.toFixed(1)} ms`).join(', ')}; ours ${times.kernel!.toFixed(1)} ms, ${E} channels`),
    atLeastShare('3', 'fftConvolution at L = 16,384 of the multiply-add peak', 0.1, rate / peak, `${rate.toFixed(1)} of ${peak.toFixed(0)} GFLOP/s, three transforms of ${n.toLocaleString('en')} a channel`),
  ];
}
