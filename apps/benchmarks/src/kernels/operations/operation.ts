import type { Tensor } from '@tensorflow/tfjs';
import type { KernelCall, KernelName } from '@mamba360/ssm/kernels';

/** Batch, length, channels. */
export interface Size { readonly B: number; readonly L: number; readonly E: number }

/** What a call must do at least, in single numbers: floats read and written once, multiply-adds, exponentials. */
export interface Work { readonly reads: number; readonly writes: number; readonly multiplyAdds: number; readonly exponentials: number }

/** The same op under tfjs: our op, and what a user would compose from tfjs' own. Both return the output alone. */
export interface TensorForms {
  /** Name of each input of the call that is a tensor, with its shape, in the order the forms take them. */
  readonly inputs: (size: Size) => readonly (readonly [name: string, shape: readonly number[]])[];
  readonly fused: (...tensors: Tensor[]) => Tensor;
  readonly composed: (...tensors: Tensor[]) => Tensor;
  /** Longest sequence for which the composed form has the memory it needs. Default: all. */
  readonly composedLongest?: number;
  /** Backends on which tfjs lacks an op of the composed form. */
  readonly withoutComposed?: readonly string[];
}

/**
 * One op of the benchmark; a new op is one file with one of these and a line in `index.ts`.
 */
export interface OperationBenchmark {
  readonly name: string;
  /** Folder under `packages/ssm/src/ops` whose tests must be green. */
  readonly folder: string;
  readonly kernel: KernelName;
  /** `recurrent`: constant state, time linear in L. `transform`: L log L. `attention`: L squared. `pointwise`: no state. */
  readonly kind: 'recurrent' | 'transform' | 'attention' | 'pointwise';
  /** The settings in words. */
  readonly settings: string;
  /** A forward call with values as they occur in a model. */
  call(size: Size): KernelCall;
  /** The loop one would write first, in float32 and plain JavaScript: reads the call's inputs, returns the first output. */
  naive(call: KernelCall, size: Size): Float32Array;
  work(size: Size): Work;
  /** Arrays that the op streams, read and written: the stream loop beside it uses the same mix (1 to 4, 1 or 2). */
  readonly mix: readonly [reads: number, writes: number];
  readonly tensors?: TensorForms;
  /** For the step: names of the outputs and inputs that carry the state from one call of length 1 to the next. */
  readonly carry?: readonly (readonly [output: string, input: string])[];
  /** Power of L in the naive loop's time. Default: 1. */
  readonly naiveGrowth?: number;
  /** Longest sequence to measure; default: all. */
  readonly longest?: number;
}
