/**
 * Causal convolution by the FFT libraries of npm, one channel after another: padded real transforms of input and kernel, their product, the transform back.
 * Data lie channel by channel, as these libraries want them, so that no time goes into gathering.
 */
export interface NpmFft {
  readonly name: string;
  /** y = the first `length` values of the convolution of u and kernel, both [channels][length]. */
  convolve(u: Float32Array, kernel: Float32Array, y: Float32Array): void;
}

/** Functions of PFFFT compiled to WebAssembly; pointers are numbers. */
interface Pffft {
  readonly HEAPF32: Float32Array;
  _pffft_new_setup(n: number, kind: number): number;
  _pffft_aligned_malloc(bytes: number): number;
  _pffft_transform(setup: number, input: number, output: number, work: number, direction: number): void;
  _pffft_zconvolve_accumulate(setup: number, a: number, b: number, ab: number, scaling: number): void;
}

const REAL = 0, FORWARD = 0, BACKWARD = 1;

async function pffft(length: number, n: number): Promise<NpmFft> {
  const { default: load } = await import('@echogarden/pffft-wasm/simd') as { default: () => Promise<Pffft> };
  const library = await load(), setup = library._pffft_new_setup(n, REAL);
  const [input, first, second, product, work] = Array.from({ length: 5 }, () => library._pffft_aligned_malloc(4 * n)) as [number, number, number, number, number];
  const spectrum = (values: Float32Array, output: number): void => {
    library.HEAPF32.fill(0, input / 4 + values.length, input / 4 + n);
    library.HEAPF32.set(values, input / 4);
    library._pffft_transform(setup, input, output, work, FORWARD);
  };
  return {
    name: '@echogarden/pffft-wasm (SIMD)',
    convolve(u, kernel, y) {
      for (let at = 0; at < u.length; at += length) {
        spectrum(u.subarray(at, at + length), first);
        spectrum(kernel.subarray(at, at + length), second);
        library.HEAPF32.fill(0, product / 4, product / 4 + n);
        library._pffft_zconvolve_accumulate(setup, first, second, product, 1 / n);
        library._pffft_transform(setup, product, input, work, BACKWARD);
        y.set(library.HEAPF32.subarray(input / 4, input / 4 + length), at);
      }
    },
  };
}

/** fft.js: complex numbers as pairs, plain JavaScript. */
interface FftJs {
  createComplexArray(): number[];
  realTransform(output: number[], input: ArrayLike<number>): void;
  completeSpectrum(spectrum: number[]): void;
  inverseTransform(output: number[], input: number[]): void;
}

async function fftJs(length: number, n: number): Promise<NpmFft> {
  const { default: Library } = await import('fft.js') as { default: new (size: number) => FftJs };
  const library = new Library(n), first = library.createComplexArray(), second = library.createComplexArray(), result = library.createComplexArray(), padded = new Float32Array(n);
  const spectrum = (values: Float32Array, output: number[]): void => {
    padded.set(values);
    library.realTransform(output, padded);
  };
  return {
    name: 'fft.js',
    convolve(u, kernel, y) {
      for (let at = 0; at < u.length; at += length) {
        spectrum(u.subarray(at, at + length), first);
        spectrum(kernel.subarray(at, at + length), second);
        for (let k = 0; k <= n; k += 2) {
          const re = first[k]! * second[k]! - first[k + 1]! * second[k + 1]!;
          first[k + 1] = first[k]! * second[k + 1]! + first[k + 1]! * second[k]!;
          first[k] = re;
        }
        library.completeSpectrum(first);
        library.inverseTransform(result, first);
        for (let t = 0; t < length; t++) y[at + t] = result[2 * t]!;
      }
    },
  };
}

/** The libraries that run here, for sequences of `length` steps in transforms of `n` >= 2 `length`, a power of two. */
export const npmFfts = async (length: number, n: number): Promise<NpmFft[]> => [await pffft(length, n), await fftJs(length, n)];
