/** One thing tfjs 4.22 cannot do, or does wrong, and what this project does about it. */
export interface Gap {
  /** `forward`: the kernel is there and wrong. */
  readonly kind: 'kernel' | 'gradient' | 'forward';
  /** Name of the tfjs kernel. */
  readonly name: string;
  readonly backends: readonly ('cpu' | 'wasm' | 'tensorflow')[];
  readonly problem: string;
  readonly needed: string;
  readonly filled: boolean;
}

const EVERYWHERE = ['cpu', 'wasm', 'tensorflow'] as const;

/**
 * The gaps of tfjs 4.22, all in one place; `gaps/` fills the ones marked so. `gaps.test.ts` runs each filled row before and after the
 * fill: when a later tfjs closes one by itself, the test says so and the row goes.
 */
export const GAPS: readonly Gap[] = [
  { kind: 'kernel', name: 'UnsortedSegmentSum', backends: ['wasm'], problem: 'not registered', needed: 'gradient of gather, so of embeddings', filled: true },
  { kind: 'kernel', name: 'DepthwiseConv2dNativeBackpropInput', backends: ['wasm'], problem: 'not registered', needed: 'depthwise convolution', filled: true },
  { kind: 'kernel', name: 'DepthwiseConv2dNativeBackpropFilter', backends: ['wasm'], problem: 'not registered', needed: 'depthwise convolution', filled: true },
  { kind: 'kernel', name: 'Conv2DBackpropFilter', backends: ['wasm'], problem: 'not registered', needed: 'convolutions, 1-D too', filled: true },
  { kind: 'kernel', name: 'Einsum', backends: ['wasm'], problem: 'not registered', needed: 'einsum', filled: true },
  { kind: 'gradient', name: 'BatchMatMul', backends: EVERYWHERE, problem: 'throws where one side broadcasts over the batch (tfjs issue 8721)', needed: 'matMul of [B, L, D] with [D, M]', filled: true },
  { kind: 'gradient', name: 'Cumsum', backends: EVERYWHERE, problem: 'throws, or is wrong, off the last axis', needed: 'cumulative sums over time', filled: true },
  { kind: 'gradient', name: 'Cumprod', backends: EVERYWHERE, problem: 'missing', needed: 'cumulative decays', filled: true },
  { kind: 'gradient', name: 'Einsum', backends: EVERYWHERE, problem: 'missing', needed: 'einsum', filled: true },
  { kind: 'forward', name: 'Cumsum, Cumprod', backends: ['cpu', 'wasm'], problem: 'a negative axis gives a wrong shape, on wasm writes beyond the output', needed: 'the same axis on every backend', filled: true },
  { kind: 'forward', name: 'BatchMatMul, _FusedMatMul', backends: ['cpu', 'wasm'], problem: 'wrong values where the batch axes of one side are broadcast from within ([3, 2] with [3, 1]) or of both', needed: 'matMul over heads and groups', filled: true },
  { kind: 'forward', name: '_FusedMatMul', backends: ['wasm'], problem: 'adds the wrong bias where an operand is transposed', needed: 'linear layers with weights [M, D]', filled: true },
  { kind: 'forward', name: 'BatchMatMul', backends: ['wasm'], problem: 'right but 10 to 60 times slower where an operand is transposed', needed: 'the gradient of every matMul', filled: true },
  { kind: 'forward', name: 'Slice, SplitV', backends: ['wasm'], problem: 'right but each copies its whole input first', needed: 'steps of a sequence, halves of a projection', filled: true },
  { kind: 'kernel', name: 'Complex', backends: ['wasm'], problem: 'not registered (nor Real, Imag, ComplexAbs, FFT, IFFT)', needed: 'nothing here: complex numbers are two real tensors', filled: false },
  { kind: 'gradient', name: 'Real', backends: EVERYWHERE, problem: 'missing (nor Imag, Complex)', needed: 'nothing here: complex numbers are two real tensors', filled: false },
];
